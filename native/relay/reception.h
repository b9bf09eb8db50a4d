/// What one side's RTP tells about its way here: loss and jitter. RFC 3550 §A.1, §A.3 and §A.8.
#pragma once

#include <array>
#include <cstdint>

namespace sallyport::relay {

/// One source's arithmetic. Sequence numbers are extended over wraps; a jump beyond kMaxDropout must show twice.
struct Reception {
  std::uint32_t ssrc = 0;
  std::uint32_t base = 0;     ///< Extended number of the first packet.
  std::uint32_t highest = 0;  ///< Extended number of the highest packet.
  std::uint32_t received = 0;
  std::uint32_t bad = 0x10000;  ///< The number that would follow a jump; 0x10000: no jump stands open.
  std::uint32_t transit = 0;
  std::uint32_t jitter_q4 = 0;  ///< Timestamp units · 16, as §A.8 keeps it.
  std::uint32_t clock_hz = 0;   ///< 0: not known yet.
  std::uint32_t first_timestamp = 0;
  std::uint64_t first_ns = 0;  ///< 0: the slot is free.
  std::uint64_t last_ns = 0;

  void start(std::uint32_t source, std::uint16_t sequence, std::uint32_t timestamp, std::uint64_t now_ns) noexcept;
  /// `clock_hint_hz`: the payload type's rate where it is known, else 0 and the rate is measured.
  void packet(std::uint16_t sequence, std::uint32_t timestamp, std::uint32_t clock_hint_hz, std::uint64_t now_ns) noexcept;
  std::uint32_t lost() const noexcept;
  std::uint32_t jitter_us() const noexcept;

 private:
  bool advance(std::uint16_t sequence) noexcept;
};

/// Limit: sources of a side that are told apart at a time; a new one takes the place of the one unheard for longest,
/// whose losses stay counted.
inline constexpr std::size_t kReceptionSources = 3;

/// The sources of one side together.
struct Receptions {
  std::array<Reception, kReceptionSources> sources{};
  std::uint64_t lost_before = 0;  ///< Of sources that made room.

  Reception& packet(std::uint32_t ssrc, std::uint16_t sequence, std::uint32_t timestamp, std::uint32_t clock_hint_hz,
                    std::uint64_t now_ns) noexcept;
  std::uint64_t lost() const noexcept;
};

/// RFC 3551 §6; 0: the rate is signalled, or measured by us.
std::uint32_t static_clock_hz(std::uint8_t payload_type) noexcept;

}  // namespace sallyport::relay
