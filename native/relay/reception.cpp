#include "reception.h"

#include <initializer_list>

namespace sallyport::relay {
namespace {

constexpr std::uint16_t kMaxDropout = 3'000;   // RFC 3550 §A.1.
constexpr std::uint16_t kMaxMisorder = 100;    // RFC 3550 §A.1.
constexpr std::uint64_t kSecondNs = 1'000'000'000;
/// How long a clock is watched before it is named; shorter, and arrival jitter would blur neighbours.
constexpr std::uint64_t kClockWatchNs = kSecondNs / 2;

/// The rate an RTP clock has that lies nearest, if one lies within an eighth.
std::uint32_t nearest_clock_hz(std::uint64_t measured_hz) noexcept {
  std::uint32_t nearest = 0;
  std::uint64_t least = ~std::uint64_t{0};
  for (const std::uint32_t hz : {8'000u, 11'025u, 16'000u, 24'000u, 32'000u, 44'100u, 48'000u, 90'000u}) {
    const std::uint64_t distance = measured_hz > hz ? measured_hz - hz : hz - measured_hz;
    if (distance < hz / 8 && distance < least) nearest = hz, least = distance;
  }
  return nearest;
}

std::uint32_t timestamp_of(std::uint64_t ns, std::uint32_t clock_hz) noexcept {
  // Seconds and rest apart: the product of a day in nanoseconds and a rate would not fit 64 bits.
  return static_cast<std::uint32_t>(ns / kSecondNs * clock_hz + ns % kSecondNs * clock_hz / kSecondNs);
}

}  // namespace

void Reception::start(std::uint32_t source, std::uint16_t sequence, std::uint32_t timestamp,
                      std::uint64_t now_ns) noexcept {
  *this = Reception{};
  ssrc = source;
  base = highest = 0x10000u + sequence;  // One cycle ahead, so that an early straggler stays above zero.
  first_timestamp = timestamp;
  first_ns = now_ns;
}

void Reception::packet(std::uint16_t sequence, std::uint32_t timestamp, std::uint32_t clock_hint_hz,
                       std::uint64_t now_ns) noexcept {
  const bool in_order = advance(sequence);
  last_ns = now_ns;
  if (clock_hz == 0) {
    const std::uint64_t watched = now_ns - first_ns;
    if (clock_hint_hz != 0) {
      clock_hz = clock_hint_hz;
    } else if (watched > kClockWatchNs) {
      clock_hz = nearest_clock_hz(std::uint64_t{timestamp - first_timestamp} * kSecondNs / watched);
      if (clock_hz == 0) {  // A talk spurt began, or the clock stood: watch again.
        first_timestamp = timestamp;
        first_ns = now_ns;
      }
    }
    if (clock_hz == 0) return;
    transit = timestamp_of(now_ns, clock_hz) - timestamp;
    return;
  }
  const std::uint32_t now_transit = timestamp_of(now_ns, clock_hz) - timestamp;
  const auto difference = static_cast<std::int32_t>(now_transit - transit);
  transit = now_transit;
  const std::uint32_t distance = difference < 0 ? 0u - static_cast<std::uint32_t>(difference) : static_cast<std::uint32_t>(difference);
  // A new timestamp base (a transfer, a second of it) is no jitter.
  if (!in_order || distance > clock_hz) return;
  jitter_q4 += distance - ((jitter_q4 + 8) >> 4);
}

/// RFC 3550 §A.1, without the probation of a new source: latching and SRTP have vouched for it.
bool Reception::advance(std::uint16_t sequence) noexcept {
  const std::uint16_t ahead = static_cast<std::uint16_t>(sequence - static_cast<std::uint16_t>(highest));
  received += 1;
  if (ahead < kMaxDropout) {
    bursts += ahead > 1;
    highest += ahead;
    bad = 0x10000;
    return true;
  }
  if (ahead > 0xffff - kMaxMisorder) return false;  // Late or doubled.
  if (sequence == bad) {                            // Two in a row: the source began anew.
    base = highest = 0x10000u + sequence;
    received = 1;
    told_expected = told_received = 0;
    bad = 0x10000;
    return false;
  }
  bad = static_cast<std::uint16_t>(sequence + 1);
  received -= 1;
  return false;
}

std::uint32_t Reception::lost() const noexcept {
  const std::uint32_t expected = highest - base + 1;
  return received == 0 || received >= expected ? 0 : expected - received;
}

std::uint32_t Reception::jitter_us() const noexcept {
  if (clock_hz == 0) return 0;
  return static_cast<std::uint32_t>(std::uint64_t{jitter_q4 >> 4} * 1'000'000 / clock_hz);
}

Reception& Receptions::of(std::uint32_t ssrc, std::uint16_t sequence, std::uint32_t timestamp,
                          std::uint64_t now_ns) noexcept {
  Reception* oldest = &first;
  for (std::uint32_t i = 0; i < count; ++i) {
    Reception& source = at(i);
    if (source.ssrc == ssrc) return source;
    if (source.last_ns < oldest->last_ns) oldest = &source;
  }
  if (count < (more == nullptr ? 1 : kReceptionSources)) {
    oldest = &at(count++);
  } else {
    lost_before += oldest->lost();
    bursts_before += oldest->bursts;
  }
  oldest->start(ssrc, sequence, timestamp, now_ns);
  return *oldest;
}

Reception& Receptions::packet(std::uint32_t ssrc, std::uint16_t sequence, std::uint32_t timestamp,
                              std::uint32_t clock_hint_hz, std::uint64_t now_ns) noexcept {
  Reception& source = of(ssrc, sequence, timestamp, now_ns);
  source.packet(sequence, timestamp, clock_hint_hz, now_ns);
  return source;
}

std::uint64_t Receptions::lost() const noexcept {
  std::uint64_t sum = lost_before;
  for (std::uint32_t i = 0; i < count; ++i) sum += at(i).lost();
  return sum;
}

std::uint32_t Receptions::bursts() const noexcept {
  std::uint32_t sum = bursts_before;
  for (std::uint32_t i = 0; i < count; ++i) sum += at(i).bursts;
  return sum;
}

Reception* Receptions::latest() noexcept {
  Reception* found = nullptr;
  for (std::uint32_t i = 0; i < count; ++i) {
    Reception& source = at(i);
    if (found == nullptr || source.last_ns > found->last_ns) found = &source;
  }
  return found;
}

std::uint32_t Receptions::clock_of(std::uint32_t ssrc) const noexcept {
  const Reception* found = nullptr;
  for (std::uint32_t i = 0; i < count; ++i) {
    const Reception& source = at(i);
    if (source.ssrc == ssrc) return source.clock_hz;
    if (found == nullptr || source.last_ns > found->last_ns) found = &source;
  }
  return found == nullptr ? 0 : found->clock_hz;
}

std::uint32_t static_clock_hz(std::uint8_t payload_type) noexcept {
  switch (payload_type) {
    case 6: return 16'000;
    case 10:
    case 11: return 44'100;
    case 14: return 90'000;
    case 16: return 11'025;
    case 17: return 22'050;
    default: break;
  }
  if (payload_type <= 18) return 8'000;
  return payload_type >= 25 && payload_type <= 34 ? 90'000 : 0;
}

}  // namespace sallyport::relay
