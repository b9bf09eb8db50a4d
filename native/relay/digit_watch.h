/// Digits in the packets of one side: RFC 4733 events, each told once. RFC 4733 §2.5.2.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sallyport::relay {

/// 0 to 9, *, #, A to D, and the hook flash of RFC 2833. What lies above are tones of machines, and no digits.
inline constexpr std::uint8_t kLastDigit = 16;
/// Limit: digits of a side that are told in a second; more are no human's, and are only counted.
inline constexpr std::uint8_t kDigitsPerSecond = 25;
/// An event whose end got lost is over when nothing was heard of it for so long.
inline constexpr std::uint64_t kLostEndNs = 300'000'000;

/// One event as it is heard.
struct HeardEvent {
  std::uint32_t timestamp = 0;  ///< Of its newest segment: RFC 4733 §2.5.1.3.
  std::uint32_t before = 0;     ///< Timestamp units in the segments before that.
  std::uint16_t duration = 0;   ///< Units in the newest segment.
  std::uint8_t event = 0;
  bool open = false;  ///< Not told yet.
  bool used = false;
};

struct ToldDigit {
  std::uint8_t event = 0;
  std::uint32_t duration_ms = 0;
};

/// What a packet or the time brings to an end: rarely more than one digit.
struct ToldDigits {
  std::array<ToldDigit, 4> digits{};
  std::uint8_t count = 0;
  void add(std::uint8_t event, std::uint32_t duration_ms) noexcept {
    if (count < digits.size()) digits[count++] = {event, duration_ms};
  }
};

class DigitWatch {
 public:
  /// A packet of telephone-event. `payload`: one or more events of four bytes, without padding.
  ToldDigits packet(std::uint32_t ssrc, std::uint32_t timestamp, bool marker, std::span<const std::uint8_t> payload,
                    std::uint32_t clock_hz, std::uint64_t now_ns) noexcept;
  /// Events whose end never came.
  ToldDigits expire(std::uint64_t now_ns) noexcept;
  bool waits() const noexcept { return events_[0].open || events_[1].open; }

 private:
  void take(std::uint8_t event, bool end, std::uint16_t duration, std::uint32_t timestamp, bool marker, std::uint64_t now_ns,
            ToldDigits& told) noexcept;
  void tell(HeardEvent& heard, std::uint64_t now_ns, ToldDigits& told) noexcept;

  /// The two newest: an event may begin before the one before it has ended.
  std::array<HeardEvent, 2> events_{};
  std::uint32_t ssrc_ = 0;
  std::uint32_t clock_hz_ = 8'000;
  std::uint64_t last_ns_ = 0;
  std::uint32_t second_ = 0;
  std::uint8_t told_in_second_ = 0;
  std::uint8_t newest_ = 0;
};

/// Is it a digit all through? Then it may be taken out of the stream.
bool are_digits(std::span<const std::uint8_t> payload) noexcept;

}  // namespace sallyport::relay
