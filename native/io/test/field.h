/* Two cables in a network namespace of the test's own: the box's ends have addresses and a kernel, the far ends are read
 * and written frame by frame. Needs root. */
#pragma once

#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "frames.h"

namespace field {

inline bool shell(const std::string& words) {
  const bool done = std::system((words + " >/dev/null 2>&1").c_str()) == 0;
  if (!done) std::fprintf(stderr, "failed: %s\n", words.c_str());
  return done;
}
inline std::string told(const std::string& words) {
  std::string text;
  FILE* pipe = popen((words + " 2>&1").c_str(), "r");
  for (int c; pipe != nullptr && (c = fgetc(pipe)) != EOF;) text.push_back(static_cast<char>(c));
  if (pipe != nullptr) pclose(pipe);
  return text;
}

inline void offload(const char* interface, unsigned command, unsigned value) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  ethtool_value wanted{command, value};
  ifreq request{};
  strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&wanted);
  if (ioctl(fd, SIOCETHTOOL, &request) != 0) perror(interface);
  close(fd);
}

/* Once, before any thread is there. */
inline bool enter() {
  if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) return false;
  return shell("ip link set lo up");
}

struct Cable {
  std::string box, far, box_mac, far_mac;
  int fd = -1;

  /* `polls`: the far end can take what the kernel forwards to it natively. */
  Cable(int number, bool polls)
      : box("spx-box" + std::to_string(number)),
        far("spx-far" + std::to_string(number)),
        box_mac("02:00:00:00:0" + std::to_string(number) + ":01"),
        far_mac("02:00:00:00:0" + std::to_string(number) + ":02") {
    shell("ip link add " + box + " address " + box_mac + " type veth peer name " + far + " address " + far_mac);
    shell("sysctl -qw net.ipv6.conf." + far + ".disable_ipv6=1");
    if (polls) offload(far.c_str(), ETHTOOL_SGRO, 1);
    offload(box.c_str(), ETHTOOL_STXCSUM, 0);  // So that the sockets' checksums stand in the frames.
    shell("ip link set " + far + " up && ip link set " + box + " up");
    listen();
  }
  ~Cable() {
    close(fd);
    shell("ip link del " + far);
  }
  Cable(const Cable&) = delete;

  void listen() {
    fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    sockaddr_ll link{};
    link.sll_family = AF_PACKET;
    link.sll_protocol = htons(ETH_P_ALL);
    link.sll_ifindex = static_cast<int>(if_nametoindex(far.c_str()));
    const int room = 4 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    if (bind(fd, reinterpret_cast<sockaddr*>(&link), sizeof link) != 0) perror("bind");
  }
  /* Of the box, and of a neighbour at the far end. */
  void address(const std::string& own, const std::string& neighbour) const {
    const bool six = own.find(':') != std::string::npos;
    shell("ip addr add " + own + (six ? "/64 nodad" : "/24") + " dev " + box);
    shell("ip neigh replace " + neighbour + " lladdr " + far_mac + " nud permanent dev " + box);
  }
  /* Frames of the builder bear MACs of their own. */
  void put(frames::Bytes frame) const {
    const std::uint8_t last = static_cast<std::uint8_t>(box.back() - '0');
    const std::uint8_t macs[12] = {2, 0, 0, 0, last, 1, 2, 0, 0, 0, last, 2};
    std::copy_n(macs, 12, frame.begin());
    if (send(fd, frame.data(), frame.size(), 0) < 0) perror("send");
  }
  /* The next UDP datagram to `to` that arrives; not whole: none came in time. */
  frames::Seen take(const endpoint& to, int wait_ms) const {
    for (pollfd watched{.fd = fd, .events = POLLIN, .revents = 0}; poll(&watched, 1, wait_ms) == 1;) {
      frames::Bytes frame(2'048);
      sockaddr_ll from{};
      socklen_t size = sizeof from;
      const ssize_t got = recvfrom(fd, frame.data(), frame.size(), MSG_TRUNC, reinterpret_cast<sockaddr*>(&from), &size);
      if (got <= 0 || from.sll_pkttype == PACKET_OUTGOING) continue;
      frame.resize(std::min<std::size_t>(frame.size(), static_cast<std::size_t>(got)));
      const frames::Seen seen = frames::read(frame);
      if (seen.whole && std::memcmp(&seen.to, &to, sizeof to) == 0) return seen;
    }
    return {};
  }
};

}  // namespace field
