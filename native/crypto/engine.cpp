#include <algorithm>

#include "crypto/context.h"
#include "crypto/round.h"
#include "crypto/self_test.h"
#include "crypto/srtp.h"

namespace sallyport::crypto {

struct SrtpEngine::Parts {
  std::unique_ptr<Backend> backend;
  Round round;
};

std::unique_ptr<SrtpEngine> SrtpEngine::create(EngineKind kind) {
  auto backend = kind == EngineKind::kIpsecMb ? make_ipsec_mb_backend() : make_openssl_backend();
  if (!backend || !passes_known_answers(*backend)) return nullptr;
  auto parts = std::make_unique<Parts>();
  parts->backend = std::move(backend);
  return std::unique_ptr<SrtpEngine>(new SrtpEngine(std::move(parts)));
}

std::unique_ptr<SrtpEngine> SrtpEngine::create() {
  auto engine = create(EngineKind::kIpsecMb);
  return engine ? std::move(engine) : create(EngineKind::kOpenSsl);
}

SrtpEngine::SrtpEngine(std::unique_ptr<Parts> parts) noexcept : parts_(std::move(parts)) {}
SrtpEngine::~SrtpEngine() = default;

EngineKind SrtpEngine::kind() const noexcept { return parts_->backend->kind(); }
const char* SrtpEngine::description() const noexcept { return parts_->backend->description(); }

SrtpContextPtr SrtpEngine::open(Direction direction, const SrtpKeying& keying) {
  return open_context(*parts_->backend, direction, keying);
}

void SrtpEngine::unprotect(std::span<SrtpJob> jobs) noexcept {
  std::array<SrtpJob*, kBatchLimit> open;
  while (!jobs.empty()) {
    const std::size_t count = std::min(jobs.size(), kBatchLimit);
    for (std::size_t i = 0; i < count; ++i) {
      open[i] = &jobs[i];
      jobs[i].retried = false;
    }
    // Each round judges the first of all that wait on each other, so this ends.
    for (std::size_t left = count; left > 0;) left = unprotect_round(parts_->round, *parts_->backend, {open.data(), left});
    jobs = jobs.subspan(count);
  }
}

void SrtpEngine::protect(std::span<SrtpJob> jobs) noexcept {
  while (!jobs.empty()) {
    const std::size_t count = std::min(jobs.size(), kBatchLimit);
    protect_round(parts_->round, *parts_->backend, jobs.first(count));
    jobs = jobs.subspan(count);
  }
}

}  // namespace sallyport::crypto
