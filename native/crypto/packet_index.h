#pragma once

#include <cstdint>
#include <optional>

namespace sallyport::crypto {

inline constexpr std::uint64_t kRtpIndexLimit = std::uint64_t{1} << 48;

/// The index nearest to the newest one: RFC 3711 §3.3.1 and appendix A. Empty when it would lie before
/// the first rollover. May be kRtpIndexLimit or more: the key is used up then.
inline std::optional<std::uint64_t> nearest_index(std::uint64_t highest, std::uint16_t sequence) noexcept {
  const std::uint64_t rollover = highest >> 16;
  const std::uint32_t newest = highest & 0xffff;
  if (newest < 0x8000) {
    if (sequence <= newest + 0x8000) return rollover << 16 | sequence;
    if (rollover == 0) return std::nullopt;
    return (rollover - 1) << 16 | sequence;
  }
  return (newest - 0x8000 > sequence ? rollover + 1 : rollover) << 16 | sequence;
}

}  // namespace sallyport::crypto
