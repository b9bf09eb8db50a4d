/// Digits of our own, as packets: RFC 4733 §2.5.1. When each packet is due and what it says; the numbers that it leaves
/// under are the relay's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "relay.h"

namespace sallyport::relay {

/// Limit: digits of one packet thread that play or wait; those beyond are lost.
inline constexpr std::size_t kPlayingLimit = 256;
/// Limit: of one side; a dialler of thirty digits a second would else take all places.
inline constexpr std::size_t kPlayingPerSide = 32;
inline constexpr std::uint64_t kEventPacketNs = 20'000'000;
/// Between two digits, so that everybody hears two of them.
inline constexpr std::uint64_t kBetweenDigitsNs = 60'000'000;
inline constexpr unsigned kEndPackets = 3;
/// Limit: shorter and longer ones are made so long, in milliseconds.
inline constexpr std::uint32_t kShortestDigitMs = 40;
inline constexpr std::uint32_t kLongestDigitMs = 6'000;

struct Playing {
  std::uint32_t pair = 0;
  std::uint8_t side = 0;
  Digit digit{};
  std::uint64_t due_ns = 0;     ///< Its next packet.
  std::uint32_t timestamp = 0;  ///< Where it began.
  std::uint32_t ssrc = 0;       ///< As its source is called before renumbering.
  std::uint16_t packets = 0;    ///< That were made so far, but the repeated ends.
  std::uint8_t ends = 0;
  bool begun = false;
};

/// One packet of an event.
struct EventPacket {
  std::uint32_t timestamp = 0;
  bool marker = false;
  std::array<std::uint8_t, 4> payload{};
};

/// The next packet of a digit that has begun. After its last one `playing.ends` is kEndPackets.
EventPacket next_event_packet(Playing& playing) noexcept;

}  // namespace sallyport::relay
