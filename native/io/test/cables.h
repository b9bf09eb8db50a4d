/// Two cables in a network namespace of the test's own: the box's ends have addresses and a kernel, the far ends are read
/// and written frame by frame. Needs root; where it is lacking the tests say so and pass.
#pragma once

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "../address.h"

namespace sallyport::io::test {

using Bytes = std::vector<std::uint8_t>;

inline void shell(const std::string& words) {
  if (std::system((words + " >/dev/null 2>&1").c_str()) != 0) std::fprintf(stderr, "failed: %s\n", words.c_str());
}

inline std::string told(const std::string& words) {
  std::string text;
  FILE* const pipe = popen((words + " 2>&1").c_str(), "r");
  for (int c; pipe != nullptr && (c = fgetc(pipe)) != EOF;) text.push_back(static_cast<char>(c));
  if (pipe != nullptr) pclose(pipe);
  return text;
}

/// A cable that has both its ends is switched on by a worker of the kernel, soon: until then what is sent is dropped in silence.
inline void wait_for_carrier(const std::string& end) {
  for (int attempt = 0; attempt < 2'000; ++attempt) {
    if (told("ip -o link show dev " + end).find(" state UP ") != std::string::npos) return;
    usleep(5'000);
  }
  std::fprintf(stderr, "failed: %s has no carrier\n", end.c_str());
}

/// Once, before any thread is there.
inline bool enter_namespace() {
  if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) return false;
  shell("ip link set lo up");
  return true;
}

inline endpoint at(const std::string& text, std::uint16_t port) {
  endpoint made{};
  if (inet_pton(AF_INET6, text.c_str(), made.ip) != 1) {
    std::memcpy(made.ip, kMappedPrefix, sizeof kMappedPrefix);
    inet_pton(AF_INET, text.c_str(), made.ip + 12);
  }
  made.port[0] = static_cast<std::uint8_t>(port >> 8);
  made.port[1] = static_cast<std::uint8_t>(port);
  return made;
}

/// Redirects everything that arrives on one NIC to its AF_XDP sockets; what has none passes.
class Redirect {
 public:
  Redirect(unsigned interface, bool generic) {
    bpf_attr map{};
    map.map_type = BPF_MAP_TYPE_XSKMAP;
    map.key_size = map.value_size = 4;
    map.max_entries = 8;
    map_ = call(BPF_MAP_CREATE, map);
    const bpf_insn code[] = {
        {.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = 16, .imm = 0},  // rx_queue_index
        {.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .off = 0, .imm = map_},
        {},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .src_reg = 0, .off = 0, .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_CALL, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = BPF_FUNC_redirect_map},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
    };
    bpf_attr program{};
    program.prog_type = BPF_PROG_TYPE_XDP;
    program.insn_cnt = sizeof code / sizeof *code;
    program.insns = reinterpret_cast<std::uint64_t>(code);
    program.license = reinterpret_cast<std::uint64_t>("Apache-2.0");
    program_ = call(BPF_PROG_LOAD, program);
    bpf_attr link{};
    link.link_create.prog_fd = static_cast<std::uint32_t>(program_);
    link.link_create.target_ifindex = interface;
    link.link_create.attach_type = BPF_XDP;
    link.link_create.flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
    link_ = call(BPF_LINK_CREATE, link);
  }
  ~Redirect() {
    for (const int fd : {link_, program_, map_}) close(fd);
  }
  Redirect(const Redirect&) = delete;
  bool good() const { return link_ >= 0; }
  bool put(std::uint32_t queue, int socket) const {
    bpf_attr entry{};
    entry.map_fd = static_cast<std::uint32_t>(map_);
    entry.key = reinterpret_cast<std::uint64_t>(&queue);
    entry.value = reinterpret_cast<std::uint64_t>(&socket);
    return call(BPF_MAP_UPDATE_ELEM, entry) == 0;
  }
  void remove(std::uint32_t queue) const {
    bpf_attr entry{};
    entry.map_fd = static_cast<std::uint32_t>(map_);
    entry.key = reinterpret_cast<std::uint64_t>(&queue);
    call(BPF_MAP_DELETE_ELEM, entry);
  }

