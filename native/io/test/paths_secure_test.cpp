/* RTP and SRTP through a bad network between all address families: libsrtp reads what comes out, tshark looks at its frames. */
#include <random>
#include <set>

#include "paths_box.h"
#include "srtp_end.h"
#include "tshark.h"

using namespace paths;

namespace {

struct Kind {
  bool secure_in, secure_out;
};
constexpr Kind kKinds[] = {{false, false}, {false, true}, {true, false}, {true, true}};
constexpr std::uint8_t kInSeed = 5, kOutSeed = 11;
constexpr std::size_t kGroup = 16;  // Put at once, so that they go through as a batch.

/* From `first` over the wrap: one in a hundred lost, some twice, some late. */
std::vector<std::uint16_t> bad_network(std::uint16_t first, int count) {
  std::mt19937 dice(7);
  std::vector<std::uint16_t> order;
  for (int i = 0; i < count; ++i) {
    if (i != 0 && dice() % 100 == 0) continue;
    order.push_back(static_cast<std::uint16_t>(first + i));
    if (dice() % 50 == 0) order.push_back(order.back());
  }
  for (std::size_t i = 5; i + 5 < order.size(); ++i) {
    if (dice() % 20 == 0) std::swap(order[i], order[i + 1 + dice() % 4]);
  }
  return order;
}

endpoint shifted(endpoint from, std::uint32_t pair) {
  frames::put16(from.port, frames::get16(from.port) + pair * 10);
  return from;
}

/* One of a box's calls, with a phone at either end. */
struct Call {
  Box& box;
  std::uint32_t pair;
  Kind kind;
  endpoint caller, box_caller, box_callee, callee;
  srtp_end::Libsrtp phone_sends, phone_hears;
  std::vector<Bytes>& seen;

  Call(Box& with, std::uint32_t number, Kind of, crypto::Suite suite, std::vector<Bytes>& all)
      : box(with), pair(number), kind(of), caller(shifted(box.caller, pair)), box_caller(shifted(box.box_caller, pair)),
        box_callee(shifted(box.box_callee, pair)), callee(shifted(box.callee, pair)), phone_sends(srtp_end::key_words(suite, kInSeed), true),
        phone_hears(srtp_end::key_words(suite, kOutSeed), false), seen(all) {
    io::SideWords from = box.words(box_caller, caller), to = box.words(box_callee, callee);
    if (kind.secure_in) from.rx = srtp_end::key_words(suite, kInSeed);
    if (kind.secure_out) to.tx = srtp_end::key_words(suite, kOutSeed);
    box.host->open(pair, relay::PairKind::kAudio, from, to);
    box.host->wake();
  }
  std::uint64_t counter(relay::Counter which) const { return box.counter(pair * 2, which); }
  Bytes made(std::uint16_t sequence) { return kind.secure_in ? phone_sends.with(srtp_protect, frames::rtp(sequence)) : frames::rtp(sequence); }
  Bytes frame(const Bytes& payload) const { return frames::frame_of({.from = caller, .to = box_caller, .payload = payload}); }
  /* Empty: nothing came, or nothing the callee would take. */
  Bytes heard(int wait_ms = 5'000) {
    const Seen came = box.out.take(callee, wait_ms);
    if (!came.whole) return {};
    seen.push_back(came.frame);
    return kind.secure_out ? phone_hears.with(srtp_unprotect, came.payload) : came.payload;
  }
  /* Talks until the way under test carries it; what needs cryptography the kernel does not forward. */
  std::uint16_t settle(std::uint16_t sequence) {
    const bool secure = kind.secure_in || kind.secure_out;
    const std::uint64_t wanted = secure && way != Way::kRings ? 0 : path_wanted();
    int said = 0;
    EXPECT(soon([&] {
      box.in.put(frame(made(sequence)));
      bool there = false;
      for (Bytes came = heard(500); !there && !came.empty(); came = there ? came : heard(500)) there = came == frames::rtp(sequence);
      sequence += 1;
      said += 1;
      return there && said > 2 && counter(relay::k_path) == wanted;
    }));
    return sequence;
  }
};

/* A capture of so many packets through the bad network. */
void play(Call& call, int count) {
  const std::uint16_t first = call.settle(65'300);
  const std::vector<std::uint16_t> order = bad_network(first, count);
  std::vector<Bytes> packets(65'536);  // Encrypted in order, as a phone does; the network mixes them.
  for (int i = 0; i < count; ++i) packets[static_cast<std::uint16_t>(first + i)] = call.made(static_cast<std::uint16_t>(first + i));
  std::set<std::uint16_t> known;
  bool right = true;
  for (std::size_t from = 0; from < order.size(); from += kGroup) {
    const std::size_t to = std::min(order.size(), from + kGroup);
    for (std::size_t i = from; i < to; ++i) call.box.in.put(call.frame(packets[order[i]]));
    for (std::size_t i = from; i < to; ++i) {
      // What came before is a replay where keys are, and no index is used twice.
      const bool again = !known.insert(order[i]).second;
      if (again && (call.kind.secure_in || call.kind.secure_out)) continue;
      right = right && call.heard() == frames::rtp(order[i]);
    }
  }
  EXPECT(right);
  const auto last = static_cast<std::uint16_t>(first + count);
  for (const Bytes& piece : frames::pieces(call.frame(call.made(last)), 80)) call.box.in.put(piece);
  EXPECT(call.heard() == frames::rtp(last));
  EXPECT(!call.box.out.take(call.callee, 0).whole);
  const std::size_t doubles = call.kind.secure_in ? order.size() - known.size() : 0;
  EXPECT(soon([&] { return call.counter(relay::k_droppedReplay) == doubles; }));
  EXPECT(call.counter(relay::k_droppedAuth) == 0 && call.counter(relay::k_droppedMalformed) == 0);
}

}  // namespace

TEST("RTP and SRTP, with loss, doubles, disorder, a wrap and fragments, between all address families") {
  std::vector<Bytes> seen;
  for (const bool in_v4 : {true, false}) {
    for (const bool out_v4 : {true, false}) {
      const auto suite = in_v4 == out_v4 ? crypto::Suite::kAesCm128HmacSha1_80 : crypto::Suite::kAeadAes128Gcm;
      Box box(in_v4, out_v4);
      for (std::uint32_t pair = 0; pair < 4; ++pair) {
        Call call(box, pair, kKinds[pair], suite, seen);
        play(call, 300);
      }
    }
  }
  if (!io::test::have_tshark()) return;
  const std::vector<std::string> lines = io::test::tshark(seen);
  EXPECT(lines.size() == seen.size() && seen.size() > 4'500);
  for (const std::string& line : lines) {
    // DSCP and hop limit of IPv4 or IPv6, the UDP checksum, the header's checksum where there is one.
    const bool four = line == "46  64  1 1" || line == "46  64  3 1";  // 3: none, as IPv4 may.
    EXPECT(four || line == " 46  64 1 ");
  }
}
