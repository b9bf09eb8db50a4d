/// As much of a test framework as this room needs: named checks, a count, an exit code.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace harness {

inline int passed = 0;
inline int failed = 0;
inline const char* current = "";

/// The first failures of a test are told in full, the rest are only counted.
inline void expect(bool holds, const char* belief, const char* file, int line) {
  static const char* noisy = nullptr;
  static int told = 0;
  if (holds) return;
  if (noisy != current) {
    noisy = current;
    told = 0;
    failed += 1;
  }
  if (told++ < 5) std::fprintf(stderr, "%s:%d: %s: not so: %s\n", file, line, current, belief);
}

template <typename Body>
void test(const char* name, Body body) {
  const int before = failed;
  current = name;
  body();
  if (failed == before) passed += 1;
}

inline int finish() {
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}

using Bytes = std::vector<std::uint8_t>;

/// Spaces are skipped, so that vectors can stand as the RFC prints them.
inline Bytes hex(std::string_view text) {
  Bytes bytes;
  int half = -1;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) continue;
    if (half < 0) half = digit;
    else bytes.push_back(static_cast<std::uint8_t>(half << 4 | digit)), half = -1;
  }
  return bytes;
}

/// Small, seeded, the same everywhere: SplitMix64.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(next() % limit); }
  bool chance(double p) { return static_cast<double>(next() >> 11) * 0x1p-53 < p; }
  Bytes bytes(std::size_t count) {
    Bytes out(count);
    for (auto& byte : out) byte = static_cast<std::uint8_t>(next());
    return out;
  }

 private:
  std::uint64_t state_;
};

}  // namespace harness

#define EXPECT(holds) harness::expect((holds), #holds, __FILE__, __LINE__)
