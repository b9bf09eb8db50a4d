/// The words of control: what a pair is, and how it changes while it lives.
#include "relay.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <utility>

#include "outbox.h"
#include "keys.h"
#include "pair.h"
#include "rtp.h"

namespace sallyport::relay {
namespace {

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

/// Forgets what was learnt and sets out from what is signalled. With ICE only checks say who is where.
void begin(RunningSide& side, std::uint64_t now_ns) noexcept {
  // Where checks tell where the peer is, it shares ports as we do.
  side.peer_mux = side.remote.known ? side.remote.rtp_port == side.remote.rtcp_port : side.ice && side.mux;
  if (side.ice) return;
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
}

void set_cname(RunningSide& side, const Side& words) noexcept {
  side.cname = words.cname;
  side.cname_size = words.cname_size;
}

void set_payload_types(RunningSide& side, const Side& words) noexcept {
  std::copy_n(words.payload_types.begin(), words.payload_type_count, side.spare->payload_types.begin());
  side.payload_type_count = words.payload_type_count;
}

/// FNV-1a. CNAMEs are random, so what is made of them is.
std::uint32_t dice_of(const Side& words, std::uint32_t side) noexcept {
  std::uint32_t hash = 2'166'136'261u + side;
  for (std::size_t i = 0; i < words.cname_size; ++i) hash = (hash ^ static_cast<std::uint8_t>(words.cname[i])) * 16'777'619u;
  return hash | 1;
}

/// Packets that we put in or take out shift the numbers of those that follow, and lines that share a way may have sources
/// of one name: such a side has numbers of ours, and keeps them to its end.
void number_sides(Pair& pair) noexcept {
  for (std::size_t i = 0; i < 2; ++i) {
    pair.sides[i].numbered |= pair.sides[i].bundled || pair.sides[i].digits.insert || pair.sides[i ^ 1].digits.take;
  }
}

}  // namespace

Relay::Relay(std::uint32_t max_pairs, crypto::SrtpEngine* engine, std::uint64_t* counters, EventSink& events)
    : max_pairs_(max_pairs),
      engine_(engine),
      counters_(counters),
      events_(events),
      pairs_(reserve<Pair>(max_pairs)),
      active_(reserve<std::uint32_t>(max_pairs)),
      outbox_(std::make_unique<Outbox>()),
      guards_(reserve<Guard>(std::size_t{max_pairs} * 2)),
      spares_(reserve<Spare>(std::size_t{max_pairs} * 2)) {}

Relay::~Relay() {
  munmap(pairs_, max_pairs_ * sizeof(Pair));
  munmap(guards_, std::size_t{max_pairs_} * 2 * sizeof(Guard));
  munmap(spares_, std::size_t{max_pairs_} * 2 * sizeof(Spare));
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
    side.spare = &spares_[number * std::size_t{2} + i];
    side.receptions.more = side.spare->receptions.data();
    side.rx = words.rx;
    side.tx = words.tx;
    side.mux = kind != PairKind::kUdptl && words.local.rtp_port == words.local.rtcp_port;
    side.receive = words.receive;
    side.send = words.send;
    side.latch = words.latch;
    side.latch_from = words.latch_from;
    side.local = words.local;
    side.dscp = words.dscp;
    side.remote = words.remote;
    side.silence_limit_ns = words.silence_limit_ms * kMillisecondNs;
    side.last_heard_ns = now_ns;
    set_cname(side, words);
    set_payload_types(side, words);
    side.digits = words.digits;
    side.reports = words.reports;
    side.max_datagram = words.max_datagram;
    side.dice = side.dice_of_birth = dice_of(words, i);
    side.out.start(kind == PairKind::kAudio && !words.bundle.present ? kAudioSources : kOtherSources, side.spare->out_sources.data());
    if (words.bundle.present) join(pair, i, words.bundle);
    if (words.ice.present) set_ice(pair, i, words.ice);
    begin(side, now_ns);
    if (words.dtls.association != 0) set_dtls(pair, i, words.dtls);
    if (sink_ != nullptr) sink_->forget(number * 2 + i);
  }
  number_sides(pair);
}

void Relay::change(std::uint32_t number, std::uint8_t side_number, std::uint32_t bits, const Side& set,
                   std::uint64_t now_ns) noexcept {
  // Who leaves DTLS has no keys but those the same word brings.
  const bool known = number < max_pairs_ && pairs_[number].open;
  if (known && bits & kChangeDtls && set.dtls.association == 0 && pairs_[number].sides[side_number].dtls) bits |= kChangeRx | kChangeTx;
  Event retired{.kind = EventKind::kRetired, .side = side_number, .pair = number};
  if (number >= max_pairs_ || !pairs_[number].open) {
    retired.contexts = {set.rx, set.tx};
    if (set.rx || set.tx) events_.event(retired);
    return;
  }
  take_back(pairs_[number]);  // Whatever of it stays as it is, is offered again.
  RunningSide& side = pairs_[number].sides[side_number];
  if (bits & kChangeTx) watch_spent(number, side_number, set.tx);
  if (bits & kChangeRx) retired.contexts[0] = renew_rx(side, set.rx, now_ns);
  if (bits & kChangeTx) retired.contexts[1] = renew_tx(side, set.tx);
  if (retired.contexts[0] || retired.contexts[1]) events_.event(retired);

  if (bits & kChangeDscp) side.dscp = set.dscp;
  if (bits & kChangeReceive) side.receive = set.receive;
  if (bits & kChangeSend) side.send = set.send;
  if (bits & kChangeCname) set_cname(side, set);
  if (bits & kChangePayloadTypes) set_payload_types(side, set);
  if (bits & kChangeDigits) {
    side.digits = set.digits;
    number_sides(pairs_[number]);
  }
  if (bits & kChangeReports) side.reports = set.reports;
  if (bits & kChangeMaxDatagram) side.max_datagram = set.max_datagram;
  if (bits & kChangeBundle && side.bundled && set.bundle.present) guard(number, side_number).bundle.words = set.bundle;
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
  if (bits & kChangeIce) {
    again |= side.ice != set.ice.present;
    set_ice(pairs_[number], side_number, set.ice);
  }
  if (again) begin(side, now_ns);
  if (bits & kChangeDtls) set_dtls(pairs_[number], side_number, set.dtls);
  else if (again && side.dtls) reach(pairs_[number], side_number);
}

void Relay::close(std::uint32_t number) noexcept {
  if (number >= max_pairs_ || !pairs_[number].open) return;
  Pair& pair = pairs_[number];
  take_back(pair);
  pair.open = false;
  const std::uint32_t moved = active_[--active_count_];
  active_[pair.active_at] = moved;
  pairs_[moved].active_at = pair.active_at;

  forget_playing(*outbox_, number);
  for (std::uint8_t i = 0; i < 2; ++i) {
    const RunningSide& side = pair.sides[i];
    Event old{.kind = EventKind::kRetired, .side = i, .pair = number};
    old.contexts = {side.old_rx, side.old_tx[0], side.old_tx[1], side.old_tx[2]};
    if (side.old_rx || side.old_tx[0]) events_.event(old);
    if (side.dtls) set_dtls(pair, i, {});
    if (side.bundled) leave(pair, i);
  }
  Event closed{.kind = EventKind::kClosed, .pair = number};
  closed.contexts = {pair.sides[0].rx, pair.sides[0].tx, pair.sides[1].rx, pair.sides[1].tx};
  events_.event(closed);
}

}  // namespace sallyport::relay
