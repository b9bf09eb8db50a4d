/// What one side's RTP tells about its way here: loss and jitter. RFC 3550 §A.1, §A.3 and §A.8.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sallyport::relay {

/// One source's arithmetic. Sequence numbers are extended over wraps; a jump beyond kMaxDropout must show twice.
struct Reception {
  std::uint32_t ssrc = 0;
  std::uint32_t base = 0;     ///< Extended number of the first packet.
  std::uint32_t highest = 0;  ///< Extended number of the highest packet.
  std::uint32_t received = 0;
  std::uint32_t bursts = 0;  ///< Losses that follow one another count as one.
  std::uint32_t bad = 0x10000;  ///< The number that would follow a jump; 0x10000: no jump stands open.
  std::uint32_t transit = 0;
  std::uint32_t jitter_q4 = 0;  ///< Timestamp units · 16, as §A.8 keeps it.
  std::uint32_t clock_hz = 0;   ///< 0: not known yet.
  std::uint32_t first_timestamp = 0;
  std::uint32_t told_expected = 0;  ///< When our last report went out: RFC 3550 §A.3.
  std::uint32_t told_received = 0;
  std::uint64_t first_ns = 0;  ///< 0: the slot is free.
  std::uint64_t last_ns = 0;

  void start(std::uint32_t source, std::uint16_t sequence, std::uint32_t timestamp, std::uint64_t now_ns) noexcept;
  /// `clock_hint_hz`: the payload type's rate where it is known, else 0 and the rate is measured.
  void packet(std::uint16_t sequence, std::uint32_t timestamp, std::uint32_t clock_hint_hz, std::uint64_t now_ns) noexcept;
  /// One whose timestamp does not tell when it was sent: digits keep that of their begin (RFC 4733 §2.5.1.2).
  void untimed(std::uint16_t sequence, std::uint64_t now_ns) noexcept { advance(sequence), last_ns = now_ns; }
  std::uint32_t lost() const noexcept;
  std::uint32_t expected() const noexcept { return highest - base + 1; }
  std::uint32_t jitter_us() const noexcept;

 private:
  bool advance(std::uint16_t sequence) noexcept;
};

/// Limit: sources of a side that are told apart at a time; a new one takes the place of the one unheard for longest,
/// whose losses stay counted.
inline constexpr std::size_t kReceptionSources = 3;

/// The sources of one side together.
struct Receptions {
  std::uint64_t lost_before = 0;  ///< Of sources that made room.
  std::uint32_t bursts_before = 0;
  std::uint32_t count = 0;       ///< Sources there are: the first, and `more` of them.
  Reception first;
  Reception* more = nullptr;  ///< kReceptionSources - 1, of whatever content; not touched before a second source is there.

  Reception& at(std::size_t place) noexcept { return place == 0 ? first : more[place - 1]; }
  const Reception& at(std::size_t place) const noexcept { return place == 0 ? first : more[place - 1]; }

  /// The one of that SSRC, begun by this packet if it was not known.
  Reception& of(std::uint32_t ssrc, std::uint16_t sequence, std::uint32_t timestamp, std::uint64_t now_ns) noexcept;
  Reception& packet(std::uint32_t ssrc, std::uint16_t sequence, std::uint32_t timestamp, std::uint32_t clock_hint_hz,
                    std::uint64_t now_ns) noexcept;
  std::uint64_t lost() const noexcept;
  std::uint32_t bursts() const noexcept;
  /// The one heard last; null when none was.
  Reception* latest() noexcept;
  /// Its clock, of the source of that SSRC or else of the one heard last, in Hz; 0: not known.
  std::uint32_t clock_of(std::uint32_t ssrc) const noexcept;
};

/// RFC 3551 §6; 0: the rate is signalled, or measured by us.
std::uint32_t static_clock_hz(std::uint8_t payload_type) noexcept;

}  // namespace sallyport::relay
