/// What is neither RTP nor RTCP, told apart by the first byte (RFC 7983 §7): checks of ICE and datagrams of DTLS; and what
/// either brings to a side.
#include <cstring>
#include <new>
#include <utility>

#include "../crypto/secret_bytes.h"
#include "pair.h"
#include "relay.h"
#include "rtp.h"

namespace sallyport::relay {
namespace {

void wipe(HandshakeKeys& keys) noexcept {
  for (crypto::DtlsKeys& component : keys.components) {
    component.present = false;
    for (crypto::DtlsMaster* master : {&component.receive, &component.send}) crypto::wipe(master->bytes.data(), master->bytes.size());
  }
}

/// Bytes of data that one record toward there holds: IPv6's head is 20 bytes longer.
std::size_t record_room(const endpoint& to) noexcept {
  constexpr std::uint8_t kV4Prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::memcmp(to.ip, kV4Prefix, sizeof kV4Prefix) == 0 ? crypto::kDtlsDataBytes : crypto::kDtlsDataBytes - 20;
}

}  // namespace

Guard& Relay::guard(std::uint32_t pair, std::uint32_t side) const noexcept { return guards_[pair * std::size_t{2} + side]; }

crypto::SrtpContext* Relay::receiving(std::uint32_t flow) const noexcept {
  const RunningSide& side = pairs_[flow / kFlowsPerPair].sides[flow >> 1 & 1];
  return flow & 1 && side.dtls ? guard(flow / kFlowsPerPair, flow >> 1 & 1).rtcp_rx : side.rx;
}

crypto::SrtpContext* Relay::sending(std::uint32_t flow) const noexcept {
  const RunningSide& side = pairs_[flow / kFlowsPerPair].sides[flow >> 1 & 1];
  return flow & 1 && side.dtls ? guard(flow / kFlowsPerPair, flow >> 1 & 1).rtcp_tx : side.tx;
}

bool Relay::proved(const Datagram& datagram, std::uint64_t now_ns) const noexcept {
  return guard(datagram.flow / kFlowsPerPair, datagram.flow >> 1 & 1).ice.proved(datagram.flow & 1, datagram.sender, now_ns);
}

void Relay::judge_other(Datagram& datagram, std::uint64_t now_ns) noexcept {
  Pair& pair = pairs_[datagram.flow / kFlowsPerPair];
  const RunningSide& side = pair.sides[datagram.flow >> 1 & 1];
  const std::uint8_t first = datagram.size == 0 ? 0xff : datagram.data[0];
  if (first <= 3 && side.ice) return check(datagram, pair, now_ns);
  if (first >= 20 && first <= 63 && side.dtls) return shake(datagram, pair, now_ns);
  if (first >= 16 && first <= 19) return pass_zrtp(datagram, pair, now_ns);
  drop(datagram, Verdict::kMalformed);
}

/// ZRTP (RFC 6189 §5) is between the phones: where neither has keys with us it crosses as it is. It teaches us nothing.
void Relay::pass_zrtp(Datagram& datagram, const Pair& pair, std::uint64_t now_ns) noexcept {
  constexpr std::uint32_t kCookie = 0x5a52'5450;
  const std::uint32_t side_number = datagram.flow >> 1 & 1;
  const RunningSide& side = pair.sides[side_number];
  const RunningSide& other = pair.sides[side_number ^ 1];
  const bool secret = side.rx || side.tx || other.rx || other.tx || side.dtls || other.dtls || side.bundled || other.bundled;
  if (secret || datagram.flow & 1 || datagram.size < 28 || read32(datagram.data + 4) != kCookie) return drop(datagram, Verdict::kMalformed);
  if (!acceptable(datagram, side, now_ns)) return drop(datagram, Verdict::kStranger);
  const Path& out = other.paths[0];
  if (!out.reachable || !side.receive || !other.send) return drop(datagram, Verdict::kUnsent);
  datagram.verdict = Verdict::kAnswer;
  datagram.out_flow = pair.number * kFlowsPerPair + (side_number ^ 1) * 2;
  datagram.to = out.to;
  answers_ = true;
}

void Relay::check(Datagram& datagram, Pair& pair, std::uint64_t now_ns) noexcept {
  const std::uint32_t side_number = datagram.flow >> 1 & 1, component = datagram.flow & 1;
  RunningSide& side = pair.sides[side_number];
  IceAgent& ice = guard(pair.number, side_number).ice;
  bool nominated = false;
  switch (ice.check(datagram, component, now_ns, nominated)) {
    case CheckVerdict::kStranger: return drop(datagram, Verdict::kStranger);
    case CheckVerdict::kForged: return drop(datagram, Verdict::kNotAuthentic);
    case CheckVerdict::kMalformed: return drop(datagram, Verdict::kMalformed);
    case CheckVerdict::kSilent:
      if (!ice.proved(component, datagram.sender, now_ns)) return drop(datagram, Verdict::kStranger);
      ice.heard(component, datagram.sender, false, now_ns);
      datagram.verdict = Verdict::kHandedOn;
      return;
    case CheckVerdict::kAnswered: break;
  }
  datagram.verdict = Verdict::kAnswer;
  datagram.out_flow = datagram.flow;
  datagram.to = datagram.sender;
  answers_ = true;
  if (!nominated) return;

  Path& path = side.paths[component];
  const bool moved = !path.known || !same(path.source, datagram.sender);
  path.known = path.reachable = true;
  path.source = path.to = datagram.sender;
  if (!moved) return;
  if (side.dtls && handshakes_ != nullptr) handshakes_->reached(guard(pair.number, side_number).link.association, datagram.flow, path.to);
  if (component != 0) return;
  Event event{.kind = EventKind::kLatched, .side = static_cast<std::uint8_t>(side_number), .pair = pair.number};
  event.source = path.source;
  events_.event(event);
}

/// Who may send media may shake hands; whoever may not, before or after, does nothing by it.
void Relay::shake(Datagram& datagram, Pair& pair, std::uint64_t now_ns) noexcept {
  const std::uint32_t side_number = datagram.flow >> 1 & 1;
  const RunningSide& side = pair.sides[side_number];
  if (!acceptable(datagram, side, now_ns)) return drop(datagram, Verdict::kStranger);

  Guard& allowed = guard(pair.number, side_number);
  const std::uint64_t more = (now_ns - allowed.refilled_ns) / (pair.kind == PairKind::kUdptl ? kUdptlRecordNs : kDtlsDatagramNs);
  if (more != 0) {
    allowed.datagrams = static_cast<std::uint32_t>(allowed.datagrams + more < kDtlsBurst ? allowed.datagrams + more : kDtlsBurst);
    allowed.refilled_ns = now_ns;
  }
  if (allowed.datagrams == 0 || handshakes_ == nullptr) return drop(datagram, Verdict::kUnsent);
  allowed.datagrams -= 1;
  datagram.verdict = Verdict::kHandedOn;
  handshakes_->arrived(allowed.link.association, datagram);
}

void Relay::set_ice(Pair& pair, std::uint32_t side_number, const IceWords& words) noexcept {
  RunningSide& side = pair.sides[side_number];
  IceAgent& agent = guard(pair.number, side_number).ice;
  if (!words.present) {
    side.ice = false;
    return;
  }
  if (!side.ice) {
    new (&agent) IceAgent;
    // What was learnt without checks is not believed with them.
    for (Path& path : side.paths) path = {};
  }
  side.ice = true;
  agent.start(words);
}

void Relay::set_dtls(Pair& pair, std::uint32_t side_number, const DtlsLink& link) noexcept {
  RunningSide& side = pair.sides[side_number];
  Guard& own = guard(pair.number, side_number);
  const bool begins = !side.dtls;
  if (link.association == (begins ? 0 : own.link.association)) return;
  if (!begins && link.association == 0) {
    const Event retired{.kind = EventKind::kRetired, .side = static_cast<std::uint8_t>(side_number), .pair = pair.number, .contexts = {own.rtcp_rx, own.rtcp_tx}};
    if (own.rtcp_rx || own.rtcp_tx) events_.event(retired);
  }
  if (begins || link.association == 0) {
    own.rtcp_rx = link.rtcp_rx;
    own.rtcp_tx = link.rtcp_tx;
    wipe(own.keys);
  }
  own.records = false;
  own.datagrams = kDtlsBurst;
  own.link = link;
  side.dtls = link.association != 0;
  if (link.association != 0) reach(pair, side_number);
}

/// An active side begins where the peer is, if that is known: nominated, latched or signalled.
void Relay::reach(const Pair& pair, std::uint32_t side_number) noexcept {
  const RunningSide& side = pair.sides[side_number];
  const DtlsLink& link = guard(pair.number, side_number).link;
  if (handshakes_ == nullptr) return;
  const std::uint32_t components = side.mux || pair.kind == PairKind::kUdptl ? 1 : 2;
  for (std::uint32_t component = 0; component < components; ++component) {
    const Path& path = side.paths[component];
    const std::uint32_t flow = pair.number * kFlowsPerPair + side_number * 2 + component;
    if (path.reachable && (link.active || side.ice)) handshakes_->reached(link.association, flow, path.to);
  }
}

bool Relay::speaks_for(std::uint32_t association, std::uint32_t flow) const noexcept {
  const std::uint32_t number = flow / kFlowsPerPair;
  return association != 0 && number < max_pairs_ && pairs_[number].open && pairs_[number].sides[flow >> 1 & 1].dtls &&
         guard(number, flow >> 1 & 1).link.association == association;
}

void Relay::secured(const Secured& secured, std::uint64_t now_ns) noexcept {
  const std::uint32_t number = secured.flow / kFlowsPerPair, side_number = secured.flow >> 1 & 1;
  Event retired{.kind = EventKind::kRetired, .side = static_cast<std::uint8_t>(side_number), .pair = number};
  if (!speaks_for(secured.association, secured.flow)) {
    retired.contexts = {secured.rx, secured.tx};
    events_.event(retired);
    return;
  }
  Pair& pair = pairs_[number];
  RunningSide& side = pair.sides[side_number];
  if (pair.kind == PairKind::kUdptl) {
    guard(number, side_number).records = true;
  } else if (secured.flow & 1) {
    Guard& own = guard(number, side_number);
    retired.contexts = {std::exchange(own.rtcp_rx, secured.rx), std::exchange(own.rtcp_tx, secured.tx)};
  } else {
    retired.contexts = {renew_rx(side, secured.rx, now_ns), renew_tx(side, secured.tx)};
  }
  if (retired.contexts[0] || retired.contexts[1]) events_.event(retired);
  Guard& own = guard(number, side_number);
  own.keys.components[secured.flow & 1] = {secured.receive.size != 0, secured.suite, secured.receive, secured.send};
  if (!(secured.flow & 1)) own.keys_of = secured.association;
  // The handshake has shown who the peer is, as an authentic packet would.
  if (!side.paths[secured.flow & 1].known) learn(pair, side_number, secured.flow & 1, secured.peer, now_ns);
  if (secured.flow & 1) return;
  events_.event({.kind = EventKind::kSecured, .side = static_cast<std::uint8_t>(side_number), .pair = number, .suite = secured.suite});
}

/// UDPTL in records (RFC 7345): nothing else is heard.
void Relay::judge_record(Datagram& datagram, Pair& pair, std::uint64_t now_ns) noexcept {
  const bool fits = datagram.size != 0 && datagram.data[0] >= 20 && datagram.data[0] <= 63 && !(datagram.flow & 1);
  if (!fits) return drop(datagram, Verdict::kMalformed);
  shake(datagram, pair, now_ns);
}

void Relay::opened(std::uint32_t association, Datagram& datagram, std::uint64_t now_ns) noexcept {
  datagram.verdict = Verdict::kClosed;
  if (!speaks_for(association, datagram.flow) || datagram.flow & 1) return;
  Pair& pair = pairs_[datagram.flow / kFlowsPerPair];
  const std::uint32_t side_number = datagram.flow >> 1 & 1;
  datagram.verdict = Verdict::kForward;
  if (pair.kind != PairKind::kUdptl || datagram.size > crypto::kDtlsOpenedBytes || !udptl_fits({datagram.data, datagram.size})) return drop(datagram, Verdict::kMalformed);
  forward(datagram, pair, side_number, now_ns);
  protect({&datagram, 1});
}

/// On its way to a side whose association is there. It leaves from where that lives.
void Relay::put_in_record(Datagram& datagram) noexcept {
  const std::uint32_t number = datagram.out_flow / kFlowsPerPair, side_number = datagram.out_flow >> 1 & 1;
  const Guard& own = guard(number, side_number);
  const bool goes = own.records && handshakes_ != nullptr && datagram.size <= record_room(datagram.to) &&
                    handshakes_->leaves(own.link.association, datagram.out_flow, datagram);
  if (!goes) return drop(datagram, Verdict::kUnsent);
  count(number, side_number, k_sent, 1);
  count(number, side_number, k_sentBytes, datagram.size);
  datagram.verdict = Verdict::kHandedOn;
}

void Relay::handshake_failed(std::uint32_t association, std::uint32_t flow, const char* reason) noexcept {
  if (!speaks_for(association, flow)) return;
  events_.event({.kind = EventKind::kFailed, .side = static_cast<std::uint8_t>(flow >> 1 & 1), .pair = flow / kFlowsPerPair, .reason = reason});
}

void Relay::watch_consent(Pair& pair, std::uint32_t side_number, std::uint64_t now_ns) noexcept {
  RunningSide& side = pair.sides[side_number];
  for (std::uint32_t component = 0; component < 2; ++component) {
    if (!guard(pair.number, side_number).ice.expire(component, now_ns)) continue;
    side.paths[component].known = side.paths[component].reachable = false;
    if (component == 0) events_.event({.kind = EventKind::kExpired, .side = static_cast<std::uint8_t>(side_number), .pair = pair.number});
  }
}

}  // namespace sallyport::relay
