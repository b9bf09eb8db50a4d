/// The desk of an engine: one round of at most kBatchLimit jobs, and what is known of each on its way.
#pragma once

#include <array>
#include <cstddef>

#include "crypto/backend.h"
#include "crypto/context.h"
#include "crypto/packet.h"

namespace sallyport::crypto {

/// A job that passed the checks which need no cipher.
struct Task {
  SrtpJob* job;
  Stream* next;                  ///< Received: its source, which only this one of the round is of; see next_packet.h.
  std::uint64_t index;
  std::uint32_t ssrc;
  std::uint32_t body_at;         ///< Where the encrypted part begins.
  std::uint32_t body_bytes;      ///< Of the encrypted part, without tag.
  std::uint16_t cipher;          ///< Its place among the jobs for the lanes.
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
  std::size_t task_count = 0;
  std::size_t hmac_count = 0;
  std::size_t counter_count = 0;

  void clear() noexcept { task_count = hmac_count = counter_count = 0; }
};

inline const SrtpJob& job_of(const SrtpJob& job) noexcept { return job; }
inline const SrtpJob& job_of(const SrtpJob* job) noexcept { return *job; }

/// Thousands of flows do not fit the caches: what a job looks at is asked for some jobs ahead. Of a context that is its
/// beginning up to the first source's window of RTP, which need not begin a line; where it has several keys or sources, more
/// is waited for.
inline constexpr std::size_t kContextBytes = sizeof(SrtpContext) + sizeof(KeySlot) + offsetof(Stream, rtcp_window);
template <typename Jobs>
void prefetch_job(const Jobs& jobs, std::size_t at) noexcept {
  if (at >= jobs.size()) return;
  const SrtpJob& job = job_of(jobs[at]);
  const auto* const context = reinterpret_cast<const std::uint8_t*>(job.context);
#pragma GCC unroll 4
  for (std::size_t at_byte = 0; at_byte < kContextBytes; at_byte += 64) __builtin_prefetch(context + at_byte, 1);
  __builtin_prefetch(context + kContextBytes - 1, 1);
  __builtin_prefetch(job.data, 1);
  __builtin_prefetch(job.data + job.size, 1);
}
inline constexpr std::size_t kJobsAhead = 8;
/// The key of a suite that needs no lanes, once the context that says where it stands is there.
inline constexpr std::size_t kKeysAhead = 4;
template <typename Jobs>
[[gnu::always_inline]] inline void prefetch_key(const Backend& backend, EngineKind kind, const Jobs& jobs, std::size_t at) noexcept {
  if (at >= jobs.size()) return;
  SrtpContext* const context = job_of(jobs[at]).context;
  if (context && context->aead && context->kind == kind) backend.ask_for(context->key(0, false), context->key_bytes);
}
template <typename Jobs>
void prefetch_first(const Backend& backend, EngineKind kind, const Jobs& jobs) noexcept {
  for (std::size_t i = 0; i < kJobsAhead; ++i) prefetch_job(jobs, i);
  for (std::size_t i = 0; i < kKeysAhead; ++i) prefetch_key(backend, kind, jobs, i);
}
/// As the jobs are gone through, before each.
template <typename Jobs>
void prefetch_ahead(const Backend& backend, EngineKind kind, const Jobs& jobs, std::size_t at) noexcept {
  prefetch_job(jobs, at + kJobsAhead);
  prefetch_key(backend, kind, jobs, at + kKeysAhead);
}

/// Checks what needs no cipher, lets the ciphers run over all that pass, books what is authentic. Jobs
/// that must wait for the verdict on an earlier one are moved to the front of `jobs`; returns how many.
std::size_t unprotect_round(Round& round, Backend& backend, std::span<SrtpJob*> jobs) noexcept;
void protect_round(Round& round, Backend& backend, std::span<SrtpJob> jobs) noexcept;

}  // namespace sallyport::crypto
