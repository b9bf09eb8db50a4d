/* Which flows the relay gives to a faster path, when it takes them back, and that nothing is counted twice or not at all. */
#include "../../shared/check.h"
#include "../flow_sink.h"
#include "world.h"

using namespace sallyport::relay;
using namespace sallyport::relay::test;
namespace crypto = sallyport::crypto;

namespace {

/* A path that forwards on paper. */
struct Paper final : FlowSink {
  struct Flow {
    bool there = false;
    FlowWords words;
    FlowTally tally;
    unsigned offers = 0;
  };
  Offered offer(FlowNumber number, const FlowWords& words) noexcept override {
    flows[number].offers += 1;
    if (answer != Offered::kTaken) return answer;
    flows[number].there = true;
    flows[number].words = words;
    flows[number].tally.highest = words.highest;
    flows[number].tally.jitter_q4 = words.jitter_q4;
    return Offered::kTaken;
  }
  void withdraw(FlowNumber number) noexcept override { flows[number].there = false; }
  FlowTally tally(FlowNumber number) noexcept override { return flows[number].tally; }
  void forget(FlowNumber number) noexcept override { flows[number] = {}; }
  void carry(FlowNumber number, std::uint32_t packets, std::uint64_t now_ns) {
    FlowTally& tally = flows[number].tally;
    tally.packets += packets, tally.bytes += packets * 172, tally.highest += packets, tally.last_ns = now_ns;
  }
  Offered answer = Offered::kTaken;
  Flow flows[8];
};

struct Offloading : World {
  explicit Offloading(crypto::SrtpEngine* engine = nullptr) : World(engine) { relay.set_sink(&paper); }
  void look() { now += 20 * kMs, relay.tick(now); }
  /* One packet from each side, and a look. */
  void talk() {
    sequence += 1;
    give(0, at(2, 5'000), rtp(sequence, sequence * 160u));
    give(2, at(3, 5'000), rtp(sequence, sequence * 160u));
    look();
  }
  bool taken(FlowNumber number) const { return paper.flows[number].there; }
  Paper paper;
  std::uint16_t sequence = 0;
};

}  // namespace

TEST("a plain call goes to the faster path after its first packets, both ways, with all it needs") {
  Offloading world;
  Side caller = world.side(2), callee = world.side(3);
  caller.dscp = 10, callee.dscp = 46;
  callee.local = {ip(4), 6'000, 6'001, true};
  callee.payload_types[0] = {101, 96};
  callee.payload_type_count = 1;
  caller.digits.events[0] = {101, 8'000};
  caller.digits.event_count = 1;
  world.relay.open(0, PairKind::kAudio, caller, callee, world.now);
  world.look();
  EXPECT(!world.taken(0) && !world.taken(1));
  world.talk();
  EXPECT(world.taken(0) && world.taken(1));
  const FlowWords& words = world.paper.flows[0].words;
  EXPECT(same(words.local, at(1, 4'000)) && same(words.source, at(2, 5'000)) && same(words.from, at(4, 6'000)) && same(words.to, at(3, 5'000)));
  EXPECT(words.dscp == 46 && words.ssrc == 0x55555555 && words.highest == 0x10001 && words.clock_hz == 8'000);
  EXPECT(words.up_types[0] == 0 && words.up_types[1] == std::uint64_t{1} << (101 - 64));
  EXPECT(world.paper.flows[1].words.dscp == 10 && world.paper.flows[1].words.up_types[1] == 0);
  EXPECT(world.counter(0, 0, k_path) == 1);
}

TEST("what the path counts stands in the side's counters, once, with what came by the sockets") {
  Offloading world;
  world.relay.open(0, PairKind::kAudio, world.side(2), world.side(3), world.now);
  world.talk();
  world.paper.carry(0, 10, world.now);
  world.paper.flows[0].tally.highest += 3;  // Three were lost on their way, in one go.
  world.paper.flows[0].tally.bursts = 1;
  world.paper.flows[0].tally.strangers = 5;
  world.look(), world.look();
  EXPECT(world.counter(0, 0, k_packets) == 11 && world.counter(0, 0, k_bytes) == 11 * 172);
  EXPECT(world.counter(0, 1, k_sent) == 11 && world.counter(0, 1, k_sentBytes) == 11 * 172);
  EXPECT(world.counter(0, 0, k_lost) == 3 && world.counter(0, 0, k_lossBursts) == 1);
  EXPECT(world.counter(0, 0, k_droppedStranger) == 5);
  world.paper.carry(0, 2, world.now);
  world.relay.close(0);
  EXPECT(world.counter(0, 0, k_packets) == 13 && world.counter(0, 1, k_sent) == 13 && !world.taken(0));
}

TEST("every change takes the flows back at once; unchanged, they are offered again") {
  const std::pair<std::uint32_t, void (*)(Side&)> changes[] = {
      {kChangeReceive, [](Side& side) { side.receive = false; }},
      {kChangeSend, [](Side& side) { side.send = false; }},
      {kChangeRemote, [](Side& side) { side.remote.rtp_port = 5'555; }},
      {kChangeRelatch, [](Side&) {}},
      {kChangeReports, [](Side& side) { side.reports = true; }},
      {kChangeDigits, [](Side& side) { side.digits.insert = true; }},
  };
  for (const auto& [bits, change] : changes) {
    Offloading world;
    world.relay.open(0, PairKind::kAudio, world.side(2), world.side(3), world.now);
    world.talk();
    Side set = world.side(2);
    change(set);
    world.relay.change(0, 0, bits, set, world.now);
    EXPECT(!world.taken(0) && !world.taken(1));
    EXPECT(world.counter(0, 0, k_path) == 0);
    world.relay.change(0, 0, kChangeReceive | kChangeSend | kChangeReports, world.side(2), world.now);
    for (int i = 0; i < 3; ++i) world.talk();
    const bool comes_back = bits == kChangeReceive || bits == kChangeSend || bits == kChangeReports;
    EXPECT((world.taken(0) && world.taken(1)) == comes_back);
  }
}

TEST("hold takes the held direction back for good, and leaves the other") {
  Offloading world;
  world.relay.open(0, PairKind::kAudio, world.side(2), world.side(3), world.now);
  world.talk();
  Side held = world.side(2);
  held.send = false;
  world.relay.change(0, 0, kChangeSend, held, world.now);
  world.talk();
  EXPECT(world.taken(0) && !world.taken(1));
  EXPECT(world.counter(0, 1, k_droppedUnsent) == 1);
}

TEST("keys, fax, and sides that get numbers or reports of ours stay here") {
  const auto engine = crypto::SrtpEngine::create();
  const std::array<std::uint8_t, 30> master{};
  auto key = engine->open(crypto::Direction::kSend, {.suite = crypto::Suite::kAesCm128HmacSha1_80, .master = master, .mki = {}});
  for (int which = 0; which < 5; ++which) {
    Offloading world(engine.get());
    Side caller = world.side(2), callee = world.side(3);
    if (which == 0) callee.tx = key.get();
    if (which == 1) callee.digits.insert = true;
    if (which == 2) callee.reports = true;
    if (which == 3) callee.dtls.association = 1;
    world.relay.open(0, which == 4 ? PairKind::kUdptl : PairKind::kAudio, caller, callee, world.now);
    for (int i = 0; i < 5; ++i) world.talk();
    EXPECT(!world.taken(0) && world.paper.flows[0].offers == 0);
  }
}

TEST("a source not heard for a while is not offered; one whose clock is not known only after two seconds") {
  Offloading world;
  world.relay.open(0, PairKind::kAudio, world.side(2), world.side(3), world.now);
  Bytes dynamic = rtp(1, 0);
  dynamic[1] = 100;
  world.give(0, at(2, 5'000), dynamic);
  world.look();
  EXPECT(!world.taken(0));
  world.now += 1'500 * kMs;
  world.look();
  EXPECT(world.paper.flows[0].offers == 0);
  world.now += 1'000 * kMs;
  world.look();
  EXPECT(world.paper.flows[0].offers == 0);
  dynamic[3] = 2;
  world.give(0, at(2, 5'000), dynamic);
  world.look();
  EXPECT(world.taken(0));
}

TEST("silence and its end are told from what the path counts") {
  Offloading world;
  Side caller = world.side(2);
  caller.silence_limit_ms = 500;
  world.relay.open(0, PairKind::kAudio, caller, world.side(3), world.now);
  world.talk();
  for (int i = 0; i < 50; ++i) world.paper.carry(0, 1, world.now), world.look();
  EXPECT(world.events.empty());
  for (int i = 0; i < 50; ++i) world.look();
  EXPECT(world.events.size() == 1 && world.events[0].kind == EventKind::kSilent && world.events[0].side == 0);
  world.paper.carry(0, 1, world.now);
  world.look();
  EXPECT(world.events.size() == 2 && world.events[1].kind == EventKind::kHeard);
}

TEST("what a path has heard after our turn began is no silence") {
  Offloading world;
  Side caller = world.side(2);
  caller.silence_limit_ms = 500;
  world.relay.open(0, PairKind::kAudio, caller, world.side(3), world.now);
  world.talk();
  world.paper.carry(0, 1, world.now + 25 * kMs);
  world.look();
  world.relay.change(0, 0, kChangeReceive, caller, world.now);
  world.paper.carry(0, 1, world.now + 45 * kMs);
  world.relay.change(0, 0, kChangeReceive, caller, world.now);
  world.look();
  EXPECT(world.events.empty());
}

TEST("another SSRC comes to the sockets; when the path hears nothing any more it gets that one instead") {
  Offloading world;
  world.relay.open(0, PairKind::kAudio, world.side(2), world.side(3), world.now);
  world.talk();
  const auto other = [&](std::uint16_t sequence) {
    Bytes packet = rtp(sequence, sequence * 160u);
    packet[11] = 0x66;
    return packet;
  };
  // A forger, or a second source, while the first goes on: nothing moves.
  for (std::uint16_t i = 0; i < 30; ++i) {
    world.paper.carry(0, 1, world.now);
    EXPECT(world.give(0, at(2, 5'000), other(i)).verdict == Verdict::kForward);
    world.look();
  }
  EXPECT(world.taken(0) && world.paper.flows[0].offers == 1);
  for (std::uint16_t i = 30; i < 60; ++i) world.give(0, at(2, 5'000), other(i)), world.look();
  EXPECT(world.taken(0) && world.paper.flows[0].words.ssrc == 0x55555566);
}

TEST("a talker who pauses stays on the path, however long it carried him before and whenever we look") {
  Offloading world;
  world.relay.open(0, PairKind::kAudio, world.side(2), world.side(3), world.now);
  world.talk();
  for (int i = 0; i < 30; ++i) world.paper.carry(0, 1, world.now), world.look();
  for (int i = 0; i < 60; ++i) world.look(), EXPECT(world.taken(0));
  world.paper.carry(0, 1, world.now);
  world.look(), world.look(), world.look();
  EXPECT(world.taken(0) && world.paper.flows[0].offers == 1 && world.counter(0, 0, k_packets) == 32);
}

TEST("a path that will not, or not yet, is asked again, but not with every look") {
  Offloading world;
  world.paper.answer = Offered::kNever;
  world.relay.open(0, PairKind::kAudio, world.side(2), world.side(3), world.now);
  for (int i = 0; i < 100; ++i) world.talk();
  EXPECT(world.paper.flows[0].offers == 1);
  Offloading later;
  later.paper.answer = Offered::kLater;
  later.relay.open(0, PairKind::kAudio, later.side(2), later.side(3), later.now);
  for (int i = 0; i < 100; ++i) later.talk();
  EXPECT(later.paper.flows[0].offers >= 15 && later.paper.flows[0].offers <= 25);
  later.paper.answer = Offered::kTaken;
  for (int i = 0; i < 10; ++i) later.talk();
  EXPECT(later.taken(0));
}
