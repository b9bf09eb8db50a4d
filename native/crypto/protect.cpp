// A keystream must never be used twice, so an index is taken before the cipher runs and stays taken
// whatever happens after. Order: direction, size, version, room, source, index, lifetime, then state.
#include <cstring>

#include "crypto/next_packet.h"
#include "crypto/packet_index.h"
#include "crypto/round.h"

namespace sallyport::crypto {
namespace {

constexpr std::uint32_t kEncrypted = 0x8000'0000;  // The E bit of SRTCP.

Verdict take_rtp_index(SrtpContext& context, Task& task, std::uint16_t sequence) noexcept {
  const Known known = context.find(task.ssrc);
  if (!context.has_place_for(known)) return Verdict::kTooManySources;
  // From before rollover 0: a receiver that missed it would lose count, so it is not sent.
  const auto index = known.rtp() ? nearest_index(known.rtp_highest(), sequence) : std::optional<std::uint64_t>(sequence);
  if (!index) return Verdict::kTooOld;
  if (*index >= kRtpIndexLimit || context.rtp_packets >= context.lifetime_packets) return Verdict::kKeyExpired;
  const Seen seen = known.look_rtp(*index);
  if (seen != Seen::kNo) return seen == Seen::kYes ? Verdict::kIndexUsed : Verdict::kTooOld;

  Stream& stream = known.stream ? const_cast<Stream&>(*known.stream) : *context.entry(task.ssrc);
  if (!stream.has_rtp) stream.rtp_window.start(stream.rtp_highest = *index);
  else stream.rtp_window.mark(stream.rtp_highest, *index);
  stream.has_rtp = true;
  stream.last_used = ++context.uses;
  context.rtp_packets += 1;
  task.index = *index;
  return Verdict::kGood;
}

Verdict take_rtcp_index(SrtpContext& context, Task& task) noexcept {
  const Known known = context.find(task.ssrc);
  if (!context.has_place_for(known)) return Verdict::kTooManySources;
  const std::uint32_t next = known.rtcp() ? known.rtcp_highest() + 1 : 0;
  if (next >= context.rtcp_lifetime()) return Verdict::kKeyExpired;

  Stream& stream = *context.entry(task.ssrc);
  stream.rtcp_highest = next;
  stream.has_rtcp = true;
  stream.last_used = ++context.uses;
  task.index = next;
  return Verdict::kGood;
}

Verdict check(EngineKind kind, Task& task) noexcept {
  SrtpJob& job = *task.job;
  if (!job.context || !job.data) return Verdict::kMalformed;
  SrtpContext& context = *job.context;
  if (!context.serves(kind, Direction::kSend)) return Verdict::kWrongContext;

  Stream* const next = next_of_source(job, 0, task);
  const std::uint32_t next_result = job.size + context.trailer_bytes(false);
  if (next && next_result <= job.room && next_result <= kDatagramLimit && context.rtp_packets < context.lifetime_packets) {
    note_next(context, *next, task.index);
    return Verdict::kGood;
  }
  if (job.rtcp) {
    if (!rtcp_fits(job.data, job.size, 0)) return Verdict::kMalformed;
    task.body_at = kRtcpHeaderBytes;
    task.ssrc = read32(job.data + 4);
  } else {
    task.body_at = rtp_header_bytes(job.data, job.size, 0);
    if (task.body_at == 0) return Verdict::kMalformed;
    task.ssrc = read32(job.data + 8);
  }
  task.body_bytes = job.size - task.body_at;
  const std::uint32_t result = job.size + context.trailer_bytes(job.rtcp);
  if (result > job.room || result > kDatagramLimit) return Verdict::kNoRoom;
  return job.rtcp ? take_rtcp_index(context, task) : take_rtp_index(context, task, read16(job.data + 2));
}

void plan_counter_and_hmac(Round& round, Task& task) noexcept {
  SrtpJob& job = *task.job;
  task.cipher = static_cast<std::uint16_t>(round.counter_count);
  CounterJob& counter = round.counters[round.counter_count++];
  counter.key = job.context->key(0, job.rtcp);
  counter.data = job.data + task.body_at;
  counter.bytes = task.body_bytes;
  counter.key_bytes = job.context->key_bytes;
  counter.rtcp = job.rtcp;
  counter_iv(counter.iv, job.context->salt(0, job.rtcp), task.ssrc, task.index);

  // The rollover counter is hashed where MKI and tag will stand; an SRTCP index stays: RFC 3711 §4.2.
  const auto word = static_cast<std::uint32_t>(job.rtcp ? task.index | kEncrypted : task.index >> 16);
  write32(job.data + job.size, word);
  HmacJob& hmac = round.hmacs[round.hmac_count++];
  hmac.key = counter.key;
  hmac.rtcp = job.rtcp;
  hmac.data = job.data;
  hmac.bytes = job.size + 4;
}

/// A loop, since the compiler would make string instructions of a short copy of unknown length: far slower.
std::uint8_t* append(std::uint8_t* at, const std::uint8_t* bytes, std::size_t count) noexcept {
  for (; count >= 2; count -= 2, at += 2, bytes += 2) std::memcpy(at, bytes, 2);
  if (count > 0) *at++ = *bytes;
  return at;
}

/// AEAD needs no lanes, so each packet is done with at once. RFC 7714 §8.2 and §9.2: tag, (index), MKI. False when the
/// library failed.
bool seal(Backend& backend, Task& task) noexcept {
  SrtpJob& job = *task.job;
  AeadJob aead;
  aead.key = job.context->key(0, job.rtcp);
  aead.data = job.data + task.body_at;
  aead.bytes = task.body_bytes;
  aead.key_bytes = job.context->key_bytes;
  aead.rtcp = job.rtcp;
  aead.aad = job.data;
  aead.aad_bytes = task.body_at;
  aead.tag = job.data + job.size;
  if (job.rtcp) {
    std::memcpy(task.aad, job.data, kRtcpHeaderBytes);
    write32(task.aad + kRtcpHeaderBytes, static_cast<std::uint32_t>(task.index) | kEncrypted);
    aead.aad = task.aad;
    aead.aad_bytes = sizeof task.aad;
  }
  gcm_nonce(aead.nonce, job.context->salt(0, job.rtcp), task.ssrc, task.index);
  backend.seal(aead);
  if (!aead.made) return false;
  std::uint8_t* at = aead.tag + kGcmTagBytes;
  if (job.rtcp) at = append(at, task.aad + kRtcpHeaderBytes, kRtcpIndexBytes);
  append(at, job.context->mki(0), job.context->mki_bytes);
  return true;
}

/// RFC 3711 §3.1 and §3.4: (index), MKI, tag. False when the library failed.
bool finish_hmac(const Round& round, Task& task) noexcept {
  SrtpJob& job = *task.job;
  SrtpContext& context = *job.context;
  if (!round.counters[task.cipher].made || !round.hmacs[task.cipher].made) return false;
  std::uint8_t* at = job.data + job.size + (job.rtcp ? kRtcpIndexBytes : 0);
  at = append(at, context.mki(0), context.mki_bytes);
  append(at, round.hmacs[task.cipher].tag, context.tag_bytes[job.rtcp]);
  return true;
}

void finish(Task& task, bool made) noexcept {
  SrtpJob& job = *task.job;
  if (!made) {
    job.verdict = Verdict::kCipherFailed;
    return;
  }
  job.size += job.context->trailer_bytes(job.rtcp);
  job.index = task.index;
}

}  // namespace

void protect_round(Round& round, Backend& backend, std::span<SrtpJob> jobs) noexcept {
  round.clear();
  const EngineKind kind = backend.kind();
  prefetch_first(backend, kind, jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    prefetch_ahead(backend, kind, jobs, i);
    SrtpJob& job = jobs[i];
    Task& task = round.tasks[round.task_count];
    task.job = &job;
    job.verdict = check(kind, task);
    if (job.verdict != Verdict::kGood) continue;
    if (job.context->aead) {
      finish(task, seal(backend, task));
      continue;
    }
    round.task_count += 1;
    plan_counter_and_hmac(round, task);
  }

  if (round.counter_count > 0) backend.counter({round.counters.data(), round.counter_count});
  if (round.hmac_count > 0) backend.hmac({round.hmacs.data(), round.hmac_count});
  for (Task& task : std::span(round.tasks.data(), round.task_count)) finish(task, finish_hmac(round, task));
}

}  // namespace sallyport::crypto
