/// What the relay sends of its own: memory for it, and the digits that play.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "digit_player.h"

namespace sallyport::relay {

/// Limit: packets of ours between two looks of the packet thread; those beyond wait for the next one.
inline constexpr std::size_t kLetters = 64;
/// A compound of RTCP, with its SRTP tag and MKI.
inline constexpr std::size_t kLetterBytes = 1'664;

struct Outbox {
  std::array<Datagram, kLetters> letters{};
  std::array<std::array<std::uint8_t, kLetterBytes>, kLetters> memory{};
  std::size_t letter_count = 0;
  /// In the order in which they were said.
  std::array<Playing, kPlayingLimit> playing{};
  std::size_t playing_count = 0;
};

/// The digits of a pair that is closed.
void forget_playing(Outbox& outbox, std::uint32_t pair) noexcept;

}  // namespace sallyport::relay
