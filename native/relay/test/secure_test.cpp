/// Streams whose numbers SRTP cannot send as they come, keys that change, and who may move what. The other end is our
/// own receiving context, which refuses every index that comes twice.
#include <random>
#include <set>

#include "../out_sources.h"
#include "secured.h"

using namespace sallyport::relay;
using namespace sallyport::relay::test;

namespace {

const Key kCallerIn(1), kCallerOut(2), kCalleeIn(3), kCalleeOut(4);

}  // namespace

TEST("a plain source that begins again goes on toward SRTP above what was sent, whether it goes back by little or much") {
  for (const std::uint16_t length : {100, 2'000, 40'000}) {
    SecureWorld world;
    world.open(world.side(2), world.secure(3, kCalleeIn, kCalleeOut));
    const auto callee = world.phone(crypto::Direction::kReceive, kCalleeOut);
    int lost = 0;
    int next = -1;
    for (int round = 0; round < 4; ++round) {
      for (std::uint16_t i = 0; i < length; ++i) {
        world.now += 20 * kMs;
        const Datagram sent = world.give(0, at(2, 5'000), from(7, static_cast<std::uint16_t>(60'000 + i)));
        if (sent.verdict != Verdict::kForward) {
          lost += 1;
          continue;
        }
        const Bytes heard = world.opened(*callee, sent);
        EXPECT(!heard.empty() && ssrc_of(heard) == 7);
        if (heard.empty()) return;
        EXPECT(next < 0 || length == 40'000 || sequence_of(heard) == static_cast<std::uint16_t>(next));
        next = sequence_of(heard) + 1;
      }
    }
    EXPECT(lost == (length == 40'000 ? 0 : 9));  // From 34,463 back to 60,000 is forward, for 16 bits.
    EXPECT(world.counter(0, 0, k_droppedUnsent) == static_cast<std::uint64_t>(lost));
    EXPECT(world.counter(0, 1, k_sent) == 4u * length - static_cast<std::uint64_t>(lost));
  }
}

TEST("late and doubled packets move nothing") {
  SecureWorld world;
  world.open(world.side(2), world.secure(3, kCalleeIn, kCalleeOut));
  const auto callee = world.phone(crypto::Direction::kReceive, kCalleeOut);
  for (const int sequence : {100, 101, 101, 104, 103, 102, 102, 103, 105, 105, 106}) {
    const Datagram sent = world.give(0, at(2, 5'000), from(7, static_cast<std::uint16_t>(sequence)));
    if (sent.verdict == Verdict::kForward) EXPECT(sequence_of(world.opened(*callee, sent)) == sequence);
  }
  EXPECT(world.counter(0, 1, k_sent) == 7);
}

TEST("a phone that counts on while it is held is heard again when it is resumed") {
  SecureWorld world;
  world.open(world.side(2), world.secure(3, kCalleeIn, kCalleeOut));
  const auto callee = world.phone(crypto::Direction::kReceive, kCalleeOut);
  EXPECT(!world.opened(*callee, world.give(0, at(2, 5'000), from(7, 100))).empty());
  int heard = 0;
  for (std::uint16_t i = 0; i < 10; ++i) {
    const Datagram sent = world.give(0, at(2, 5'000), from(7, static_cast<std::uint16_t>(50'000 + i)));
    if (sent.verdict == Verdict::kForward) heard += !world.opened(*callee, sent).empty();
  }
  EXPECT(heard == 7);
}

TEST("a new SSRC two hundred times in one call, both ways: every packet is heard, under three SSRCs, and no index comes twice") {
  for (const crypto::Suite suite : {crypto::Suite::kAesCm128HmacSha1_80, crypto::Suite::kAeadAes128Gcm}) {
    SecureWorld world;
    const Key in[2] = {Key(1, suite), Key(2, suite)}, out[2] = {Key(3, suite), Key(4, suite)};
    world.open(world.secure(2, in[0], out[0]), world.secure(3, in[1], out[1]));
    const crypto::SrtpContextPtr ears[2] = {world.phone(crypto::Direction::kReceive, out[0]), world.phone(crypto::Direction::kReceive, out[1])};
    std::set<std::uint32_t> seen[2];
    for (std::uint32_t change = 0; change < 200; ++change) {
      const crypto::SrtpContextPtr mouths[2] = {world.phone(crypto::Direction::kSend, in[0]), world.phone(crypto::Direction::kSend, in[1])};
      for (std::uint16_t i = 0; i < 10; ++i) {
        world.now += 20 * kMs;
        for (std::uint32_t side = 0; side < 2; ++side) {
          const endpoint sender = at(static_cast<std::uint8_t>(2 + side), 5'000);
          const Bytes packet = world.sealed(*mouths[side], from(1'000 + change, static_cast<std::uint16_t>(change * 777 + i)));
          const Bytes heard = world.opened(*ears[side ^ 1], world.give(side * 2, sender, packet));
          EXPECT(heard.size() == 172);
          if (heard.empty()) return;
          seen[side].insert(ssrc_of(heard));
        }
      }
      for (std::uint32_t side = 0; side < 2; ++side) {
        const endpoint sender = at(static_cast<std::uint8_t>(2 + side), 5'001);
        const Bytes packet = world.sealed(*mouths[side], report(1'000 + change, 9, 0), true);
        EXPECT(world.opened(*ears[side ^ 1], world.give(side * 2 + 1, sender, packet)).size() == 32);
      }
    }
    EXPECT(seen[0].size() == kAudioSources && seen[1].size() == kAudioSources);
  }
}

TEST("live streams do not take places from each other: the one too many waits") {
  SecureWorld world;
  world.open(world.side(2), world.secure(3, kCalleeIn, kCalleeOut));
  const auto callee = world.phone(crypto::Direction::kReceive, kCalleeOut);
  for (std::uint16_t i = 0; i < 100; ++i) {
    world.now += 20 * kMs;
    for (const std::uint32_t ssrc : {1, 2, 3, 4}) {
      const Datagram sent = world.give(0, at(2, 5'000), from(ssrc, i));
      EXPECT((sent.verdict == Verdict::kForward) == (ssrc < 4));
      if (ssrc < 4) EXPECT(ssrc_of(world.opened(*callee, sent)) == ssrc);
    }
  }
}

TEST("strangers and forgers take no place: the real source still goes by its own name") {
  SecureWorld world;
  world.open(world.secure(2, kCallerIn, kCallerOut), world.secure(3, kCalleeIn, kCalleeOut));
  const auto caller = world.phone(crypto::Direction::kSend, kCallerIn);
  const auto callee = world.phone(crypto::Direction::kReceive, kCalleeOut);
  for (std::uint32_t ssrc = 100; ssrc < 200; ++ssrc) {
    world.now += 300 * kMs;
    EXPECT(world.give(0, at(9, 5'000), from(ssrc, 1)).verdict == Verdict::kStranger);
    EXPECT(world.give(0, at(2, 5'000), from(ssrc, 1)).verdict == Verdict::kNotAuthentic);
    EXPECT(world.give(1, at(2, 5'001), report(ssrc, 1, 1)).verdict != Verdict::kForward);
  }
  for (const std::uint32_t ssrc : {1, 2, 3}) {
    EXPECT(ssrc_of(world.opened(*callee, world.give(0, at(2, 5'000), world.sealed(*caller, from(ssrc, 1))))) == ssrc);
  }
}

TEST("reports speak of sources by the names and numbers that their reader knows") {
  SecureWorld world;
  world.open(world.side(2), world.secure(3, kCalleeIn, kCalleeOut));
  const auto mouth = world.phone(crypto::Direction::kSend, kCalleeIn);
  const auto ear = world.phone(crypto::Direction::kReceive, kCalleeOut);
  for (const std::uint32_t ssrc : {1, 2, 3, 4}) {  // The fourth goes as the first.
    world.now += 300 * kMs;
    const Bytes heard = world.opened(*ear, world.give(0, at(2, 5'000), from(ssrc, static_cast<std::uint16_t>(ssrc * 1'000))));
    EXPECT(ssrc_of(heard) == (ssrc == 4 ? 1 : ssrc));
    if (ssrc == 4) EXPECT(sequence_of(heard) == 1'001);
  }
  // The callee has heard 1,001 of source 1; the caller sent 4,000 of source 4.
  const Datagram back = world.give(3, at(3, 5'001), world.sealed(*mouth, report(9, 1, 1'001), true));
  EXPECT(back.verdict == Verdict::kForward && read32(back.data + 8) == 4 && read16(back.data + 18) == 4'000);
  const Bytes onward = world.opened(*ear, world.give(1, at(2, 5'001), report(4, 9, 55)));
  EXPECT(onward.size() == 32 && read32(&onward[4]) == 1 && read32(&onward[8]) == 9 && read32(&onward[16]) == 55);
  // The end of the first source is not the end of the fourth.
  const Bytes bye{0x81, 203, 0, 1, 0, 0, 0, 1};
  Bytes ending = report(4, 9, 55);
  for (const std::uint8_t byte : bye) ending.push_back(byte);
  const Bytes ended = world.opened(*ear, world.give(1, at(2, 5'001), ending));
  EXPECT(ended.size() == 40 && read32(&ended[36]) == 0);
}

TEST("any report, renamed both ways, stays inside its bytes and keeps its size") {
  SecureWorld world;
  Side sides[2] = {world.side(2), world.side(3)};  // Plain from both, secure to both.
  sides[0].tx = world.context(crypto::Direction::kSend, kCallerOut);
  sides[1].tx = world.context(crypto::Direction::kSend, kCalleeOut);
  world.open(sides[0], sides[1]);
  const crypto::SrtpContextPtr ear = world.phone(crypto::Direction::kReceive, kCalleeOut);
  for (std::uint32_t ssrc = 1; ssrc <= 6; ++ssrc) {  // Both sides go by borrowed names now.
    world.now += 300 * kMs;
    for (std::uint32_t side = 0; side < 2; ++side) {
      const Bytes packet = from(ssrc, static_cast<std::uint16_t>(ssrc * 5'000));
      EXPECT(world.give(side * 2, at(static_cast<std::uint8_t>(2 + side), 5'000), packet).verdict == Verdict::kForward);
    }
  }
  std::mt19937 dice(7);
  int forwarded = 0, passed = 0;
  for (int round = 0; round < 100'000; ++round) {
    Bytes compound;
    for (std::uint32_t blocks = 1 + dice() % 3; blocks > 0; --blocks) {
      const std::size_t at_byte = compound.size(), words = 1 + dice() % 14;
      compound.resize(at_byte + words * 4);
      for (std::size_t i = at_byte; i < compound.size(); ++i) compound[i] = static_cast<std::uint8_t>(dice() % 8);
      compound[at_byte] = static_cast<std::uint8_t>(0x80 | dice() % 6);
      compound[at_byte + 1] = static_cast<std::uint8_t>(200 + dice() % 8);
      write16(&compound[at_byte + 2], static_cast<std::uint16_t>(words - 1));
    }
    if (compound.size() >= 8) write32(&compound[4], 1 + dice() % 6);
    world.now += 300 * kMs;
    const Datagram sent = world.give(1, at(2, 5'001), compound);
    if (sent.verdict != Verdict::kForward) continue;
    passed += !world.opened(*ear, sent).empty();
    forwarded += 1;
  }
  EXPECT(forwarded == passed && passed > 1'000);
}

TEST("what was on its way under the old key still counts for two seconds, and proves no new address") {
  SecureWorld world;
  const Key renewed(9);
  Side caller = world.secure(2, kCallerIn, kCallerOut);
  caller.latch = LatchPolicy::kSignalled;
  world.open(caller, world.secure(3, kCalleeIn, kCalleeOut));
  const auto before = world.phone(crypto::Direction::kSend, kCallerIn);
  const auto after = world.phone(crypto::Direction::kSend, renewed);
  const auto give = [&](crypto::SrtpContext& key, std::uint16_t sequence, std::uint16_t port = 5'000) {
    return world.give(0, at(2, port), world.sealed(key, from(7, sequence))).verdict;
  };
  EXPECT(give(*before, 100) == Verdict::kForward);
  Side set;
  set.rx = world.context(crypto::Direction::kReceive, renewed);
  world.relay.change(0, 0, kChangeRx, set, world.now);
  EXPECT(give(*before, 101) == Verdict::kForward && give(*after, 102) == Verdict::kForward);
  const Bytes late = world.sealed(*before, from(7, 103));
  EXPECT(world.give(0, at(2, 5'000), late).verdict == Verdict::kForward);
  EXPECT(world.give(0, at(2, 5'000), late).verdict == Verdict::kReplay || world.counter(0, 0, k_droppedAuth) == 1);
  EXPECT(give(*after, 104) == Verdict::kForward);

  world.relay.change(0, 0, kChangeRelatch, Side{}, world.now);
  EXPECT(give(*before, 105, 6'000) == Verdict::kNotAuthentic);
  EXPECT(give(*after, 106, 6'000) == Verdict::kForward);
  world.now += 2'001 * kMs;
  EXPECT(give(*before, 107, 6'000) == Verdict::kNotAuthentic);
  EXPECT(give(*after, 108, 6'000) == Verdict::kForward);
}

TEST("a peer that moves to another port: its last packets from the old one pass, and make the new one no stranger") {
  World world;
  Side caller = world.side(2, LatchPolicy::kSignalled);
  world.relay.open(0, PairKind::kAudio, caller, world.side(3), world.now);
  EXPECT(world.give(0, at(2, 5'000), rtp(1)).verdict == Verdict::kForward);
  caller.remote.rtp_port = 6'000;
  world.relay.change(0, 0, kChangeRemote | kChangeRelatch, caller, world.now);
  EXPECT(world.give(0, at(2, 5'000), rtp(2)).verdict == Verdict::kForward);
  EXPECT(same(world.give(2, at(3, 5'000), rtp()).to, at(2, 6'000)));
  EXPECT(world.give(0, at(2, 6'000), rtp(3)).verdict == Verdict::kForward);
  EXPECT(world.give(0, at(2, 5'000), rtp(4)).verdict == Verdict::kStranger);

  // Behind a NAT that keeps its port nothing has moved: after two seconds the old source is learnt again.
  world.relay.change(0, 0, kChangeRelatch, Side{}, world.now);
  EXPECT(world.give(0, at(2, 6'000), rtp(5)).verdict == Verdict::kForward);
  world.now += 2'001 * kMs;
  EXPECT(world.give(0, at(2, 6'000), rtp(6)).verdict == Verdict::kForward);
  EXPECT(world.give(0, at(2, 6'001), rtp(7)).verdict == Verdict::kStranger);
}

TEST("a key that comes back goes on: forks that answer by turns make no index come twice, in RTP or RTCP") {
  SecureWorld world;
  world.open(world.side(2), world.secure(3, kCalleeIn, kCalleeOut));
  const Key other(8, crypto::Suite::kAeadAes128Gcm);
  const crypto::SrtpContextPtr ears[2] = {world.phone(crypto::Direction::kReceive, kCalleeOut), world.phone(crypto::Direction::kReceive, other)};
  for (std::uint32_t turn = 0; turn < 6; ++turn) {
    for (int i = 0; i < 5; ++i) {
      const Datagram sent = world.give(0, at(2, 5'000), from(7, static_cast<std::uint16_t>(100 + i)));  // Again and again.
      if (sent.verdict == Verdict::kForward) EXPECT(!world.opened(*ears[turn % 2], sent).empty());
    }
    EXPECT(!world.opened(*ears[turn % 2], world.give(1, at(2, 5'001), report(7, 9, 55))).empty());
    Side set;
    if (turn != 3) set.tx = world.context(crypto::Direction::kSend, turn % 2 == 0 ? other : kCalleeOut);
    world.relay.change(0, 1, kChangeTx, set, world.now);
    if (turn == 3) {  // A fork without keys, and then the first one again.
      EXPECT(world.give(0, at(2, 5'000), from(7, 1)).verdict == Verdict::kForward);
      set.tx = world.context(crypto::Direction::kSend, kCalleeOut);
      world.relay.change(0, 1, kChangeTx, set, world.now);
    }
  }
}

TEST("a closed pair gives each key back once, drops what still comes, and its slot begins at zero again") {
  SecureWorld world;
  const Side caller = world.secure(2, kCallerIn, kCallerOut);
  world.open(caller, world.side(3));
  std::set<crypto::SrtpContext*> given{caller.rx, caller.tx};
  for (std::uint8_t i = 0; i < 10; ++i) {
    Side fresh;
    given.insert(fresh.rx = world.context(crypto::Direction::kReceive, Key(static_cast<std::uint8_t>(20 + i % 4))));
    given.insert(fresh.tx = world.context(crypto::Direction::kSend, Key(static_cast<std::uint8_t>(30 + i % 7))));
    world.relay.change(0, 0, kChangeRx | kChangeTx, fresh, world.now);
  }
  world.relay.close(0);
  world.relay.close(0);
  Side late;
  given.insert(late.tx = world.context(crypto::Direction::kSend, kCallerOut));
  world.relay.change(0, 0, kChangeTx, late, world.now);  // Too late: the new key comes straight back.
  std::multiset<crypto::SrtpContext*> back;
  for (const Event& event : world.events) {
    for (crypto::SrtpContext* context : event.contexts) {
      if (context) back.insert(context);
    }
  }
  EXPECT(back == std::multiset<crypto::SrtpContext*>(given.begin(), given.end()));
  EXPECT(world.give(0, at(2, 5'000), rtp()).verdict == Verdict::kClosed);
  world.open(world.side(2), world.side(3));
  EXPECT(world.counter(0, 0, k_droppedStranger) == 0 && !world.relay.idle());
}

TEST("digits and reports of ours are sealed like the sound, under indices that nobody else uses") {
  SecureWorld world;
  const Key rx(1), tx(2);
  const auto phone = world.phone(crypto::Direction::kReceive, tx);
  Side caller = world.side(2), callee = world.secure(3, rx, tx);
  callee.digits.insert = true;
  callee.reports = true;
  world.open(caller, callee);
  unsigned heard = 0, events = 0, reports = 0;
  std::set<std::uint16_t> numbers;
  const auto take = [&](const Datagram& sent) {
    const Bytes plain = world.opened(*phone, sent);
    EXPECT(!plain.empty());
    if (plain.empty()) return;
    if (sent.rtcp) {
      reports += 1;
      EXPECT(plain[1] == 200 && read32(&plain[4]) == 7);
      return;
    }
    EXPECT(numbers.insert(read16(&plain[2])).second);
    heard += 1;
    events += (plain[1] & 0x7f) == 96;
  };
  for (std::uint16_t i = 0; i < 500; ++i) {
    world.now += 20 * kMs;
    if (i % 100 == 50) world.relay.play(0, 1, {.event = 1, .payload_type = 96, .clock_hz = 8'000, .duration_ms = 100}, world.now);
    const Datagram sound = world.give(0, at(2, 5'000), from(7, i));
    if (sound.verdict == Verdict::kForward) take(sound);
    world.relay.tick(world.now);
    for (const Datagram& made : world.relay.made(world.now)) {
      EXPECT(made.verdict == Verdict::kForward);
      take(made);
    }
  }
  EXPECT(events == 5 * 7 && heard > 460 && reports >= 1);
  EXPECT(*numbers.rbegin() - *numbers.begin() + 1u == numbers.size());
}
