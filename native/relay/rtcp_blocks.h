/// A compound packet, block by block. RFC 3550 §6, RFC 3611 §3. Total: any bytes may be walked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "rtp.h"

namespace sallyport::relay {

using Bytes = std::span<const std::uint8_t>;

enum RtcpType : std::uint8_t { kSr = 200, kRr, kSdes, kBye, kApp, kRtpFeedback, kPayloadFeedback, kXr };
inline constexpr std::uint8_t kCname = 1;  // RFC 3550 §6.5.1.

/// One block of a compound packet, its padding cut off.
struct Block {
  std::uint8_t count;  // The five bits whose meaning hangs on the type.
  std::uint8_t type;
  Bytes bytes;  // With the four bytes of its header.
};

/// Cuts the first block off `rest`. Empty: it lies.
inline std::optional<Block> next_block(Bytes& rest) noexcept {
  if (rest.size() < 4 || rest[0] >> 6 != 2) return std::nullopt;
  const std::size_t size = (read16(&rest[2]) + std::size_t{1}) * 4;
  if (size > rest.size()) return std::nullopt;

  std::size_t padding = 0;
  if (rest[0] & 0x20) {
    padding = rest[size - 1];
    const bool last = size == rest.size();  // RFC 3550 §6.4.1: only the last block may be padded.
    if (!last || padding == 0 || padding % 4 != 0 || padding + 4 > size) return std::nullopt;
  }
  Block block{static_cast<std::uint8_t>(rest[0] & 0x1f), rest[1], rest.first(size - padding)};
  rest = rest.subspan(size);
  return block;
}

/// Blocks of an extended report that we know: RFC 3611 §4.
enum ExtendedType : std::uint8_t { kLossRle = 1, kDuplicateRle, kReceiptTimes, kReceiverReferenceTime, kDelaySinceLast, kStatistics, kVoipMetrics };

/// Calls `part(type, bytes)` for each block of an extended report. False: one lies about its length.
template <typename Part>
bool walk_extended(Bytes block, Part part) noexcept {
  if (block.size() < 8) return false;
  for (Bytes rest = block.subspan(8); !rest.empty();) {
    if (rest.size() < 4) return false;
    const std::size_t size = (read16(&rest[2]) + std::size_t{1}) * 4;
    if (size > rest.size()) return false;
    part(rest[0], rest.first(size));
    rest = rest.subspan(size);
  }
  return true;
}

}  // namespace sallyport::relay