 private:
  static int call(int command, bpf_attr& words) { return static_cast<int>(syscall(SYS_bpf, command, &words, sizeof words)); }
  int map_ = -1, program_ = -1, link_ = -1;
};

/// `name`0 is the box's end, `name`1 the far one, whose address ends in 2.
class Cable {
 public:
  Cable(const std::string& name, int net, unsigned queues = 1) : box(name + "0"), far(name + "1"), number(net) {
    const std::string n = std::to_string(net), q = std::to_string(queues);
    shell("ip link add " + box + " numrxqueues " + q + " numtxqueues " + q + " type veth peer name " + far + " numrxqueues " + q + " numtxqueues " + q);
    for (const std::string& end : {box, far}) shell("sysctl -qw net.ipv6.conf." + end + ".accept_dad=0");
    shell("sysctl -qw net.ipv6.conf." + far + ".disable_ipv6=1");
    shell("ip addr add 10.99." + n + ".1/24 dev " + box);
    shell("ip addr add fd99:" + n + "::1/64 dev " + box + " nodad");
    shell("ip link set " + far + " address 02:00:00:00:99:2" + n + " up");
    shell("ip link set " + box + " address 02:00:00:00:99:1" + n + " up");
    shell("ip neigh replace 10.99." + n + ".2 lladdr 02:00:00:00:99:2" + n + " dev " + box + " nud permanent");
    shell("ip neigh replace fd99:" + n + "::2 lladdr 02:00:00:00:99:2" + n + " dev " + box + " nud permanent");
    for (const std::string& end : {box, far}) wait_for_carrier(end);
    open_far();
  }
  ~Cable() {
    close(fd_);
    shell("ip link del " + box);
  }
  Cable(const Cable&) = delete;

  unsigned interface() const { return if_nametoindex(box.c_str()); }
  std::string box_ip(bool six) const { return (six ? "fd99:" : "10.99.") + std::to_string(number) + (six ? "::1" : ".1"); }
  std::string far_ip(bool six) const { return (six ? "fd99:" : "10.99.") + std::to_string(number) + (six ? "::2" : ".2"); }
  next_hop hop() const {
    next_hop made{};
    const std::uint8_t net = static_cast<std::uint8_t>(number);
    const std::uint8_t to[6] = {2, 0, 0, 0, 0x99, static_cast<std::uint8_t>(0x20 | net)}, from[6] = {2, 0, 0, 0, 0x99, static_cast<std::uint8_t>(0x10 | net)};
    std::memcpy(made.destination, to, 6);
    std::memcpy(made.source, from, 6);
    made.usable = 1;
    made.interface = interface();
    made.mtu = 1'500;
    return made;
  }

  void put(const Bytes& frame) const {
    if (send(fd_, frame.data(), frame.size(), 0) < 0) std::perror("put");
  }
  /// The next UDP frame that came out of the box; empty after `wait_ms`.
  Bytes get(int wait_ms = 10'000) {
    for (;;) {
      pollfd wanted{fd_, POLLIN, 0};
      if (poll(&wanted, 1, wait_ms) != 1) return {};
      Bytes frame(4'096);
      const ssize_t size = recv(fd_, frame.data(), frame.size(), 0);
      frame.resize(static_cast<std::size_t>(size > 0 ? size : 0));
      if (frame.size() < 42) continue;
      const bool four = frame[12] == 8 && frame[13] == 0 && frame[23] == 17;
      const bool six = frame[12] == 0x86 && frame[13] == 0xdd && frame[20] == 17;
      if (!four && !six) continue;
      captured.push_back(frame);
      return frame;
    }
  }

  std::string box, far;
  int number;
  std::vector<Bytes> captured;

 private:
  void open_far() {
    fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    sockaddr_ll link{};
    link.sll_family = AF_PACKET;
    link.sll_protocol = htons(ETH_P_ALL);
    link.sll_ifindex = static_cast<int>(if_nametoindex(far.c_str()));
    const int on = 1, room = 8 << 20;
    setsockopt(fd_, SOL_PACKET, 23 /* PACKET_IGNORE_OUTGOING */, &on, sizeof on);
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    if (bind(fd_, reinterpret_cast<sockaddr*>(&link), sizeof link) != 0) std::perror("far end");
  }
  int fd_ = -1;
};

}  // namespace sallyport::io::test
