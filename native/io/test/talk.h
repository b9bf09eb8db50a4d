/// A call through the rings, each packet of which is asked for again where it comes out.
#pragma once

#include <algorithm>
#include <vector>

#include "rings_box.h"

namespace sallyport::io::test {

inline std::uint32_t sequence_of(const Bytes& payload) { return static_cast<std::uint32_t>(payload[2] << 8 | payload[3]); }

/// Numbers of the packets that come out of the cable until none has for two seconds.
inline std::vector<std::uint32_t> drained(Cable& cable) {
  std::vector<std::uint32_t> numbers;
  for (;;) {
    const Bytes payload = payload_of(cable.get(2'000));
    if (payload.empty()) return numbers;
    numbers.push_back(sequence_of(payload));
  }
}

inline bool rising(const std::vector<std::uint32_t>& numbers) {
  return std::ranges::adjacent_find(numbers, std::ranges::greater_equal{}) == numbers.end();
}

/// A call both ways, again and again, a few packets at a time: so many that every frame there is had its turn.
struct Talk {
  Box& box;
  std::uint32_t sequence = 0;

  bool passes(Cable& from, Cable& to, std::uint32_t packets) {
    const std::uint32_t first = sequence;
    for (std::uint32_t i = 0; i < packets; ++i) from.put(frame_in(from, false, rtp(sequence++ & 0xffff, 20), box.port));
    for (std::uint32_t i = 0; i < packets; ++i) {
      const Bytes payload = payload_of(to.get(10'000));
      if (payload.size() != 32 || sequence_of(payload) != ((first + i) & 0xffff)) return tell(first + i, payload), false;
    }
    return true;
  }
  /// What came in place of a packet, and where it may have been lost.
  void tell(std::uint32_t wanted, const Bytes& came) const {
    std::fprintf(stderr, "packet %u: %zu bytes came, number %u\n", wanted, came.size(), came.size() < 4 ? 0 : sequence_of(came));
#define X(name) std::fprintf(stderr, " " #name " %llu", static_cast<unsigned long long>(box.ring(kRing_##name)));
    SALLYPORT_RING_COUNTERS(X)
#undef X
    std::fprintf(stderr, "\n");
  }
  void every_frame_goes_round() {
    const std::uint64_t sent = box.ring(kRing_sent), elsewhere = box.ring(kRing_noFrame) + box.ring(kRing_bySocket) + box.ring(kRing_heldBack);
    constexpr std::uint32_t kPiece = 32, kPieces = 2 * 2 * kFramesPerQueue / kPiece;
    for (std::uint32_t i = 0; i < kPieces; ++i) {
      if (!passes(*box.cables[i % 2], *box.cables[1 - i % 2], kPiece)) return EXPECT(!"a packet of plain traffic was lost");
    }
    EXPECT(box.ring(kRing_sent) == sent + kPiece * kPieces);
    EXPECT(box.ring(kRing_noFrame) + box.ring(kRing_bySocket) + box.ring(kRing_heldBack) == elsewhere);
  }
};

}  // namespace sallyport::io::test
