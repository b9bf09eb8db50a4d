/// Where things stand in an RTP, SRTP, RTCP or SRTCP packet. Total: any bytes are answered.
#pragma once

#include <cstdint>
#include <cstring>

#include "crypto/srtp.h"

namespace sallyport::crypto {

inline constexpr std::uint32_t kRtpHeaderBytes = 12;
inline constexpr std::uint32_t kRtcpHeaderBytes = 8;      // Up to and with the sender's SSRC.
inline constexpr std::uint32_t kRtcpIndexBytes = 4;       // E bit and index.
inline constexpr std::uint32_t kDatagramLimit = 65'535;   // Limit: bytes of a packet; a longer one is malformed.

inline std::uint16_t read16(const std::uint8_t* at) noexcept { return static_cast<std::uint16_t>(at[0] << 8 | at[1]); }
inline std::uint32_t read32(const std::uint8_t* at) noexcept {
  return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 | at[3];
}
inline void write32(std::uint8_t* at, std::uint32_t value) noexcept {
  at[0] = static_cast<std::uint8_t>(value >> 24);
  at[1] = static_cast<std::uint8_t>(value >> 16);
  at[2] = static_cast<std::uint8_t>(value >> 8);
  at[3] = static_cast<std::uint8_t>(value);
}

/// Version 2 (RFC 3550 §5.1), no contributing sources, no extension; padding is the receiver's.
inline bool is_plain_rtp(const std::uint8_t* data) noexcept { return (data[0] & 0xdf) == 0x80; }

/// Bytes of fixed header, contributing sources and extension (RFC 3550 §5.1), or 0 when `size` bytes
/// cannot hold them with `trailer` bytes behind.
inline std::uint32_t rtp_header_bytes(const std::uint8_t* data, std::uint32_t size, std::uint32_t trailer) noexcept {
  if (size > kDatagramLimit || size < kRtpHeaderBytes + trailer || data[0] >> 6 != 2) return 0;
  const std::uint32_t limit = size - trailer;
  std::uint32_t header = kRtpHeaderBytes + 4 * (data[0] & 0x0fu);
  if (data[0] & 0x10) {
    if (header + 4 > limit) return 0;
    header += 4 + 4 * std::uint32_t{read16(data + header + 2)};
  }
  return header <= limit ? header : 0;
}

inline bool rtcp_fits(const std::uint8_t* data, std::uint32_t size, std::uint32_t trailer) noexcept {
  return size <= kDatagramLimit && size >= kRtcpHeaderBytes + trailer && data[0] >> 6 == 2;
}

inline std::uint64_t read64(const std::uint8_t* at) noexcept {
  std::uint64_t raw;
  std::memcpy(&raw, at, 8);
  return __builtin_bswap64(raw);
}
inline void write64(std::uint8_t* at, std::uint64_t value) noexcept {
  value = __builtin_bswap64(value);
  std::memcpy(at, &value, 8);
}

/// RFC 3711 §4.1.1. The same for RTCP, with its index. `salt` is filled up with zeros. Whole words, written
/// once: the CPU stalls where a load takes from two stores.
inline void counter_iv(std::uint8_t (&iv)[16], const std::uint8_t (&salt)[16], std::uint32_t ssrc, std::uint64_t index) noexcept {
  write64(iv, read64(salt) ^ ssrc);
  write64(iv + 8, read64(salt + 8) ^ index << 16);
}

/// RFC 7714 §8.1 and §9.1. Written as one whole: it is read at once, and the CPU waits where a load takes from two stores.
inline void gcm_nonce(std::uint8_t (&nonce)[16], const std::uint8_t (&salt)[16], std::uint32_t ssrc, std::uint64_t index) noexcept {
  typedef std::uint64_t Two __attribute__((vector_size(16)));
  Two whole;
  std::memcpy(&whole, salt, 16);
  whole ^= Two{__builtin_bswap64(std::uint64_t{ssrc} << 16 ^ index >> 32), __builtin_bswap64(index << 32)};
  std::memcpy(nonce, &whole, 16);
}

}  // namespace sallyport::crypto
