#include "relay.h"

#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <new>
#include <utility>

#include "pair.h"
#include "rtcp.h"
#include "rtp.h"

namespace sallyport::relay {
namespace {

/// Pairs looked at for silence in one tick, and the time between ticks: 20 000 pairs take 0.8 s.
constexpr std::uint32_t kSilencePairsPerTick = 1'024;
constexpr std::uint64_t kTickNs = 20'000'000;
constexpr std::uint64_t kMillisecondNs = 1'000'000;
/// After a change of key or address, what was on its way before still counts for this long: the peer changes when our
/// answer reaches it, which may have to be sent twice.
constexpr std::uint64_t kInFlightNs = 2'000 * kMillisecondNs;

bool same(const endpoint& a, const endpoint& b) noexcept { return std::memcmp(&a, &b, sizeof a) == 0; }
bool same_ip(const endpoint& a, const Ip& ip) noexcept { return std::memcmp(a.ip, ip.data(), ip.size()) == 0; }

endpoint endpoint_of(const Ip& ip, std::uint16_t port) noexcept {
  endpoint made{};
  std::memcpy(made.ip, ip.data(), ip.size());
  write16(made.port, port);
  return made;
}

/// Zeroed memory that costs nothing until it is touched, so that a table for the most pairs is cheap on a quiet box.
template <typename T>
T* reserve(std::size_t count) {
  void* memory = mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<T*>(memory);
}

/// Forgets what was learnt and sets out from what is signalled.
void begin(RunningSide& side, std::uint64_t now_ns) noexcept {
  for (std::uint32_t i = 0; i < 2; ++i) {
    Path& path = side.paths[i];
    if (path.known) {
      path.before = path.source;
      path.before_until_ns = now_ns + kInFlightNs;
    }
    const std::uint16_t port = i == 0 ? side.remote.rtp_port : side.remote.rtcp_port;
    path.reachable = side.remote.known && port != 0;
    path.to = endpoint_of(side.remote.ip, port);
    path.known = path.reachable && side.latch == LatchPolicy::kOff;
    path.source = path.to;
  }
  side.peer_mux = side.remote.known && side.remote.rtp_port == side.remote.rtcp_port;
}

void set_cname(RunningSide& side, const Side& words) noexcept {
  side.cname = words.cname;
  side.cname_size = words.cname_size;
}

void set_payload_types(RunningSide& side, const Side& words) noexcept {
  for (std::uint8_t i = 0; i < 128; ++i) side.payload_types[i] = i;
  side.renumbers = words.payload_type_count != 0;
  for (std::size_t i = 0; i < words.payload_type_count; ++i) {
    side.payload_types[words.payload_types[i].from & 0x7f] = words.payload_types[i].to & 0x7f;
  }
}

/// The source before may still be heard, but it is not learnt again while the new one may come: the peer's last packets
/// from its old port would else make a stranger of its new one.
bool was_source(const Path& path, const endpoint& sender, std::uint64_t now_ns) noexcept {
  return now_ns < path.before_until_ns && same(path.before, sender);
}

constexpr std::uint32_t milliseconds(std::uint64_t ns) noexcept { return static_cast<std::uint32_t>(ns / kMillisecondNs); }

/// What became of a packet, for the numbers of those that follow it.
void tell_source(OutSources& sources, const Datagram& datagram, crypto::Verdict verdict) noexcept {
  const std::uint32_t ssrc = read32(datagram.data + 8);
  const std::uint16_t sequence = read16(datagram.data + 2);
  if (verdict == crypto::Verdict::kGood) sources.left(ssrc, sequence);
  else if (verdict == crypto::Verdict::kIndexUsed || verdict == crypto::Verdict::kTooOld) sources.lay_behind(ssrc, sequence);
}

/// Takes `fresh` into use; returns what control is to close.
crypto::SrtpContext* renew_rx(RunningSide& side, crypto::SrtpContext* fresh, std::uint64_t now_ns) noexcept {
  side.old_rx_until_ns = now_ns + kInFlightNs;
  if (fresh && side.old_rx && same_key(*fresh, *side.old_rx)) {
    std::swap(side.rx, side.old_rx);
    return fresh;
  }
  crypto::SrtpContext* const leaving = side.rx ? std::exchange(side.old_rx, side.rx) : nullptr;
  side.rx = fresh;
  return leaving;
}

/// The same for what we send under: a key that comes back goes on with its own indices.
crypto::SrtpContext* renew_tx(RunningSide& side, crypto::SrtpContext* fresh) noexcept {
  if (fresh && side.tx && same_key(*fresh, *side.tx)) return fresh;
  crypto::SrtpContext* leaving = std::exchange(side.tx, fresh);
  for (crypto::SrtpContext*& old : side.old_tx) {
    if (fresh && old && same_key(*fresh, *old)) {
      side.tx = std::exchange(old, leaving);
      return fresh;
    }
  }
  for (crypto::SrtpContext*& old : side.old_tx) {
    if (leaving == nullptr) break;
    std::swap(old, leaving);
  }
  return leaving;
}

/// May `sender` become the source? What is asked before anything was learnt.
bool may_latch(const RunningSide& side, const endpoint& sender) noexcept {
  if (!side.remote.known) return false;
  if (same_ip(sender, side.remote.ip)) return side.latch != LatchPolicy::kOff;
  return side.latch == LatchPolicy::kSource && side.latch_from != Ip{} && same_ip(sender, side.latch_from);
}

}  // namespace

Relay::Relay(std::uint32_t max_pairs, crypto::SrtpEngine* engine, std::uint64_t* counters, EventSink& events)
    : max_pairs_(max_pairs),
      engine_(engine),
      counters_(counters),
      events_(events),
      pairs_(reserve<Pair>(max_pairs)),
      active_(reserve<std::uint32_t>(max_pairs)) {}

Relay::~Relay() {
  munmap(pairs_, max_pairs_ * sizeof(Pair));
  munmap(active_, max_pairs_ * sizeof(std::uint32_t));
}

void Relay::open(std::uint32_t number, PairKind kind, const Side& caller, const Side& callee,
                 std::uint64_t now_ns) noexcept {
  if (number >= max_pairs_ || pairs_[number].open) return;
  Pair& pair = *new (&pairs_[number]) Pair{};
  pair.open = true;
  pair.kind = kind;
  pair.number = number;
  pair.active_at = active_count_;
  active_[active_count_++] = number;
  for (std::uint32_t i = 0; i < 2 * kCounterStride; ++i) {
    std::atomic_ref(counters_[number * 2 * kCounterStride + i]).store(0, std::memory_order_relaxed);
  }
  for (std::uint32_t i = 0; i < 2; ++i) {
    const Side& words = i == 0 ? caller : callee;
    RunningSide& side = pair.sides[i];
    side.rx = words.rx;
    side.tx = words.tx;
    side.mux = words.local.rtp_port == words.local.rtcp_port;
    side.receive = words.receive;
    side.send = words.send;
    side.latch = words.latch;
    side.latch_from = words.latch_from;
    side.remote = words.remote;
    side.silence_limit_ns = words.silence_limit_ms * kMillisecondNs;
    side.last_heard_ns = now_ns;
    set_cname(side, words);
    set_payload_types(side, words);
    side.out.start(kind == PairKind::kAudio ? kAudioSources : kOtherSources);
    begin(side, now_ns);
  }
}

void Relay::change(std::uint32_t number, std::uint8_t side_number, std::uint32_t bits, const Side& set,
                   std::uint64_t now_ns) noexcept {
  Event retired{.kind = EventKind::kRetired, .side = side_number, .pair = number};
  if (number >= max_pairs_ || !pairs_[number].open) {
    retired.contexts = {set.rx, set.tx};
    if (set.rx || set.tx) events_.event(retired);
    return;
  }
  RunningSide& side = pairs_[number].sides[side_number];
  if (bits & kChangeRx) retired.contexts[0] = renew_rx(side, set.rx, now_ns);
  if (bits & kChangeTx) retired.contexts[1] = renew_tx(side, set.tx);
  if (retired.contexts[0] || retired.contexts[1]) events_.event(retired);

  if (bits & kChangeReceive) side.receive = set.receive;
  if (bits & kChangeSend) side.send = set.send;
  if (bits & kChangeCname) set_cname(side, set);
  if (bits & kChangePayloadTypes) set_payload_types(side, set);
  if (bits & kChangeSilenceLimitMs) {
    side.silence_limit_ns = set.silence_limit_ms * kMillisecondNs;
    side.last_heard_ns = now_ns;
    side.silent = false;
  }
  // What was learnt stays learnt while the peer says the same: a re-INVITE that changes nothing must not open a window.
  bool again = bits & kChangeRelatch;
  if (bits & kChangeRemote) {
    again |= std::memcmp(&side.remote.ip, &set.remote.ip, sizeof(Ip)) != 0 || side.remote.known != set.remote.known ||
             side.remote.rtp_port != set.remote.rtp_port || side.remote.rtcp_port != set.remote.rtcp_port;
    side.remote = set.remote;
  }
  if (bits & kChangeLatchFrom) {
    again |= side.latch_from != set.latch_from;
    side.latch_from = set.latch_from;
  }
  if (bits & kChangeLatch) {
    again |= side.latch != set.latch;
    side.latch = set.latch;
  }
  if (again) begin(side, now_ns);
}

void Relay::close(std::uint32_t number) noexcept {
  if (number >= max_pairs_ || !pairs_[number].open) return;
  Pair& pair = pairs_[number];
  pair.open = false;
  const std::uint32_t moved = active_[--active_count_];
  active_[pair.active_at] = moved;
  pairs_[moved].active_at = pair.active_at;

  for (std::uint8_t i = 0; i < 2; ++i) {
    const RunningSide& side = pair.sides[i];
    Event old{.kind = EventKind::kRetired, .side = i, .pair = number};
    old.contexts = {side.old_rx, side.old_tx[0], side.old_tx[1], side.old_tx[2]};
    if (side.old_rx || side.old_tx[0]) events_.event(old);
  }
  Event closed{.kind = EventKind::kClosed, .pair = number};
  closed.contexts = {pair.sides[0].rx, pair.sides[0].tx, pair.sides[1].rx, pair.sides[1].tx};
  events_.event(closed);
}

void Relay::handle(std::span<Datagram> batch, std::uint64_t now_ns) noexcept {
  while (!batch.empty()) {
    const std::size_t size = batch.size() < kPiece ? batch.size() : kPiece;
    handle_piece(batch.first(size), now_ns);
    batch = batch.subspan(size);
  }
}

void Relay::handle_piece(std::span<Datagram> piece, std::uint64_t now_ns) noexcept {
  for (Datagram& datagram : piece) judge(datagram, now_ns);
  unprotect(piece, now_ns);
  for (Datagram& datagram : piece) {
    if (datagram.verdict == Verdict::kForward) pass(datagram, now_ns);
  }
  protect(piece);
}

/// What can be said before decryption. Changes nothing but a drop's counter.
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

