#include <sys/time.h>

#include "crypto/dtls.h"

namespace {

constexpr std::uint64_t kNone = ~std::uint64_t{0};
thread_local std::uint64_t given_ns = kNone;

}  // namespace

namespace sallyport::crypto {

DtlsClock::DtlsClock(std::uint64_t now_ns) noexcept { given_ns = now_ns; }
DtlsClock::~DtlsClock() { given_ns = kNone; }

}  // namespace sallyport::crypto

/// What OpenSSL calls where the linker was told so. A step of the wall clock can then neither hurry a retransmission nor
/// put it off for an hour.
extern "C" int __wrap_gettimeofday(struct timeval* out, void*) {
  std::uint64_t now_ns = given_ns;
  if (now_ns == kNone) {
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now_ns = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
  }
  out->tv_sec = static_cast<time_t>(now_ns / 1'000'000'000);
  out->tv_usec = static_cast<suseconds_t>(now_ns % 1'000'000'000 / 1'000);
  return 0;
}
