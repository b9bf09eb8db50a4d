/// For libFuzzer: any bytes as STUN, and any answer of ours must be read by ourselves.
#include <cstdlib>
#include <cstring>

#include "../stun.h"

using namespace sallyport::relay;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  StunMessage message, answer;
  if (!parse_stun({input, size}, message)) return 0;
  constexpr std::string_view kPassword = "a password of the fuzz";
  has_integrity(message, kPassword);
  std::uint8_t memory[kStunAnswerBytes];
  const std::span<std::uint8_t, kStunAnswerBytes> out(memory);
  endpoint mapped{};
  std::memcpy(mapped.ip, input, sizeof mapped.ip);
  for (const int code : {0, 420, 487}) {
    const std::size_t made = code == 0 ? answer_binding(message, mapped, kPassword, out) : refuse_binding(message, code, kPassword, out);
    if (!parse_stun({memory, made}, answer) || !has_integrity(answer, kPassword) || !answer.fingerprint) std::abort();
  }
  return 0;
}