  datagram.rtcp = bytes.size() >= 2 && is_rtcp_type(bytes[1]);
  const bool right_port = datagram.rtcp ? rtcp_port || side.mux : !rtcp_port;
  const bool fits = datagram.rtcp ? bytes.size() >= 8 && bytes[0] >> 6 == 2 : rtp_header_fits(bytes);
  if (!right_port || !fits) return drop(datagram, Verdict::kMalformed);

  const Path& path = side.paths[rtcp_port];
  const bool acceptable = path.known ? same(path.source, datagram.sender)
                                     : may_latch(side, datagram.sender) || was_source(path, datagram.sender, now_ns);
  if (!acceptable) return drop(datagram, Verdict::kStranger);
  const bool plain_fits = datagram.rtcp ? rtcp_fits(bytes) : rtp_padding_fits(bytes);
  if (side.rx == nullptr && !plain_fits) return drop(datagram, Verdict::kMalformed);
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
    if (side.rx == nullptr) continue;
    jobs[count] = {.context = side.rx, .data = datagram.data, .size = datagram.size, .room = datagram.room, .rtcp = datagram.rtcp};
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

  RunningSide& side = pair.sides[side_number];
  RunningSide& other = pair.sides[side_number ^ 1];
  heard(pair, side_number, now_ns);
  const bool other_rtcp_port = datagram.rtcp && !other.mux;
  const Path& out = other.paths[datagram.rtcp && !other.peer_mux];

