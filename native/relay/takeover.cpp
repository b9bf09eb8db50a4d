/// A pair as another box needs it, and as another box had it: see pair_state.h.
#include <optional>

#include "pair.h"

namespace sallyport::relay {
namespace {

void save_context(const crypto::SrtpContext* context, bool& has, crypto::KeyMark& mark, crypto::SrtpState& state) noexcept {
  has = context != nullptr;
  if (has) mark = mark_of(*context), export_state(*context, state);
}

}  // namespace

const char* Relay::save(std::uint32_t number, PairState& out, std::uint64_t now_ns) const noexcept {
  if (number >= max_pairs_ || !pairs_[number].open) return "there is no such pair";
  out.kind = pairs_[number].kind;
  const bool records = out.kind == PairKind::kUdptl && (pairs_[number].sides[0].dtls || pairs_[number].sides[1].dtls);
  if (records) return "UDPTL over DTLS is not exported: its records live here";
  for (std::uint32_t i = 0; i < 2; ++i) save_side(pairs_[number], i, out.sides[i], now_ns);
  return nullptr;
}

void Relay::save_side(const Pair& pair, std::uint32_t side_number, SideState& out, std::uint64_t now_ns) const noexcept {
  const RunningSide& side = pair.sides[side_number];
  const Guard& own = guard(pair.number, side_number);
  out = SideState{};
  for (std::size_t path = 0; path < 2; ++path) {
    const Path& from = side.paths[path];
    out.paths[path] = {from.known, from.reachable, from.source, from.to};
  }
  out.numbered = side.numbered;
  for (std::size_t at = 0; at < side.out.count(); ++at) {
    const OutSource& source = side.out.source(at);
    out.sources[out.source_count++] = {source.in, source.out, source.given, source.sent && source.gave, source.line};
  }
  save_context(side.rx, out.has_rx, out.rx_mark, out.rx);
  save_context(side.tx, out.has_tx, out.tx_mark, out.tx);
  const auto spent = [&out](const crypto::KeyMark& mark) {
    if (out.spent.count < kSpentLimit) out.spent.marks[out.spent.count++] = mark;
  };
  for (const crypto::SrtpContext* old : side.old_tx) {
    if (old != nullptr) spent(mark_of(*old));
  }
  for (std::size_t at = 0; side.remembers && at < own.spent.count; ++at) spent(own.spent.marks[at]);

  out.ice = side.ice;
  if (side.ice) own.ice.save(out.agent, now_ns);
  out.dtls = side.dtls;
  if (side.dtls) {
    save_context(own.rtcp_rx, out.has_rtcp_rx, out.rtcp_rx_mark, out.rtcp_rx);
    save_context(own.rtcp_tx, out.has_rtcp_tx, out.rtcp_tx_mark, out.rtcp_tx);
    out.keys = own.keys;
    out.keys.done = own.keys.components[0].present && own.keys_of == own.link.association;
  }
  out.bundled = side.bundled;
  if (!side.bundled) return;
  out.shares = own.bundle.carrier != pair.number;
  out.line = own.bundle.line;
  for (const HeardIn& source : own.bundle.heard) {
    if (!out.shares && source.line != 0) out.heard[out.heard_count++] = {source.ssrc, source.line};
  }
}

void Relay::resume(std::uint32_t number, const PairState& state, std::uint32_t dice, std::uint64_t now_ns) noexcept {
  if (number >= max_pairs_ || !pairs_[number].open) return;
  for (std::uint32_t i = 0; i < 2; ++i) resume_side(pairs_[number], i, state.sides[i], dice, now_ns);
}

void Relay::resume_side(Pair& pair, std::uint32_t side_number, const SideState& saved, std::uint32_t dice, std::uint64_t now_ns) noexcept {
  RunningSide& side = pair.sides[side_number];
  for (std::size_t path = 0; path < 2; ++path) {
    side.paths[path].known = saved.paths[path].known;
    side.paths[path].reachable = saved.paths[path].reachable;
    side.paths[path].source = saved.paths[path].source;
    side.paths[path].to = saved.paths[path].to;
  }
  side.numbered |= saved.numbered;
  for (std::size_t at = 0; at < saved.source_count; ++at) {
    const SourceState& source = saved.sources[at];
    // With keys the context knows: its indices have been moved on already.
    std::optional<std::uint64_t> highest;
    if (side.tx != nullptr) highest = rtp_index(*side.tx, source.out);
    else if (source.sent) highest = source.given + kTakeoverGap.rtp;
    if (highest) side.out.resume(source.in, source.out, static_cast<std::uint16_t>(*highest), milliseconds(now_ns), source.line);
  }
  if (side.tx != nullptr) {
    side.out.rename(dice);
    side.dice_of_birth ^= dice;
  }
  side.remembers = saved.spent.count != 0;
  if (side.remembers) guard(pair.number, side_number).spent = saved.spent;

  Guard& own = guard(pair.number, side_number);
  if (side.ice && saved.ice) own.ice.resume(saved.agent, now_ns);
  if (side.dtls) {
    own.keys = saved.keys;
    own.keys_of = saved.keys.done ? own.link.association : 0;
    reach(pair, side_number);  // Where nothing is done yet, with whom the other box had learnt.
  }
  if (!side.bundled || !saved.bundled) return;
  sit(pair, side_number, saved.line);
  for (std::size_t i = 0; !saved.shares && i < saved.heard_count; ++i) {
    own.bundle.heard[i] = {.ssrc = saved.heard[i].ssrc, .used_ms = milliseconds(now_ns), .line = saved.heard[i].line};
  }
}

/// A key that was sent under before its pair came here has indices that nobody knows any more.
void Relay::watch_spent(std::uint32_t number, std::uint32_t side, crypto::SrtpContext* tx) const noexcept {
  if (tx == nullptr || !pairs_[number].sides[side].remembers) return;
  const Spent& spent = guard(number, side).spent;
  const crypto::KeyMark mark = mark_of(*tx);
  for (std::size_t i = 0; i < spent.count; ++i) {
    if (spent.marks[i] == mark) crypto::spend(*tx);
  }
}

}  // namespace sallyport::relay
