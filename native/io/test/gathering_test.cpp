/// When packets may wait for one another, in virtual time.
#include "../gathering.h"

#include "../../shared/check.h"

using sallyport::io::Gathering;
using sallyport::io::kGatherCalmLooks;
using sallyport::io::kGatherLookNs;

namespace {

/// A thread under a load: packets a second, and what each costs it, alone and in company.
struct World {
  Gathering rule;
  std::uint64_t now_ns = 5'000'000'000, worked_ns = 0, packets = 0;
  double alone_ns = 8'000, gathered_ns = 4'500;
  unsigned changes = 0;

  World() { rule.look(now_ns, worked_ns, packets); }
  void look(std::uint64_t more_packets, std::uint64_t more_ns) {
    const bool before = rule.gathers();
    now_ns += kGatherLookNs;
    packets += more_packets;
    worked_ns += more_ns;
    rule.look(now_ns, worked_ns, packets);
    changes += rule.gathers() != before;
  }
  void run(double packets_per_second, double seconds) {
    for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(seconds * 1e9 / kGatherLookNs); ++i) {
      double came = packets_per_second * kGatherLookNs / 1e9;
      const double cost = rule.gathers() ? gathered_ns : alone_ns;
      if (came * cost > kGatherLookNs) came = kGatherLookNs / cost;  // There is no more time than this.
      look(static_cast<std::uint64_t>(came), static_cast<std::uint64_t>(came * cost));
    }
  }
};

}  // namespace

TEST("a look is due after its time, and not before") {
  Gathering rule;
  rule.look(1'000'000'000, 0, 0);
  EXPECT(!rule.due(1'000'000'000 + kGatherLookNs - 1));
  EXPECT(rule.due(1'000'000'000 + kGatherLookNs));
}

TEST("with time to spare nothing gathers, however many packets: five hundred calls are a fifth of a core") {
  World world;
  EXPECT(!world.rule.gathers());
  world.run(25'000, 10);
  EXPECT(!world.rule.gathers() && world.changes == 0);
}

TEST("a thread that gets short of time gathers at the next look") {
  World world;
  world.run(25'000, 1);
  world.run(200'000, 0.011);
  EXPECT(world.rule.gathers());
  world.run(200'000, 10);
  EXPECT(world.rule.gathers() && world.changes == 1);
}

TEST("a busy thread whose packets come by another way does not let its few wait") {
  World world;
  for (int i = 0; i < 100; ++i) world.look(50, kGatherLookNs);
  EXPECT(!world.rule.gathers() && world.changes == 0);
}

TEST("it gathers until it had time to spare for ten looks in a row, and no longer") {
  World world;
  world.look(1'000, kGatherLookNs);
  for (unsigned i = 1; i < kGatherCalmLooks; ++i) world.look(200, kGatherLookNs / 5);
  EXPECT(world.rule.gathers());
  world.look(1'000, kGatherLookNs / 3);  // Busy once more.
  for (unsigned i = 1; i < kGatherCalmLooks; ++i) world.look(200, kGatherLookNs / 5);
  EXPECT(world.rule.gathers());
  world.look(200, kGatherLookNs / 5);
  EXPECT(!world.rule.gathers());
}

TEST("after a rush all is forwarded at once again within a fifth of a second, and no load makes it swing by more than that") {
  World world;
  world.run(200'000, 1);
  EXPECT(world.rule.gathers());
  world.run(25'000, 0.2);
  EXPECT(!world.rule.gathers());
  for (double rate = 5'000; rate < 250'000; rate += 5'000) {
    world.changes = 0;
    world.run(rate, 10);
    EXPECT(world.changes <= 200);
  }
}

int main(int count, char** words) { return check::run(count, words); }
