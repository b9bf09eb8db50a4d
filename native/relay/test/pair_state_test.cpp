/// A pair that goes on in another relay: what crosses, what is refused, and that no index comes twice.
#include <random>
#include <set>
#include <tuple>

#include "../../crypto/context.h"
#include "../pair_state.h"
#include "../stun.h"
#include "secured.h"

using namespace sallyport::relay;
using namespace sallyport::relay::test;

namespace {

const Key kIn(1), kOut(2), kOther(3);
constexpr std::uint32_t kSource = 7, kSecond = 70;

/// A plain caller at 2 and a callee with keys at 3. What leaves to the callee is noted by (SSRC, RTCP, index).
struct Half : SecureWorld {
  std::set<std::tuple<std::uint32_t, bool, std::uint64_t>>* noted;
  crypto::SrtpContext* phone_hears;
  crypto::SrtpContext* phone_sends;

  Half(std::set<std::tuple<std::uint32_t, bool, std::uint64_t>>& all, crypto::SrtpContext& hears, crypto::SrtpContext& sends)
      : noted(&all), phone_hears(&hears), phone_sends(&sends) {}

  void begin(const PairState* state = nullptr) {
    Side caller = side(2, LatchPolicy::kSignalled), callee = secure(3, kIn, kOut);
    if (state != nullptr) {
      EXPECT(import_state(*callee.rx, state->sides[1].rx));
      EXPECT(import_state(*callee.tx, state->sides[1].tx, kTakeoverGap));
    }
    relay.open(0, PairKind::kAudio, caller, callee, now);
    if (state != nullptr) relay.resume(0, *state, 0x1357'9bdf, now);
  }
  PairState saved() {
    PairState state;
    EXPECT(relay.save(0, state, now) == nullptr);
    return state;
  }
  /// From the caller. The SSRC and number under which the phone hears it; 0: it does not.
  std::pair<std::uint32_t, std::uint16_t> say(std::uint16_t sequence, std::uint32_t ssrc = kSource, std::uint16_t port = 6'000) {
    const Bytes heard = crossed(give(0, at(2, port), from(ssrc, sequence)), false);
    return heard.empty() ? std::pair<std::uint32_t, std::uint16_t>{} : std::pair{ssrc_of(heard), sequence_of(heard)};
  }
  bool say_report(std::uint32_t ssrc) { return !crossed(give(1, at(2, 6'001), report(ssrc, 9, 0)), true).empty(); }
  /// From the callee.
  bool answer(std::uint16_t sequence) {
    return give(2, at(3, 5'000), sealed(*phone_sends, from(9, sequence))).verdict == Verdict::kForward;
  }
  Bytes crossed(const Datagram& sent, bool rtcp) {
    if (sent.verdict != Verdict::kForward) return {};
    now += 20 * kMs;
    crypto::SrtpJob job{.context = phone_hears, .data = sent.data, .size = sent.size, .room = sent.room, .rtcp = rtcp};
    engine().unprotect({&job, 1});
    EXPECT(job.verdict == crypto::Verdict::kGood);
    if (job.verdict != crypto::Verdict::kGood) return {};
    Bytes heard(sent.data, sent.data + job.size);
    EXPECT(noted->insert({read32(&heard[rtcp ? 4 : 8]), rtcp, job.index}).second);
    return heard;
  }
};

struct Two {
  std::set<std::tuple<std::uint32_t, bool, std::uint64_t>> all;
  crypto::SrtpContextPtr hears{SecureWorld::engine().open(crypto::Direction::kReceive, {.master = kOut.master, .streams = 8})};
  crypto::SrtpContextPtr sends{SecureWorld::engine().open(crypto::Direction::kSend, {.master = kIn.master})};
  Half active{all, *hears, *sends}, standby{all, *hears, *sends};
  Two() { active.begin(); }
  /// By way of its bytes.
  PairState crossed() {
    PairState state;
    EXPECT(read(written(active.saved()), state));
    return state;
  }
};

Bytes with_sum(Bytes bytes) {
  bytes.resize(bytes.size() - 4);
  const std::uint32_t sum = fingerprint_of(bytes);
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<std::uint8_t>(sum >> (8 * i)));
  return bytes;
}

}  // namespace

TEST("a call goes on elsewhere: latched, over wraps, both ways, and what left since the export is not sent again") {
  Two box;
  for (std::uint32_t i = 0; i < 70'000; ++i) EXPECT(box.active.say(static_cast<std::uint16_t>(i + 60'000)).first == kSource);
  for (std::uint16_t i = 0; i < 300; ++i) EXPECT(box.active.answer(static_cast<std::uint16_t>(i + 65'400)));
  EXPECT(box.active.say_report(kSource));
  const PairState state = box.crossed();
  for (std::uint32_t i = 70'000; i < 73'000; ++i) EXPECT(box.active.say(static_cast<std::uint16_t>(i + 60'000)).first == kSource);
  for (int i = 0; i < 20; ++i) EXPECT(box.active.say_report(kSource));

  box.standby.begin(&state);
  EXPECT(box.standby.give(0, at(2, 5'000), from(kSource, 1'928)).verdict == Verdict::kStranger);  // Another port was latched.
  for (std::uint32_t i = 73'000; i < 80'000; ++i) EXPECT(box.standby.say(static_cast<std::uint16_t>(i + 60'000)).first == kSource);
  for (int i = 0; i < 20; ++i) EXPECT(box.standby.say_report(kSource));
  for (std::uint16_t i = 300; i < 600; ++i) EXPECT(box.standby.answer(static_cast<std::uint16_t>(i + 65'400)));
  EXPECT(box.all.size() == 80'000 + 41);
}

TEST("what the peer had sent before the export is a replay elsewhere, too") {
  Two box;
  Bytes first;
  for (std::uint16_t i = 0; i < 10; ++i) {
    const Bytes packet = box.active.sealed(*box.sends, from(9, i));
    if (i == 5) first = packet;
    EXPECT(box.active.give(2, at(3, 5'000), packet).verdict == Verdict::kForward);
  }
  const PairState state = box.crossed();
  box.standby.begin(&state);
  EXPECT(box.standby.give(2, at(3, 5'000), first).verdict == Verdict::kReplay);
  EXPECT(box.standby.answer(10));
}

TEST("sources that came up after the export leave under names that nobody had, their reports too, and restarts go on above") {
  Two box;
  for (std::uint16_t i = 0; i < 100; ++i) box.active.say(i);
  const PairState state = box.crossed();
  for (std::uint16_t i = 100; i < 200; ++i) EXPECT(box.active.say(i, kSecond).first == kSecond);
  for (int i = 0; i < 10; ++i) EXPECT(box.active.say_report(kSecond));
  for (std::uint16_t i = 0; i < 50; ++i) box.active.say(i, kSecond);  // Begins again: on above, there.

  box.standby.begin(&state);
  std::uint32_t name = 0;
  for (std::uint16_t i = 50; i < 300; ++i) {
    const auto [ssrc, number] = box.standby.say(i, kSecond);
    EXPECT(ssrc != 0 && ssrc != kSecond && ssrc != kSource && (name == 0 || ssrc == name));
    name = ssrc;
    if (i % 10 == 0) EXPECT(box.standby.say_report(kSecond));
  }
  std::uint16_t before = 0;
  for (std::uint16_t i = 0; i < 100; ++i) {  // The first begins again, too.
    const auto [ssrc, number] = box.standby.say(i);
    EXPECT(ssrc == kSource && (before == 0 || number == before + 1));
    EXPECT(number > 30'000);
    before = number;
  }
}

TEST("random talk, exports at random moments, takeovers one after the other: no (SSRC, index) ever comes twice") {
  std::mt19937 dice(4711);
  std::set<std::tuple<std::uint32_t, bool, std::uint64_t>> all;
  const auto hears = SecureWorld::engine().open(crypto::Direction::kReceive, {.master = kOut.master, .streams = 16});
  const auto sends = SecureWorld::engine().open(crypto::Direction::kSend, {.master = kIn.master});
  auto box = std::make_unique<Half>(all, *hears, *sends);
  box->begin();
  std::uint16_t number[2] = {60'000, 100};
  std::size_t heard = 0;
  const auto talk = [&](std::uint32_t packets) {
    for (std::uint32_t i = 0; i < packets; ++i) {
      const std::size_t which = dice() % 16 == 0;
      if (dice() % 500 == 0) number[which] = static_cast<std::uint16_t>(number[which] + (dice() % 2 ? dice() % 2'000 : -(dice() % 30'000)));
      heard += box->say(number[which]++, which == 0 ? kSource : kSecond).first != 0;
      if (dice() % 50 == 0) box->say_report(which == 0 ? kSource : kSecond);
    }
  };
  for (int takeover = 0; takeover < 12; ++takeover) {
    talk(1 + dice() % 2'000);
    PairState state;
    EXPECT(read(written(box->saved()), state));
    talk(dice() % 3'000);
    auto next = std::make_unique<Half>(all, *hears, *sends);
    next->now = box->now;
    next->begin(&state);
    box = std::move(next);
  }
  EXPECT(heard > 10'000);
}

TEST("a key that was sent under before the takeover is spent: nothing leaves under it again, and that is told") {
  Two box;
  for (std::uint16_t i = 0; i < 100; ++i) EXPECT(box.active.say(i).first == kSource);
  Side set;
  set.tx = box.active.context(crypto::Direction::kSend, kOther);
  box.active.relay.change(0, 1, kChangeTx, set, box.active.now);
  const PairState state = box.crossed();
  EXPECT(state.sides[1].spent.count == 1);

  Half& standby = box.standby;
  Side caller = standby.side(2, LatchPolicy::kSignalled), callee = standby.secure(3, kIn, kOther);
  EXPECT(import_state(*callee.tx, state.sides[1].tx, kTakeoverGap));
  standby.open(caller, callee);
  standby.relay.resume(0, state, 1, standby.now);
  set.tx = standby.context(crypto::Direction::kSend, kOut);
  standby.relay.change(0, 1, kChangeTx, set, standby.now);
  for (std::uint16_t i = 100; i < 110; ++i) EXPECT(standby.say(i).first == 0);
  for (int i = 0; i < 100; ++i) standby.relay.tick(standby.now += 20 * kMs);
  EXPECT(std::ranges::any_of(standby.events, [](const Event& event) { return event.kind == EventKind::kKeyLifetime && event.packets_left == 0; }));
  PairState again;
  EXPECT(standby.relay.save(0, again, standby.now) == nullptr && again.sides[1].spent.count >= 1);
}

TEST("hostile bytes: each cut, each changed byte, and lying members under a right checksum are refused") {
  Two box;
  for (std::uint16_t i = 0; i < 10; ++i) box.active.say(i), box.active.say(i, kSecond), box.active.answer(i);
  const std::vector<std::uint8_t> good = written(box.active.saved());
  PairState state;
  EXPECT(read(good, state) && good.size() < kStateBytes && written(state) == good);
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT(!read(std::span(good).first(size), state));
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= 0x80;
    EXPECT(!read(bad, state));
  }
  Bytes longer = good;
  longer.insert(longer.end() - 4, 0);
  EXPECT(!read(with_sum(longer), state));
  // Whatever the bytes say: no byte beyond is read, what is taken is within its limits, and a context judges the rest.
  std::mt19937 dice(1);
  unsigned taken = 0;
  for (int round = 0; round < 20'000; ++round) {
    Bytes bad = good;
    for (unsigned i = 0; i <= dice() % 4; ++i) bad[dice() % bad.size()] = static_cast<std::uint8_t>(dice());
    if (!read(with_sum(bad), state)) continue;
    taken += 1;
    EXPECT(state.kind <= PairKind::kUdptl);
    for (const SideState& side : state.sides) {
      EXPECT(side.source_count <= side.sources.size() && side.spent.count <= kSpentLimit);
    }
    const auto tx = SecureWorld::engine().open(crypto::Direction::kSend, {.master = kOut.master});
    if (state.sides[1].has_tx) import_state(*tx, state.sides[1].tx);
  }
  EXPECT(taken > 100);
  for (const std::vector<std::uint8_t>& other : {std::vector<std::uint8_t>{}, std::vector<std::uint8_t>(3), std::vector<std::uint8_t>(kStateBytes + 1)}) {
    EXPECT(!read(other, state));
  }
}

TEST("what cannot be exported says why") {
  SecureWorld world;
  PairState state;
  EXPECT(world.relay.save(0, state, world.now) != nullptr && world.relay.save(4'000'000'000u, state, world.now) != nullptr);
}
