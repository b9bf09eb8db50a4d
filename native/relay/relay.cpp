#include "relay.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "bundle.h"
#include "keys.h"
#include "pair.h"
#include "rtcp.h"
#include "rtp.h"

namespace sallyport::relay {
namespace {

/// Pairs looked at for silence in one tick, and the time between ticks: few are all looked at, of many the sixteenth part,
/// so that a pair has its look three times a second; 20 000 take 0.4 s. More often would cost more than their packets do.
constexpr std::uint32_t kLeastPairsPerTick = 32;
constexpr std::uint32_t kTicksPerRound = 16;
constexpr std::uint32_t kMostPairsPerTick = 1'024;
constexpr std::uint64_t kTickNs = 20'000'000;
/// How many packets ahead a pair is asked for: thousands of them do not fit the caches.
constexpr std::size_t kPacketsAhead = 6;

/// The numbers under which it goes on; false: there is no place for its source.
bool renumber(Datagram& datagram, RunningSide& to, std::uint8_t line, std::uint64_t now_ns) noexcept {
  OutSource* const source = to.out.place(read32(datagram.data + 8), milliseconds(now_ns), line);
  if (source == nullptr) return false;
  write32(datagram.data + 8, source->out);
  write16(datagram.data + 2, source->number(read16(datagram.data + 2)));
  return true;
}

/// What became of a packet, for the numbers of those that follow it.
void tell_source(OutSources& sources, const Datagram& datagram, crypto::Verdict verdict) noexcept {
  const std::uint32_t ssrc = read32(datagram.data + 8);
  const std::uint16_t sequence = read16(datagram.data + 2);
  if (verdict == crypto::Verdict::kGood) sources.left(ssrc);
  else if (verdict == crypto::Verdict::kIndexUsed || verdict == crypto::Verdict::kTooOld) sources.lay_behind(ssrc, sequence);
}

}  // namespace

void Relay::handle(std::span<Datagram> batch, std::uint64_t now_ns) noexcept {
  while (!batch.empty()) {
    const std::size_t size = batch.size() < kPiece ? batch.size() : kPiece;
    handle_piece(batch.first(size), now_ns);
    batch = batch.subspan(size);
  }
}

void Relay::handle_piece(std::span<Datagram> piece, std::uint64_t now_ns) noexcept {
  for (std::size_t i = 0; i < piece.size() && i < kPacketsAhead; ++i) ask_for(piece[i].flow);
  for (std::size_t i = 0; i < piece.size(); ++i) {
    if (i + kPacketsAhead < piece.size()) ask_for(piece[i + kPacketsAhead].flow);
    judge(piece[i], now_ns);
  }
  unprotect(piece, now_ns);
  for (Datagram& datagram : piece) {
    if (datagram.verdict == Verdict::kForward) pass(datagram, now_ns);
  }
  protect(piece);
  if (!answers_) return;
  answers_ = false;
  for (Datagram& datagram : piece) {
    if (datagram.verdict == Verdict::kAnswer) datagram.verdict = Verdict::kForward;
  }
}

/// Has the memory bring what a packet of that flow will look at.
void Relay::ask_for(std::uint32_t flow) const noexcept {
  const std::uint32_t number = flow / kFlowsPerPair, side = flow >> 1 & 1;
  if (number >= max_pairs_) return;
  const Pair& pair = pairs_[number];
  __builtin_prefetch(&pair);
  pair.sides[side].prefetch_for_arrival();
  pair.sides[side ^ 1].prefetch_for_departure();
  __builtin_prefetch(&counters_[(number * 2 + side) * kCounterStride], 1);
  __builtin_prefetch(&counters_[(number * 2 + (side ^ 1)) * kCounterStride], 1);
}

/// What can be said before decryption. Changes nothing but a drop's counter, and what a check may.
void Relay::judge(Datagram& datagram, std::uint64_t now_ns) noexcept {
  datagram.verdict = Verdict::kForward;
  const std::uint32_t number = datagram.flow / kFlowsPerPair;
  if (number >= max_pairs_ || !pairs_[number].open) {
    datagram.verdict = Verdict::kClosed;
    return;
  }
  const RunningSide& side = pairs_[number].sides[datagram.flow >> 1 & 1];
  const bool rtcp_port = datagram.flow & 1;
  const std::span<const std::uint8_t> bytes(datagram.data, datagram.size);

  const bool rtp = pairs_[number].kind != PairKind::kUdptl;
  if (!rtp && side.dtls) return judge_record(datagram, pairs_[number], now_ns);
  if (rtp && (bytes.empty() || bytes[0] >> 6 != 2)) return judge_other(datagram, now_ns);
  datagram.rtcp = rtp && bytes.size() >= 2 && is_rtcp_type(bytes[1]);
  const bool right_port = datagram.rtcp ? rtcp_port || side.mux : !rtcp_port;
  const bool fits = datagram.rtcp ? bytes.size() >= 8 && bytes[0] >> 6 == 2 : rtp ? rtp_header_fits(bytes) : udptl_fits(bytes);
  if (!right_port || !fits) return drop(datagram, Verdict::kMalformed);

  if (!acceptable(datagram, side, now_ns)) return drop(datagram, Verdict::kStranger);
  if (side.dtls && receiving(datagram.flow) == nullptr) return drop(datagram, Verdict::kNotAuthentic);
  const bool plain_fits = datagram.rtcp ? rtcp_fits(bytes) : !rtp || rtp_padding_fits(bytes);
  if (side.rx == nullptr && !plain_fits) return drop(datagram, Verdict::kMalformed);
}

/// May the sender speak here: the source that is known, one that checks have proved, or one that may be learnt.
bool Relay::acceptable(const Datagram& datagram, const RunningSide& side, std::uint64_t now_ns) const noexcept {
  const Path& path = side.paths[datagram.flow & 1];
  if (path.known && same(path.source, datagram.sender)) return true;
  if (side.ice) return proved(datagram, now_ns);
  return !path.known && (may_latch(side, datagram.sender) || was_source(path, datagram.sender, now_ns));
}

void Relay::try_old_key(Datagram& datagram, crypto::SrtpJob& job, std::uint64_t now_ns) noexcept {
  const RunningSide& side = pairs_[datagram.flow / kFlowsPerPair].sides[datagram.flow >> 1 & 1];
  const bool told = job.verdict == crypto::Verdict::kNotAuthentic || job.verdict == crypto::Verdict::kTooOld ||
                    job.verdict == crypto::Verdict::kReplayed;
  // What the old key protects says nothing of where the peer is now.
  if (!told || side.old_rx == nullptr || now_ns >= side.old_rx_until_ns || !side.paths[datagram.flow & 1].known) return;
  crypto::SrtpJob again = job;
  again.context = side.old_rx;
  engine_->unprotect({&again, 1});
  if (again.verdict == crypto::Verdict::kGood) job = again;
}

void Relay::unprotect(std::span<Datagram> piece, std::uint64_t now_ns) noexcept {
  crypto::SrtpJob jobs[kPiece];
  Datagram* owners[kPiece];
  std::size_t count = 0;
  for (Datagram& datagram : piece) {
    if (datagram.verdict != Verdict::kForward) continue;
    const RunningSide& side = pairs_[datagram.flow / kFlowsPerPair].sides[datagram.flow >> 1 & 1];
    if (side.rx == nullptr && !side.dtls) continue;
    jobs[count] = {.context = receiving(datagram.flow), .data = datagram.data, .size = datagram.size, .room = datagram.room, .rtcp = datagram.rtcp};
    owners[count++] = &datagram;
  }
  if (count == 0) return;
  engine_->unprotect({jobs, count});
  for (std::size_t i = 0; i < count; ++i) {
    Datagram& datagram = *owners[i];
    if (jobs[i].verdict != crypto::Verdict::kGood) try_old_key(datagram, jobs[i], now_ns);
    switch (jobs[i].verdict) {
      case crypto::Verdict::kGood: {
        datagram.size = jobs[i].size;
        const std::span<const std::uint8_t> bytes(datagram.data, datagram.size);
        if (datagram.rtcp ? !rtcp_fits(bytes) : !rtp_padding_fits(bytes)) drop(datagram, Verdict::kMalformed);
        break;
      }
      case crypto::Verdict::kReplayed:
      case crypto::Verdict::kTooOld: drop(datagram, Verdict::kReplay); break;
      case crypto::Verdict::kMalformed: drop(datagram, Verdict::kMalformed); break;
      default: drop(datagram, Verdict::kNotAuthentic); break;
    }
  }
}

/// An acceptable packet: it may be learnt from, is counted, rewritten and given its way out.
void Relay::pass(Datagram& datagram, std::uint64_t now_ns) noexcept {
  Pair& pair = pairs_[datagram.flow / kFlowsPerPair];
  const std::uint32_t side_number = datagram.flow >> 1 & 1;
  const bool rtcp_port = datagram.flow & 1;
  if (!learn(pair, side_number, rtcp_port, datagram.sender, now_ns)) return drop(datagram, Verdict::kStranger);

  if (pair.sides[side_number].ice) {
    const bool authentic = pair.sides[side_number].rx != nullptr;
    guard(pair.number, side_number).ice.heard(rtcp_port, datagram.sender, authentic, now_ns);
  }
  if (pair.sides[side_number].bundled) return deal(datagram, pair, side_number, now_ns);
  forward(datagram, pair, side_number, now_ns);
}

/// On its way from that side of its line, whatever transports it came and goes by.
void Relay::forward(Datagram& datagram, Pair& pair, std::uint32_t side_number, std::uint64_t now_ns) noexcept {
  heard(pair, side_number, now_ns);
  RunningSide& other = transport(pair, side_number ^ 1);
  const bool other_rtcp_port = datagram.rtcp && !other.mux;
  const Path& out = other.paths[datagram.rtcp && !other.peer_mux];

  const bool passes = datagram.rtcp                         ? pass_rtcp(datagram, pair, side_number, now_ns)
                      : pair.kind == PairKind::kUdptl ? pass_udptl(datagram, pair, side_number)
                                                            : pass_rtp(datagram, pair, side_number, now_ns);
  if (!passes) return;
  if (!out.reachable) return drop(datagram, Verdict::kUnsent);
  const bool renumbers = !datagram.rtcp && (other.tx != nullptr || other.numbered);
  if (renumbers && !renumber(datagram, other, line_in(pair, side_number ^ 1), now_ns)) return drop(datagram, Verdict::kUnsent);
  datagram.out_pair = pair.number;
  datagram.out_flow = carrier(pair, side_number ^ 1) * kFlowsPerPair + (side_number ^ 1) * 2 + other_rtcp_port;
  datagram.to = out.to;
  if (other.dtls && pair.kind == PairKind::kUdptl) return put_in_record(datagram);
  if (other.dtls && sending(datagram.out_flow) == nullptr) return drop(datagram, Verdict::kUnsent);
  if (other.bundled && !datagram.rtcp) put_mid(datagram, guard(pair.number, side_number ^ 1).bundle.words);
}

void Relay::protect(std::span<Datagram> piece) noexcept {
  crypto::SrtpJob jobs[kPiece];
  Datagram* owners[kPiece];
  std::size_t job_count = 0;
  for (Datagram& datagram : piece) {
    if (datagram.verdict != Verdict::kForward) continue;
    const std::uint32_t number = datagram.out_flow / kFlowsPerPair;
    const std::uint32_t side_number = datagram.out_flow >> 1 & 1;
    RunningSide& side = pairs_[number].sides[side_number];
    if (side.tx != nullptr || side.dtls) {
      jobs[job_count] = {.context = sending(datagram.out_flow), .data = datagram.data, .size = datagram.size, .room = datagram.room, .rtcp = datagram.rtcp};
      owners[job_count++] = &datagram;
    } else if (!datagram.rtcp) {
      if (side.numbered) tell_source(side.out, datagram, crypto::Verdict::kGood);
      count(datagram.out_pair, side_number, k_sent, 1);
      count(datagram.out_pair, side_number, k_sentBytes, datagram.size);
    }
  }
  if (job_count == 0) return;
  engine_->protect({jobs, job_count});
  for (std::size_t i = 0; i < job_count; ++i) {
    Datagram& datagram = *owners[i];
    const std::uint32_t number = datagram.out_flow / kFlowsPerPair;
    const std::uint32_t side_number = datagram.out_flow >> 1 & 1;
    if (!datagram.rtcp) tell_source(pairs_[number].sides[side_number].out, datagram, jobs[i].verdict);
    if (jobs[i].verdict != crypto::Verdict::kGood) {
      drop(datagram, Verdict::kUnsent);
      continue;
    }
    if (!datagram.rtcp) {
      count(datagram.out_pair, side_number, k_sent, 1);
      count(datagram.out_pair, side_number, k_sentBytes, datagram.size);
    }
    datagram.size = jobs[i].size;
  }
}

/// The first acceptable sender wins, once: whoever comes later is the stranger. False: another one was first in this
/// very batch.
bool Relay::learn(Pair& pair, std::uint32_t side_number, bool rtcp_port, const endpoint& sender,
                  std::uint64_t now_ns) noexcept {
  RunningSide& side = pair.sides[side_number];
  Path& path = side.paths[rtcp_port];
  if (side.ice) return true;  // Checks alone say who the peer is: `judge` has asked.
  if (path.known) return same(path.source, sender);
  if (was_source(path, sender, now_ns)) return true;
  path.known = true;
  path.source = sender;
  path.to = sender;  // Symmetric RTP (RFC 4961): it hears where it speaks.
  path.reachable = true;
  if (rtcp_port) return true;

  // RTCP must not go on to an address that nobody proved, once RTP has shown that the signalled one is not his.
  Path& rtcp = side.paths[1];
  if (!rtcp.known && !same_ip(sender, side.remote.ip)) rtcp.reachable = false;
  Event event{.kind = EventKind::kLatched, .side = static_cast<std::uint8_t>(side_number), .pair = pair.number};
  event.source = sender;
  events_.event(event);
  return true;
}

void Relay::heard(Pair& pair, std::uint32_t side_number, std::uint64_t now_ns) noexcept {
  RunningSide& side = pair.sides[side_number];
  side.last_heard_ns = now_ns;
  if (!side.silent) return;
  side.silent = false;
  events_.event({.kind = EventKind::kHeard, .side = static_cast<std::uint8_t>(side_number), .pair = pair.number});
}

void Relay::tick(std::uint64_t now_ns) noexcept {
  if (now_ns < next_tick_ns_ || active_count_ == 0) return;
  next_tick_ns_ = now_ns + kTickNs;
  const std::uint32_t share = std::clamp(active_count_ / kTicksPerRound, kLeastPairsPerTick, kMostPairsPerTick);
  const std::uint32_t looks = std::min(active_count_, share);
  for (std::uint32_t i = 0; i < looks; ++i) {
    if (tick_at_ >= active_count_) tick_at_ = 0;
    Pair& pair = pairs_[active_[tick_at_++]];
    watch_pair(pair, now_ns);
    if (sink_ != nullptr) watch_flows(pair, now_ns);
    watch_keys(pair, events_);
    for (std::uint8_t side_number = 0; side_number < 2; ++side_number) {
      RunningSide& side = pair.sides[side_number];
      if (side.ice) watch_consent(pair, side_number, now_ns);
      // A faster path may have heard it after this turn began.
      const bool due = side.silence_limit_ns != 0 && now_ns > side.last_heard_ns && now_ns - side.last_heard_ns >= side.silence_limit_ns;
      if (side.silent || !due) continue;
      side.silent = true;
      events_.event({.kind = EventKind::kSilent, .side = side_number, .pair = pair.number});
    }
  }
}

void Relay::drop(Datagram& datagram, Verdict verdict) noexcept {
  datagram.verdict = verdict;
  Counter counter = k_droppedMalformed;
  switch (verdict) {
    case Verdict::kStranger: counter = k_droppedStranger; break;
    case Verdict::kNotAuthentic: counter = k_droppedAuth; break;
    case Verdict::kReplay: counter = k_droppedReplay; break;
    case Verdict::kUnsent: counter = k_droppedUnsent; break;
    case Verdict::kTaken: counter = k_taken; break;
    case Verdict::kPoliced: counter = k_droppedPoliced; break;
    default: break;
  }
  count(datagram.flow / kFlowsPerPair, datagram.flow >> 1 & 1, counter, 1);
}

void Relay::count(std::uint32_t pair, std::uint32_t side, Counter counter, std::uint64_t more) noexcept {
  // This thread alone writes the word; readers must only never see half of it.
  std::atomic_ref word(counters_[(pair * 2 + side) * kCounterStride + counter]);
  word.store(word.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

void Relay::put(std::uint32_t pair, std::uint32_t side, Counter counter, std::uint64_t value) noexcept {
  std::atomic_ref(counters_[(pair * 2 + side) * kCounterStride + counter]).store(value, std::memory_order_relaxed);
}

}  // namespace sallyport::relay
