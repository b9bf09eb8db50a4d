#include "keys.h"

#include <algorithm>
#include <utility>

namespace sallyport::relay {
namespace {

/// Halves of `told_keys`: how often control was told, of what we hear (low) and what we send.
constexpr std::uint8_t kToldOfRx = 0x0f, kToldOfTx = 0xf0;
constexpr unsigned kToldTheEnd = 15;

/// How often one should have been told by now: once at the limit and each time half of what was left is gone, since what
/// was told may have come at a bad moment.
unsigned warnings(std::uint64_t limit, std::uint64_t left) noexcept {
  if (left == 0) return kToldTheEnd;
  unsigned count = 0;
  while (count < kToldTheEnd - 1 && left <= limit >> count) count += 1;
  return count;
}

void watch(Pair& pair, std::uint8_t side_number, bool receiving, EventSink& events) noexcept {
  RunningSide& side = pair.sides[side_number];
  const crypto::SrtpContext* const context = receiving ? side.rx : side.tx;
  if (context == nullptr) return;
  const std::uint64_t limit = std::min(lifetime_packets(*context) / 2, kPacketsToRenew);
  const std::uint64_t left = packets_left(*context);
  if (left > limit) return;
  const unsigned wanted = warnings(limit, left);
  const unsigned told = receiving ? side.told_keys & 0x0f : side.told_keys >> 4;
  if (told >= wanted) return;
  side.told_keys = static_cast<std::uint8_t>(receiving ? (side.told_keys & kToldOfTx) | wanted : (side.told_keys & kToldOfRx) | wanted << 4);
  events.event({.kind = EventKind::kKeyLifetime, .side = side_number, .pair = pair.number, .receiving = receiving, .packets_left = left});
}

}  // namespace

crypto::SrtpContext* renew_rx(RunningSide& side, crypto::SrtpContext* fresh, std::uint64_t now_ns) noexcept {
  side.old_rx_until_ns = now_ns + kInFlightNs;
  side.told_keys &= static_cast<std::uint8_t>(~kToldOfRx);
  if (fresh && side.old_rx && same_key(*fresh, *side.old_rx)) {
    std::swap(side.rx, side.old_rx);
    return fresh;
  }
  // Whether the peer keeps its counters or begins again need not be known: see crypto::follow.
  if (fresh && side.rx) follow(*fresh, *side.rx);
  crypto::SrtpContext* const leaving = side.rx ? std::exchange(side.old_rx, side.rx) : nullptr;
  side.rx = fresh;
  return leaving;
}

crypto::SrtpContext* renew_tx(RunningSide& side, crypto::SrtpContext* fresh) noexcept {
  if (fresh && side.tx && same_key(*fresh, *side.tx)) return fresh;
  side.told_keys &= static_cast<std::uint8_t>(~kToldOfTx);
  crypto::SrtpContext* leaving = std::exchange(side.tx, fresh);
  for (crypto::SrtpContext*& old : side.old_tx) {
    if (fresh && old && same_key(*fresh, *old)) {
      side.tx = std::exchange(old, leaving);
      return fresh;
    }
  }
  if (fresh && leaving && crypto::keeps_rollover(*fresh)) follow(*fresh, *leaving);
  for (crypto::SrtpContext*& old : side.old_tx) {
    if (leaving == nullptr) break;
    std::swap(old, leaving);
  }
  return leaving;
}

void watch_keys(Pair& pair, EventSink& events) noexcept {
  for (const std::uint8_t side : {std::uint8_t{0}, std::uint8_t{1}}) {
    watch(pair, side, true, events);
    watch(pair, side, false, events);
  }
}

}  // namespace sallyport::relay
