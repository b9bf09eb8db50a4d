/// Media sockets as control opens and closes them.
#pragma once

#include <string>

#include "../relay/relay.h"

namespace sallyport::io {

/// A UDP socket bound to `ip`:`port`, marked `dscp`, non-blocking. `bursts`: video, whose frames come as many packets at
/// once. Negative errno when it cannot be had.
int open_media_socket(const relay::Ip& ip, std::uint16_t port, std::uint8_t dscp, bool bursts) noexcept;
void mark(int fd, bool v4, std::uint8_t dscp) noexcept;
/// Limit: bytes of a datagram that fits every path (IPv6's least MTU, less headers). Sockets of IPv4 send unfragmented;
/// before a longer datagram leaves by one, it is told `allow_fragments`, once.
inline constexpr std::uint32_t kUnfragmentedBytes = 1'200;
void allow_fragments(int fd) noexcept;
/// The process may open as many descriptors as its hard limit allows: four sockets a call want it.
void raise_descriptor_limit() noexcept;
/// Descriptors the process may have now.
std::uint32_t descriptor_limit() noexcept;

}  // namespace sallyport::io
