/// Signalling UDP in batches, on Node's own loop: recvmmsg when the socket is readable, or on the beat when it is busy;
/// one sendmmsg a flush. A thread of its own with a thread-safe function costs two wake-ups a batch more.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <node_api.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "../io/address.h"
#include "../io/socket.h"
#include "beat.h"
#include "door.h"
#include "js.h"

namespace sallyport::addon {
namespace {

constexpr int kUvReadable = 1;     // uv_poll_event UV_READABLE.
constexpr int kUvPrioritized = 8;  // UV_PRIORITIZED: with SO_SELECT_ERR_QUEUE, that the error queue holds something.
constexpr std::size_t kAddressBytes = 48;
constexpr std::size_t kControlBytes = CMSG_SPACE(sizeof(in6_pktinfo));
/// An error with the address of who tells it.
constexpr std::size_t kErrorBytes = CMSG_SPACE(sizeof(sock_extended_err) + sizeof(sockaddr_in6));
/// Limit: errors taken at one wake-up; more wait for the next. The kernel bounds the queue by the receive buffer.
constexpr std::size_t kMostErrors = 16;
/// On the beat, the queue of errors is looked at this often.
constexpr std::uint64_t kErrorsEveryMs = 64;
/// Limit: datagrams a system call moves.
constexpr std::size_t kMostSlots = 256;
/// A second of calls at full load: SIP bursts are long, and a lost datagram costs a resend timer.
constexpr int kSocketBytes = 4 * 1024 * 1024;

struct Udp final : Beat::Door {
  bool look() override;

  napi_env env = nullptr;
  napi_ref on_batch = nullptr;
  napi_ref on_undelivered = nullptr;
  napi_ref keep = nullptr;  // The options, whose buffers we write.
  napi_async_context context = nullptr;
  int fd = -1;
  bool v4 = true;
  bool wildcard = false;
  void* poll = nullptr;
  Beat* beat = nullptr;
  Pace pace;
  bool on_beat = false;
  std::uint64_t errors_at_ms = 0;
  std::size_t slot_bytes = 0;
  std::span<std::uint8_t> receive, sending, addresses, send_addresses;
  std::span<std::int32_t> meta, send_meta;
  std::vector<mmsghdr> headers;
  std::vector<iovec> pieces;
  std::vector<io::SocketAddress> names;
  std::vector<std::uint8_t> control;
};

/// IPv4: its 32 bits. IPv6: as text, whose length is told.
std::int32_t write_ip(const std::uint8_t* ip, bool v4, std::uint8_t* out) noexcept {
  if (v4) {
    std::uint32_t bits;
    std::memcpy(&bits, ip, sizeof bits);
    return static_cast<std::int32_t>(ntohl(bits));
  }
  char text[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, ip, text, sizeof text);
  const std::size_t size = strlen(text);
  std::memcpy(out, text, size);
  return static_cast<std::int32_t>(size);
}

/// Where the datagram was sent to, of a socket bound to all addresses: the answer must come from there.
std::int32_t write_local(Udp& udp, msghdr& header, std::uint8_t* out) noexcept {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (udp.v4 && part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(part), sizeof info);
      return write_ip(reinterpret_cast<const std::uint8_t*>(&info.ipi_spec_dst), true, out);
    }
    if (!udp.v4 && part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(part), sizeof info);
      return write_ip(reinterpret_cast<const std::uint8_t*>(&info.ipi6_addr), false, out);
    }
  }
  return 0;
}

