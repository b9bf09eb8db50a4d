/// libsrtp as the third opinion: the same packets over a bad network, packet by packet the same verdict
/// and the same bytes, through two rollovers and more.
#include <srtp2/srtp.h>

#include <algorithm>
#include <array>

#include "crypto/test/srtp_tools.h"

using namespace tools;

namespace {

constexpr std::uint32_t kSources[] = {0x1111'1111, 0xcafe'babe, 0x0000'0001};
constexpr std::size_t kLibraryTailroom = SRTP_MAX_TRAILER_LEN + 4;

void set_policy(srtp_policy_t& policy, Suite suite) {
  using Setter = void (*)(srtp_crypto_policy_t*);
  constexpr Setter kCm128_80 = srtp_crypto_policy_set_rtp_default;  // AES_CM_128_HMAC_SHA1_80.
  struct Pair {
    Setter rtp;
    Setter rtcp;
  };
  const Pair pairs[kSuiteCount] = {
      {kCm128_80, kCm128_80},
      {srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32, kCm128_80},
      {srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80, srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80},
      {srtp_crypto_policy_set_aes_cm_192_hmac_sha1_32, srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80},
      {srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80, srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80},
      {srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32, srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80},
      {srtp_crypto_policy_set_aes_gcm_128_16_auth, srtp_crypto_policy_set_aes_gcm_128_16_auth},
      {srtp_crypto_policy_set_aes_gcm_256_16_auth, srtp_crypto_policy_set_aes_gcm_256_16_auth}};
  pairs[static_cast<std::size_t>(suite)].rtp(&policy.rtp);
  pairs[static_cast<std::size_t>(suite)].rtcp(&policy.rtcp);
}

/// One libsrtp session. Its window is set to ours, so that verdicts can be compared one by one.
class Library {
 public:
  Library(Suite suite, Bytes master, bool inbound, Bytes mki = {}) : master_(std::move(master)), mki_(std::move(mki)) {
    srtp_policy_t policy{};
    set_policy(policy, suite);
    policy.ssrc.type = inbound ? ssrc_any_inbound : ssrc_any_outbound;
    policy.window_size = kRtpWindowPackets;
    srtp_master_key_t key{master_.data(), mki_.data(), static_cast<unsigned>(mki_.size())};
    srtp_master_key_t* keys[] = {&key};
    if (mki_.empty()) {
      policy.key = master_.data();
    } else {
      policy.keys = keys;
      policy.num_master_keys = 1;
    }
    EXPECT(srtp_create(&session_, &policy) == srtp_err_status_ok);
  }
  ~Library() {
    if (session_) srtp_dealloc(session_);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  Verdict protect(Bytes& packet, bool is_rtcp = false) {
    return run(packet, is_rtcp ? srtp_protect_rtcp_mki(session_, grown(packet), &length_, with_mki(), 0)
                               : srtp_protect_mki(session_, grown(packet), &length_, with_mki(), 0));
  }
  Verdict unprotect(Bytes& packet, bool is_rtcp = false) {
    return run(packet, is_rtcp ? srtp_unprotect_rtcp_mki(session_, grown(packet), &length_, with_mki())
                               : srtp_unprotect_mki(session_, grown(packet), &length_, with_mki()));
  }

 private:
  unsigned with_mki() const { return mki_.empty() ? 0 : 1; }
  void* grown(const Bytes& packet) {
    std::copy(packet.begin(), packet.end(), work_.begin());
    length_ = static_cast<int>(packet.size());
    return work_.data();
  }
  Verdict run(Bytes& packet, srtp_err_status_t status) {
    if (status == srtp_err_status_ok) packet.assign(work_.begin(), work_.begin() + length_);
    switch (status) {
      case srtp_err_status_ok: return Verdict::kGood;
      case srtp_err_status_replay_fail: return Verdict::kReplayed;
      case srtp_err_status_replay_old: return Verdict::kTooOld;
      case srtp_err_status_auth_fail: return Verdict::kNotAuthentic;
      default: return Verdict::kMalformed;
    }
  }

  srtp_t session_ = nullptr;
  Bytes master_;
  Bytes mki_;
  int length_ = 0;
  alignas(8) std::array<std::uint8_t, 2048 + kLibraryTailroom> work_;
};

struct Wire {
  Bytes packet;
  bool is_rtcp;
};

/// Loses, doubles, damages and delays. What it delivers has no order left but a near one.
class BadNetwork {
 public:
  explicit BadNetwork(std::uint64_t seed) : dice_(seed) {}

  void send(Wire wire, std::vector<Wire>& arrived) {
    clock_ += 1;
    if (!dice_.chance(0.02)) {
      if (dice_.chance(0.01)) hold(wire);
      if (dice_.chance(0.01)) {
        Wire damaged = wire;
        damaged.packet[dice_.below(static_cast<std::uint32_t>(damaged.packet.size()))] ^= static_cast<std::uint8_t>(1 + dice_.below(255));
        arrived.push_back(std::move(damaged));
      }
      if (dice_.chance(0.05)) hold(wire);
      else arrived.push_back(std::move(wire));
    }
    for (std::size_t i = 0; i < held_.size();) {
      if (held_[i].first > clock_) {
        i += 1;
        continue;
      }
      arrived.push_back(std::move(held_[i].second));
      held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

 private:
  /// Mostly a little late, sometimes beyond the window.
  void hold(const Wire& wire) { held_.emplace_back(clock_ + 1 + dice_.below(dice_.chance(0.02) ? 4000 : 80), wire); }

  Dice dice_;
  std::uint64_t clock_ = 0;
  std::vector<std::pair<std::uint64_t, Wire>> held_;
};

/// Ours on the receiving end, a batch of any size at a time.
struct Receiver {
  std::unique_ptr<SrtpEngine> engine;
  SrtpContextPtr context;

  void receive(std::vector<Wire>& wires, std::vector<Verdict>& verdicts) {
    std::vector<SrtpJob> jobs(wires.size());
    for (std::size_t i = 0; i < wires.size(); ++i) {
      jobs[i] = {.context = context.get(), .data = wires[i].packet.data(),
                 .size = static_cast<std::uint32_t>(wires[i].packet.size()), .rtcp = wires[i].is_rtcp};
    }
    engine->unprotect(jobs);
    verdicts.clear();
    for (std::size_t i = 0; i < wires.size(); ++i) {
      verdicts.push_back(jobs[i].verdict);
      wires[i].packet.resize(jobs[i].size);
    }
  }
};

/// Good is good. What is refused may be refused for another reason: libsrtp judges damage in another
/// order, and its window ends one packet earlier than its size says.
bool agree(Verdict ours, Verdict library) {
  if (ours == library) return true;
  if (ours == Verdict::kReplayed && library == Verdict::kTooOld) return true;
  const bool both_refuse = ours != Verdict::kGood && library != Verdict::kGood;
  const bool damage = library == Verdict::kMalformed || library == Verdict::kNotAuthentic || ours == Verdict::kNotAuthentic ||
                      ours == Verdict::kMalformed || ours == Verdict::kNotEncrypted;
  return both_refuse && damage;
}

struct Tally {
  std::size_t good = 0, replayed = 0, old = 0, refused = 0;
  void add(Verdict verdict) {
    (verdict == Verdict::kGood ? good : verdict == Verdict::kReplayed ? replayed : verdict == Verdict::kTooOld ? old : refused) += 1;
  }
};

void compare_arrivals(const std::vector<Wire>& arrived, Library& library, std::vector<Receiver>& receivers, Tally& tally) {
  std::vector<Wire> reference = arrived;
  std::vector<Verdict> wanted;
  for (auto& wire : reference) wanted.push_back(library.unprotect(wire.packet, wire.is_rtcp));
  for (auto& receiver : receivers) {
    std::vector<Wire> mine = arrived;
    std::vector<Verdict> verdicts;
    receiver.receive(mine, verdicts);
    for (std::size_t i = 0; i < mine.size(); ++i) {
      EXPECT(agree(verdicts[i], wanted[i]));
      EXPECT(mine[i].packet == reference[i].packet);
      tally.add(verdicts[i]);
    }
  }
}

/// `step`: how far sequence numbers go on at most, so that fewer packets pass as many rollovers.
void run(Suite suite, std::size_t packets, std::uint32_t step, std::uint64_t seed) {
  Dice dice(seed);
  const Bytes master = master_for(suite, dice);
  Library library_tx(suite, master, false);
  Library library_rx(suite, master, true);
  Library ours_to_library(suite, master, true);
  std::vector<Receiver> receivers;
  std::vector<std::pair<std::unique_ptr<SrtpEngine>, SrtpContextPtr>> senders;
  for (const EngineKind kind : kEngines) {
    auto engine = SrtpEngine::create(kind);
    if (!engine) continue;
    auto context = open(*engine, Direction::kReceive, suite, master);
    receivers.push_back({std::move(engine), std::move(context)});
    engine = SrtpEngine::create(kind);
    context = open(*engine, Direction::kSend, suite, master);
    senders.emplace_back(std::move(engine), std::move(context));
  }
  EXPECT(!receivers.empty());

  BadNetwork network(seed + 1);
  std::vector<Wire> arrived;
  Tally tally;
  // Sources begin shortly before a rollover, and at the worst place: the very last number.
  std::uint64_t index[] = {65'000, 0, 65'535};
  for (std::size_t i = 0; i < packets; ++i) {
    const std::size_t source = dice.below(10) < 8 ? 0 : 1 + dice.below(2);
    const bool is_rtcp = dice.chance(0.02);
    const Bytes payload = dice.bytes(1 + dice.below(200));
    const Bytes plain = is_rtcp ? rtcp(kSources[source], payload) : rtp(kSources[source], static_cast<std::uint16_t>(index[source]), payload);
    if (!is_rtcp) index[source] += 1 + dice.below(step);

    Bytes wire = plain;
    EXPECT(library_tx.protect(wire, is_rtcp) == Verdict::kGood);
    for (std::size_t s = 0; s < senders.size(); ++s) {
      Bytes mine = plain;
      EXPECT(protect(*senders[s].first, *senders[s].second, mine, is_rtcp) == Verdict::kGood);
      if (!is_rtcp) EXPECT(mine == wire);
      // libsrtp counts SRTCP from one and we from zero (RFC 3711 §3.4), so it must read, not repeat.
      if (is_rtcp && s == 0) EXPECT(ours_to_library.unprotect(mine, true) == Verdict::kGood && mine == plain);
    }
    network.send({wire, is_rtcp}, arrived);
    if (arrived.size() >= 1 + dice.below(96)) {
      compare_arrivals(arrived, library_rx, receivers, tally);
      arrived.clear();
    }
  }
  EXPECT(index[0] > 3 * 65'536 - 65'536 / 2);
  EXPECT(tally.good > packets && tally.replayed > 50 && tally.old > 5 && tally.refused > 50);
}

void common_suites() {
  run(Suite::kAesCm128HmacSha1_80, 200'000, 1, 41);
  run(Suite::kAeadAes128Gcm, 100'000, 3, 42);
}

/// Without the 192-bit suites: libsrtp derives their keys with AES-256, against RFC 6188 §7.4, whose answers
/// we match. For them the other engine is the oracle (the round trip test), beside the known answers.
void other_suites() {
  for (const Suite suite : {Suite::kAesCm128HmacSha1_32, Suite::kAesCm256HmacSha1_80, Suite::kAesCm256HmacSha1_32,
                            Suite::kAeadAes256Gcm}) {
    run(suite, 25'000, 60, 100 + static_cast<std::uint64_t>(suite));
  }
}

/// Not with the _32 suites: libsrtp looks for the identifier of SRTCP where RTP has it.
void key_identifiers() {
  for (const Suite suite : {Suite::kAesCm128HmacSha1_80, Suite::kAesCm256HmacSha1_80, Suite::kAeadAes256Gcm}) {
    with_engines([&](SrtpEngine& engine) {
      Dice dice(5);
      const Bytes master = master_for(suite, dice);
      const Bytes mki = dice.bytes(4);
      Library library_tx(suite, master, false, mki);
      Library library_rx(suite, master, true, mki);
      auto tx = open(engine, Direction::kSend, suite, master, mki);
      auto rx = open(engine, Direction::kReceive, suite, master, mki);
      for (std::uint16_t i = 0; i < 100; ++i) {
        for (const bool is_rtcp : {false, true}) {
          const Bytes plain = is_rtcp ? rtcp(9, dice.bytes(i)) : rtp(9, i, dice.bytes(i + 1u));
          Bytes packet = plain;
          EXPECT(library_tx.protect(packet, is_rtcp) == Verdict::kGood);
          EXPECT(unprotect(engine, *rx, packet, is_rtcp) == Verdict::kGood && packet == plain);
          packet = plain;
          EXPECT(protect(engine, *tx, packet, is_rtcp) == Verdict::kGood);
          EXPECT(library_rx.unprotect(packet, is_rtcp) == Verdict::kGood && packet == plain);
        }
      }
    });
  }
}

}  // namespace

int main() {
  if (srtp_init() != srtp_err_status_ok) return 1;
  harness::test("200,000 packets over a bad network, through three rollovers: CM128 and GCM128", common_suites);
  harness::test("the other suites over a bad network with gaps, through many rollovers", other_suites);
  harness::test("master key identifiers stand where libsrtp looks for them", key_identifiers);
  const int code = harness::finish();
  srtp_shutdown();
  return code;
}
