// Order matters: size, version, index, replay, tag, replay again (a twin may have been in the same
// round), and only then state and plaintext. A packet that fails any of them has changed nothing:
// RFC 3711 §3.3.
#include <cstring>

#include "crypto/next_packet.h"
#include "crypto/packet_index.h"
#include "crypto/round.h"
#include "crypto/secret_bytes.h"

namespace sallyport::crypto {
namespace {

constexpr std::uint32_t kEncrypted = 0x8000'0000;  // The E bit of SRTCP.

/// The newest index a source has, or would have if the jobs before this one turn out authentic.
struct Newest {
  bool any;
  std::uint64_t index;
};

/// The index a sequence number stands for. A source nobody has heard starts in rollover 0, and so does
/// one whose packet seems to come from before it: other receivers guess the same, and the tag decides.
std::uint64_t guess(Newest newest, std::uint16_t sequence) noexcept {
  return newest.any ? nearest_index(newest.index, sequence).value_or(sequence) : sequence;
}

/// Whether the job must wait: its index depends on jobs of this round that are not judged yet. Happens
/// when a source's very first packets wrap, or when somebody forges sequence numbers.
bool must_wait(const Round& round, const SrtpJob& job, std::uint32_t ssrc, Newest committed, std::uint16_t sequence) noexcept {
  if (job.context->pending == 0) return false;
  Newest hoped = committed;
  for (std::size_t at = job.context->pending; at != 0;) {
    const Task& before = round.tasks[at - 1];
    at = before.earlier;
    if (before.ssrc != ssrc || before.job->rtcp) continue;
    if (before.put_off) return true;
    if (!hoped.any || before.index > hoped.index) hoped = {true, before.index};
  }
  return guess(committed, sequence) != guess(hoped, sequence);
}

Verdict judge(Seen seen) noexcept {
  return seen == Seen::kNo ? Verdict::kGood : seen == Seen::kYes ? Verdict::kReplayed : Verdict::kTooOld;
}

Verdict check_rtp(const Round& round, Task& task) noexcept {
  const SrtpJob& job = *task.job;
  const std::uint32_t trailer = job.context->trailer_bytes(false);
  task.body_at = rtp_header_bytes(job.data, job.size, trailer);
  if (task.body_at == 0) return Verdict::kMalformed;
  task.body_bytes = job.size - trailer - task.body_at;
  task.ssrc = read32(job.data + 8);

  const std::uint16_t sequence = read16(job.data + 2);
  const Known known = job.context->find(task.ssrc);
  task.second_reading = known.noted() && !job.retried;
  const bool any = known.rtp() || (known.noted() && job.retried);
  const Newest committed{any, any ? known.rtp_highest() : 0};
  task.index = guess(committed, sequence);
  task.put_off = must_wait(round, job, task.ssrc, committed, sequence);
  if (task.put_off) return Verdict::kGood;
  if (task.index >= kRtpIndexLimit) return Verdict::kKeyExpired;
  if (!job.context->has_place_for(known)) return Verdict::kTooManySources;
  return judge(known.look_rtp(task.index));
}

Verdict check_rtcp(Task& task) noexcept {
  const SrtpJob& job = *task.job;
  const std::uint32_t trailer = job.context->trailer_bytes(true);
  if (!rtcp_fits(job.data, job.size, trailer)) return Verdict::kMalformed;
  task.body_at = kRtcpHeaderBytes;
  task.body_bytes = job.size - trailer - task.body_at;
  task.ssrc = read32(job.data + 4);

  const std::uint32_t behind = job.context->aead ? kGcmTagBytes : 0;
  const std::uint32_t word = read32(job.data + task.body_at + task.body_bytes + behind);
  if ((word & kEncrypted) == 0) return Verdict::kNotEncrypted;
  task.index = word & ~kEncrypted;
  const Known known = job.context->find(task.ssrc);
  if (!job.context->has_place_for(known)) return Verdict::kTooManySources;
  return judge(known.look_rtcp(static_cast<std::uint32_t>(task.index)));
}

/// RFC 3711 §3.1: the MKI stands before the tag. RFC 7714 §8.2: behind it, as the last of all.
bool pick_key(Task& task) noexcept {
  const SrtpJob& job = *task.job;
  const SrtpContext& context = *job.context;
  const std::uint32_t behind = context.mki_bytes + (context.aead ? 0u : context.tag_bytes[job.rtcp]);
  const auto key = context.key_named(job.data + job.size - behind);
  task.key = key.value_or(0);
  return key.has_value();
}

Verdict check(const Round& round, EngineKind kind, Task& task) noexcept {
  const SrtpContext* const context = task.job->context;
  if (!context || !task.job->data) return Verdict::kMalformed;
  if (!context->serves(kind, Direction::kReceive)) return Verdict::kWrongContext;
  // Where one of its packets waits for its verdict, the newest index is not known yet.
  task.next = context->pending == 0 ? next_of_source(*task.job, context->trailer_bytes(false), task) : nullptr;
  if (task.next) return Verdict::kGood;
  task.put_off = task.second_reading = false;
  const Verdict verdict = task.job->rtcp ? check_rtcp(task) : check_rtp(round, task);
  if (verdict != Verdict::kGood) return verdict;
  return pick_key(task) ? Verdict::kGood : Verdict::kNotAuthentic;
}

/// The rollover counter is hashed behind the packet though it is never sent (RFC 3711 §4.2): it borrows
/// the place of MKI and tag, which are four bytes at least, until the tag is compared.
void plan_hmac(Round& round, Task& task) noexcept {
  SrtpJob& job = *task.job;
  std::uint8_t* const end = job.data + task.body_at + task.body_bytes;
  if (!job.rtcp) {
    std::memcpy(task.borrowed, end, sizeof task.borrowed);
    write32(end, static_cast<std::uint32_t>(task.index >> 16));
  }
  task.cipher = static_cast<std::uint16_t>(round.hmac_count);
  HmacJob& hmac = round.hmacs[round.hmac_count++];
  hmac.key = job.context->key(task.key, job.rtcp);
  hmac.rtcp = job.rtcp;
  hmac.data = job.data;
  hmac.bytes = task.body_at + task.body_bytes + kRtcpIndexBytes;  // Rollover counter or SRTCP index: four bytes.
}

/// Decrypts, if the tag is right.
Verdict open(Backend& backend, Task& task) noexcept {
  SrtpJob& job = *task.job;
  SrtpContext& context = *job.context;
  std::uint8_t* const end = job.data + task.body_at + task.body_bytes;
  AeadJob aead;
  aead.key = context.key(task.key, job.rtcp);
  aead.data = job.data + task.body_at;
  aead.bytes = task.body_bytes;
  aead.key_bytes = context.key_bytes;
  aead.rtcp = job.rtcp;
  aead.aad = job.data;
  aead.aad_bytes = task.body_at;
  if (job.rtcp) {
    std::memcpy(task.aad, job.data, kRtcpHeaderBytes);
    std::memcpy(task.aad + kRtcpHeaderBytes, end + kGcmTagBytes, kRtcpIndexBytes);
    aead.aad = task.aad;
    aead.aad_bytes = sizeof task.aad;
  }
  gcm_nonce(aead.nonce, context.salt(task.key, job.rtcp), task.ssrc, task.index);
  aead.tag = end;
  backend.open(aead);
  return !aead.made ? Verdict::kCipherFailed : aead.authentic ? Verdict::kGood : Verdict::kNotAuthentic;
}

void plan_decryption(Round& round, Task& task) noexcept {
  SrtpJob& job = *task.job;
  CounterJob& counter = round.counters[round.counter_count++];
  counter.key = job.context->key(task.key, job.rtcp);
  counter.data = job.data + task.body_at;
  counter.bytes = task.body_bytes;
  counter.key_bytes = job.context->key_bytes;
  counter.rtcp = job.rtcp;
  counter_iv(counter.iv, job.context->salt(task.key, job.rtcp), task.ssrc, task.index);
}

/// Gives the borrowed bytes back and compares the tag.
Verdict compare_hmac(const Round& round, const Task& task) noexcept {
  SrtpJob& job = *task.job;
  if (!job.rtcp) std::memcpy(job.data + task.body_at + task.body_bytes, task.borrowed, sizeof task.borrowed);
  const HmacJob& hmac = round.hmacs[task.cipher];
  if (!hmac.made) return Verdict::kCipherFailed;
  const std::size_t tag_bytes = job.context->tag_bytes[job.rtcp];
  return same_secret(job.data + job.size - tag_bytes, hmac.tag, tag_bytes) ? Verdict::kGood : Verdict::kNotAuthentic;
}

/// Takes an authentic packet into the books, unless its twin was there first.
Verdict book(Task& task) noexcept {
  SrtpContext& context = *task.job->context;
  if (task.next) {
    note_next(context, *task.next, task.index);
    return Verdict::kGood;
  }
  const Known known = context.find(task.ssrc);
  const auto index = static_cast<std::uint32_t>(task.index);
  const Verdict verdict = judge(task.job->rtcp ? known.look_rtcp(index) : known.look_rtp(task.index));
  if (verdict != Verdict::kGood) return verdict;
  Stream* const stream = known.stream ? const_cast<Stream*>(known.stream) : context.entry(task.ssrc);
  if (!stream) return Verdict::kTooManySources;

  stream->last_used = ++context.uses;
  if (task.job->rtcp) {
    if (!stream->has_rtcp) stream->rtcp_window.start(stream->rtcp_highest = index);
    else stream->rtcp_window.mark(stream->rtcp_highest, index);
    stream->has_rtcp = true;
  } else {
    if (!stream->has_rtp) stream->rtp_window.start(stream->rtp_highest = task.index);
    else stream->rtp_window.mark(stream->rtp_highest, task.index);
    stream->has_rtp = true;
    context.rtp_packets += 1;
  }
  return Verdict::kGood;
}

void finish_hmac(Round& round, Task& task) noexcept {
  SrtpJob& job = *task.job;
  job.verdict = compare_hmac(round, task);
  if (job.verdict == Verdict::kGood) job.verdict = book(task);
  if (job.verdict == Verdict::kGood) plan_decryption(round, task);
}

void finish(Task& task) noexcept {
  task.job->size = task.body_at + task.body_bytes;
  task.job->index = task.index;
}

/// Is it to be tried again, in the next round and by the other reading?
bool read_again(Task& task) noexcept {
  if (!task.second_reading || task.job->verdict != Verdict::kNotAuthentic) return false;
  return task.put_off = task.job->retried = true;
}

/// AEAD needs no lanes: each packet is judged and booked before the next one is looked at, so none waits for another.
void finish_aead(Backend& backend, Task& task) noexcept {
  Verdict& verdict = task.job->verdict;
  verdict = open(backend, task);
  if (verdict == Verdict::kGood) verdict = book(task);
  if (verdict == Verdict::kGood) finish(task);
}

}  // namespace

std::size_t unprotect_round(Round& round, Backend& backend, std::span<SrtpJob*> jobs) noexcept {
  round.clear();
  const EngineKind kind = backend.kind();
  std::size_t waiting = 0;
  prefetch_first(backend, kind, jobs);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    prefetch_ahead(backend, kind, jobs, i);
    SrtpJob* const job = jobs[i];
    Task& task = round.tasks[round.task_count];
    task.job = job;
    job->verdict = check(round, kind, task);
    if (job->verdict != Verdict::kGood) continue;
    if (job->context->aead) {
      finish_aead(backend, task);
      if (read_again(task)) jobs[waiting++] = job;
      continue;
    }
    task.earlier = job->context->pending;
    job->context->pending = static_cast<std::uint16_t>(++round.task_count);
    if (task.put_off) continue;
    plan_hmac(round, task);
  }

  if (round.hmac_count > 0) backend.hmac({round.hmacs.data(), round.hmac_count});

  for (std::size_t i = 0; i < round.task_count; ++i) {
    Task& task = round.tasks[i];
    task.job->context->pending = 0;
    if (task.put_off) {
      jobs[waiting++] = task.job;
      continue;
    }
    finish_hmac(round, task);
    if (read_again(task)) jobs[waiting++] = task.job;
  }

  if (round.counter_count > 0) backend.counter({round.counters.data(), round.counter_count});
  std::size_t counter = 0;
  for (std::size_t i = 0; i < round.task_count; ++i) {
    Task& task = round.tasks[i];
    SrtpJob& job = *task.job;
    if (task.put_off || job.verdict != Verdict::kGood) continue;
    if (!round.counters[counter++].made) job.verdict = Verdict::kCipherFailed;
    else finish(task);
  }
  return waiting;
}

}  // namespace sallyport::crypto
