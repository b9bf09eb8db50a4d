/// The two pieces of arithmetic everything rests on, against slow and obvious models.
#include <set>

#include "crypto/packet_index.h"
#include "crypto/replay_window.h"
#include "crypto/test/harness.h"

using namespace sallyport::crypto;
using harness::Dice;

namespace {

template <std::size_t kPackets>
void window_against_a_set(std::uint64_t seed) {
  Dice dice(seed);
  ReplayWindow<kPackets> window{};
  std::uint64_t highest = dice.below(70'000);
  std::set<std::uint64_t> used{highest};
  window.start(highest);
  for (int i = 0; i < 20'000; ++i) {
    const std::uint32_t reach = dice.chance(0.02) ? 3 * kPackets : dice.chance(0.5) ? kPackets + 8 : 8;
    const std::uint64_t low = highest > reach ? highest - reach : 0;
    const std::uint64_t index = dice.chance(0.3) ? highest + 1 + dice.below(dice.chance(0.02) ? 2 * kPackets : 3) : low + dice.below(reach);
    const Seen wanted = index + kPackets <= highest ? Seen::kTooOld : used.contains(index) ? Seen::kYes : Seen::kNo;
    const Seen seen = window.look(highest, index);
    EXPECT(seen == wanted);
    if (seen != Seen::kNo) continue;
    window.mark(highest, index);
    used.insert(index);
    EXPECT(highest == *used.rbegin());
  }
}

/// RFC 3711 §3.3.1 in words: of the three rollovers that could be meant, the one that lies nearest.
void index_is_the_nearest() {
  Dice dice(3);
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t highest = dice.chance(0.2) ? dice.below(0x10000) : dice.next() >> (16 + dice.below(30));
    const auto sequence = static_cast<std::uint16_t>(dice.chance(0.5) ? highest + dice.below(200) - 100 : dice.next());
    const auto nearest = nearest_index(highest, sequence);
    const auto distance = static_cast<std::int16_t>(sequence - static_cast<std::uint16_t>(highest));
    if (distance == -0x8000) continue;  // As far one way as the other: either will do.
    const std::int64_t wanted = static_cast<std::int64_t>(highest) + distance;
    EXPECT(nearest.has_value() == (wanted >= 0));
    if (nearest) EXPECT(*nearest == static_cast<std::uint64_t>(wanted));
  }
  EXPECT(nearest_index(65'535, 0) == 65'536u);
  EXPECT(nearest_index(65'536, 65'535) == 65'535u);
  EXPECT(nearest_index(kRtpIndexLimit - 1, 0) == kRtpIndexLimit);
}

}  // namespace

int main() {
  harness::test("the window answers as a set of all indices would", [] {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) window_against_a_set<128>(seed);
    for (std::uint64_t seed = 1; seed <= 8; ++seed) window_against_a_set<512>(seed);
  });
  harness::test("an index is the nearest one, none lies before the first rollover", index_is_the_nearest);
  return harness::finish();
}
