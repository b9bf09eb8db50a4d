/// What is known at a look (next_packet.h) is what the general rules say: a context that follows another source first takes
/// each packet by those, one that follows ours first takes most at a look, and both must answer alike.
#include "crypto/packet_index.h"
#include "crypto/test/srtp_tools.h"

using namespace tools;

namespace {

constexpr std::uint32_t kOurs = 7, kOther = 9;
constexpr std::size_t kRoom = 400;

struct Piece {
  Bytes bytes;
  std::uint32_t size;
};

/// Opens a context and has it follow `first`, then our source from `index` on.
SrtpContextPtr following(SrtpEngine& engine, Direction direction, Suite suite, const Bytes& master, bool ours_first, std::uint64_t index) {
  auto context = open(engine, direction, suite, master);
  auto sender = open(engine, Direction::kSend, suite, master);
  for (const std::uint32_t ssrc : {ours_first ? kOurs : kOther, ours_first ? kOther : kOurs}) {
    Bytes packet = rtp(ssrc, 0, Bytes(20));
    if (direction == Direction::kReceive) EXPECT(protect(engine, *sender, packet) == Verdict::kGood);
    EXPECT((direction == Direction::kSend ? protect(engine, *context, packet) : unprotect(engine, *context, packet)) == Verdict::kGood);
  }
  SrtpState state = state_of(*context);
  for (std::uint32_t i = 0; i < state.stream_count; ++i) {
    if (state.streams[i].ssrc == kOurs) state.streams[i].rtp_highest = index;
  }
  renew_checksum(state);
  EXPECT(import_state(*context, state, {.rtp = 0, .rtcp = 0}));
  return context;
}

Bytes any_packet(Dice& dice, std::uint16_t sequence) {
  Bytes packet = rtp(dice.chance(0.05) ? kOther : kOurs, sequence, dice.bytes(dice.below(60)));
  if (dice.chance(0.1)) packet[0] = static_cast<std::uint8_t>(dice.next());        // Another version, padding, an extension, sources.
  if (dice.chance(0.03)) packet.resize(dice.below(static_cast<std::uint32_t>(packet.size())));
  return packet;
}

void run(SrtpEngine& engine, SrtpContext& context, bool sends, const std::vector<Piece>& pieces, std::vector<Bytes>& work, std::vector<SrtpJob>& jobs) {
  work.clear();
  jobs.clear();
  for (const Piece& piece : pieces) work.push_back(piece.bytes);
  for (std::size_t i = 0; i < pieces.size(); ++i) jobs.push_back({.context = &context, .data = work[i].data(), .size = pieces[i].size, .room = kRoom});
  if (sends) engine.protect(jobs);
  else engine.unprotect(jobs);
}

void both_answer_alike(SrtpEngine& engine, Suite suite, bool sends, std::uint64_t start, std::uint64_t seed) {
  Dice dice(seed);
  const Bytes master = master_for(suite, dice);
  const Direction direction = sends ? Direction::kSend : Direction::kReceive;
  auto at_a_look = following(engine, direction, suite, master, true, start), by_the_rules = following(engine, direction, suite, master, false, start);
  auto far_end = following(engine, Direction::kSend, suite, master, true, start);
  std::uint64_t newest = start;
  std::vector<Bytes> sent;
  std::uint32_t counts[kVerdictCount] = {};
  for (int round = 0; round < 400; ++round) {
    std::vector<Piece> pieces(1 + dice.below(12));
    for (Piece& piece : pieces) {
      newest += dice.chance(0.8) ? 1 : dice.chance(0.97) ? dice.below(5) : dice.chance(0.9) ? 500 + dice.below(30) : 0x7ff0 + dice.below(32);
      const auto late = static_cast<std::uint16_t>(dice.chance(0.2) ? dice.below(600) : 0);
      Bytes packet = any_packet(dice, static_cast<std::uint16_t>(newest - late));
      if (!sends) {
        if (protect(engine, *far_end, packet) == Verdict::kGood) sent.push_back(packet);
        if (!sent.empty() && dice.chance(0.1)) packet = sent[dice.below(static_cast<std::uint32_t>(sent.size()))];
        if (!packet.empty() && dice.chance(0.05)) packet[dice.below(static_cast<std::uint32_t>(packet.size()))] ^= 1;
      }
      piece.size = static_cast<std::uint32_t>(packet.size());
      packet.resize(kRoom);
      piece.bytes = packet;
    }
    std::vector<Bytes> work[2];
    std::vector<SrtpJob> jobs[2];
    run(engine, *at_a_look, sends, pieces, work[0], jobs[0]);
    run(engine, *by_the_rules, sends, pieces, work[1], jobs[1]);
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      EXPECT(jobs[0][i].verdict == jobs[1][i].verdict);
      EXPECT(jobs[0][i].size == jobs[1][i].size && jobs[0][i].index == jobs[1][i].index);
      EXPECT(work[0][i] == work[1][i]);
      counts[static_cast<std::size_t>(jobs[0][i].verdict)] += 1;
    }
  }
  EXPECT(rtp_index(*at_a_look, kOurs) == rtp_index(*by_the_rules, kOurs));
  EXPECT(packets_left(*at_a_look) == packets_left(*by_the_rules));
  EXPECT(counts[static_cast<std::size_t>(Verdict::kGood)] > (start + 2'000 < kRtpIndexLimit ? 500u : 50u));
}

void every_way(std::uint64_t start) {
  with_engines([start](SrtpEngine& engine) {
    for (const Suite suite : {Suite::kAesCm128HmacSha1_80, Suite::kAeadAes128Gcm, Suite::kAeadAes256Gcm}) {
      for (const bool sends : {false, true}) {
        for (std::uint64_t seed = 1; seed <= 4; ++seed) both_answer_alike(engine, suite, sends, start, seed);
      }
    }
  });
}

}  // namespace

int main() {
  harness::test("from the first rollover on", [] { every_way(0); });
  harness::test("over a wrap of the sequence number", [] { every_way(0x1'ff80); });
  harness::test("to the end of the index space", [] { every_way(kRtpIndexLimit - 600); });
  return harness::finish();
}
