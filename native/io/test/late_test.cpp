/// Media ports whose sockets are made when they are needed: native/io/porter.h. Needs root.
#include "phones.h"

using namespace phones;

namespace {

constexpr const char* kIps[] = {"127.0.0.1", "::1"};

/// Sends by a connected socket, which is told when nobody is there.
int refused(const std::string& ip, std::uint16_t port) {
  endpoint to{};
  std::memcpy(to.ip, ip_of(ip).data(), 16);
  to.port[0] = static_cast<std::uint8_t>(port >> 8);
  to.port[1] = static_cast<std::uint8_t>(port);
  SocketAddress address;
  const socklen_t size = to_socket_address(to, address);
  const int fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  EXPECT(connect(fd, &address.any, size) == 0);
  [[maybe_unused]] const ssize_t sent = send(fd, "?", 1, 0);
  pollfd told{fd, POLLIN, 0};
  const int error = poll(&told, 1, 50) == 1 && recv(fd, &address, 1, MSG_DONTWAIT) < 0 ? errno : 0;
  close(fd);
  return error;
}

bool any_bound(unsigned first, unsigned end) {
  bool any = false;
  FILE* const list = std::fopen("/proc/self/net/udp", "re");
  char line[512];
  for (unsigned port; list != nullptr && std::fgets(line, sizeof line, list) != nullptr;) {
    any = any || (std::sscanf(line, " %*u: %*[0-9A-Fa-f]:%x", &port) == 1 && port >= first && port < end);
  }
  if (list != nullptr) std::fclose(list);
  return any;
}

/// Another program's socket.
int hold_port(const std::string& ip, std::uint16_t port) {
  const int fd = socket(ip.find(':') == std::string::npos ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  endpoint local{};
  std::memcpy(local.ip, ip_of(ip).data(), 16);
  local.port[0] = static_cast<std::uint8_t>(port >> 8);
  local.port[1] = static_cast<std::uint8_t>(port);
  SocketAddress address;
  const socklen_t size = to_socket_address(local, address);
  EXPECT(bind(fd, &address.any, size) == 0);
  return fd;
}

}  // namespace

TEST("a call in which nobody speaks has no socket; closed, its ports are nobody's") {
  for (const char* ip : kIps) {
    for (const PortChoice choice : kChoices) {
      Box box(choice);
      EXPECT(box.host->late_problem().empty());
      Phone caller(ip), callee(ip);
      const std::size_t before = open_descriptors();
      const std::uint16_t ports[2] = {free_port(ip), free_port(ip)};
      for (int round = 0; round < 3; ++round) {
        SideWords a = side(caller, ports[0]), b = side(callee, ports[1]);
        EXPECT(box.host->open(3, relay::PairKind::kAudio, a, b));
        box.host->wake();
        EXPECT(open_descriptors() == before);
        box.seen.clear();
        box.close(3);
        EXPECT(refused(ip, ports[0]) == ECONNREFUSED && refused(ip, ports[1]) == ECONNREFUSED);
      }
    }
  }
}

TEST("the first datagrams of a port arrive all and in order, and the answers leave by the port they belong to") {
  for (const char* ip : kIps) {
    for (const PortChoice choice : kChoices) {
      Box box(choice);
      Phone caller(ip), callee(ip);
      const std::size_t before = open_descriptors();
      const std::uint16_t ports[2] = {free_port(ip), free_port(ip)};
      SideWords a = side(caller, ports[0]), b = side(callee, ports[1]);
      EXPECT(box.host->open(0, relay::PairKind::kAudio, a, b));
      // They lie there before the packet thread knows of the call.
      for (std::uint32_t sequence = 1; sequence <= 20; ++sequence) caller.send(rtp(sequence), ports[0]);
      box.host->wake();
      for (std::uint32_t sequence = 21; sequence <= 40; ++sequence) caller.send(rtp(sequence), ports[0]);
      for (std::uint32_t sequence = 1; sequence <= 40; ++sequence) EXPECT(callee.get() == rtp(sequence));
      EXPECT(callee.from_port == ports[1]);
      callee.send(rtp(7), ports[1]);
      EXPECT(caller.get() == rtp(7) && caller.from_port == ports[0]);
      EXPECT(open_descriptors() == before + 2);
      box.close(0);
      EXPECT(box.counter(0, 0, relay::k_packets) == 40 && box.counter(0, 0, relay::k_lost) == 0);
      EXPECT(open_descriptors() == before);
    }
  }
}

TEST("what comes before the thread has heard of its flow waits until it has, in order; of a flow that is gone it goes, too") {
  for (const char* ip : kIps) {
    std::string why;
    const auto porter = Porter::start(1, why);
    if (!porter) return EXPECT(!"the kernel takes it");
    LateSockets late(porter.get(), 0, 8);
    Phone phone(ip);
    const auto at = [&](std::uint16_t port) {
      relay::Side side;
      side.local = {ip_of(ip), port, port, true};
      return local_of(side, 0);
    };
    const std::uint16_t ports[2] = {free_port(ip), free_port(ip)};
    const auto heard = [&] {
      std::vector<std::uint32_t> flows;
      const auto batch = late.receive(1'000'000'000);
      for (const relay::Datagram& datagram : batch) {
        EXPECT(Bytes(datagram.data, datagram.data + datagram.size) == rtp(datagram.flow));
        flows.push_back(datagram.flow);
      }
      return flows;
    };
    const auto look = [&] {
      for (const int fd : late.watched()) late.readable(fd);
      return heard();
    };
    EXPECT(porter->serves(at(ports[0]), 0, 3) && porter->open(at(ports[0]), 0, 3));
    EXPECT(porter->serves(at(ports[1]), 0, 5) && porter->open(at(ports[1]), 0, 5));
    phone.send(rtp(3), ports[0]);
    phone.send(rtp(5), ports[1]);
    EXPECT(look().empty());
    late.expect(5, at(ports[1]), 0, false);
    EXPECT(heard().empty());  // It stands behind the other.
    late.expect(3, at(ports[0]), 0, false);
    EXPECT((heard() == std::vector<std::uint32_t>{3, 5}));
    late.end(3);
    late.end(5);
    EXPECT(porter->open(at(ports[0]), 0, 3));
    phone.send(rtp(3), ports[0]);
    EXPECT(look().empty());
    porter->close(at(ports[0]));
    EXPECT(look().empty() && look().empty());
  }
}

TEST("where the kernel takes no porter nobody waits for a socket; what is early waits on while the other family fills a turn") {
  LateSockets none(nullptr, 0, 0);
  EXPECT(!none.is_waiting(1u << 30));
  std::string why;
  const auto porter = Porter::start(1, why);
  if (!porter) return EXPECT(!"the kernel takes it");
  LateSockets late(porter.get(), 0, 8);
  Phone six("::1"), four("127.0.0.1");
  const std::uint16_t ports[2] = {free_port("::1"), free_port("127.0.0.1")};
  relay::Side sides[2];
  sides[0].local = {ip_of("::1"), ports[0], ports[0], true};
  sides[1].local = {ip_of("127.0.0.1"), ports[1], ports[1], true};
  for (std::uint32_t i = 0; i < 2; ++i) EXPECT(porter->serves(local_of(sides[i], 0), 0, i) && porter->open(local_of(sides[i], 0), 0, i));
  const auto look = [&] {
    for (const int fd : late.watched()) late.readable(fd);
    return late.receive(1'000'000'000);
  };
  six.send(rtp(1), ports[0]);
  EXPECT(look().empty());
  late.expect(1, local_of(sides[1], 0), 0, false);
  late.expect(0, local_of(sides[0], 0), 0, false);
  for (std::uint32_t sequence = 0; sequence < 40; ++sequence) four.send(rtp(sequence), ports[1]);
  const auto full = look();
  EXPECT(full.size() == 32 && full.back().flow == 1 && late.has_more());
  const auto rest = look();
  EXPECT(rest.size() == 9 && rest.back().flow == 0 && rest.front().flow == 1);
}

TEST("a mark that changes before the first datagram stands on it") {
  for (const PortChoice choice : kChoices) {
    Box box(choice);
    Phone caller("127.0.0.1"), callee("127.0.0.1");
    const std::uint16_t ports[2] = {free_port("127.0.0.1"), free_port("127.0.0.1")};
    SideWords a = side(caller, ports[0], 34), b = side(callee, ports[1], 46), set;
    EXPECT(box.host->open(0, relay::PairKind::kAudio, a, b));
    set.side.dscp = 10;
    EXPECT(box.host->change(0, 1, relay::kChangeDscp, set));
    box.host->wake();
    caller.send(rtp(1), ports[0]);
    EXPECT(callee.get() == rtp(1) && callee.traffic_class == 10 << 2);
    set.side.dscp = 12;
    EXPECT(box.host->change(0, 1, relay::kChangeDscp, set));
    box.host->wake();
    caller.send(rtp(2), ports[0]);
    EXPECT(callee.get() == rtp(2) && callee.traffic_class == 12 << 2);
  }
}

TEST("a port that another program held before is refused at once; one it took since fails with the first datagram, and stays its own") {
  for (const char* ip : kIps) {
    for (const PortChoice choice : kChoices) {
      const std::uint16_t before = free_port(ip), since = free_port(ip), spare = free_port(ip);
      const int early = hold_port(ip, before);
      Box box(choice);
      Phone caller(ip), callee(ip);
      SideWords a = side(caller, spare), b = side(callee, before);
      EXPECT(box.host->open(0, relay::PairKind::kAudio, a, b));
      const HostEvent refused_event = box.wait(relay::EventKind::kFailed);
      EXPECT(refused_event.side == 1 && refused_event.reason == std::string("Address already in use"));
      box.close(0);
      box.seen.clear();

      SideWords c = side(caller, since), d = side(callee, spare);
      EXPECT(box.host->open(1, relay::PairKind::kAudio, c, d));
      box.host->wake();
      const int later = hold_port(ip, since);
      caller.send(rtp(1), since);
      const HostEvent failed = box.wait(relay::EventKind::kFailed);
      EXPECT(failed.pair == 1 && failed.side == 0 && failed.reason == std::string("Address already in use"));
      caller.send(rtp(2), since);
      pollfd heard{later, POLLIN, 0};
      EXPECT(poll(&heard, 1, 2'000) == 1);
      box.close(1);
      close(early);
      close(later);
    }
  }
}

TEST("one port is one flow's: two calls, or two sides, cannot have it") {
  Box box(PortChoice::kAuto);
  Phone caller("127.0.0.1"), callee("127.0.0.1");
  const std::uint16_t one = free_port("127.0.0.1"), two = free_port("127.0.0.1"), three = free_port("127.0.0.1");
  SideWords a = side(caller, one), b = side(callee, two), c = side(caller, three), d = side(callee, two);
  EXPECT(box.host->open(0, relay::PairKind::kAudio, a, b));
  EXPECT(box.host->open(1, relay::PairKind::kAudio, c, d));
  EXPECT(box.wait(relay::EventKind::kFailed).side == 1);
  box.close(1);
  EXPECT(refused("127.0.0.1", three) == ECONNREFUSED);  // The door of its other side is closed again.
  SideWords e = side(caller, three), f = side(callee, three);
  box.seen.clear();
  EXPECT(box.host->open(2, relay::PairKind::kAudio, e, f));
  EXPECT(box.wait(relay::EventKind::kFailed).pair == 2);
  EXPECT(refused("127.0.0.1", three) == ECONNREFUSED);
}

TEST("ten thousand calls with ports of their own for RTCP: no descriptor but of those that speak, all closed in the end") {
  constexpr std::uint32_t kCalls = 10'000;
  // Rings of boxes before let go of their sockets a little later; a port that is bound as the box starts would not wait.
  EXPECT(soon([] { return !any_bound(10'000, 30'000); }));
  Box box(PortChoice::kAuto, kCalls);
  if (!box.host->late_problem().empty()) return EXPECT(!"the kernel takes it");
  Phone caller("127.0.0.1"), callee("127.0.0.1");
  const std::size_t before = open_descriptors();
  const auto port = [](std::uint32_t pair) { return static_cast<std::uint16_t>(10'000 + pair * 2); };
  for (std::uint32_t pair = 0; pair < kCalls; ++pair) {
    SideWords a = side(caller, port(pair)), b = side(callee, port(pair));
    a.side.local = {ip_of("127.77.0.1"), port(pair), static_cast<std::uint16_t>(port(pair) + 1), true};
    b.side.local = {ip_of("127.77.0.2"), port(pair), static_cast<std::uint16_t>(port(pair) + 1), true};
    while (!box.host->open(pair, relay::PairKind::kAudio, a, b)) box.host->wake(), usleep(100);
  }
  box.host->wake();
  EXPECT(open_descriptors() == before);
  for (const std::uint32_t pair : {0u, 4'999u, kCalls - 1}) {
    caller.send(rtp(pair), port(pair), "127.77.0.1");
    EXPECT(callee.get() == rtp(pair) && callee.from_port == port(pair));
  }
  EXPECT(open_descriptors() == before + 6);
  std::size_t closed = 0;
  for (std::uint32_t pair = 0; pair < kCalls; ++pair) {
    while (!box.host->close(pair)) box.host->wake(), usleep(100);
  }
  box.host->wake();
  for (int round = 0; round < 2'000 && closed != kCalls; ++round) {
    box.seen.clear();
    box.hear();
    for (const HostEvent& event : box.seen) closed += event.kind == relay::EventKind::kClosed;
    if (closed != kCalls) usleep(1'000);
  }
  EXPECT(closed == kCalls && open_descriptors() == before);
  EXPECT(refused("127.77.0.1", port(9)) == ECONNREFUSED);
}
