/// Several keys under one line, keys that end, and keys that follow one another: RFC 3711 §3.3.1, §8.1, §9.2 and RFC 4568
/// §6.1, §7.1.4.
#include <set>
#include <tuple>

#include "crypto/test/srtp_tools.h"

using namespace tools;

namespace {

constexpr Suite kKinds[] = {Suite::kAesCm128HmacSha1_80, Suite::kAesCm256HmacSha1_32, Suite::kAeadAes256Gcm};

template <typename Body>
void for_kinds(Body body) {
  with_engines([&](SrtpEngine& engine) {
    for (const Suite suite : kKinds) body(engine, suite);
  });
}

SrtpContextPtr open_many(SrtpEngine& engine, Suite suite, const std::vector<Bytes>& masters, const std::vector<Bytes>& mkis,
                         Direction direction = Direction::kReceive) {
  std::vector<MasterKey> more;
  for (std::size_t i = 1; i < masters.size(); ++i) more.push_back({masters[i], mkis[i]});
  SrtpKeying keying;
  keying.suite = suite;
  keying.master = masters[0];
  keying.mki = mkis[0];
  keying.more = more;
  return engine.open(direction, keying);
}

/// Moves a sending context to the index it would have after years.
void age(SrtpContext& context, std::uint32_t ssrc, std::uint64_t index) {
  SrtpState state = state_of(context);
  state.stream_count = 1;
  state.streams[0] = {};
  state.streams[0].ssrc = ssrc;
  state.streams[0].has_rtp = 1;
  state.streams[0].rtp_highest = index;
  renew_checksum(state);
  EXPECT(import_state(context, state, {.rtp = 0, .rtcp = 0}));
}

void several_keys(SrtpEngine& engine, Suite suite) {
  Dice dice(1);
  for (const std::size_t mki_bytes : {std::size_t{1}, std::size_t{4}, kMkiLimit}) {
    std::vector<Bytes> masters, mkis;
    std::vector<SrtpContextPtr> senders;
    for (std::size_t i = 0; i < 3; ++i) {
      masters.push_back(master_for(suite, dice));
      mkis.push_back(Bytes(mki_bytes, static_cast<std::uint8_t>(i + 1)));
      senders.push_back(open(engine, Direction::kSend, suite, masters[i], mkis[i]));
    }
    auto rx = open_many(engine, suite, masters, mkis);
    EXPECT(rx != nullptr);
    // The sender goes over from key to key; its counter goes on (RFC 3711 §3.3.1), past a wrap.
    std::uint16_t sequence = 65'500;
    for (std::size_t turn = 0; turn < 6; ++turn) {
      SrtpContext& tx = *senders[turn % 3];
      if (turn > 0) follow(tx, *senders[(turn - 1) % 3]);
      for (int i = 0; i < 30; ++i) {
        const Bytes plain = rtp(7, sequence++, dice.bytes(40));
        Bytes packet = plain;
        EXPECT(protect(engine, tx, packet) == Verdict::kGood);
        Bytes stray = packet;  // The identifier of another key, and one of none.
        const std::size_t at = suite == Suite::kAeadAes256Gcm ? stray.size() - mki_bytes : stray.size() - mki_bytes - facts(suite).rtp_tag_bytes;
        const SrtpState before = state_of(*rx);
        stray[at] = static_cast<std::uint8_t>(stray[at] % 3 + 1);
        EXPECT(unprotect(engine, *rx, stray) == Verdict::kNotAuthentic);
        stray[at] = 99;
        EXPECT(unprotect(engine, *rx, stray) == Verdict::kNotAuthentic);
        EXPECT(same(before, state_of(*rx)));
        const Bytes again = packet;
        EXPECT(unprotect(engine, *rx, packet) == Verdict::kGood && packet == plain);
        packet = again;
        EXPECT(unprotect(engine, *rx, packet) == Verdict::kReplayed);
      }
      Bytes report = rtcp(7, dice.bytes(20));
      const Bytes plain = report;
      EXPECT(protect(engine, tx, report, true) == Verdict::kGood);
      EXPECT(unprotect(engine, *rx, report, true) == Verdict::kGood && report == plain);
      if (turn == 2) break;  // Under the first key again its counter would have to be known to have moved.
    }
    EXPECT(rtp_index(*rx, 7) == std::uint64_t{65'589});
  }
}

void refused_keys(SrtpEngine& engine, Suite suite) {
  Dice dice(2);
  const auto master = [&] { return master_for(suite, dice); };
  EXPECT(!open_many(engine, suite, {master(), master()}, {{1}, {1}}));
  EXPECT(!open_many(engine, suite, {master(), master()}, {{1}, {0, 2}}));
  EXPECT(!open_many(engine, suite, {master(), master()}, {{}, {}}));
  EXPECT(!open_many(engine, suite, {master(), Bytes(3)}, {{1}, {2}}));
  EXPECT(!open_many(engine, suite, {master(), master()}, {{1}, {2}}, Direction::kSend));
  EXPECT(!open_many(engine, suite, {master()}, {Bytes(kMkiLimit + 1)}));
  std::vector<Bytes> masters, mkis;
  for (std::uint8_t i = 0; i < kMasterKeyLimit; ++i) masters.push_back(master()), mkis.push_back({i});
  EXPECT(open_many(engine, suite, masters, mkis) != nullptr);
  masters.push_back(master()), mkis.push_back({99});
  EXPECT(!open_many(engine, suite, masters, mkis));
}

void lifetimes(SrtpEngine& engine, Suite suite) {
  Dice dice(3);
  SrtpKeying keying;
  const Bytes master = master_for(suite, dice);
  keying.suite = suite;
  keying.master = master;
  keying.lifetime_packets = 10;
  auto tx = engine.open(Direction::kSend, keying);
  auto rx = engine.open(Direction::kReceive, keying);
  keying.lifetime_packets = 0;
  auto spent = engine.open(Direction::kSend, keying);
  Bytes unsent = rtp(1, 1, Bytes(20)), untold = rtcp(5, Bytes(20));
  EXPECT(protect(engine, *spent, unsent) == Verdict::kKeyExpired && protect(engine, *spent, untold, true) == Verdict::kKeyExpired);
  auto unbound = open(engine, Direction::kSend, suite, master);
  for (std::uint16_t i = 0; i < 20; ++i) {
    Bytes packet = rtp(i % 2, i, Bytes(20));
    EXPECT(protect(engine, *tx, packet) == (i < 10 ? Verdict::kGood : Verdict::kKeyExpired));
    EXPECT(packets_left(*tx) == (i < 10 ? 9u - i : 0u));
    // Who says how long his key is good, and sends on, is heard; the box is told.
    packet = rtp(i % 2, i, Bytes(20));
    EXPECT(protect(engine, *unbound, packet) == Verdict::kGood && unprotect(engine, *rx, packet) == Verdict::kGood);
    EXPECT(packets_left(*rx) == (i < 10 ? 9u - i : 0u));
    Bytes report = rtcp(5, Bytes(20));
    EXPECT(protect(engine, *tx, report, true) == (i < 10 ? Verdict::kGood : Verdict::kKeyExpired));
  }
}

/// The peer of either reading, and of either direction.
void new_key(SrtpEngine& engine, Suite suite, bool keeps) {
  Dice dice(4);
  const Bytes old_master = master_for(suite, dice), new_master = master_for(suite, dice);
  auto old_tx = open(engine, Direction::kSend, suite, old_master), tx = open(engine, Direction::kSend, suite, new_master);
  auto old_rx = open(engine, Direction::kReceive, suite, old_master), rx = open(engine, Direction::kReceive, suite, new_master);
  const std::uint64_t index = 3 * 65'536 + 65'500;
  for (auto* context : {old_tx.get(), old_rx.get()}) age(*context, 9, index);
  if (keeps) follow(*tx, *old_tx);
  follow(*rx, *old_rx);
  EXPECT(!rtp_index(*rx, 9));

  // A forgery under both readings leaves nothing behind.
  const SrtpState before = state_of(*rx);
  Bytes forged = rtp(9, 65'501, Bytes(60));
  EXPECT(unprotect(engine, *rx, forged) == Verdict::kNotAuthentic);
  EXPECT(same(before, state_of(*rx)));

  // A whole batch comes before anything is known, and wraps within.
  std::vector<Bytes> packets;
  for (std::uint16_t i = 1; i <= 60; ++i) {
    Bytes packet = rtp(9, static_cast<std::uint16_t>(65'500 + i), Bytes(20));
    std::uint64_t sent = 0;
    EXPECT(protect(engine, *tx, packet, false, &sent) == Verdict::kGood);
    EXPECT(sent == (keeps ? index : index % 65'536) + i);
    packets.push_back(packet);
  }
  std::vector<SrtpJob> jobs;
  for (Bytes& packet : packets) jobs.push_back({.context = rx.get(), .data = packet.data(), .size = static_cast<std::uint32_t>(packet.size())});
  engine.unprotect(jobs);
  for (const SrtpJob& job : jobs) EXPECT(job.verdict == Verdict::kGood);
  EXPECT(rtp_index(*rx, 9) == (keeps ? index : index % 65'536) + 60);
}

/// RFC 3711 §3.3.1 read by libsrtp's users: reports count on as well.
void reports_count_on(SrtpEngine& engine, Suite suite) {
  Dice dice(5);
  auto before = open(engine, Direction::kSend, suite, master_for(suite, dice));
  auto after = open(engine, Direction::kSend, suite, master_for(suite, dice));
  for (int i = 0; i < 3; ++i) {
    Bytes report = rtcp(1, Bytes(8));
    EXPECT(protect(engine, *before, report, true) == Verdict::kGood);
  }
  follow(*after, *before);
  std::uint64_t index = 0;
  Bytes report = rtcp(1, Bytes(8));
  EXPECT(protect(engine, *after, report, true, &index) == Verdict::kGood && index == 3);
}

/// Random histories of keys that come, go and come back, of both readings, of a standby that takes over, of sources that
/// change and collide: no (key, source, index) is ever used twice.
void no_index_twice(SrtpEngine& engine, std::uint64_t seed) {
  Dice dice(seed);
  const Suite suite = Suite::kAeadAes128Gcm;
  std::set<std::tuple<std::size_t, bool, std::uint32_t, std::uint64_t>> used;
  struct Key {
    Bytes master;
    SrtpContextPtr context;
  };
  std::vector<Key> keys;
  const auto fresh = [&] {
    keys.push_back({master_for(suite, dice), nullptr});
    keys.back().context = open(engine, Direction::kSend, suite, keys.back().master, {}, 2);
  };
  fresh();
  std::size_t current = 0, sent = 0;
  std::uint16_t sequence = static_cast<std::uint16_t>(dice.next());
  for (int i = 0; i < 4'000; ++i) {
    const std::uint32_t mood = dice.below(1'000);
    if (mood < 4) {
      const std::size_t before = current;
      fresh();
      current = keys.size() - 1;
      if (dice.chance(0.5)) follow(*keys[current].context, *keys[before].context);
    } else if (mood < 8) {
      current = dice.below(static_cast<std::uint32_t>(keys.size()));  // Another fork's answer: an old key again.
    } else if (mood < 12) {
      auto standby = open(engine, Direction::kSend, suite, keys[current].master, {}, 2);
      EXPECT(import_state(*standby, state_of(*keys[current].context), {.rtp = dice.below(5'000), .rtcp = dice.below(9)}));
      keys[current].context = std::move(standby);
    } else if (mood < 20) {
      sequence = static_cast<std::uint16_t>(dice.next());
    }
    sequence = static_cast<std::uint16_t>(sequence + (dice.chance(0.9) ? 1 : dice.below(2'000) - 900));
    const std::uint32_t ssrc = dice.below(3);
    const bool is_rtcp = dice.chance(0.1);
    Bytes packet = is_rtcp ? rtcp(ssrc, Bytes(8)) : rtp(ssrc, sequence, Bytes(8));
    std::uint64_t index = 0;
    if (protect(engine, *keys[current].context, packet, is_rtcp, &index) != Verdict::kGood) continue;
    sent += 1;
    EXPECT(used.emplace(current, is_rtcp, ssrc, index).second);
  }
  EXPECT(sent > 500);
}

}  // namespace

int main() {
  harness::test("the MKI picks one of several keys, of any length; the counter goes on from key to key", [] { for_kinds(several_keys); });
  harness::test("keys of one name, of other lengths, without names or too many are refused", [] { for_kinds(refused_keys); });
  harness::test("a key ends: nothing is sent beyond, and who is heard beyond is counted", [] { for_kinds(lifetimes); });
  harness::test("a new key with the counter kept, RFC 3711 §3.3.1", [] { for_kinds([](SrtpEngine& e, Suite s) { new_key(e, s, true); }); });
  harness::test("a new key with the counter at 0, RFC 4568 §7.1.4", [] { for_kinds([](SrtpEngine& e, Suite s) { new_key(e, s, false); }); });
  harness::test("SRTCP indices count on under a new key", [] { for_kinds(reports_count_on); });
  harness::test("no (key, source, index) twice in any history", [] {
    with_engines([](SrtpEngine& engine) {
      for (std::uint64_t seed = 1; seed <= 10; ++seed) no_index_twice(engine, seed);
    });
  });
  return harness::finish();
}
