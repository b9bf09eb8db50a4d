/// Sockets whose descriptors the box has closed, since descriptors are short: the ring holds them.
#include <sys/resource.h>

#include "phones.h"

using namespace phones;

namespace {

/// For as long as it lives.
struct FewDescriptors {
  explicit FewDescriptors(rlim_t count) {
    getrlimit(RLIMIT_NOFILE, &before);
    const rlimit few{count, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewDescriptors() { setrlimit(RLIMIT_NOFILE, &before); }
  rlimit before;
};

}  // namespace

TEST("sockets beyond half of the descriptors are held by the ring alone: more calls, marked live, and none is left behind") {
  constexpr std::uint32_t kCalls = 40;
  for (const auto& [ip, late] : {std::pair{"127.0.0.1", true}, {"::1", true}, {"127.0.0.1", false}, {"::1", false}}) {
    const std::size_t before = open_descriptors();
    {
      Box box(PortChoice::kIoUring, kCalls, late);
      if (!box.host->problem().empty()) return;
      Phone caller(ip), callee(ip);
      const std::size_t empty = open_descriptors();
      const FewDescriptors few(empty + 2 * kCalls - 10);
      std::vector<std::uint16_t> ports;
      for (std::uint32_t pair = 0; pair < kCalls; ++pair) {
        for (int i = 0; i < 2; ++i) ports.push_back(free_port(ip));
        SideWords from = side(caller, ports[2 * pair]), to = side(callee, ports[2 * pair + 1]);
        EXPECT(box.host->open(pair, relay::PairKind::kAudio, from, to));
        box.host->wake();
        caller.send(rtp(1), ports[2 * pair]);
        EXPECT(callee.get() == rtp(1));
        box.hear();
      }
      const std::size_t full = open_descriptors();
      if (full >= empty + 2 * kCalls - 10) return EXPECT(!"no socket was let go");  // Linux 6.7 is needed for it.
      SideWords marked;
      marked.side.dscp = 10;
      for (const std::uint32_t pair : {0u, kCalls - 1}) {
        box.host->change(pair, 0, relay::kChangeDscp, marked);
        box.host->wake();
        callee.send(rtp(2), ports[2 * pair + 1]);
        EXPECT(caller.get() == rtp(2) && caller.traffic_class == 10 << 2);
        Bytes longer = rtp(3);
        longer.resize(1'700, 1);  // Longer than a path may be sure to take: fragments are allowed for it.
        callee.send(longer, ports[2 * pair + 1]);
        EXPECT(caller.get() == longer);
      }
      for (std::uint32_t pair = 0; pair < kCalls; ++pair) box.close(pair), box.seen.clear();
      EXPECT(open_descriptors() == empty);
      // What the ring held is free again: the same ports serve other calls.
      for (const std::uint32_t pair : {0u, kCalls - 1}) {
        SideWords from = side(caller, ports[2 * pair]), to = side(callee, ports[2 * pair + 1]);
        box.host->open(pair, relay::PairKind::kAudio, from, to);
        box.host->wake();
        caller.send(rtp(7), ports[2 * pair]);
        EXPECT(callee.get() == rtp(7));
      }
    }
    EXPECT(open_descriptors() == before);
  }
}
