/// What must never happen: a keystream used twice, a state moved by a stranger, a replay let through,
/// a key left in memory, an allocation on the packet path.
#include <algorithm>
#include <cstdlib>
#include <new>
#include <set>

#include "crypto/test/srtp_tools.h"

using namespace tools;

namespace {
bool watch_frees = false;
std::size_t dirty_frees = 0;
std::size_t watched_frees = 0;
std::size_t watched_bytes = 0;  // Of the block that is freed; what the allocator adds behind is not ours.
bool watch_allocations = false;
std::size_t allocations = 0;
}  // namespace

// The linker sends every malloc and free of the room under test through these (see CMakeLists.txt).
extern "C" {
void* __real_malloc(std::size_t bytes);
int __real_posix_memalign(void** block, std::size_t alignment, std::size_t bytes);
void __real_free(void* block);
void* __wrap_malloc(std::size_t bytes) {
  allocations += watch_allocations;
  return __real_malloc(bytes);
}
int __wrap_posix_memalign(void** block, std::size_t alignment, std::size_t bytes) {
  allocations += watch_allocations;
  return __real_posix_memalign(block, alignment, bytes);
}
void __wrap_free(void* block) {
  if (watch_frees && block) {
    watched_frees += 1;
    const auto* bytes = static_cast<const std::uint8_t*>(block);
    constexpr std::size_t kAllocatorBytes = 16;  // The allocator may write here; no key is that short.
    dirty_frees += std::any_of(bytes + kAllocatorBytes, bytes + watched_bytes, [](auto byte) { return byte != 0; });
  }
  __real_free(block);
}
}
void* operator new(std::size_t bytes) {
  allocations += watch_allocations;
  return __real_malloc(bytes);
}
void operator delete(void* block) noexcept { __real_free(block); }
void operator delete(void* block, std::size_t) noexcept { __real_free(block); }

