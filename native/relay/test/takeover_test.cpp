/// Pairs that go on in another relay, whose sides have handshakes, checks or lines of a bundle.
#include <map>
#include <memory>
#include <random>
#include <set>
#include <tuple>

#include "guarded.h"
#include "secured.h"

using namespace sallyport::relay;
using namespace sallyport::relay::test;

namespace {

bool holds(const Bytes& bytes, const crypto::DtlsMaster& master) {
  return std::search(bytes.begin(), bytes.end(), master.bytes.begin(), master.bytes.begin() + 16) != bytes.end();
}

/// Two lines of a callee at 3 on one transport with keys; their callers, plain, are at 2, and have sources of the same names.
struct Bundled : SecureWorld {
  Bundled(const Key& in, const Key& out, std::array<std::uint32_t, 2> numbers) : pairs(numbers), in_(in), out_(out) {}
  ~Bundled() {
    for (const std::uint32_t pair : {pairs[1], pairs[0]}) relay.close(pair);
  }
  void begin(const std::array<PairState, 2>* state = nullptr) {
    for (std::size_t line = 0; line < 2; ++line) {
      Side caller = side(2), callee = side(3);
      caller.remote.rtp_port = port(line);
      caller.remote.rtcp_port = static_cast<std::uint16_t>(port(line) + 1);
      callee.remote.rtcp_port = callee.remote.rtp_port, callee.local.rtcp_port = callee.local.rtp_port;
      callee.remote.known = line == 0;
      callee.bundle = {.present = true, .pair = pairs[0], .mid = {}, .mid_id = 0, .payload_types = {0b11, 0}};  // Sources alone tell.
      if (line == 0) {
        callee.rx = context(crypto::Direction::kReceive, in_, 8);
        callee.tx = context(crypto::Direction::kSend, out_, 8);
        if (state != nullptr) {
          EXPECT(import_state(*callee.rx, (*state)[0].sides[1].rx) && import_state(*callee.tx, (*state)[0].sides[1].tx, kTakeoverGap));
        }
      }
      relay.open(pairs[line], line == 0 ? PairKind::kAudio : PairKind::kVideo, caller, callee, now);
      if (state != nullptr) relay.resume(pairs[line], (*state)[line], 0x1357'9bdf, now);
    }
  }
  std::array<PairState, 2> saved() const {
    std::array<PairState, 2> states;
    for (std::size_t line = 0; line < 2; ++line) {
      PairState state;
      EXPECT(relay.save(pairs[line], state, now) == nullptr && read(written(state), states[line]));
    }
    return states;
  }
  static std::uint16_t port(std::size_t line) { return static_cast<std::uint16_t>(6'000 + 10 * line); }
  Datagram say(std::size_t line, std::uint32_t ssrc, std::uint16_t sequence) {
    return give(pairs[line] * kFlowsPerPair, at(2, port(line)), from(ssrc, sequence));
  }
  /// What the callee sent, to the port of the line that it is for; 0: nowhere.
  std::uint16_t answer(crypto::SrtpContext& sends, std::uint32_t ssrc, std::uint16_t sequence) {
    const Datagram sent = give(pairs[0] * kFlowsPerPair + 2, at(3, 5'000), sealed(sends, from(ssrc, sequence)));
    return sent.verdict == Verdict::kForward ? read16(sent.to.port) : std::uint16_t{0};
  }
  std::array<std::uint32_t, 2> pairs;

 private:
  Key in_, out_;
};

const Key kIn(1), kOut(2);

}  // namespace

TEST("DTLS: a call goes on in another box without a new handshake, both ways, and no key is in the state") {
  for (const bool active : {false, true}) {
    Box box, standby;
    box.open(words_toward(phone_machine(), active), LatchPolicy::kSignalled);
    Phone phone(box, !active, 2, active ? 5'000 : 6'000);
    phone.talk();
    phone.make_contexts();
    for (std::uint16_t i = 1; i < 100; ++i) EXPECT(phone.speaks(i));
    const Bytes recorded = phone.sealed(rtp(100));
    EXPECT(box.give(0, phone.address, recorded) == Verdict::kForward);
    const PairState state = box.saved();
    const HandshakeKeys& keys = state.sides[0].keys;
    EXPECT(keys.done && keys.components[0].present && !keys.components[1].present && !state.sides[1].keys.components[0].present);
    const Bytes bytes = written(state);
    EXPECT(!holds(bytes, keys.components[0].receive) && !holds(bytes, keys.components[0].send));
    for (std::uint16_t i = 101; i < 200; ++i) EXPECT(phone.speaks(i));  // It goes on while its state is on its way.

    standby.world.now = box.world.now;
    standby.resume(state, words_toward(phone_machine(), active), false, true, active);
    phone.its = &standby;
    EXPECT(standby.sent.empty() && standby.handshakes.live() == 0);
    EXPECT(standby.give(0, phone.address, recorded) == Verdict::kReplay);
    EXPECT(standby.give(0, at(2, 7'777), phone.sealed(rtp(200))) == Verdict::kStranger);
    for (std::uint16_t i = 201; i < 300; ++i) EXPECT(phone.speaks(i));  // Its context refuses every index that comes twice.
    EXPECT(standby.told(EventKind::kSecured) == 0 && standby.told(EventKind::kFailed) == 0);
    standby.world.now += 2 * kHandshakeLimitNs;
    standby.handshakes.handle_time(standby.world.now);
    EXPECT(standby.told(EventKind::kFailed) == 0 && standby.handshakes.deadline_ns() > standby.world.now);
    for (std::uint16_t i = 300; i < 310; ++i) EXPECT(phone.speaks(i));

    // On it goes, to a third one.
    Box third;
    third.world.now = standby.world.now;
    third.resume(standby.saved(), words_toward(phone_machine(), active), false, true, active);
    phone.its = &third;
    for (std::uint16_t i = 310; i < 320; ++i) EXPECT(phone.speaks(i));
  }
}

TEST("DTLS: whoever took over shakes new hands when control says so, and the keys that came along serve until then") {
  Box box, standby;
  box.open(words_toward(phone_machine(), false));
  Phone first(box, true);
  first.talk();
  first.make_contexts();
  EXPECT(first.speaks(1));
  standby.resume(box.saved(), words_toward(phone_machine(), false));
  first.its = &standby;
  EXPECT(first.speaks(2));
  const std::uint32_t old = standby.last;
  Side set;
  set.dtls = standby.link(words_toward(phone_machine(), false), true, false);
  standby.world.relay.change(0, 0, kChangeDtls, set, standby.world.now);
  standby.handshakes.close(old, true, standby.world.now);
  EXPECT(first.speaks(3));
  Phone second(standby, true);
  second.talk();
  EXPECT(standby.told(EventKind::kSecured) == 1);
  second.make_contexts();
  EXPECT(second.speaks(4));
  EXPECT(standby.saved().sides[0].keys.done);
}

TEST("DTLS: taken over in the middle of a new handshake: the old keys go on, and the handshake begins again there") {
  Box box, standby;
  box.open(words_toward(phone_machine(), false));
  Phone first(box, true);
  first.talk();
  first.make_contexts();
  EXPECT(first.speaks(1));
  Side set;
  set.dtls = box.link(words_toward(phone_machine(), false), true, false);
  box.world.relay.change(0, 0, kChangeDtls, set, box.world.now);
  const PairState state = box.saved();
  EXPECT(state.sides[0].keys.components[0].present && !state.sides[0].keys.done);
  standby.resume(state, words_toward(phone_machine(), false));
  first.its = &standby;
  EXPECT(first.speaks(2));
  Phone second(standby, true);
  second.talk();
  EXPECT(standby.told(EventKind::kSecured) == 1);
  second.make_contexts();
  EXPECT(second.speaks(3));
}

TEST("DTLS: taken over before the first handshake: it is shaken there, an active side's with whom it is to be") {
  for (const bool active : {false, true}) {
    Box box, standby;
    box.open(words_toward(phone_machine(), active));
    const PairState state = box.saved();
    EXPECT(!state.sides[0].has_rx && !state.sides[0].keys.components[0].present);
    standby.resume(state, words_toward(phone_machine(), active), false, true, active);
    EXPECT(standby.sent.size() == (active ? 1 : 0));
    EXPECT(standby.give(0, at(2, 5'000), rtp(1)) == Verdict::kNotAuthentic);
    Phone phone(standby, !active);
    phone.talk();
    phone.make_contexts();
    EXPECT(standby.told(EventKind::kSecured) == 1 && phone.speaks(2));
  }
}

TEST("DTLS: RTCP on its own port goes on under its own keys") {
  Box box, standby;
  box.open(words_toward(phone_machine(), false), LatchPolicy::kOff, false, false);
  Phone rtp_end(box, true), rtcp_end(box, true, 2, 5'001, 1);
  rtp_end.talk();
  rtcp_end.talk();
  rtp_end.make_contexts();
  rtcp_end.make_contexts();
  EXPECT(rtp_end.speaks(1));
  const Bytes recorded = rtcp_end.sealed(kReport, true);
  EXPECT(box.give(1, at(2, 5'001), recorded) == Verdict::kForward);
  EXPECT(rtcp_end.opens(box.world.give(3, at(3, 5'001), kReport), true));
  const PairState state = box.saved();
  EXPECT(state.sides[0].keys.components[1].present && state.sides[0].has_rtcp_tx);
  standby.resume(state, words_toward(phone_machine(), false), false, false);
  rtp_end.its = rtcp_end.its = &standby;
  EXPECT(rtp_end.speaks(2));
  EXPECT(standby.give(1, at(2, 5'001), recorded) == Verdict::kReplay);
  EXPECT(standby.give(1, at(2, 5'001), rtp_end.sealed(kReport, true)) != Verdict::kForward);
  EXPECT(standby.give(1, at(2, 5'001), rtcp_end.sealed(kReport, true)) == Verdict::kForward);
  EXPECT(rtcp_end.opens(standby.world.give(3, at(3, 5'001), kReport), true));
}

TEST("ICE: whom checks have proved is known elsewhere, strangers are none, and consent ends when it would have ended") {
  Box box, standby;
  box.open(words_toward(phone_machine(), false), LatchPolicy::kSignalled, true);
  box.give(0, at(5, 5'555), binding(kBothUfrags, kOurPassword, {}));
  box.give(0, at(4, 4'444), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  Phone phone(box, true, 4, 4'444);
  phone.talk();
  phone.make_contexts();
  EXPECT(phone.speaks(1));
  box.world.now += 10'000 * kMs;
  standby.world.now = 77 * kMs;  // Another machine's clock.
  standby.resume(box.saved(), words_toward(phone_machine(), false), true);
  phone.its = &standby;
  EXPECT(phone.speaks(2) && standby.told(EventKind::kLatched) == 0);
  EXPECT(standby.give(0, at(5, 5'555), phone.sealed(rtp(3))) == Verdict::kForward);  // Proved, not chosen.
  EXPECT(standby.give(0, at(2, 5'000), phone.sealed(rtp(4))) == Verdict::kStranger);
  EXPECT(standby.give(0, at(2, 5'000), binding(kBothUfrags, "another password of 22", {.use_candidate = true})) == Verdict::kNotAuthentic);
  const Datagram answer = standby.world.give(0, at(4, 4'444), binding(kBothUfrags, kOurPassword, {}));
  EXPECT(answer.verdict == Verdict::kForward && answer.data[0] == 1);
  standby.world.now += 29'900 * kMs;
  standby.world.relay.tick(standby.world.now);
  EXPECT(standby.told(EventKind::kExpired) == 0);
  standby.world.now += 200 * kMs;
  standby.world.relay.tick(standby.world.now);
  EXPECT(standby.told(EventKind::kExpired) == 1);
  EXPECT(standby.give(0, at(4, 4'444), phone.sealed(rtp(5))) == Verdict::kStranger);
  standby.give(0, at(6, 6'666), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  phone.address = at(6, 6'666);
  EXPECT(standby.told(EventKind::kLatched) == 1 && phone.speaks(6));
}

TEST("ICE: a peer that was silent before the export has no more time than it had") {
  Box box, standby;
  box.open(words_toward(phone_machine(), false), LatchPolicy::kOff, true);
  box.give(0, at(4, 4'444), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  Phone phone(box, true, 4, 4'444);
  phone.talk();
  phone.make_contexts();
  box.world.now += 25'000 * kMs;
  standby.world.now = 100'000 * kMs;
  standby.resume(box.saved(), words_toward(phone_machine(), false), true);
  standby.world.now += 5'100 * kMs;
  standby.world.relay.tick(standby.world.now);
  EXPECT(standby.told(EventKind::kExpired) == 1 && standby.world.give(2, at(3, 5'000), rtp(1)).verdict == Verdict::kUnsent);
}

TEST("BUNDLE: lines go on elsewhere under other pair numbers; whose a source is stays known, and no index comes twice") {
  std::set<std::tuple<std::uint32_t, std::uint64_t>> seen;
  const auto hears = SecureWorld::engine().open(crypto::Direction::kReceive, {.master = kOut.master, .streams = 16});
  const auto sends = SecureWorld::engine().open(crypto::Direction::kSend, {.master = kIn.master, .streams = 8});
  const auto crossed = [&](const Datagram& sent) {
    crypto::SrtpJob job{.context = hears.get(), .data = sent.data, .size = sent.size, .room = sent.room};
    if (sent.verdict != Verdict::kForward) return std::uint32_t{0};
    SecureWorld::engine().unprotect({&job, 1});
    EXPECT(job.verdict == crypto::Verdict::kGood && seen.insert({read32(sent.data + 8), job.index}).second);
    return read32(sent.data + 8);
  };
  Bundled active(kIn, kOut, {0, 1}), standby(kIn, kOut, {2, 0});
  active.begin();
  // Two sources of one name, one a line; of what comes back, who is whose was told before by a name: here by reports of theirs.
  std::uint32_t names[2] = {};
  for (std::uint16_t i = 0; i < 200; ++i) {
    for (std::size_t line = 0; line < 2; ++line) {
      const std::uint32_t name = crossed(active.say(line, 7, i));
      EXPECT(name != 0 && (names[line] == 0 || names[line] == name));
      names[line] = name;
      active.now += kMs;
    }
  }
  EXPECT(names[0] == 7 && names[1] != 7);
  std::array<PairState, 2> state = active.saved();
  EXPECT(state[0].sides[1].line == 1 && state[1].sides[1].line == 2 && !state[0].sides[1].shares && state[1].sides[1].shares);
  EXPECT(state[0].sides[1].has_tx && !state[1].sides[1].has_tx);
  for (std::uint16_t i = 200; i < 260; ++i) crossed(active.say(0, 7, i)), crossed(active.say(1, 7, i));
  standby.begin(&state);
  for (std::uint16_t i = 260; i < 400; ++i) {
    for (std::size_t line = 0; line < 2; ++line) EXPECT(crossed(standby.say(line, 7, i)) == names[line]);
    standby.now += kMs;
  }
}

TEST("BUNDLE: a source that only its name had told is dealt out as before, where packets do not name themselves any more") {
  const auto sends = SecureWorld::engine().open(crypto::Direction::kSend, {.master = kIn.master, .streams = 8});
  Bundled active(kIn, kOut, {0, 1}), standby(kIn, kOut, {3, 2});
  active.begin();
  // For a moment each line has a payload type of its own; then both may have both.
  Side words;
  words.bundle = {.present = true, .pair = 0, .mid = {}, .mid_id = 0, .payload_types = {0b10, 0}};
  active.relay.change(1, 1, kChangeBundle, words, active.now);
  words.bundle.payload_types = {0b01, 0};
  active.relay.change(0, 1, kChangeBundle, words, active.now);
  EXPECT(active.answer(*sends, 90, 1) == Bundled::port(0));
  words.bundle.payload_types = {0b11, 0};
  active.relay.change(0, 1, kChangeBundle, words, active.now);
  words.bundle.payload_types = {0b01, 0};
  active.relay.change(1, 1, kChangeBundle, words, active.now);
  EXPECT(active.answer(*sends, 91, 1) == 0);  // Two lines take its payload type.
  EXPECT(active.answer(*sends, 90, 2) == Bundled::port(0));
  const std::array<PairState, 2> state = active.saved();
  EXPECT(state[0].sides[1].heard_count == 1 && state[1].sides[1].heard_count == 0);
  standby.begin(&state);
  EXPECT(standby.answer(*sends, 90, 3) == Bundled::port(0));
  EXPECT(standby.answer(*sends, 92, 1) == 0);
  EXPECT(standby.answer(*sends, 90, 4) == Bundled::port(0));
}

TEST("BUNDLE: what is known of a line whose pair is not there yet goes nowhere, and nothing is read beyond") {
  const auto sends = SecureWorld::engine().open(crypto::Direction::kSend, {.master = kIn.master, .streams = 8});
  Bundled active(kIn, kOut, {0, 1});
  active.begin();
  PairState state = active.saved()[0];
  state.sides[1].heard[0] = {.ssrc = 90, .line = 2};
  state.sides[1].heard[1] = {.ssrc = 91, .line = 16};
  state.sides[1].heard_count = 2;
  Bundled standby(kIn, kOut, {2, 3});
  std::array<PairState, 2> both{state, active.saved()[1]};
  both[1].sides[1].line = 9;
  standby.begin(&both);
  EXPECT(standby.answer(*sends, 90, 1) == 0 && standby.answer(*sends, 91, 1) == 0);
}

TEST("random talk on two lines, exports at random moments, takeovers one after the other: no (SSRC, index) ever comes twice") {
  std::mt19937 dice(815);
  std::set<std::tuple<std::uint32_t, std::uint64_t>> seen;
  const auto hears = SecureWorld::engine().open(crypto::Direction::kReceive, {.master = kOut.master, .streams = 16});
  auto box = std::make_unique<Bundled>(kIn, kOut, std::array<std::uint32_t, 2>{0, 1});
  box->begin();
  std::uint16_t number[2] = {65'000, 100};
  std::size_t heard = 0;
  const auto talk = [&](std::uint32_t packets) {
    for (std::uint32_t i = 0; i < packets; ++i) {
      const std::size_t line = dice() % 2;
      if (dice() % 400 == 0) number[line] = static_cast<std::uint16_t>(number[line] + (dice() % 2 ? dice() % 2'000 : -(dice() % 30'000)));
      const Datagram sent = box->say(line, dice() % 40 == 0 ? 8 : 7, number[line]++);
      box->now += 5 * kMs;
      if (sent.verdict != Verdict::kForward) continue;
      crypto::SrtpJob job{.context = hears.get(), .data = sent.data, .size = sent.size, .room = sent.room};
      SecureWorld::engine().unprotect({&job, 1});
      EXPECT(job.verdict == crypto::Verdict::kGood);
      EXPECT(job.verdict != crypto::Verdict::kGood || seen.insert({read32(sent.data + 8), job.index}).second);
      heard += job.verdict == crypto::Verdict::kGood;
    }
  };
  for (std::uint32_t takeover = 0; takeover < 8; ++takeover) {
    talk(1 + dice() % 2'000);
    const std::array<PairState, 2> state = box->saved();
    talk(dice() % 2'000);
    auto next = std::make_unique<Bundled>(kIn, kOut, std::array<std::uint32_t, 2>{(takeover + 1) % 4, (takeover + 3) % 4});
    next->now = box->now;
    next->begin(&state);
    box = std::move(next);
  }
  EXPECT(heard > 8'000);
}

TEST("hostile bytes of a guarded side: whatever they say under a right checksum, its relay lives and keeps to its limits") {
  Box box;
  box.open(words_toward(phone_machine(), false), LatchPolicy::kSignalled, true);
  box.give(0, at(4, 4'444), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  Phone phone(box, true, 4, 4'444);
  phone.talk();
  phone.make_contexts();
  EXPECT(phone.speaks(1));
  const PairState good = box.saved();
  const Bytes bytes = written(good);
  std::mt19937 dice(7);
  std::size_t taken = 0;
  for (int round = 0; round < 4'000; ++round) {
    Bytes bad = bytes;
    bad.resize(bad.size() - 4);
    for (unsigned i = 0; i <= dice() % 3; ++i) bad[dice() % bad.size()] = static_cast<std::uint8_t>(dice());
    const std::uint32_t sum = fingerprint_of(bad);
    for (int i = 0; i < 4; ++i) bad.push_back(static_cast<std::uint8_t>(sum >> (8 * i)));
    PairState state;
    if (!read(bad, state)) continue;
    taken += 1;
    for (const SideState& side : state.sides) {
      EXPECT(side.heard_count <= side.heard.size() && side.line <= kBundleLimit);
      for (const auto& component : side.agent.components) EXPECT(component.count <= kIceSources);
    }
    World world;
    Side caller = world.side(2);
    caller.ice = ice_words();
    caller.bundle = {.present = true, .pair = 0, .mid = {}, .mid_id = 0, .payload_types = {1, 0}};
    world.relay.open(0, PairKind::kAudio, caller, world.side(3), world.now);
    world.relay.resume(0, state, 1, world.now);
    world.give(0, at(4, 4'444), rtp(1));
    world.give(2, at(3, 5'000), rtp(1));
    world.give(0, at(4, 4'444), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
    world.relay.tick(world.now + 40'000 * kMs);
    world.relay.close(0);
  }
  EXPECT(taken > 100);
}
