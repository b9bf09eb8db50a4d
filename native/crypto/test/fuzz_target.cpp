/// For libFuzzer: cmake -DSALLYPORT_FUZZ=ON with clang, then crypto_srtp_fuzz -max_total_time=60.
#include "crypto/test/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  static fuzz::Target target;
  target.run(input, size);
  if (harness::failed > 0) std::abort();
  return 0;
}
