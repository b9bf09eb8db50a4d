#include "af_xdp_parse.h"

#include <cstring>

#include "address.h"
#include "inet_sum.h"

namespace sallyport::io {
namespace {

constexpr std::uint32_t kEthernetBytes = 14;
constexpr std::uint32_t kVlanBytes = 4;
constexpr std::uint32_t kIpv4Bytes = 20;
constexpr std::uint32_t kIpv6Bytes = 40;
constexpr std::uint32_t kUdpBytes = 8;
constexpr std::uint16_t kTypeVlan = 0x8100;
constexpr std::uint16_t kTypeIpv4 = 0x0800;
constexpr std::uint16_t kTypeIpv6 = 0x86dd;
constexpr std::uint8_t kProtocolUdp = 17;
constexpr std::uint16_t kFragment = 0x3fff;  // More fragments, or an offset.

std::uint16_t read16(const std::uint8_t* at) noexcept { return static_cast<std::uint16_t>(at[0] << 8 | at[1]); }

/// "This" network, loopback, multicast, reserved, broadcast: RFC 1122 §3.2.1.3.
bool no_sender_v4(const std::uint8_t* ip) noexcept { return ip[0] == 0 || ip[0] == 127 || ip[0] >= 224; }

/// Unspecified, loopback, multicast; and an IPv4 address in IPv6's clothes, which would pass for the IPv4 one.
bool no_sender_v6(const std::uint8_t* ip) noexcept {
  static constexpr std::uint8_t kZeros[15] = {};
  if (std::memcmp(ip, kZeros, sizeof kZeros) == 0) return ip[15] <= 1;
  return ip[0] == 0xff || is_v4(ip);
}

struct Ip {
  std::uint32_t header;   ///< Bytes.
  std::uint32_t payload;  ///< Bytes, by its own word.
  std::uint64_t pseudo;   ///< Sum of addresses and protocol.
};

FrameFault parse_v4(const std::uint8_t* ip, std::uint32_t size, Ip& out, UdpFrame& frame) noexcept {
  if (size < kIpv4Bytes) return FrameFault::kLength;
  if (ip[0] != 0x45 || ip[9] != kProtocolUdp || read16(ip + 6) & kFragment) return FrameFault::kNotUdp;
  const std::uint32_t total = read16(ip + 2);
  if (total < kIpv4Bytes || total > size) return FrameFault::kLength;
  if (inet_fold(inet_add(0, ip, kIpv4Bytes)) != 0xffff) return FrameFault::kChecksum;
  if (no_sender_v4(ip + 12)) return FrameFault::kSource;
  out = {kIpv4Bytes, total - kIpv4Bytes, inet_add(inet_word(kProtocolUdp), ip + 12, 8)};
  std::memcpy(frame.from.ip, kMappedPrefix, sizeof kMappedPrefix);
  std::memcpy(frame.from.ip + 12, ip + 12, 4);
  std::memcpy(frame.to.ip, kMappedPrefix, sizeof kMappedPrefix);
  std::memcpy(frame.to.ip + 12, ip + 16, 4);
  return FrameFault::kNone;
}

FrameFault parse_v6(const std::uint8_t* ip, std::uint32_t size, Ip& out, UdpFrame& frame) noexcept {
  if (size < kIpv6Bytes) return FrameFault::kLength;
  if (ip[0] >> 4 != 6 || ip[6] != kProtocolUdp) return FrameFault::kNotUdp;
  const std::uint32_t payload = read16(ip + 4);
  if (payload > size - kIpv6Bytes) return FrameFault::kLength;
  if (no_sender_v6(ip + 8)) return FrameFault::kSource;
  out = {kIpv6Bytes, payload, inet_add(inet_word(kProtocolUdp), ip + 8, 32)};
  std::memcpy(frame.from.ip, ip + 8, 16);
  std::memcpy(frame.to.ip, ip + 24, 16);
  return FrameFault::kNone;
}

/// RFC 768; RFC 8200 §8.1 for IPv6, which wants one.
bool checksum_holds(const std::uint8_t* udp, std::uint32_t size, const Ip& ip, bool partial) noexcept {
  std::uint16_t field;
  std::memcpy(&field, udp + 6, 2);
  if (field == 0) return ip.header == kIpv4Bytes;
  const std::uint64_t pseudo = ip.pseudo + inet_word(static_cast<std::uint16_t>(size));
  if (inet_fold(inet_add(pseudo, udp, size)) == 0xffff) return true;
  return partial && field == inet_fold(pseudo);
}

}  // namespace

FrameFault parse_frame(const std::uint8_t* frame, std::uint32_t size, bool partial, UdpFrame& out) noexcept {
  if (size < kEthernetBytes) return FrameFault::kLength;
  std::uint32_t at = kEthernetBytes;
  std::uint16_t type = read16(frame + 12);
  if (type == kTypeVlan) {
    if (size < kEthernetBytes + kVlanBytes) return FrameFault::kLength;
    type = read16(frame + 16);
    at += kVlanBytes;
  }
  if (type != kTypeIpv4 && type != kTypeIpv6) return FrameFault::kNotUdp;
  Ip ip;
  const FrameFault fault = (type == kTypeIpv4 ? parse_v4 : parse_v6)(frame + at, size - at, ip, out);
  if (fault != FrameFault::kNone) return fault;

  const std::uint8_t* const udp = frame + at + ip.header;
  if (ip.payload < kUdpBytes) return FrameFault::kLength;
  const std::uint32_t udp_size = read16(udp + 4);
  if (udp_size < kUdpBytes || udp_size > ip.payload) return FrameFault::kLength;
  if (!checksum_holds(udp, udp_size, ip, partial)) return FrameFault::kChecksum;
  std::memcpy(out.from.port, udp, 2);
  std::memcpy(out.to.port, udp + 2, 2);
  if (read16(udp) == 0) return FrameFault::kSource;
  out.payload_at = at + ip.header + kUdpBytes;
  out.payload_size = udp_size - kUdpBytes;
  return FrameFault::kNone;
}

}  // namespace sallyport::io
