/// The headers under which datagrams of one flow leave by a transmit ring: all that stays the same is written once. They
/// stand at the end of `bytes_`, so that as many bytes are copied whatever their size: that is faster.
#pragma once

#include <cstdint>

#include "../shared/flow.h"

namespace sallyport::io {

class HeaderTemplate {
 public:
  /// Ethernet, a VLAN tag, IPv6, UDP.
  static constexpr std::uint32_t kMost = 14 + 4 + 40 + 8;

  /// `hop` must be usable; `from` and `to` of one family. `dscp`: 0 to 63.
  void set(const next_hop& hop, const endpoint& from, const endpoint& to, std::uint8_t dscp) noexcept;
  /// Bytes in front of the payload.
  std::uint32_t size() const noexcept { return size_; }
  /// Limit: a datagram of more bytes than this is the kernel's to cut into fragments.
  std::uint32_t payload_limit() const noexcept { return payload_limit_; }
  /// Writes them in front of `payload`, where kMost bytes must be free. `bytes`: at most payload_limit().
  void write(std::uint8_t* payload, std::uint32_t bytes) const noexcept;

 private:
  std::uint32_t payload_limit_ = 0;
  std::uint32_t ip_sum_ = 0;   ///< Of the IPv4 header with length and checksum 0.
  std::uint32_t udp_sum_ = 0;  ///< Of addresses, protocol and ports.
  std::uint8_t size_ = 0;
  bool v4_ = true;
  std::uint8_t bytes_[kMost];
};

}  // namespace sallyport::io