int receive_batch(Udp& udp) noexcept {
  const std::size_t slots = udp.meta.size() / 4;
  for (std::size_t i = 0; i < slots; ++i) {
    udp.pieces[i] = {udp.receive.data() + i * udp.slot_bytes, udp.slot_bytes};
    udp.headers[i].msg_hdr = {.msg_name = &udp.names[i], .msg_namelen = sizeof(io::SocketAddress), .msg_iov = &udp.pieces[i],
                              .msg_iovlen = 1, .msg_control = udp.wildcard ? &udp.control[i * kControlBytes] : nullptr,
                              .msg_controllen = udp.wildcard ? kControlBytes : 0, .msg_flags = 0};
  }
  const int count = recvmmsg(udp.fd, udp.headers.data(), static_cast<unsigned>(slots), MSG_DONTWAIT, nullptr);
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const io::SocketAddress& name = udp.names[at];
    std::int32_t* meta = &udp.meta[at * 4];
    std::uint8_t* text = &udp.addresses[at * 2 * kAddressBytes];
    const bool cut = udp.headers[at].msg_hdr.msg_flags & MSG_TRUNC;
    meta[0] = cut ? -1 : static_cast<std::int32_t>(udp.headers[at].msg_len);
    meta[1] = ntohs(udp.v4 ? name.v4.sin_port : name.v6.sin6_port);
    meta[2] = write_ip(udp.v4 ? reinterpret_cast<const std::uint8_t*>(&name.v4.sin_addr) : name.v6.sin6_addr.s6_addr, udp.v4, text);
    meta[3] = udp.wildcard ? write_local(udp, udp.headers[at].msg_hdr, text + kAddressBytes) : 0;
  }
  return count;
}

/// Nobody is there, or nobody lets us through. That a datagram was too large for the path concerns its size alone.
bool is_unreachable(const sock_extended_err& error) noexcept {
  if (error.ee_origin == SO_EE_ORIGIN_ICMP) return error.ee_type == 3 && error.ee_code != 4;
  return error.ee_origin == SO_EE_ORIGIN_ICMP6 && error.ee_type == 1;
}

bool tells_unreachable(msghdr& header) noexcept {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    const bool v4 = part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_RECVERR;
    if (!v4 && (part->cmsg_level != IPPROTO_IPV6 || part->cmsg_type != IPV6_RECVERR)) continue;
    sock_extended_err error;
    std::memcpy(&error, CMSG_DATA(part), sizeof error);
    return is_unreachable(error);
  }
  return false;
}

