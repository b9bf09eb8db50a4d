/// Between `struct endpoint` (as in packets) and the kernel's socket addresses.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>

#include "../shared/endpoint.h"

namespace sallyport::io {

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

inline constexpr std::uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

inline bool is_v4(const std::uint8_t* ip) noexcept { return std::memcmp(ip, kMappedPrefix, sizeof kMappedPrefix) == 0; }

inline endpoint from_socket_address(const SocketAddress& address) noexcept {
  endpoint made;
  if (address.any.sa_family == AF_INET) {
    std::memcpy(made.ip, kMappedPrefix, sizeof kMappedPrefix);
    std::memcpy(made.ip + 12, &address.v4.sin_addr, 4);
    std::memcpy(made.port, &address.v4.sin_port, 2);
  } else {
    std::memcpy(made.ip, &address.v6.sin6_addr, 16);
    std::memcpy(made.port, &address.v6.sin6_port, 2);
  }
  return made;
}

/// Returns the size of what it wrote. Deviation: no scope of link-local addresses is kept; media has none.
inline socklen_t to_socket_address(const endpoint& from, SocketAddress& address) noexcept {
  if (is_v4(from.ip)) {
    address.v4 = {};
    address.v4.sin_family = AF_INET;
    std::memcpy(&address.v4.sin_addr, from.ip + 12, 4);
    std::memcpy(&address.v4.sin_port, from.port, 2);
    return sizeof address.v4;
  }
  address.v6 = {};
  address.v6.sin6_family = AF_INET6;
  std::memcpy(&address.v6.sin6_addr, from.ip, 16);
  std::memcpy(&address.v6.sin6_port, from.port, 2);
  return sizeof address.v6;
}

}  // namespace sallyport::io
