/// The desk of an engine: one round of at most kBatchLimit jobs, and what is known of each on its way.
#pragma once

#include <array>

#include "crypto/backend.h"
#include "crypto/context.h"
#include "crypto/packet.h"

namespace sallyport::crypto {

/// A job that passed the checks which need no cipher.
struct Task {
  SrtpJob* job;
  std::uint64_t index;
  std::uint32_t ssrc;
  std::uint32_t body_at;         ///< Where the encrypted part begins.
  std::uint32_t body_bytes;      ///< Of the encrypted part, without tag.
  std::uint16_t cipher;          ///< Its place among the jobs for the cipher machine.
  std::uint16_t earlier;         ///< The context's job before this one in the round, plus one; 0 = none.
  std::uint8_t key;              ///< Which of the context's keys.
  bool put_off;                  ///< To the next round: what came before it must be judged first.
  bool second_reading;           ///< Should the tag be wrong, the index may be another: see `follow`.
  std::uint8_t borrowed[4];      ///< What stood where the rollover counter is hashed.
  std::uint8_t aad[kRtcpHeaderBytes + kRtcpIndexBytes];  ///< RTCP has it in two pieces: put together here.
};

struct Round {
  std::array<Task, kBatchLimit> tasks;
  std::array<HmacJob, kBatchLimit> hmacs;
  std::array<CounterJob, kBatchLimit> counters;
  std::array<AeadJob, kBatchLimit> aeads;
  std::size_t task_count = 0;
  std::size_t hmac_count = 0;
  std::size_t counter_count = 0;
  std::size_t aead_count = 0;

  void clear() noexcept { task_count = hmac_count = counter_count = aead_count = 0; }
};

inline const SrtpJob& job_of(const SrtpJob& job) noexcept { return job; }
inline const SrtpJob& job_of(const SrtpJob* job) noexcept { return *job; }

/// Thousands of flows do not fit the caches, but a batch does: what all its jobs look at is asked for
/// before the first is judged, and their streams a few jobs ahead, when the contexts have come.
template <typename Jobs>
void prefetch_contexts(const Jobs& jobs) noexcept {
  for (const auto& entry : jobs) {
    const SrtpJob& job = job_of(entry);
    __builtin_prefetch(job.context, 1);
    if (job.context) __builtin_prefetch(job.context->slots());
    __builtin_prefetch(job.data, 1);
    __builtin_prefetch(job.data + job.size, 1);
  }
}
template <typename Jobs>
void prefetch_stream(const Jobs& jobs, std::size_t at) noexcept {
  constexpr std::size_t kJobsAhead = 6;
  if (at + kJobsAhead >= jobs.size()) return;
  const SrtpContext* const context = job_of(jobs[at + kJobsAhead]).context;
  if (!context) return;
  const auto* const stream = reinterpret_cast<const std::uint8_t*>(context->streams());
  __builtin_prefetch(stream, 1);
  __builtin_prefetch(stream + 64, 1);
}

/// Checks what needs no cipher, lets the ciphers run over all that pass, books what is authentic. Jobs
/// that must wait for the verdict on an earlier one are moved to the front of `jobs`; returns how many.
std::size_t unprotect_round(Round& round, Backend& backend, std::span<SrtpJob*> jobs) noexcept;
void protect_round(Round& round, Backend& backend, std::span<SrtpJob> jobs) noexcept;

}  // namespace sallyport::crypto
