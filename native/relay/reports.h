/// What reports tell: how long the way to a side and back is, and what that side got. RFC 3550 §6.4, RFC 3611 §4; and
/// reports of our own, for endpoints that hear none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "reception.h"

namespace sallyport::relay {

/// Limit: reports on their way to a side whose answer is awaited; a newer one takes the place of the oldest.
inline constexpr std::size_t kMarks = 3;

/// A report that went to a side: whoever answers it names the middle of its NTP time.
struct Mark {
  std::uint32_t middle = 0;   ///< 0: none.
  std::uint32_t sent_us = 0;  ///< Wraps after 71 minutes; nobody waits for so long.
};

/// Reports toward one side, and the last of that side.
struct Marks {
  std::array<Mark, kMarks> sender{};     ///< Sender reports: answered by LSR and DLSR.
  std::array<Mark, kMarks> reference{};  ///< Receiver reference times (RFC 3611 §4.4): answered by DLRR.
  std::uint32_t heard_middle = 0;        ///< Of its own last sender report; 0: none.
  std::uint64_t heard_ns = 0;

  /// A plain compound goes to the side at `now_ns`.
  void sent(std::span<const std::uint8_t> compound, std::uint64_t now_ns) noexcept;
};

/// What one compound of a side says of the way to it.
struct Told {
  std::uint32_t blocks = 0;         ///< Report blocks. 0: the next two say nothing.
  std::uint32_t lost = 0;           ///< Since the beginning, of all sources; never negative.
  std::uint32_t jitter = 0;         ///< Of the worst source, in units of its clock.
  std::uint32_t jitter_source = 0;  ///< The SSRC of that source.
  std::int64_t round_trip_ns = -1;  ///< -1: not told.
  std::uint8_t mos_tenths = 0;      ///< Conversational quality as that side sees it (RFC 3611 §4.7.5); 0: not told.
};

/// Reads a plain compound that fits (`rtcp_fits`), which came from the side of `marks`.
Told read_reports(std::span<const std::uint8_t> compound, Marks& marks, std::uint64_t now_ns) noexcept;

/// What our own report says of the one who sends what it speaks of.
struct Sender {
  std::uint32_t ssrc = 0;
  bool sends = false;  ///< The rest counts, and makes it a sender report.
  std::uint64_t unix_ns = 0;
  std::uint32_t timestamp = 0;
  std::uint32_t packets = 0;
  std::uint32_t octets = 0;
};

/// Limit: bytes of a report of ours.
inline constexpr std::size_t kReportBytes = 28 + 24 + 8 + 2 + 64 + 4;

/// SR or RR with one block on `heard` (null: none), then SDES with `cname`. Returns its size.
std::size_t write_report(const Sender& sender, Reception* heard, const Marks& marks, std::string_view cname,
                         std::uint64_t now_ns, std::span<std::uint8_t, kReportBytes> out) noexcept;

}  // namespace sallyport::relay
