#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace sallyport::crypto {

enum class Seen : std::uint8_t { kNo, kYes, kTooOld };

/// Which of the last `kPackets` indices were used: RFC 3711 §3.3.2. A ring of bits, so nothing shifts.
/// `highest` is the caller's, and is itself within the window.
template <std::size_t kPackets>
struct ReplayWindow {
  static_assert(kPackets % 64 == 0 && (kPackets & (kPackets - 1)) == 0);
  std::uint64_t words[kPackets / 64];

  Seen look(std::uint64_t highest, std::uint64_t index) const noexcept {
    if (index > highest) return Seen::kNo;
    if (highest - index >= kPackets) return Seen::kTooOld;
    return words[word(index)] & bit(index) ? Seen::kYes : Seen::kNo;
  }

  /// The first packet of all.
  void start(std::uint64_t index) noexcept {
    std::fill(std::begin(words), std::end(words), 0);
    words[word(index)] = bit(index);
  }

  /// After `look` said kNo.
  template <typename Index>
  void mark(Index& highest, Index index) noexcept {
    if (index > highest) {
      if (index - highest >= kPackets) {
        std::fill(std::begin(words), std::end(words), 0);
      } else {
        for (Index skipped = highest + 1; skipped < index; ++skipped) words[word(skipped)] &= ~bit(skipped);
      }
      highest = index;
    }
    words[word(index)] |= bit(index);
  }

  /// As if none were.
  void clear() noexcept { std::fill(std::begin(words), std::end(words), 0); }

  /// As if all were used: for a source that comes back, or a box that takes over.
  void close() noexcept { std::fill(std::begin(words), std::end(words), ~std::uint64_t{0}); }

 private:
  static std::size_t word(std::uint64_t index) noexcept { return index % kPackets / 64; }
  static std::uint64_t bit(std::uint64_t index) noexcept { return std::uint64_t{1} << (index % 64); }
};

}  // namespace sallyport::crypto
