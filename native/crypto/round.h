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
  bool put_off;                  ///< To the next round: what came before it must be judged first.
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

/// Bytes behind the encrypted part: AEAD tag or HMAC tag, SRTCP index, MKI.
inline std::uint32_t trailer_bytes(const SrtpContext& context, bool rtcp) noexcept {
  const auto& suite = facts(context.suite);
  return context.mki_bytes + (rtcp ? suite.rtcp_tag_bytes + kRtcpIndexBytes : suite.rtp_tag_bytes);
}

/// Checks what needs no cipher, lets the ciphers run over all that pass, books what is authentic. Jobs
/// that must wait for the verdict on an earlier one are moved to the front of `jobs`; returns how many.
std::size_t unprotect_round(Round& round, Backend& backend, std::span<SrtpJob*> jobs) noexcept;
void protect_round(Round& round, Backend& backend, std::span<SrtpJob> jobs) noexcept;

}  // namespace sallyport::crypto