  if (datagram.rtcp) {
    count(pair.number, side_number, k_rtcpPackets, 1);
    if (!pass_rtcp(datagram, side, other, now_ns)) return drop(datagram, Verdict::kUnsent);
  } else {
    count(pair.number, side_number, k_packets, 1);
    count(pair.number, side_number, k_bytes, datagram.size);
    const std::uint8_t payload_type = datagram.data[1] & 0x7f;
    const std::uint32_t clock_hz = pair.kind == PairKind::kVideo ? 90'000 : static_clock_hz(payload_type);
    const Reception& reception = side.receptions.packet(read32(datagram.data + 8), read16(datagram.data + 2),
                                                        read32(datagram.data + 4), clock_hz, now_ns);
    put(pair.number, side_number, k_lost, side.receptions.lost());
    put(pair.number, side_number, k_jitterUs, reception.jitter_us());
    if (!side.receive || !other.send) return drop(datagram, Verdict::kUnsent);
    if (other.renumbers) {
      datagram.data[1] = static_cast<std::uint8_t>((datagram.data[1] & 0x80) | other.payload_types[payload_type]);
    }
  }
  if (!out.reachable) return drop(datagram, Verdict::kUnsent);
  if (other.tx != nullptr && !datagram.rtcp) {
    OutSource* const source = other.out.place(read32(datagram.data + 8), milliseconds(now_ns));
    if (source == nullptr) return drop(datagram, Verdict::kUnsent);
    write32(datagram.data + 8, source->out);
    write16(datagram.data + 2, source->number(read16(datagram.data + 2)));
  }
  datagram.out_flow = pair.number * kFlowsPerPair + (side_number ^ 1) * 2 + other_rtcp_port;
  datagram.to = out.to;
}

