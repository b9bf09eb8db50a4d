/// One key makes way for another.
#include <utility>

#include "pair.h"

namespace sallyport::relay {

crypto::SrtpContext* renew_rx(RunningSide& side, crypto::SrtpContext* fresh, std::uint64_t now_ns) noexcept {
  side.old_rx_until_ns = now_ns + kInFlightNs;
  if (fresh && side.old_rx && same_key(*fresh, *side.old_rx)) {
    std::swap(side.rx, side.old_rx);
    return fresh;
  }
  crypto::SrtpContext* const leaving = side.rx ? std::exchange(side.old_rx, side.rx) : nullptr;
  side.rx = fresh;
  return leaving;
}

crypto::SrtpContext* renew_tx(RunningSide& side, crypto::SrtpContext* fresh) noexcept {
  if (fresh && side.tx && same_key(*fresh, *side.tx)) return fresh;
  crypto::SrtpContext* leaving = std::exchange(side.tx, fresh);
  for (crypto::SrtpContext*& old : side.old_tx) {
    if (fresh && old && same_key(*fresh, *old)) {
      side.tx = std::exchange(old, leaving);
      return fresh;
    }
  }
  for (crypto::SrtpContext*& old : side.old_tx) {
    if (leaving == nullptr) break;
    std::swap(old, leaving);
  }
  return leaving;
}

}  // namespace sallyport::relay
