/// Care of secrets: compare without telling where they differ, wipe so that the compiler cannot skip it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sallyport::crypto {

/// Takes the same time wherever the first difference stands. Eight bytes at a time: tags are short.
inline bool same_secret(const std::uint8_t* a, const std::uint8_t* b, std::size_t bytes) noexcept {
  std::uint64_t difference = 0;
  for (; bytes >= 8; a += 8, b += 8, bytes -= 8) {
    std::uint64_t x, y;
    std::memcpy(&x, a, 8);
    std::memcpy(&y, b, 8);
    difference |= x ^ y;
  }
  for (; bytes >= 2; a += 2, b += 2, bytes -= 2) {
    std::uint16_t x, y;
    std::memcpy(&x, a, 2);
    std::memcpy(&y, b, 2);
    difference |= static_cast<std::uint64_t>(x ^ y);
  }
  if (bytes > 0) difference |= static_cast<std::uint64_t>(*a ^ *b);
  __asm__ volatile("" : "+r"(difference));  // No early way out, whatever the optimiser believes.
  return difference == 0;
}

inline void wipe(void* secret, std::size_t bytes) noexcept { explicit_bzero(secret, bytes); }

}  // namespace sallyport::crypto