void Relay::protect(std::span<Datagram> piece) noexcept {
  crypto::SrtpJob jobs[kPiece];
  Datagram* owners[kPiece];
  std::size_t job_count = 0;
  for (Datagram& datagram : piece) {
    if (datagram.verdict != Verdict::kForward) continue;
    const std::uint32_t number = datagram.out_flow / kFlowsPerPair;
    const std::uint32_t side_number = datagram.out_flow >> 1 & 1;
    const RunningSide& side = pairs_[number].sides[side_number];
    if (side.tx != nullptr) {
      jobs[job_count] = {.context = side.tx, .data = datagram.data, .size = datagram.size, .room = datagram.room, .rtcp = datagram.rtcp};
      owners[job_count++] = &datagram;
    } else if (!datagram.rtcp) {
      count(number, side_number, k_sent, 1);
      count(number, side_number, k_sentBytes, datagram.size);
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
      count(number, side_number, k_sent, 1);
      count(number, side_number, k_sentBytes, datagram.size);
    }
    datagram.size = jobs[i].size;
  }
}

/// Rebuilds a report or feedback; where sources change their numbers on the way, so does what is said of them.
bool Relay::pass_rtcp(Datagram& datagram, RunningSide& from, RunningSide& to, std::uint64_t now_ns) noexcept {
  std::uint8_t made[kRtcpBytes];
  const std::size_t size = rewrite_rtcp({datagram.data, datagram.size}, {to.cname.data(), to.cname_size}, made);
  if (size == 0 || size > datagram.room) return false;
  const OutSources* const onward = to.tx ? &to.out : nullptr;
  const OutSources* const back = from.tx ? &from.out : nullptr;
  if (onward != nullptr && to.out.place(read32(made + kRtcpSenderAt), milliseconds(now_ns)) == nullptr) return false;
  if ((onward && onward->changed()) || (back && back->changed())) rename_rtcp({made, size}, onward, back);
  std::memcpy(datagram.data, made, size);
  datagram.size = static_cast<std::uint32_t>(size);
  return true;
}

/// The first acceptable sender wins, once: whoever comes later is the stranger. False: another one was first in this
/// very batch.
bool Relay::learn(Pair& pair, std::uint32_t side_number, bool rtcp_port, const endpoint& sender,
                  std::uint64_t now_ns) noexcept {
  RunningSide& side = pair.sides[side_number];
  Path& path = side.paths[rtcp_port];
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
  const std::uint32_t looks = active_count_ < kSilencePairsPerTick ? active_count_ : kSilencePairsPerTick;
  for (std::uint32_t i = 0; i < looks; ++i) {
    if (tick_at_ >= active_count_) tick_at_ = 0;
    Pair& pair = pairs_[active_[tick_at_++]];
    for (std::uint8_t side_number = 0; side_number < 2; ++side_number) {
      RunningSide& side = pair.sides[side_number];
      const bool due = side.silence_limit_ns != 0 && now_ns - side.last_heard_ns >= side.silence_limit_ns;
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
