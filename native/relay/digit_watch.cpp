#include "digit_watch.h"

#include "rtp.h"

namespace sallyport::relay {
namespace {

constexpr std::size_t kEventBytes = 4;  // RFC 4733 §2.3.
/// Limit: events in one packet that are looked at.
constexpr std::size_t kEventsPerPacket = 4;
constexpr std::uint16_t kLongestSegment = 0xffff;
constexpr std::uint64_t kSecondNs = 1'000'000'000;

bool is_before(std::uint32_t one, std::uint32_t other) noexcept { return static_cast<std::int32_t>(one - other) < 0; }

}  // namespace

ToldDigits DigitWatch::packet(std::uint32_t ssrc, std::uint32_t timestamp, bool marker, std::span<const std::uint8_t> payload,
                              std::uint32_t clock_hz, std::uint64_t now_ns) noexcept {
  ToldDigits told;
  if (ssrc != ssrc_) {
    for (HeardEvent& heard : events_) {
      if (heard.open) tell(heard, now_ns, told);
      heard = HeardEvent{};
    }
    ssrc_ = ssrc;
  }
  clock_hz_ = clock_hz == 0 ? 8'000 : clock_hz;
  for (std::size_t i = 0; i < kEventsPerPacket && payload.size() >= kEventBytes; ++i) {
    const std::uint16_t duration = read16(&payload[2]);
    if (payload[0] <= kLastDigit) take(payload[0], payload[1] & 0x80, duration, timestamp, marker && i == 0, now_ns, told);
    timestamp += duration;  // RFC 4733 §2.5.1.5: the next one begins where this one ends.
    payload = payload.subspan(kEventBytes);
  }
  last_ns_ = now_ns;
  return told;
}

void DigitWatch::take(std::uint8_t event, bool end, std::uint16_t duration, std::uint32_t timestamp, bool marker,
                      std::uint64_t now_ns, ToldDigits& told) noexcept {
  HeardEvent* found = nullptr;
  for (HeardEvent& heard : events_) {
    if (!heard.used || heard.event != event) continue;
    if (heard.timestamp == timestamp) {
      found = &heard;
    } else if (heard.open && !marker && timestamp - heard.timestamp == kLongestSegment) {
      heard.before += kLongestSegment;
      heard.timestamp = timestamp;
      heard.duration = 0;
      found = &heard;
    } else if (heard.open && is_before(timestamp, heard.timestamp) && heard.before != 0) {
      return;  // Late, of a segment that is over.
    }
  }
  if (found == nullptr) {
    const HeardEvent& last = events_[newest_];
    // Late: its place was given to another. Unless the source's clock jumped back, as a recording's does.
    if (last.used && is_before(timestamp, last.timestamp) && !marker && now_ns - last_ns_ < kSecondNs) return;
    // What ended before this one begins has lost its end. What did not goes on beside it.
    for (HeardEvent& heard : events_) {
      if (heard.open && !is_before(timestamp, heard.timestamp + heard.duration)) tell(heard, now_ns, told);
    }
    newest_ ^= 1;
    found = &events_[newest_];
    if (found->open) tell(*found, now_ns, told);
    *found = {.timestamp = timestamp, .before = 0, .duration = 0, .event = event, .open = true, .used = true};
  }
  if (!found->open) return;  // The end comes three times: RFC 4733 §2.5.1.4.
  if (duration > found->duration) found->duration = duration;
  if (end) tell(*found, now_ns, told);
}

void DigitWatch::tell(HeardEvent& heard, std::uint64_t now_ns, ToldDigits& told) noexcept {
  heard.open = false;
  const auto second = static_cast<std::uint32_t>(now_ns / kSecondNs);
  if (second != second_) told_in_second_ = 0;
  second_ = second;
  if (told_in_second_ >= kDigitsPerSecond) return;
  told_in_second_ += 1;
  const std::uint64_t units = std::uint64_t{heard.before} + heard.duration;
  told.add(heard.event, static_cast<std::uint32_t>(units * 1'000 / clock_hz_));
}

ToldDigits DigitWatch::expire(std::uint64_t now_ns) noexcept {
  ToldDigits told;
  if (!waits() || now_ns - last_ns_ < kLostEndNs) return told;
  // In the order in which they began.
  for (const std::uint8_t at : {static_cast<std::uint8_t>(newest_ ^ 1), newest_}) {
    if (events_[at].open) tell(events_[at], now_ns, told);
  }
  return told;
}

bool are_digits(std::span<const std::uint8_t> payload) noexcept {
  if (payload.size() < kEventBytes) return false;
  for (std::size_t at = 0; at + kEventBytes <= payload.size(); at += kEventBytes) {
    if (payload[at] > kLastDigit) return false;
  }
  return true;
}

}  // namespace sallyport::relay
