#include "settled.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "address.h"
#include "socket.h"

namespace sallyport::io {
namespace {

void copy_option(int from, int to, int level, int option) noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  if (getsockopt(from, level, option, &value, &size) == 0) setsockopt(to, level, option, &value, sizeof value);
}

/// Sockets share an address only when both say so at the moment of `bind`. The first says it for that moment alone:
/// afterwards nobody else, not even of our own user, can take its place.
int bind_beside(int fd, int beside, const SocketAddress& address, socklen_t size) noexcept {
  const int on = 1, off = 0;
  if (setsockopt(beside, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return -errno;
  int result = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 && bind(fd, &address.any, size) == 0 ? 0 : -errno;
  setsockopt(beside, SOL_SOCKET, SO_REUSEPORT, &off, sizeof off);
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &off, sizeof off);
  return result;
}

}  // namespace

int open_settled_socket(int fd, const endpoint& to) noexcept {
  SocketAddress local{}, remote;
  socklen_t local_size = sizeof local;
  if (getsockname(fd, &local.any, &local_size) != 0) return -errno;
  const socklen_t remote_size = to_socket_address(to, remote);
  const bool v4 = local.any.sa_family == AF_INET;
  if (remote.any.sa_family != local.any.sa_family) return -EAFNOSUPPORT;
  const int made = socket(local.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (made < 0) return -errno;

  const int on = 1;
  if (!v4) setsockopt(made, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  copy_mark(fd, made);
  if (v4) copy_option(fd, made, IPPROTO_IP, IP_MTU_DISCOVER);
  int result = bind_beside(made, fd, local, local_size);
  if (result == 0 && connect(made, &remote.any, remote_size) != 0) result = -errno;
  if (result == 0) return made;
  close(made);
  return result;
}

void copy_mark(int from, int to) noexcept {
  int family = AF_INET;
  socklen_t size = sizeof family;
  getsockopt(from, SOL_SOCKET, SO_DOMAIN, &family, &size);
  if (family == AF_INET) copy_option(from, to, IPPROTO_IP, IP_TOS);
  else copy_option(from, to, IPPROTO_IPV6, IPV6_TCLASS);
}

bool descriptors_are_short(int fd) noexcept {
  rlimit limit;
  return getrlimit(RLIMIT_NOFILE, &limit) != 0 || static_cast<rlim_t>(fd) >= limit.rlim_cur / 2;
}

}  // namespace sallyport::io
