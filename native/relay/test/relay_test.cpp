#include "../relay.h"

#include <random>
#include <vector>

#include "../../shared/check.h"
#include "../reception.h"
#include "world.h"

using namespace sallyport::relay;
using namespace sallyport::relay::test;
namespace crypto = sallyport::crypto;

TEST("a packet from the signalled address goes out at the other side's socket to the other side's address") {
  World world;
  world.relay.open(1, PairKind::kAudio, world.side(2), world.side(3), world.now);
  const Datagram sent = world.give(4, at(2, 5'000), rtp());
  EXPECT(sent.verdict == Verdict::kForward);
  EXPECT(sent.out_flow == 6);
  EXPECT(same(sent.to, at(3, 5'000)));
  EXPECT(world.counter(1, 0, k_packets) == 1 && world.counter(1, 0, k_bytes) == 172);
  EXPECT(world.counter(1, 1, k_sent) == 1 && world.counter(1, 1, k_sentBytes) == 172);
}

TEST("latch off: another port, another address and an unknown remote are strangers") {
  World world;
  Side unknown = world.side(3);
  unknown.remote.known = false;
  world.relay.open(0, PairKind::kAudio, world.side(2), unknown, world.now);
  EXPECT(world.give(0, at(2, 5'002), rtp()).verdict == Verdict::kStranger);
  EXPECT(world.give(0, at(9, 5'000), rtp()).verdict == Verdict::kStranger);
  EXPECT(world.give(2, at(3, 5'000), rtp()).verdict == Verdict::kStranger);
  EXPECT(world.give(0, at(2, 5'000), rtp()).verdict == Verdict::kUnsent);
  EXPECT(world.counter(0, 0, k_droppedStranger) == 2 && world.counter(0, 1, k_droppedStranger) == 1);
  EXPECT(world.events.empty());
}

TEST("latch signalled: the first port of the signalled address wins, and stays through a change that says the same") {
  World world;
  const Side caller = world.side(2, LatchPolicy::kSignalled);
  world.relay.open(0, PairKind::kAudio, caller, world.side(3), world.now);
  EXPECT(world.give(0, at(8, 5'000), rtp()).verdict == Verdict::kStranger);
  EXPECT(world.give(0, at(2, 6'666), rtp()).verdict == Verdict::kForward);
  EXPECT(world.events.size() == 1 && world.events[0].kind == EventKind::kLatched && same(world.events[0].source, at(2, 6'666)));
  EXPECT(world.give(0, at(2, 5'000), rtp(2)).verdict == Verdict::kStranger);
  EXPECT(same(world.give(2, at(3, 5'000), rtp()).to, at(2, 6'666)));

  world.relay.change(0, 0, kChangeRemote | kChangeLatch | kChangeLatchFrom, caller, world.now);
  EXPECT(world.give(0, at(2, 5'000), rtp(3)).verdict == Verdict::kStranger);
  world.relay.change(0, 0, kChangeRelatch, Side{}, world.now);
  EXPECT(world.give(0, at(2, 5'000), rtp(3)).verdict == Verdict::kForward);
  EXPECT(world.events.size() == 2);
}

TEST("latch source: the signalling source and the signalled address are heard, nobody else") {
  World world;
  Side caller = world.side(2, LatchPolicy::kSource);
  caller.latch_from = ip(77);
  world.relay.open(0, PairKind::kAudio, caller, world.side(3), world.now);
  EXPECT(world.give(0, at(78, 1'234), rtp()).verdict == Verdict::kStranger);
  EXPECT(world.give(0, at(77, 1'234), rtp()).verdict == Verdict::kForward);
  EXPECT(world.give(0, at(2, 5'000), rtp(2)).verdict == Verdict::kStranger);
}

TEST("two first senders in one batch: one is learnt, the other is a stranger") {
  World world;
  world.relay.open(0, PairKind::kAudio, world.side(2, LatchPolicy::kSignalled), world.side(3), world.now);
  Bytes packets[2] = {rtp(1), rtp(2)};
  Datagram batch[2];
  for (std::uint16_t i = 0; i < 2; ++i) {
    packets[i].resize(2'048);
    batch[i].flow = 0;
    batch[i].sender = at(2, static_cast<std::uint16_t>(7'000 + i));
    batch[i].data = packets[i].data();
    batch[i].size = 172;
    batch[i].room = 2'048;
  }
  world.relay.handle(batch, world.now);
  EXPECT(batch[0].verdict == Verdict::kForward && batch[1].verdict == Verdict::kStranger);
  EXPECT(world.events.size() == 1);
}

TEST("RTCP is told from RTP on a shared port, and is malformed on an RTP port that is not shared") {
  World world;
  Side mux = world.side(2);
  mux.local.rtcp_port = mux.local.rtp_port;
  mux.remote.rtcp_port = mux.remote.rtp_port;
  world.relay.open(0, PairKind::kAudio, mux, world.side(3), world.now);
  const Bytes report{0x80, 201, 0, 1, 0, 0, 0, 7};
  const Datagram out = world.give(0, at(2, 5'000), report);
  EXPECT(out.verdict == Verdict::kForward && out.rtcp && out.out_flow == 3 && same(out.to, at(3, 5'001)));
  const Datagram back = world.give(3, at(3, 5'001), report);
  EXPECT(back.verdict == Verdict::kForward && back.out_flow == 0 && same(back.to, at(2, 5'000)));
  EXPECT(world.give(2, at(3, 5'000), report).verdict == Verdict::kMalformed);
  EXPECT(world.give(3, at(3, 5'001), rtp()).verdict == Verdict::kMalformed);
  EXPECT(world.counter(0, 0, k_rtcpPackets) == 1 && world.counter(0, 0, k_packets) == 0);
}

TEST("RTCP does not go to a signalled address that RTP has shown to be false") {
  World world;
  Side caller = world.side(2, LatchPolicy::kSource);
  caller.latch_from = ip(77);
  world.relay.open(0, PairKind::kAudio, caller, world.side(3), world.now);
  const Bytes report{0x80, 201, 0, 1, 0, 0, 0, 7};
  world.give(0, at(77, 1'234), rtp());
  EXPECT(world.give(3, at(3, 5'001), report).verdict == Verdict::kUnsent);
  EXPECT(world.give(1, at(77, 1'235), report).verdict == Verdict::kForward);
  EXPECT(same(world.give(3, at(3, 5'001), report).to, at(77, 1'235)));
}

TEST("headers, extensions, sources and padding must lie inside the packet") {
  World world;
  world.relay.open(0, PairKind::kAudio, world.side(2), world.side(3), world.now);
  const auto verdict = [&](Bytes packet) { return world.give(0, at(2, 5'000), packet).verdict; };
  Bytes good = rtp();
  good[0] = 0x80 | 0x20 | 0x10 | 3;  // Padding, extension, three sources.
  write16(&good[26], 2);             // Two words of extension at 12 + 12.
  good.back() = 4;
  EXPECT(verdict(good) == Verdict::kForward);
  for (const std::uint8_t padding : {0, 200}) {
    Bytes bad = good;
    bad.back() = padding;
    EXPECT(verdict(bad) == Verdict::kMalformed);
  }
  Bytes bad = good;
  write16(&bad[26], 500);
  EXPECT(verdict(bad) == Verdict::kMalformed);
  EXPECT(verdict(Bytes(good.begin(), good.begin() + 20)) == Verdict::kMalformed);
  EXPECT(verdict(Bytes(11, 0x80)) == Verdict::kMalformed);
  EXPECT(verdict({}) == Verdict::kMalformed);
  bad = rtp();
  bad[0] = 0x40;
  EXPECT(verdict(bad) == Verdict::kMalformed);
}

TEST("any bytes get a verdict, and none but a sane packet is forwarded") {
  World world;
  Side mux = world.side(2);
  mux.local.rtcp_port = mux.local.rtp_port;
  world.relay.open(0, PairKind::kAudio, mux, world.side(3), world.now);
  std::mt19937 dice(2);
  for (int round = 0; round < 300'000; ++round) {
    Bytes packet(dice() % 64);
    for (auto& byte : packet) byte = static_cast<std::uint8_t>(dice());
    if (!packet.empty() && dice() % 2) packet[0] = 0x80 | (packet[0] & 0x3f);
    const Datagram out = world.give(0, at(2, 5'000), packet);
    EXPECT(out.verdict != Verdict::kForward || (packet.size() >= 8 && packet[0] >> 6 == 2));
  }
}

TEST("silence is said once after its limit, and the next packet after it too; a change begins the watch anew") {
  World world;
  Side caller = world.side(2);
  caller.silence_limit_ms = 1'000;
  world.relay.open(0, PairKind::kAudio, caller, world.side(3), world.now);
  const auto pass = [&](std::uint64_t ms) { world.now += ms * kMs, world.relay.tick(world.now); };
  pass(999);
  EXPECT(world.events.empty());
  pass(30);
  pass(30);
  EXPECT(world.events.size() == 1 && world.events[0].kind == EventKind::kSilent && world.events[0].side == 0);
  world.give(0, at(2, 5'000), rtp());
  EXPECT(world.events.size() == 2 && world.events[1].kind == EventKind::kHeard);
  pass(999);
  Side held;
  world.relay.change(0, 0, kChangeSilenceLimitMs, held, world.now);
  pass(5'000);
  EXPECT(world.events.size() == 2);
}

TEST("loss is expected minus received over wraps, late and doubled packets; a jump must show twice") {
  Receptions receptions;
  std::uint64_t now = kMs;
  const auto give = [&](std::uint16_t sequence) { receptions.packet(1, sequence, sequence * 160u, 8'000, now += 20 * kMs); };
  for (const int sequence : {65'533, 65'534, 65'535, 0, 1, 3, 4}) give(static_cast<std::uint16_t>(sequence));
  EXPECT(receptions.lost() == 1);
  give(2);  // Late, not lost.
  EXPECT(receptions.lost() == 0);
  give(2);
  EXPECT(receptions.lost() == 0);
  give(30'000);  // One odd packet.
  EXPECT(receptions.lost() == 0);
  give(5);
  EXPECT(receptions.lost() == 0);
  give(40'000);
  give(40'001);
  give(40'003);
  EXPECT(receptions.lost() == 1);
}

TEST("jitter is the RFC's: an even stream has none, one packet 16 ms late adds a millisecond, then it decays") {
  Receptions receptions;
  std::uint64_t now = kMs;
  std::uint32_t timestamp = 0;
  std::uint16_t sequence = 0;
  const auto give = [&](std::uint64_t late_ms) -> const Reception& {
    return receptions.packet(1, ++sequence, timestamp += 160, 8'000, (now += 20 * kMs) + late_ms * kMs);
  };
  for (int i = 0; i < 50; ++i) EXPECT(give(0).jitter_us() == 0);
  EXPECT(give(16).jitter_us() == 1'000);
  const std::uint32_t after = give(0).jitter_us();
  EXPECT(after > 1'800 && after < 2'000);
  for (int i = 0; i < 200; ++i) give(0);
  EXPECT(give(0).jitter_us() < 200);
}

TEST("the clock of a dynamic payload type is measured") {
  for (const std::uint32_t hz : {8'000u, 16'000u, 48'000u, 90'000u}) {
    Receptions receptions;
    std::uint64_t now = kMs;
    std::uint32_t timestamp = 0;
    for (std::uint16_t sequence = 0; sequence < 40; ++sequence) {
      receptions.packet(1, sequence, timestamp += hz / 50, 0, now += 20 * kMs);
    }
    EXPECT(receptions.first.clock_hz == hz);
  }
}

TEST("sources beyond the limit push out the one unheard for longest, whose losses stay") {
  Receptions receptions;
  std::array<Reception, kReceptionSources - 1> more;
  receptions.more = more.data();
  std::uint64_t now = kMs;
  receptions.packet(1, 1, 0, 8'000, now += kMs);
  receptions.packet(1, 4, 0, 8'000, now += kMs);
  for (std::uint32_t ssrc = 2; ssrc < 10; ++ssrc) receptions.packet(ssrc, 1, 0, 8'000, now += kMs);
  EXPECT(receptions.lost() == 2);
}

int main(int count, char** words) { return check::run(count, words); }
