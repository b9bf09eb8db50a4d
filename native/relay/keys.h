/// Keys of a side: when one comes to its end. How one follows another is declared in pair.h.
#pragma once

#include "pair.h"

namespace sallyport::relay {

/// A key ends soon when so many packets are left: two minutes of voice and its reports, or half of a shorter life.
inline constexpr std::uint64_t kPacketsToRenew = 6'000;

/// Tells control that a new key is wanted: each time half of what was left is gone, and when it has ended.
void watch_keys(Pair& pair, EventSink& events) noexcept;

}  // namespace sallyport::relay
