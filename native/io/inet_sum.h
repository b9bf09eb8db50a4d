/// The Internet checksum (RFC 1071): sums in the byte order of memory, which it does not depend on.
#pragma once

#include <cstdint>
#include <cstring>

namespace sallyport::io {

/// What the header bytes `value` (two, as they stand in the packet) add.
inline std::uint64_t inet_word(std::uint16_t host_order) noexcept { return __builtin_bswap16(host_order); }

/// Adds `size` bytes to `sum`; an odd last byte counts as if a zero followed. Limit: 64 KiB, so that nothing overflows.
inline std::uint64_t inet_add(std::uint64_t sum, const std::uint8_t* at, std::uint32_t size) noexcept {
  std::uint64_t low = 0, high = 0;
  for (; size >= 8; size -= 8, at += 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    low += word & 0xffff'ffff;
    high += word >> 32;
  }
  // The rest in registers: bytes put together in memory and read as one word wait until all that was written before has
  // reached the cache, and that is much where a packet has just been encrypted.
  if (size & 4) {
    std::uint32_t word;
    std::memcpy(&word, at, 4);
    low += word;
    at += 4;
  }
  if (size & 2) {
    std::uint16_t word;
    std::memcpy(&word, at, 2);
    low += word;
    at += 2;
  }
  if (size & 1) low += *at;
  return sum + low + high;
}

inline std::uint16_t inet_fold(std::uint64_t sum) noexcept {
  sum = (sum & 0xffff'ffff) + (sum >> 32);
  sum = (sum & 0xffff'ffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

}  // namespace sallyport::io
