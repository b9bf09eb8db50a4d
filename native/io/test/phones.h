/// A box on loopback and phones around it, whose other end of SRTP is libsrtp.
#pragma once

#include <arpa/inet.h>
#include <dirent.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "../../shared/check.h"
#include "../address.h"
#include "../relay_host.h"
#include "../settled.h"
#include "rtp_packet.h"
#include "srtp_end.h"

namespace phones {

using namespace sallyport;
using namespace sallyport::io;
using namespace srtp_end;
using test::rtp;

inline relay::Ip ip_of(const std::string& text) {
  relay::Ip ip{};
  if (inet_pton(AF_INET6, text.c_str(), ip.data()) == 1) return ip;
  std::memcpy(ip.data(), kMappedPrefix, sizeof kMappedPrefix);
  inet_pton(AF_INET, text.c_str(), ip.data() + 12);
  return ip;
}

/// A phone's socket, which tells the traffic class of what it gets.
struct Phone {
  /// `wanted`: 0, any; else there is no phone (`fd`) where that is taken.
  explicit Phone(const std::string& text, std::uint16_t wanted = 0) : ip(text) {
    const bool v4 = text.find(':') == std::string::npos;
    fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVTOS : IPV6_RECVTCLASS, &on, sizeof on);
    SocketAddress address{};
    endpoint local{};
    std::memcpy(local.ip, ip_of(text).data(), 16);
    local.port[0] = static_cast<std::uint8_t>(wanted >> 8);
    local.port[1] = static_cast<std::uint8_t>(wanted);
    const socklen_t size = to_socket_address(local, address);
    socklen_t named = sizeof address;
    const bool bound = bind(fd, &address.any, size) == 0 && getsockname(fd, &address.any, &named) == 0;
    EXPECT(bound || wanted != 0);
    if (!bound) close(std::exchange(fd, -1));
    port = ntohs(v4 ? address.v4.sin_port : address.v6.sin6_port);
  }
  ~Phone() {
    if (fd >= 0) close(fd);
  }
  Phone(const Phone&) = delete;

  void send(const Bytes& packet, std::uint16_t to_port, const std::string& to_ip = "") const {
    endpoint to{};
    std::memcpy(to.ip, ip_of(to_ip.empty() ? ip : to_ip).data(), 16);
    to.port[0] = static_cast<std::uint8_t>(to_port >> 8);
    to.port[1] = static_cast<std::uint8_t>(to_port);
    SocketAddress address;
    const socklen_t size = to_socket_address(to, address);
    sendto(fd, packet.data(), packet.size(), 0, &address.any, size);
  }

  /// Empty after `wait_ms`.
  Bytes get(int wait_ms = 10'000) {
    pollfd wanted{fd, POLLIN, 0};
    if (poll(&wanted, 1, wait_ms) != 1) return {};
    Bytes packet(2'048);
    std::uint8_t control[128];
    iovec piece{packet.data(), packet.size()};
    SocketAddress from{};
    msghdr header{};
    header.msg_name = &from;
    header.msg_namelen = sizeof from;
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    packet.resize(static_cast<std::size_t>(std::max<ssize_t>(recvmsg(fd, &header, 0), 0)));
    from_port = ntohs(from.any.sa_family == AF_INET ? from.v4.sin_port : from.v6.sin6_port);
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
      if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_TOS) traffic_class = *CMSG_DATA(part);
      if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_TCLASS) std::memcpy(&traffic_class, CMSG_DATA(part), sizeof(int));
    }
    return packet;
  }

  std::string ip;
  int fd = -1;
  std::uint16_t port = 0;
  int traffic_class = -1;
  std::uint16_t from_port = 0;
};

/// A host whose events can be waited for.
class Box {
 public:
  explicit Box(PortChoice choice, std::uint32_t max_pairs = 16, bool late = true) : counters(max_pairs * 2 * relay::kCounterStride) {
    HostOptions options;
    options.max_pairs = max_pairs;
    options.port = choice;
    options.late_sockets = late;
    options.counters = counters.data();
    options.notify = [](void* self) { static_cast<Box*>(self)->wake(); };
    options.notify_data = this;
    host = std::make_unique<RelayHost>(options);
    EXPECT(host->problem().empty());
  }

  ~Box() { host.reset(); }  // Before the bell that its threads ring.

  void hear() {
    HostEvent events[16];
    while (const std::size_t count = host->events(events)) seen.insert(seen.end(), events, events + count);
  }
  HostEvent wait(relay::EventKind kind) {
    for (int round = 0; round < 400; ++round) {
      hear();
      for (const HostEvent& event : seen) {
        if (event.kind == kind) return event;
      }
      std::unique_lock lock(mutex_);
      bell_.wait_for(lock, std::chrono::milliseconds(50), [this] { return woken_; });
      woken_ = false;
    }
    EXPECT(!"the event came");
    return {};
  }
  void close(std::uint32_t pair) {
    host->close(pair);
    host->wake();
    wait(relay::EventKind::kClosed);
  }
  std::uint64_t counter(std::uint32_t pair, std::uint32_t side, relay::Counter which) const {
    return std::atomic_ref(const_cast<std::uint64_t&>(counters[(pair * 2 + side) * relay::kCounterStride + which])).load();
  }

  std::vector<std::uint64_t> counters;
  std::unique_ptr<RelayHost> host;
  std::vector<HostEvent> seen;

 private:
  void wake() {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    bell_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable bell_;
  bool woken_ = false;
};

/// Each another one, and none that the kernel gives to phones: those are not free for long.
inline std::uint16_t free_port(const std::string& ip) {
  static std::uint16_t next = static_cast<std::uint16_t>(10'000 + getpid() * 331 % 10'000);
  for (;;) {
    next = next >= 20'000 ? 10'000 : static_cast<std::uint16_t>(next + 1);
    if (Phone(ip, next).fd >= 0) return next;
  }
}

/// Within twenty seconds.
inline bool soon(const std::function<bool()>& so) {
  for (int round = 0; round < 4'000 && !so(); ++round) usleep(5'000);
  return so();
}

inline SideWords side(const Phone& phone, std::uint16_t local_port, std::uint8_t dscp = 46) {
  SideWords words;
  words.side.local = {ip_of(phone.ip), local_port, local_port, true};
  words.side.remote = {ip_of(phone.ip), phone.port, phone.port, true};
  words.side.dscp = dscp;
  std::memcpy(words.side.cname.data(), "box", 3);
  words.side.cname_size = 3;
  return words;
}

const Bytes kReport{0x80, 201, 0, 1, 0, 0, 0, 7, 0x81, 202, 0, 3, 0, 0, 0, 7, 1, 4, 'n', 'a', 'm', 'e', 0, 0};
const Bytes kOurReport{0x80, 201, 0, 1, 0, 0, 0, 7, 0x81, 202, 0, 3, 0, 0, 0, 7, 1, 3, 'b', 'o', 'x', 0, 0, 0};

inline std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (readdir(folder)) count += 1;
  closedir(folder);
  return count;
}

const PortChoice kChoices[] = {PortChoice::kIoUring, PortChoice::kEpoll};
/// With sockets made when they are needed, and at once.
const std::pair<PortChoice, bool> kWays[] = {
    {PortChoice::kIoUring, true}, {PortChoice::kEpoll, true}, {PortChoice::kIoUring, false}, {PortChoice::kEpoll, false}};

}  // namespace phones
