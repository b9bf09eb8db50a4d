#include "digit_player.h"

#include <algorithm>

#include "rtp.h"

namespace sallyport::relay {
namespace {

constexpr std::uint32_t kLongestSegment = 0xffff;
constexpr std::uint8_t kVolume = 10;  // -10 dBm0, as most gateways send.
constexpr std::uint8_t kEnd = 0x80;

}  // namespace

EventPacket next_event_packet(Playing& playing) noexcept {
  const Digit& digit = playing.digit;
  const std::uint32_t units_per_packet = static_cast<std::uint32_t>(kEventPacketNs / 1'000'000) * digit.clock_hz / 1'000;
  const std::uint32_t whole = digit.duration_ms * (digit.clock_hz / 1'000);
  EventPacket made;
  made.marker = playing.packets == 0;
  if (playing.ends == 0) playing.packets += 1;
  const std::uint32_t units = std::min(playing.packets * units_per_packet, whole);
  const bool end = units == whole;
  if (end) playing.ends += 1;
  // RFC 4733 §2.5.1.3: a segment that is full is followed by one that begins where it stopped.
  const std::uint32_t segment = units == 0 ? 0 : (units - 1) / kLongestSegment;
  made.timestamp = playing.timestamp + segment * kLongestSegment;
  made.payload = {digit.event, static_cast<std::uint8_t>((end ? kEnd : 0) | kVolume), 0, 0};
  write16(&made.payload[2], static_cast<std::uint16_t>(units - segment * kLongestSegment));
  return made;
}

}  // namespace sallyport::relay
