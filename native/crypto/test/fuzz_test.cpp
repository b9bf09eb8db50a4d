/// Random and damaged bytes from fixed seeds; the endless version with coverage is fuzz_target.cpp.
#include "crypto/test/fuzz_input.h"

using namespace tools;

namespace {

Bytes made_up(Dice& dice) {
  const std::uint32_t size = dice.chance(0.01) ? 60'000 + dice.below(6'000) : dice.below(dice.chance(0.5) ? 64 : 1'500);
  Bytes input = dice.bytes(1 + size);
  if (input.size() > 1 && dice.chance(0.9)) input[1] = static_cast<std::uint8_t>(0x80 | (input[1] & 0x3f));
  if (input.size() > 16 && dice.chance(0.7)) input[1] &= 0xef;                   // No extension: more get through.
  if (input.size() > 16 && dice.chance(0.9)) std::fill(&input[5], &input[13], 0);  // Sources 0 only, not to fill the table.
  return input;
}

}  // namespace

int main() {
  harness::test("60,000 made-up packets to and from every suite touch nothing beyond their bytes", [] {
    fuzz::Target target;
    Dice dice(20);
    for (int i = 0; i < 60'000; ++i) {
      const Bytes input = made_up(dice);
      target.run(input.data(), input.size());
    }
  });
  return harness::finish();
}