/// What the ICMP errors quote of our datagrams, one after the other in the slots; how many there are.
int receive_errors(Udp& udp) noexcept {
  const std::size_t slots = udp.meta.size() / 4;
  int count = 0;
  for (std::size_t read = 0; read < kMostErrors && static_cast<std::size_t>(count) < slots; ++read) {
    alignas(cmsghdr) std::uint8_t control[kErrorBytes];
    iovec piece = {udp.receive.data() + static_cast<std::size_t>(count) * udp.slot_bytes, udp.slot_bytes};
    msghdr header = {.msg_name = nullptr, .msg_namelen = 0, .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control,
                     .msg_controllen = sizeof control, .msg_flags = 0};
    const ssize_t length = recvmsg(udp.fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (length < 0) break;
    if (length == 0 || !tells_unreachable(header)) continue;
    udp.meta[static_cast<std::size_t>(count) * 4] = static_cast<std::int32_t>(length);
    ++count;
  }
  return count;
}

void call_back(Udp& udp, napi_ref reference, int count) {
  const Js js(udp.env);
  napi_handle_scope scope;
  napi_open_handle_scope(udp.env, &scope);
  napi_value callback, argument = js.make_number(count), receiver;
  napi_get_reference_value(udp.env, reference, &callback);
  napi_get_reference_value(udp.env, udp.keep, &receiver);
  const napi_status called = napi_make_callback(udp.env, udp.context, receiver, callback, 1, &argument, nullptr);
  if (called == napi_pending_exception) {
    napi_value thrown;
    napi_get_and_clear_last_exception(udp.env, &thrown);
    napi_fatal_exception(udp.env, thrown);
  }
  napi_close_handle_scope(udp.env, scope);
}

void take_errors(Udp& udp) {
  udp.errors_at_ms = udp.beat->now_ms();
  const int errors = receive_errors(udp);
  if (errors > 0) call_back(udp, udp.on_undelivered, errors);
}

void readable(void* handle, int status, int events);

/// How the socket is watched from now on: told of each datagram, or looked at on the beat.
void watch_as(Udp& udp, bool busy) {
  if (udp.on_beat == busy) return;
  udp.on_beat = busy;
  if (busy) {
    uv_poll_stop(udp.poll);
    udp.beat->join(udp);
  } else {
    udp.beat->leave(udp);
    uv_poll_start(udp.poll, kUvReadable | kUvPrioritized, readable);
  }
}

void readable(void* handle, int status, int events) {
  auto& udp = *static_cast<Udp*>(uv_handle_get_data(handle));
  // An error without a quotation makes libuv stop; reading the queue takes it away.
  if (status < 0 || (events & kUvPrioritized) != 0) {
    take_errors(udp);
    if (udp.fd < 0) return;
    if (status < 0) uv_poll_start(udp.poll, kUvReadable | kUvPrioritized, readable);
  }
  const int count = receive_batch(udp);
  if (count > 0) call_back(udp, udp.on_batch, count);
  if (udp.fd >= 0) watch_as(udp, udp.pace.counts(count > 0 ? static_cast<std::size_t>(count) : 0, udp.beat->now_ms()));
}

bool Udp::look() {
  // A send meanwhile may have eaten the socket's word of an error.
  if (beat->now_ms() - errors_at_ms >= kErrorsEveryMs) take_errors(*this);
  const int count = fd >= 0 ? receive_batch(*this) : 0;
  const bool failed = count < 0 && errno != EAGAIN;  // It tells of an error before it gives datagrams.
  if (failed) take_errors(*this);
  if (count > 0) call_back(*this, on_batch, count);
  if (fd < 0) return false;
  watch_as(*this, pace.counts(count > 0 ? static_cast<std::size_t>(count) : 0, beat->now_ms()));
  return on_beat && (failed || static_cast<std::size_t>(count) == meta.size() / 4);
}

Udp* udp_of(napi_env env, napi_callback_info info, napi_value* argument) {
  void* data;
  std::size_t count = 1;
  napi_get_cb_info(env, info, &count, argument, nullptr, &data);
  return static_cast<Udp*>(data);
}

bool name_of(const Udp& udp, std::size_t at, io::SocketAddress& name) noexcept {
  const std::int32_t* meta = &udp.send_meta[at * 4];
  const auto port = htons(static_cast<std::uint16_t>(meta[2]));
  name = {};
  if (udp.v4) {
    name.v4.sin_family = AF_INET;
    name.v4.sin_port = port;
    name.v4.sin_addr.s_addr = htonl(static_cast<std::uint32_t>(meta[3]));
    return true;
  }
  const auto size = static_cast<std::size_t>(meta[3]);
  if (size >= kAddressBytes) return false;
  char text[kAddressBytes];
  std::memcpy(text, &udp.send_addresses[at * kAddressBytes], size);
  text[size] = 0;
  name.v6.sin6_family = AF_INET6;
  name.v6.sin6_port = port;
  return inet_pton(AF_INET6, text, &name.v6.sin6_addr) == 1;
}

/// One datagram's header, from the words JavaScript wrote. False: they point outside.
bool prepare(Udp& udp, std::size_t at) noexcept {
  const std::int32_t* meta = &udp.send_meta[at * 4];
  const auto offset = static_cast<std::size_t>(meta[0]), length = static_cast<std::size_t>(meta[1]);
  if (offset > udp.sending.size() || length > udp.sending.size() - offset) return false;
  if (!name_of(udp, at, udp.names[at])) return false;
  io::SocketAddress& name = udp.names[at];
  udp.pieces[at] = {udp.sending.data() + offset, length};
  udp.headers[at].msg_hdr = {.msg_name = &name, .msg_namelen = static_cast<socklen_t>(udp.v4 ? sizeof name.v4 : sizeof name.v6), .msg_iov = &udp.pieces[at],
                             .msg_iovlen = 1, .msg_control = nullptr, .msg_controllen = 0, .msg_flags = 0};
  return true;
}

napi_value flush(napi_env env, napi_callback_info info) {
  napi_value argument;
  Udp& udp = *udp_of(env, info, &argument);
  const Js js(env);
  if (udp.fd < 0) return js.make_number(0);
  std::int64_t wanted;
  if (!js.as_number(argument, 0, static_cast<std::int64_t>(udp.send_meta.size() / 4), wanted)) return nullptr;
  std::size_t ready = 0;
  std::vector<mmsghdr>& headers = udp.headers;
  for (std::size_t i = 0; i < static_cast<std::size_t>(wanted); ++i) {
    if (!prepare(udp, i)) continue;
    if (ready != i) headers[ready] = headers[i];
    ready += 1;
  }
  std::size_t at = 0, sent = 0;
  bool again = true;
  while (at < ready) {
    const int taken = sendmmsg(udp.fd, &headers[at], static_cast<unsigned>(ready - at), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken < 0 && errno == EAGAIN) break;  // The socket is full: the others would not fit either.
    if (taken < 0 && std::exchange(again, false)) continue;  // Perhaps the ICMP error of an earlier one, told just once.
    again = true;
    if (taken > 0) sent += static_cast<std::size_t>(taken);
    at += taken > 0 ? static_cast<std::size_t>(taken) : 1;  // The one that was refused is passed over.
  }
  return js.make_number(static_cast<double>(sent));
}

void close_udp(Udp& udp) noexcept {
  if (udp.fd < 0) return;
  if (udp.on_beat) udp.beat->leave(udp);
  uv_poll_stop(udp.poll);
  free_handle(udp.poll);
  udp.beat->exit();
  close(udp.fd);
  udp.fd = -1;
  // The buffers are JavaScript's again: nothing below looks at them once the socket is gone.
  napi_delete_reference(udp.env, udp.on_batch);
  napi_delete_reference(udp.env, udp.on_undelivered);
  napi_delete_reference(udp.env, udp.keep);
  napi_async_destroy(udp.env, udp.context);
}

napi_value close_method(napi_env env, napi_callback_info info) {
  napi_value none;
  Udp& udp = *udp_of(env, info, &none);
  close_udp(udp);
  return nullptr;
}

template <typename T>
bool view(const Js& js, napi_value options, const char* name, std::size_t least_bytes, std::span<T>& out) {
  std::span<std::uint8_t> bytes;
  if (!js.bytes(options, name, bytes)) return false;
  if (bytes.size() < least_bytes) return js.fail("a buffer is too small");
  out = {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
  return true;
}

bool read_buffers(const Js& js, napi_value options, Udp& udp) {
  std::int64_t slot;
  if (!js.number(options, "slotBytes", 512, 65'536, slot)) return false;
  udp.slot_bytes = static_cast<std::size_t>(slot);
  if (!view(js, options, "receiveMeta", 16, udp.meta) || !view(js, options, "sendMeta", 16, udp.send_meta)) return false;
  const std::size_t slots = udp.meta.size() / 4, sends = udp.send_meta.size() / 4;
  if (slots > kMostSlots || sends > kMostSlots) return js.fail("more than 256 slots");
  const std::size_t most = std::max(slots, sends);
  udp.headers.resize(most);
  udp.pieces.resize(most);
  udp.names.resize(most);
  udp.control.resize(slots * kControlBytes);
  return view(js, options, "receiveBuffer", slots * udp.slot_bytes, udp.receive) && view(js, options, "sendBuffer", 1, udp.sending) &&
         view(js, options, "addresses", slots * 2 * kAddressBytes, udp.addresses) &&
         view(js, options, "sendAddresses", sends * kAddressBytes, udp.send_addresses);
}

/// Negative errno when it cannot be had.
int open_socket(Udp& udp, const char* ip, std::uint16_t port, std::uint8_t dscp) noexcept {
  io::SocketAddress address{};
  udp.v4 = inet_pton(AF_INET, ip, &address.v4.sin_addr) == 1;
  if (!udp.v4 && inet_pton(AF_INET6, ip, &address.v6.sin6_addr) != 1) return -EINVAL;
  address.any.sa_family = udp.v4 ? AF_INET : AF_INET6;
  (udp.v4 ? address.v4.sin_port : address.v6.sin6_port) = htons(port);
  udp.wildcard = udp.v4 ? address.v4.sin_addr.s_addr == INADDR_ANY : IN6_IS_ADDR_UNSPECIFIED(&address.v6.sin6_addr);
  const int fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  const int on = 1;
  if (!udp.v4) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kSocketBytes, sizeof kSocketBytes);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSocketBytes, sizeof kSocketBytes);
  if (udp.wildcard && udp.v4) setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  if (udp.wildcard && !udp.v4) setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
  setsockopt(fd, udp.v4 ? IPPROTO_IP : IPPROTO_IPV6, udp.v4 ? IP_RECVERR : IPV6_RECVERR, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, &on, sizeof on);
  io::mark(fd, udp.v4, dscp);
  if (bind(fd, &address.any, udp.v4 ? sizeof address.v4 : sizeof address.v6) == 0) return fd;
  const int why = errno;
  close(fd);
  return -why;
}

bool watch(Udp& udp) {
  uv_loop_s* loop;
  if (napi_get_uv_event_loop(udp.env, &loop) != napi_ok) return false;
  udp.poll = make_handle(UvHandle::kPoll);
  if (uv_poll_init(loop, udp.poll, udp.fd) != 0) return false;
  uv_handle_set_data(udp.poll, &udp);
  udp.beat = &Beat::enter(loop);
  return uv_poll_start(udp.poll, kUvReadable | kUvPrioritized, readable) == 0;
}

}  // namespace

napi_value open_udp(napi_env env, napi_callback_info info) {
  const Js js(env);
  napi_value options, on_batch, on_undelivered, resource_name, door;
  std::size_t count = 1;
  napi_get_cb_info(env, info, &count, &options, nullptr, nullptr);
  auto udp = std::make_unique<Udp>();
  udp->env = env;
  char buffer[64];
  std::string_view ip;
  std::int64_t port, dscp;
  if (!js.text(options, "ip", buffer, ip) || !js.number(options, "port", 0, 65'535, port) || !js.number(options, "dscp", 0, 63, dscp) ||
      !read_buffers(js, options, *udp)) {
    return nullptr;
  }
  if (!js.has(options, "onBatch", on_batch) || !js.has(options, "onUndelivered", on_undelivered)) {
    js.fail("onBatch, onUndelivered");
    return nullptr;
  }
  udp->fd = open_socket(*udp, buffer, static_cast<std::uint16_t>(port), static_cast<std::uint8_t>(dscp));
  if (udp->fd < 0) {
    napi_throw_error(env, strerrorname_np(-udp->fd), strerrordesc_np(-udp->fd));
    return nullptr;
  }
  napi_create_reference(env, on_batch, 1, &udp->on_batch);
  napi_create_reference(env, on_undelivered, 1, &udp->on_undelivered);
  napi_create_reference(env, options, 1, &udp->keep);
  napi_create_string_utf8(env, "sallyport.udp", NAPI_AUTO_LENGTH, &resource_name);
  napi_async_init(env, nullptr, resource_name, &udp->context);
  if (!watch(*udp)) {
    napi_throw_error(env, "EIO", "the event loop does not watch the socket");
    return nullptr;
  }
  io::SocketAddress bound;
  socklen_t size = sizeof bound;
  getsockname(udp->fd, &bound.any, &size);
  Udp* data = udp.release();  // Lives as long as the environment: the methods may be called after close.
  napi_add_env_cleanup_hook(env, [](void* at) { close_udp(*static_cast<Udp*>(at)); }, data);
  napi_create_object(env, &door);
  js.set(door, "port", js.make_number(ntohs(data->v4 ? bound.v4.sin_port : bound.v6.sin6_port)));
  js.method(door, "flush", flush, data);
  js.method(door, "close", close_method, data);
  return door;
}

}  // namespace sallyport::addon
