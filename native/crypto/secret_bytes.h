/// Care of secrets: compare without telling where they differ, wipe so that the compiler cannot skip it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sallyport::crypto {

/// Takes the same time wherever the first difference stands.
inline bool same_secret(const std::uint8_t* a, const std::uint8_t* b, std::size_t bytes) noexcept {
  std::uint8_t difference = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    difference |= static_cast<std::uint8_t>(a[i] ^ b[i]);
    __asm__ volatile("" : "+r"(difference));  // No early way out, whatever the optimiser believes.
  }
  return difference == 0;
}

inline void wipe(void* secret, std::size_t bytes) noexcept { explicit_bzero(secret, bytes); }

}  // namespace sallyport::crypto