namespace {

/// Zeros are sent, so what leaves is the keystream itself: no 16 bytes may ever come twice.
void keystream_is_never_used_twice(SrtpEngine& engine, Suite suite, std::uint64_t seed) {
  Dice dice(seed);
  const Bytes master = master_for(suite, dice);
  auto tx = open(engine, Direction::kSend, suite, master, {}, 2);
  std::set<Bytes> streams;
  std::set<std::tuple<bool, std::uint32_t, std::uint64_t>> indices;
  std::uint16_t sequence[6] = {};
  std::size_t sent = 0;
  for (int i = 0; i < 6'000; ++i) {
    const std::uint32_t source = dice.below(6);
    std::uint16_t& next = sequence[source];
    const std::uint32_t mood = dice.below(100);
    if (mood < 70) next += 1;
    else if (mood < 85) next -= static_cast<std::uint16_t>(dice.below(700));
    else if (mood < 97) next += static_cast<std::uint16_t>(dice.below(30'000));
    else next = static_cast<std::uint16_t>(dice.next());
    const bool is_rtcp = dice.chance(0.1);
    Bytes packet = is_rtcp ? rtcp(source, Bytes(16)) : rtp(source, next, Bytes(16));
    const std::size_t header = is_rtcp ? 8 : 12;
    std::uint64_t index = 0;
    if (protect(engine, *tx, packet, is_rtcp, &index) != Verdict::kGood) continue;
    sent += 1;
    EXPECT(indices.emplace(is_rtcp, source, index).second);
    EXPECT(streams.emplace(packet.begin() + static_cast<std::ptrdiff_t>(header), packet.begin() + static_cast<std::ptrdiff_t>(header) + 16).second);
    if (dice.chance(0.002)) {  // Another box takes over with what it was told.
      auto standby = open(engine, Direction::kSend, suite, master, {}, 2);
      EXPECT(import_state(*standby, state_of(*tx), {.rtp = dice.below(3), .rtcp = dice.below(3)}));
      tx = std::move(standby);
    }
  }
  EXPECT(sent > 1'000);
}

/// Every way to spoil a packet, at every stage of a stream's life: nothing but a verdict comes of it.
void strangers_change_nothing(SrtpEngine& engine, Suite suite) {
  Dice dice(77);
  const Bytes master = master_for(suite, dice);
  auto tx = open(engine, Direction::kSend, suite, master);
  auto rx = open(engine, Direction::kReceive, suite, master);
  for (int i = 0; i < 400; ++i) {
    const bool is_rtcp = i % 5 == 4;
    const Bytes plain = is_rtcp ? rtcp(5, dice.bytes(20)) : rtp(5, static_cast<std::uint16_t>(65'400 + i), dice.bytes(20));
    Bytes packet = plain;
    EXPECT(protect(engine, *tx, packet, is_rtcp) == Verdict::kGood);
    const SrtpState before = state_of(*rx);
    for (int attempt = 0; attempt < 20; ++attempt) {
      Bytes forged = packet;
      if (attempt == 0) forged.resize(dice.below(static_cast<std::uint32_t>(forged.size())));
      else forged[dice.below(static_cast<std::uint32_t>(forged.size()))] ^= static_cast<std::uint8_t>(1 << dice.below(8));
      const Bytes kept = forged;
      EXPECT(unprotect(engine, *rx, forged, is_rtcp) != Verdict::kGood);
      EXPECT(forged == kept && same(before, state_of(*rx)));
    }
    EXPECT(unprotect(engine, *rx, packet, is_rtcp) == Verdict::kGood && packet == plain);
  }
}

struct Arrival {
  Bytes packet;
  Verdict verdict = Verdict::kMalformed;
};

std::vector<Arrival> batch(SrtpEngine& engine, SrtpContext& context, std::vector<Arrival> arrivals) {
  std::vector<SrtpJob> jobs;
  for (auto& arrival : arrivals) {
    jobs.push_back({.context = &context, .data = arrival.packet.data(), .size = static_cast<std::uint32_t>(arrival.packet.size())});
  }
  engine.unprotect(jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    arrivals[i].packet.resize(jobs[i].size);
    arrivals[i].verdict = jobs[i].verdict;
  }
  return arrivals;
}

Arrival sealed(SrtpEngine& engine, SrtpContext& tx, std::uint32_t ssrc, std::uint16_t sequence) {
  Arrival arrival{rtp(ssrc, sequence, Bytes(40, 0x55))};
  EXPECT(protect(engine, tx, arrival.packet) == Verdict::kGood);
  return arrival;
}

void twins_in_one_batch(SrtpEngine& engine, Suite suite) {
  Dice dice(8);
  const Bytes master = master_for(suite, dice);
  auto tx = open(engine, Direction::kSend, suite, master);
  auto rx = open(engine, Direction::kReceive, suite, master);
  const Arrival first = sealed(engine, *tx, 1, 10);
  Arrival forged = first;
  forged.packet.back() ^= 1;
  const auto out = batch(engine, *rx, {forged, first, first, forged, first});
  EXPECT(out[0].verdict == Verdict::kNotAuthentic && out[0].packet == forged.packet);
  EXPECT(out[1].verdict == Verdict::kGood && out[1].packet.size() == 52);
  EXPECT(out[2].verdict == Verdict::kReplayed && out[2].packet == first.packet);
  EXPECT(out[3].verdict != Verdict::kGood);
  EXPECT(out[4].verdict == Verdict::kReplayed && out[4].packet == first.packet);
}

/// The hardest place: a new source whose first packets wrap, all in one batch, with a forgery ahead.
void first_packets_wrap_in_one_batch(SrtpEngine& engine, Suite suite) {
  Dice dice(9);
  const Bytes master = master_for(suite, dice);
  auto tx = open(engine, Direction::kSend, suite, master);
  auto rx = open(engine, Direction::kReceive, suite, master);
  std::vector<Arrival> arrivals;
  for (const std::uint16_t sequence : {65'534, 65'535, 0, 1, 2}) arrivals.push_back(sealed(engine, *tx, 1, sequence));
  std::swap(arrivals[1], arrivals[3]);  // 65534 1 0 65535 2
  Arrival forged = arrivals[0];
  forged.packet[2] = 0x70;
  arrivals.insert(arrivals.begin(), forged);
  const auto out = batch(engine, *rx, arrivals);
  EXPECT(out[0].verdict == Verdict::kNotAuthentic);
  for (std::size_t i = 1; i < out.size(); ++i) EXPECT(out[i].verdict == Verdict::kGood);
  EXPECT(rtp_index(*rx, 1) == 65'538u);
}

SrtpState without_ages(SrtpState state) {
  for (auto& stream : state.streams) stream.last_used = 0;
  state.checksum = 0;
  return state;
}

/// A batch is only faster: what passes, its bytes and the state are those of one packet after the other.
/// Only the reason of a refusal may differ: a damaged twin is seen to be one before or after its tag fails.
void batch_equals_one_by_one(SrtpEngine& engine, Suite suite, std::uint64_t seed) {
  Dice dice(seed);
  const Bytes master = master_for(suite, dice);
  auto tx = open(engine, Direction::kSend, suite, master);
  auto batched = open(engine, Direction::kReceive, suite, master);
  auto single = open(engine, Direction::kReceive, suite, master);
  std::uint16_t sequence[3] = {65'500, 0, 32'760};
  std::vector<Arrival> pool;
  for (int turn = 0; turn < 120; ++turn) {
    std::vector<Arrival> arrivals;
    for (std::uint32_t i = 1 + dice.below(90); i > 0; --i) {
      const std::uint32_t source = dice.below(3);
      sequence[source] += static_cast<std::uint16_t>(1 + (dice.chance(0.03) ? dice.below(33'000) : 0));
      pool.push_back({rtp(source, sequence[source], dice.bytes(20))});
      if (protect(engine, *tx, pool.back().packet) != Verdict::kGood) {
        pool.pop_back();
        continue;
      }
      const std::uint32_t back = dice.chance(0.7) ? 1 : 1 + dice.below(static_cast<std::uint32_t>(std::min<std::size_t>(pool.size(), 900)));
      Arrival arrival = pool[pool.size() - back];
      if (dice.chance(0.1)) arrival.packet[2 + dice.below(30)] ^= static_cast<std::uint8_t>(1 << dice.below(8));
      arrivals.push_back(arrival);
    }
    const auto together = batch(engine, *batched, arrivals);
    for (std::size_t i = 0; i < arrivals.size(); ++i) {
      Bytes packet = arrivals[i].packet;
      const Verdict alone = unprotect(engine, *single, packet);
      EXPECT((alone == Verdict::kGood) == (together[i].verdict == Verdict::kGood));
      if (alone != together[i].verdict) EXPECT(alone == Verdict::kReplayed || alone == Verdict::kTooOld);
      EXPECT(packet == together[i].packet);
    }
    EXPECT(same(without_ages(state_of(*batched)), without_ages(state_of(*single))));
  }
}

void many_sources(SrtpEngine& engine) {
  Dice dice(4);
  const Suite suite = Suite::kAeadAes128Gcm;
  const Bytes master = master_for(suite, dice);
  auto tx = open(engine, Direction::kSend, suite, master, {}, kStreamLimit);
  auto rx = open(engine, Direction::kReceive, suite, master, {}, 2);
  std::vector<Arrival> first;
  for (std::uint32_t ssrc = 0; ssrc < 2 + kRetiredLimit; ++ssrc) {
    first.push_back(sealed(engine, *tx, ssrc, 100));
    Bytes packet = first.back().packet;
    EXPECT(unprotect(engine, *rx, packet) == Verdict::kGood);
  }
  // All places are taken: the known ones go on, and none of theirs comes twice.
  for (std::uint32_t ssrc = 0; ssrc < first.size(); ++ssrc) {
    EXPECT(unprotect(engine, *rx, first[ssrc].packet) != Verdict::kGood);
    Bytes packet = sealed(engine, *tx, ssrc, 101).packet;
    EXPECT(unprotect(engine, *rx, packet) == Verdict::kGood);
    EXPECT(rtp_index(*rx, ssrc) == 101u);
  }
  // One more takes the place of the one unused for longest once it is authentic, and a forged one of nobody's.
  const Bytes newcomer = sealed(engine, *open(engine, Direction::kSend, suite, master), 500, 1).packet;
  Bytes forged = newcomer;
  forged.back() ^= 1;
  EXPECT(unprotect(engine, *rx, forged) == Verdict::kNotAuthentic);
  EXPECT(rtp_index(*rx, 0) == 101u);
  Bytes packet = newcomer;
  EXPECT(unprotect(engine, *rx, packet) == Verdict::kGood);
  packet = newcomer;
  EXPECT(unprotect(engine, *rx, packet) == Verdict::kReplayed);
  EXPECT(!rtp_index(*rx, 0) && rtp_index(*rx, 1) == 101u);
}

/// Sending, nothing is ever forgotten: to begin a source again would be to use its keystream again.
void many_sources_to_send(SrtpEngine& engine) {
  Dice dice(5);
  const Suite suite = Suite::kAesCm128HmacSha1_80;
  const Bytes master = master_for(suite, dice);
  auto tx = open(engine, Direction::kSend, suite, master, {}, 2);
  for (std::uint32_t ssrc = 0; ssrc < 2 + kRetiredLimit; ++ssrc) {
    Bytes packet = rtp(ssrc, 100, Bytes(10));
    EXPECT(protect(engine, *tx, packet) == Verdict::kGood);
  }
  Bytes packet = rtp(500, 1, Bytes(10));
  EXPECT(protect(engine, *tx, packet) == Verdict::kTooManySources);
  packet = rtp(0, 100, Bytes(10));
  EXPECT(protect(engine, *tx, packet) == Verdict::kTooOld);

  const auto twin = open(engine, Direction::kSend, suite, master);
  const auto other = open(engine, Direction::kSend, suite, master_for(suite, dice));
  const auto receiving = open(engine, Direction::kReceive, suite, master);
  EXPECT(same_key(*tx, *twin) && !same_key(*tx, *other) && !same_key(*tx, *receiving));
}

void lifetimes(SrtpEngine& engine, Suite suite) {
  Dice dice(6);
  const Bytes master = master_for(suite, dice);
  SrtpKeying keying;
  keying.suite = suite;
  keying.master = master;
  keying.lifetime_packets = 3;
  auto tx = engine.open(Direction::kSend, keying);
  for (std::uint16_t i = 0; i < 5; ++i) {
    Bytes packet = rtp(1, i, Bytes(10));
    EXPECT(packets_left(*tx) == (i < 3 ? 3u - i : 0u));
    EXPECT(protect(engine, *tx, packet) == (i < 3 ? Verdict::kGood : Verdict::kKeyExpired));
  }

  tx = open(engine, Direction::kSend, suite, master);
  auto rx = open(engine, Direction::kReceive, suite, master);
  for (auto* context : {tx.get(), rx.get()}) {
    SrtpState state = state_of(*context);
    state.stream_count = 1;
    state.streams[0].ssrc = 1;
    state.streams[0].has_rtp = state.streams[0].has_rtcp = 1;
    state.streams[0].rtp_highest = (std::uint64_t{1} << 48) - 2;
    state.streams[0].rtcp_highest = (std::uint32_t{1} << 31) - 2;
    renew_checksum(state);
    EXPECT(import_state(*context, state, {.rtp = 0, .rtcp = 0}));
  }
  for (const bool is_rtcp : {false, true}) {
    Bytes packet = is_rtcp ? rtcp(1, Bytes(10)) : rtp(1, 65'535, Bytes(10));
    EXPECT(protect(engine, *tx, packet, is_rtcp) == Verdict::kGood);
    EXPECT(unprotect(engine, *rx, packet, is_rtcp) == Verdict::kGood);
    packet = is_rtcp ? rtcp(1, Bytes(10)) : rtp(1, 0, Bytes(10));
    EXPECT(protect(engine, *tx, packet, is_rtcp) == Verdict::kKeyExpired);
  }
  Bytes beyond = rtp(1, 0, Bytes(40));
  EXPECT(unprotect(engine, *rx, beyond) == Verdict::kKeyExpired);
}

void refusals(SrtpEngine& engine) {
  Dice dice(2);
  const Suite suite = Suite::kAesCm128HmacSha1_32;
  const Bytes master = master_for(suite, dice);
  SrtpKeying keying;
  keying.suite = suite;
  keying.master = std::span(master).first(29);
  EXPECT(!engine.open(Direction::kSend, keying));
  keying.master = master;
  keying.streams = kStreamLimit + 1;
  EXPECT(!engine.open(Direction::kSend, keying));
  keying.streams = 0;
  EXPECT(!engine.open(Direction::kSend, keying));
  keying.streams = 1;
  const Bytes long_mki(kMkiLimit + 1);
  keying.mki = long_mki;
  EXPECT(!engine.open(Direction::kSend, keying));
  keying.mki = {};
  keying.lifetime_packets = kRtpLifetimePackets + 1;
  EXPECT(!engine.open(Direction::kSend, keying));

  auto tx = open(engine, Direction::kSend, suite, master);
  auto rx = open(engine, Direction::kReceive, suite, master);
  Bytes packet = rtp(1, 1, Bytes(10));
  EXPECT(protect(engine, *rx, packet) == Verdict::kWrongContext);
  EXPECT(unprotect(engine, *tx, packet) == Verdict::kWrongContext);
  SrtpJob job{.context = tx.get(), .data = packet.data(), .size = static_cast<std::uint32_t>(packet.size()), .room = static_cast<std::uint32_t>(packet.size()) + 3};
  engine.protect({&job, 1});
  EXPECT(job.verdict == Verdict::kNoRoom);
  job.context = nullptr;
  engine.protect({&job, 1});
  EXPECT(job.verdict == Verdict::kMalformed);
  // The refused ones took no index: the same number goes out now, and never again.
  EXPECT(protect(engine, *tx, packet) == Verdict::kGood);
  packet = rtp(1, 1, Bytes(10));
  EXPECT(protect(engine, *tx, packet) == Verdict::kIndexUsed);
  packet = rtp(1, 65'535, Bytes(10));
  EXPECT(protect(engine, *tx, packet) == Verdict::kTooOld);
}

void states_from_elsewhere(SrtpEngine& engine) {
  Dice dice(3);
  const Suite suite = Suite::kAesCm128HmacSha1_80;
  const Bytes master = master_for(suite, dice);
  auto rx = open(engine, Direction::kReceive, suite, master);
  auto tx = open(engine, Direction::kSend, suite, master);
  for (std::uint16_t i = 0; i < 700; ++i) {
    Bytes packet = sealed(engine, *tx, 3, static_cast<std::uint16_t>(65'000 + i)).packet;
    EXPECT(unprotect(engine, *rx, packet) == Verdict::kGood);
  }
  const SrtpState good = state_of(*rx);
  auto standby = open(engine, Direction::kReceive, suite, master);
  EXPECT(import_state(*standby, good));
  EXPECT(same(state_of(*standby), good));
  Bytes packet = sealed(engine, *tx, 3, static_cast<std::uint16_t>(65'000 + 700)).packet;
  EXPECT(unprotect(engine, *standby, packet) == Verdict::kGood);

  const auto refused = [&](auto spoil) {
    SrtpState bad = good;
    spoil(bad);
    renew_checksum(bad);
    const SrtpState before = state_of(*rx);
    EXPECT(!import_state(*rx, bad));
    EXPECT(same(before, state_of(*rx)));
  };
  for (const std::size_t at : {std::size_t{0}, std::size_t{9}, std::size_t{40}, sizeof(SrtpState) / 2, sizeof(SrtpState) - 1}) {
    SrtpState damaged = good;
    reinterpret_cast<std::uint8_t*>(&damaged)[at] ^= 4;
    const SrtpState before = state_of(*rx);
    EXPECT(!import_state(*rx, damaged));
    EXPECT(same(before, state_of(*rx)));
  }
  refused([](SrtpState& state) { state.version += 1; });
  refused([](SrtpState& state) { state.suite = Suite::kAeadAes128Gcm; });
  refused([](SrtpState& state) { state.direction = Direction::kSend; });
  refused([](SrtpState& state) { state.stream_count = 1'000'000; });
  refused([](SrtpState& state) { state.streams[0].rtp_highest = std::uint64_t{1} << 48; });
  refused([](SrtpState& state) { state.streams[0].rtcp_highest = std::uint32_t{1} << 31; });
  refused([](SrtpState& state) { state.streams[1] = state.streams[0], state.stream_count = 2; });
  refused([](SrtpState& state) {
    for (std::uint32_t i = 0; i < 4; ++i) state.streams[i].ssrc = i, state.streams[i].retired = 0;
    state.stream_count = 4;
  });
}

/// The other box may have sent on since its last word: gaps count as sent, SRTCP goes on beyond them.
void a_standby_leaves_room(SrtpEngine& engine, Suite suite) {
  Dice dice(12);
  const Bytes master = master_for(suite, dice);
  auto active = open(engine, Direction::kSend, suite, master);
  for (const std::uint16_t sequence : {1, 3, 10}) sealed(engine, *active, 3, sequence);
  Bytes report = rtcp(3, Bytes(20));
  EXPECT(protect(engine, *active, report, true) == Verdict::kGood);

  auto standby = open(engine, Direction::kSend, suite, master);
  EXPECT(import_state(*standby, state_of(*active), {.rtp = 100, .rtcp = 5}));
  for (const std::uint16_t used : {5, 11, 110}) {
    Bytes packet = rtp(3, used, Bytes(20));
    EXPECT(protect(engine, *standby, packet) == Verdict::kIndexUsed);
  }
  Bytes packet = rtp(3, 111, Bytes(20));
  EXPECT(protect(engine, *standby, packet) == Verdict::kGood);
  std::uint64_t index = 0;
  report = rtcp(3, Bytes(20));
  EXPECT(protect(engine, *standby, report, true, &index) == Verdict::kGood && index == 6);
}

void keys_are_wiped(SrtpEngine& engine) {
  if (engine.kind() == EngineKind::kOpenSsl) return;  // libcrypto wipes its own; we hold only handles.
  Dice dice(5);
  for (std::size_t s = 0; s < kSuiteCount; ++s) {
    const auto suite = static_cast<Suite>(s);
    auto context = open(engine, Direction::kSend, suite, master_for(suite, dice));
    dirty_frees = watched_frees = 0;
    watched_bytes = memory_bytes(*context);
    watch_frees = true;
    context.reset();
    watch_frees = false;
    EXPECT(watched_frees == 1 && dirty_frees == 0);
  }
}

void no_allocation(SrtpEngine& engine) {
  if (engine.kind() == EngineKind::kOpenSsl) return;  // libcrypto allocates; the door says so.
  Dice dice(5);
  for (std::size_t s = 0; s < kSuiteCount; ++s) {
    const auto suite = static_cast<Suite>(s);
    const Bytes master = master_for(suite, dice);
    auto tx = open(engine, Direction::kSend, suite, master);
    auto rx = open(engine, Direction::kReceive, suite, master);
    std::vector<Bytes> packets(64);
    std::vector<SrtpJob> jobs;
    for (std::uint16_t i = 0; i < 64; ++i) {
      packets[i] = i % 8 == 7 ? rtcp(i % 5, Bytes(40)) : rtp(i % 5, i, Bytes(160));
      const auto size = static_cast<std::uint32_t>(packets[i].size());
      packets[i].resize(size + kTailroomBytes);
      jobs.push_back({.context = tx.get(), .data = packets[i].data(), .size = size, .room = static_cast<std::uint32_t>(packets[i].size()), .rtcp = i % 8 == 7});
    }
    allocations = 0;
    watch_allocations = true;
    engine.protect(jobs);
    for (auto& job : jobs) job.context = rx.get();
    engine.unprotect(jobs);
    watch_allocations = false;
    EXPECT(allocations == 0);
    for (const auto& job : jobs) EXPECT(job.verdict == Verdict::kGood);
  }
}

constexpr Suite kKinds[] = {Suite::kAesCm128HmacSha1_80, Suite::kAesCm256HmacSha1_32, Suite::kAeadAes256Gcm};

template <typename Body>
void for_kinds(Body body) {
  with_engines([&](SrtpEngine& engine) {
    for (const Suite suite : kKinds) body(engine, suite);
  });
}

}  // namespace

int main() {
  harness::test("no keystream is used twice, whatever the sequence numbers do", [] {
    for_kinds([](SrtpEngine& engine, Suite suite) {
      for (std::uint64_t seed = 1; seed <= 3; ++seed) keystream_is_never_used_twice(engine, suite, seed);
    });
  });
  harness::test("a packet that fails changes neither bytes nor state", [] { for_kinds(strangers_change_nothing); });
  harness::test("twins in one batch: the first authentic one passes, the others do not", [] { for_kinds(twins_in_one_batch); });
  harness::test("a new source wraps within its first batch, behind a forgery", [] { for_kinds(first_packets_wrap_in_one_batch); });
  harness::test("a batch says what one packet after the other would", [] {
    for_kinds([](SrtpEngine& engine, Suite suite) {
      for (std::uint64_t seed = 1; seed <= 3; ++seed) batch_equals_one_by_one(engine, suite, seed);
    });
  });
  harness::test("more sources heard than places: the unused retire, and the oldest gives way to an authentic one", [] { with_engines(many_sources); });
  harness::test("more sources to send than places are refused, never sent again from the start", [] { with_engines(many_sources_to_send); });
  harness::test("a key ends with its lifetime, 2^48 RTP or 2^31 RTCP packets", [] { for_kinds(lifetimes); });
  harness::test("wrong keys, limits, directions and rooms are refused and cost nothing", [] { with_engines(refusals); });
  harness::test("a state goes to another box whole; a false one is refused whole", [] { with_engines(states_from_elsewhere); });
  harness::test("a standby leaves room for what the other box sent unheard", [] { for_kinds(a_standby_leaves_room); });
  harness::test("closing wipes the keys", [] { with_engines(keys_are_wiped); });
  harness::test("no allocation on the packet path", [] { with_engines(no_allocation); });
  return harness::finish();
}
