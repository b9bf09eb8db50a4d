/// HMAC-SHA1 (RFC 2104) without allocation, for packet threads: STUN's MESSAGE-INTEGRITY.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace sallyport::crypto {

/// Over `first` and then `rest`. A key above 64 bytes is hashed first.
std::array<std::uint8_t, 20> hmac_sha1(std::span<const std::uint8_t> key, std::span<const std::uint8_t> first,
                                       std::span<const std::uint8_t> rest) noexcept;

}  // namespace sallyport::crypto
