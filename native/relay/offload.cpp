/// Which flows a faster path may carry, and what comes of its counts.
///
/// A path gets a flow when its source is latched, when nothing is to be done but other headers, and when it has been heard
/// for a moment; so what the first packets do (latch, begin a count, tell the clock) is done here. It is taken back before
/// anything about it changes, and when it no longer carries what comes: another SSRC, numbers that begin anew. Such packets
/// still reach us, since the path leaves to us whatever it does not expect.
///
/// Moving loses no packet: those that arrived are in our sockets, and are handled. Two packets of one flow that arrive within
/// the microseconds of a move may change places.
#include <algorithm>
#include <array>

#include "pair.h"
#include "relay.h"
#include "rtp.h"

namespace sallyport::relay {
namespace {

constexpr std::uint64_t kSecondNs = 1'000 * kMillisecondNs;
/// A flow is carried here until its clock is known, but no longer than this.
constexpr std::uint64_t kClockPatienceNs = 2 * kSecondNs;
/// A source not heard for so long is not offered.
constexpr std::uint64_t kFreshNs = kSecondNs;
/// What stood in the sockets when a path took over is through by now.
constexpr std::uint64_t kMoveNs = 200 * kMillisecondNs;
/// After a refusal.
constexpr std::uint64_t kLaterNs = 100 * kMillisecondNs;
constexpr std::uint64_t kNeverNs = 10 * kSecondNs;
/// What a path has heard may be younger than the time of our turn.
constexpr std::uint64_t since(std::uint64_t then_ns, std::uint64_t now_ns) noexcept { return now_ns > then_ns ? now_ns - then_ns : 0; }

endpoint rtp_of(const MediaAddress& address) noexcept {
  endpoint made{};
  std::memcpy(made.ip, address.ip.data(), address.ip.size());
  write16(made.port, address.rtp_port);
  return made;
}

/// Is there nothing in it for us to do? Digits are: their packets alone come here.
bool needs_only_headers(const Pair& pair, const RunningSide& side, const RunningSide& other, std::uint64_t now_ns) noexcept {
  const Path& path = side.paths[0];
  return pair.kind != PairKind::kUdptl && path.known && now_ns >= path.before_until_ns && other.paths[0].reachable &&
         side.receive && other.send && side.rx == nullptr && other.tx == nullptr && !other.numbered && !side.reports &&
         !other.reports && !side.ice && !other.ice && !side.dtls && !other.dtls && !side.bundled && !other.bundled;
}

}  // namespace

/// A look at both directions of a pair, now and then.
void Relay::watch_flows(Pair& pair, std::uint64_t now_ns) noexcept {
  for (std::uint32_t side_number = 0; side_number < 2; ++side_number) {
    RunningSide& side = pair.sides[side_number];
    Offload& offload = side.offload;
    if (side.taken_ns == 0) {
      if (now_ns >= offload.again_ns) offer(pair, side_number, now_ns);
      continue;
    }
    const std::uint64_t before = side.use_spare().seen.packets;
    const Reception* const latest = side.receptions.latest();
    const std::uint64_t heard_here_ns = latest == nullptr ? 0 : latest->last_ns;
    collect(pair, side_number);
    if (side.use_spare().seen.packets != before) {
      heard(pair, side_number, side.use_spare().seen.last_ns < now_ns ? side.use_spare().seen.last_ns : now_ns);
      continue;
    }
    // The path is quiet, and we hear what it does not expect: it carries the wrong source, or the right one began anew.
    // What the path heard stands among what was heard, too; a pause alone moves nothing.
    const std::uint64_t moved_by_ns = std::max(side.taken_ns + kMoveNs, side.use_spare().seen.last_ns);
    if (heard_here_ns > moved_by_ns && since(heard_here_ns, now_ns) < kFreshNs) take_back(pair);
  }
}

void Relay::offer(Pair& pair, std::uint32_t side_number, std::uint64_t now_ns) noexcept {
  RunningSide& side = pair.sides[side_number];
  const RunningSide& other = pair.sides[side_number ^ 1];
  if (!needs_only_headers(pair, side, other, now_ns)) return;
  const Reception* const source = side.receptions.latest();
  if (source == nullptr || since(source->last_ns, now_ns) > kFreshNs) return;
  Offload& offload = side.offload;
  if (source->clock_hz == 0 && offload.waits_ns == 0) offload.waits_ns = now_ns;
  if (source->clock_hz == 0 && now_ns - offload.waits_ns < kClockPatienceNs) return;

  FlowWords words;
  words.local = rtp_of(side.local);
  words.source = side.paths[0].source;
  words.from = rtp_of(other.local);
  words.to = other.paths[0].to;
  words.dscp = other.dscp;
  words.ssrc = source->ssrc;
  words.highest = source->highest;
  words.jitter_q4 = source->jitter_q4;
  words.clock_hz = source->clock_hz;
  words.packets_per_second = packet_limit(pair.kind);
  for (std::size_t i = 0; i < side.digits.event_count; ++i) {
    const std::uint8_t type = side.digits.events[i].payload_type & 0x7f;
    words.up_types[type >> 6] |= std::uint64_t{1} << (type & 63);
  }
  std::array<std::uint8_t, 128> renumber;
  if (other.payload_type_count != 0) {
    for (std::uint8_t i = 0; i < 128; ++i) renumber[i] = i;
    for (std::size_t i = other.payload_type_count; i-- > 0;) {
      renumber[other.spare->payload_types[i].from & 0x7f] = other.spare->payload_types[i].to & 0x7f;
    }
    words.renumber = &renumber;
  }
  switch (sink_->offer(pair.number * 2 + side_number, words)) {
    case Offered::kTaken:
      side.taken_ns = now_ns;
      offload.ssrc = source->ssrc;
      put(pair.number, side_number, k_path, kPathKernel);
      return;
    case Offered::kLater: offload.again_ns = now_ns + kLaterNs; return;
    case Offered::kNever: offload.again_ns = now_ns + kNeverNs; return;
  }
}

/// Adds what the path has counted since the last time to what we have.
void Relay::collect(Pair& pair, std::uint32_t side_number) noexcept {
  RunningSide& side = pair.sides[side_number];
  Offload& offload = side.offload;
  const FlowTally now = sink_->tally(pair.number * 2 + side_number);
  const FlowTally before = side.use_spare().seen;
  side.use_spare().seen = now;
  if (now.strangers != before.strangers) count(pair.number, side_number, k_droppedStranger, now.strangers - before.strangers);
  if (now.policed != before.policed) count(pair.number, side_number, k_droppedPoliced, now.policed - before.policed);
  const std::uint64_t packets = now.packets - before.packets;
  if (packets == 0) return;
  const std::uint64_t bytes = now.bytes - before.bytes;
  count(pair.number, side_number, k_packets, packets);
  count(pair.number, side_number, k_bytes, bytes);
  count(pair.number, side_number ^ 1, k_sent, packets);
  count(pair.number, side_number ^ 1, k_sentBytes, bytes);

  for (std::uint32_t i = 0; i < side.receptions.count; ++i) {
    Reception& source = side.receptions.at(i);
    if (source.ssrc != offload.ssrc) continue;
    if (static_cast<std::int32_t>(now.highest - source.highest) > 0) source.highest = now.highest;
    source.received += static_cast<std::uint32_t>(packets);
    source.bursts += now.bursts - before.bursts;
    source.jitter_q4 = now.jitter_q4;
    if (now.last_ns > source.last_ns) source.last_ns = now.last_ns;
    put(pair.number, side_number, k_jitterUs, source.jitter_us());
  }
  put(pair.number, side_number, k_lost, side.receptions.lost());
  put(pair.number, side_number, k_lossBursts, side.receptions.bursts());
}

/// Both directions come back to the sockets.
void Relay::take_back(Pair& pair) noexcept {
  if (sink_ == nullptr) return;
  for (std::uint32_t side_number = 0; side_number < 2; ++side_number) {
    RunningSide& side = pair.sides[side_number];
    side.offload.again_ns = 0;
    if (side.taken_ns == 0) continue;
    sink_->withdraw(pair.number * 2 + side_number);
    collect(pair, side_number);
    if (side.use_spare().seen.last_ns > side.last_heard_ns) heard(pair, side_number, side.use_spare().seen.last_ns);
    side.taken_ns = 0;
    put(pair.number, side_number, k_path, kPathSocket);
  }
}

}  // namespace sallyport::relay
