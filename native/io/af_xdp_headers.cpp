#include "af_xdp_headers.h"

#include <algorithm>
#include <cstring>

#include "address.h"
#include "inet_sum.h"

namespace sallyport::io {
namespace {

/// As our sockets have it: the kernel's own default.
constexpr std::uint8_t kHopLimit = 64;
constexpr std::uint32_t kUdpBytes = 8;
constexpr std::uint32_t kIpv4Bytes = 20;
constexpr std::uint32_t kIpv6Bytes = 40;
constexpr std::uint8_t kProtocolUdp = 17;

void write16(std::uint8_t* at, std::uint32_t value) noexcept {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}

/// A sum as it stands in memory already.
void put_sum(std::uint8_t* at, std::uint16_t sum) noexcept { std::memcpy(at, &sum, 2); }

}  // namespace

void HeaderTemplate::set(const next_hop& hop, const endpoint& from, const endpoint& to, std::uint8_t dscp) noexcept {
  std::memset(bytes_, 0, sizeof bytes_);
  v4_ = is_v4(to.ip);
  const std::uint32_t ip_bytes = v4_ ? kIpv4Bytes : kIpv6Bytes;
  const bool tagged = hop.vlan[0] | hop.vlan[1];
  size_ = static_cast<std::uint8_t>(14 + (tagged ? 4 : 0) + ip_bytes + kUdpBytes);
  std::uint8_t* const start = bytes_ + kMost - size_;
  std::memcpy(start, hop.destination, 6);
  std::memcpy(start + 6, hop.source, 6);
  std::uint8_t* at = start + 12;
  if (tagged) {
    write16(at, 0x8100);
    std::memcpy(at + 2, hop.vlan, 2);
    at += 4;
  }
  write16(at, v4_ ? 0x0800 : 0x86dd);
  std::uint8_t* const ip = at + 2;
  std::uint64_t pseudo = inet_word(kProtocolUdp);
  if (v4_) {
    ip[0] = 0x45;
    ip[1] = static_cast<std::uint8_t>(dscp << 2);  // The two low bits are ECN's: RFC 3168 §5.
    ip[6] = 0x40;                                  // Never fragmented, so it needs no number: RFC 6864 §4.1.
    ip[8] = kHopLimit;
    ip[9] = kProtocolUdp;
    std::memcpy(ip + 12, from.ip + 12, 4);
    std::memcpy(ip + 16, to.ip + 12, 4);
    ip_sum_ = inet_fold(inet_add(0, ip, 20));
    pseudo = inet_add(pseudo, ip + 12, 8);
  } else {
    ip[0] = static_cast<std::uint8_t>(0x60 | dscp >> 2);
    ip[1] = static_cast<std::uint8_t>(dscp << 6);
    ip[6] = kProtocolUdp;
    ip[7] = kHopLimit;
    std::memcpy(ip + 8, from.ip, 16);
    std::memcpy(ip + 24, to.ip, 16);
    pseudo = inet_add(pseudo, ip + 8, 32);
  }
  std::uint8_t* const udp = ip + ip_bytes;
  std::memcpy(udp, from.port, 2);
  std::memcpy(udp + 2, to.port, 2);
  udp_sum_ = inet_fold(inet_add(pseudo, udp, 4));
  const std::uint32_t ip_limit = std::min<std::uint32_t>(hop.mtu, 65'535);
  payload_limit_ = ip_limit > ip_bytes + kUdpBytes ? ip_limit - ip_bytes - kUdpBytes : 0;
}

void HeaderTemplate::write(std::uint8_t* payload, std::uint32_t bytes) const noexcept {
  std::memcpy(payload - kMost, bytes_, kMost);
  std::uint8_t* const udp = payload - kUdpBytes;
  std::uint8_t* const ip = udp - (v4_ ? kIpv4Bytes : kIpv6Bytes);
  const auto udp_bytes = static_cast<std::uint16_t>(bytes + kUdpBytes);
  if (v4_) {
    const auto total = static_cast<std::uint16_t>(udp_bytes + 20);
    write16(ip + 2, total);
    put_sum(ip + 10, static_cast<std::uint16_t>(~inet_fold(ip_sum_ + inet_word(total))));
  } else {
    write16(ip + 4, udp_bytes);
  }
  write16(udp + 4, udp_bytes);
  // The length counts twice: once in the pseudo-header.
  const std::uint64_t sum = inet_add(std::uint64_t{udp_sum_} + 2 * inet_word(udp_bytes), payload, bytes);
  const auto checksum = static_cast<std::uint16_t>(~inet_fold(sum));
  put_sum(udp + 6, checksum == 0 ? 0xffff : checksum);
}

}  // namespace sallyport::io
