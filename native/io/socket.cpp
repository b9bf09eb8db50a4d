#include "socket.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "address.h"

namespace sallyport::io {
namespace {

/// Room for a burst of about a hundred full packets (the kernel doubles the number and counts some 4.3 kB for each). The
/// kernel's own default, 208 KiB, holds ninety voice packets: nearly two seconds, so voice needs no word about it.
constexpr int kBurstBytes = 256 * 1024;
/// Limit: descriptors asked for where the hard limit may be raised (CAP_SYS_RESOURCE): ten thousand calls need forty
/// thousand. Without the privilege the hard limit holds, and a call beyond it fails with the kernel's own reason.
constexpr rlim_t kDescriptors = 524'288;

/// Media goes out unfragmented anyway (its packets fit the path), so the kernel need not draw an IP identification for
/// each: a hash and a shared counter a packet, 7 % of what relaying it costs. IPv6 has none.
void spare_identification(int fd) noexcept {
  const int discover = IP_PMTUDISC_DO;
  setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof discover);
}

}  // namespace

int open_media_socket(const relay::Ip& ip, std::uint16_t port, std::uint8_t dscp, bool bursts) noexcept {
  endpoint local{};
  std::memcpy(local.ip, ip.data(), ip.size());
  local.port[0] = static_cast<std::uint8_t>(port >> 8);
  local.port[1] = static_cast<std::uint8_t>(port);
  const bool v4 = is_v4(local.ip);
  const int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;

  const int on = 1;
  if (v4) spare_identification(fd);
  else setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bursts) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kBurstBytes, sizeof kBurstBytes);
  if (dscp != 0) mark(fd, v4, dscp);
  SocketAddress address;
  const socklen_t size = to_socket_address(local, address);
  if (bind(fd, &address.any, size) == 0) return fd;
  const int why = errno;
  close(fd);
  return -why;
}

void mark(int fd, bool v4, std::uint8_t dscp) noexcept {
  const int traffic_class = dscp << 2;  // The two low bits are ECN's: RFC 3168 §5.
  if (v4) setsockopt(fd, IPPROTO_IP, IP_TOS, &traffic_class, sizeof traffic_class);
  else setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &traffic_class, sizeof traffic_class);
}

void allow_fragments(int fd) noexcept {
  const int discover = IP_PMTUDISC_WANT;
  setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof discover);
}

void raise_descriptor_limit() noexcept {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlimit more{kDescriptors, kDescriptors};
  if (limit.rlim_max < kDescriptors && setrlimit(RLIMIT_NOFILE, &more) == 0) return;
  if (limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::uint32_t descriptor_limit() noexcept {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return static_cast<std::uint32_t>(std::min<rlim_t>(limit.rlim_cur, 1u << 20));
}

}  // namespace sallyport::io
