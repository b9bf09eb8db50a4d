/// RTP headers as they lie in a datagram. RFC 3550 §5.1, RFC 5761 §4, RFC 7983 §7.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sallyport::relay {

inline std::uint16_t read16(const std::uint8_t* at) noexcept { return static_cast<std::uint16_t>(at[0] << 8 | at[1]); }
inline std::uint32_t read32(const std::uint8_t* at) noexcept {
  return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 | at[3];
}
inline void write16(std::uint8_t* at, std::uint16_t value) noexcept {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}

inline void write32(std::uint8_t* at, std::uint32_t value) noexcept {
  write16(at, static_cast<std::uint16_t>(value >> 16));
  write16(at + 2, static_cast<std::uint16_t>(value));
}

inline constexpr std::size_t kRtpHeaderBytes = 12;

/// Payload types 64 to 95 are given up by RTP where RTCP shares its port: RFC 5761 §4.
inline bool is_rtcp_type(std::uint8_t second_byte) noexcept { return second_byte >= 192 && second_byte <= 223; }

/// Of a packet whose header fits: the fixed header, CSRCs and extension. RFC 3550 §5.3.1.
inline std::size_t rtp_header_bytes(const std::uint8_t* packet) noexcept {
  const std::size_t header = kRtpHeaderBytes + (packet[0] & 0x0f) * std::size_t{4};
  return packet[0] & 0x10 ? header + 4 + read16(&packet[header + 2]) * std::size_t{4} : header;
}

/// Version 2, and the fixed header, CSRCs and extension lie inside the packet. Says nothing of the payload, which may
/// be encrypted still.
inline bool rtp_header_fits(std::span<const std::uint8_t> packet) noexcept {
  if (packet.size() < kRtpHeaderBytes || packet[0] >> 6 != 2) return false;
  std::size_t header = kRtpHeaderBytes + (packet[0] & 0x0f) * std::size_t{4};
  if (packet[0] & 0x10) {
    if (packet.size() < header + 4) return false;
    header += 4 + read16(&packet[header + 2]) * std::size_t{4};
  }
  return header <= packet.size();
}

/// Of a plain packet whose header fits: the padding count lies inside the payload.
inline bool rtp_padding_fits(std::span<const std::uint8_t> packet) noexcept {
  if (!(packet[0] & 0x20)) return true;
  const std::size_t header = rtp_header_bytes(packet.data());
  const std::size_t padding = packet.back();
  return padding >= 1 && header + padding <= packet.size();
}

/// A sequence number, a first IFP packet and a word on how it is repaired: ITU-T T.38 §9.1. More is not our affair.
inline bool udptl_fits(std::span<const std::uint8_t> bytes) noexcept { return bytes.size() >= 4; }

}  // namespace sallyport::relay
