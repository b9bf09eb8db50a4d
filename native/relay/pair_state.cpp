#include "pair_state.h"

#include <cstddef>
#include <cstring>
#include <optional>

#include "pair.h"
#include "stun.h"

namespace sallyport::relay {
namespace {

constexpr std::uint32_t kMagic = 0x5350'5053;
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kSumBytes = 4;

/// Members in order, little end first, written or read by the same list: so both ways say the same.
class Writer {
 public:
  explicit Writer(std::vector<std::uint8_t>& out) : out_(out) {}
  template <typename Number>
  void number(const Number& value, std::uint64_t = 0, std::uint64_t = ~std::uint64_t{0}) {
    auto left = static_cast<std::uint64_t>(value);
    for (std::size_t i = 0; i < sizeof value; ++i, left >>= 8) out_.push_back(static_cast<std::uint8_t>(left));
  }
  void flag(const bool& value) { out_.push_back(value); }
  void bytes(const void* from, std::size_t size) {
    const auto* at = static_cast<const std::uint8_t*>(from);
    for (std::size_t i = 0; i < size; ++i) out_.push_back(at[i]);
  }

 private:
  std::vector<std::uint8_t>& out_;
};

class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : left_(bytes) {}
  template <typename Number>
  void number(Number& value, std::uint64_t least = 0, std::uint64_t most = ~std::uint64_t{0}) {
    std::uint64_t sum = 0;
    if (!has(sizeof value)) return;
    for (std::size_t i = sizeof value; i-- > 0;) sum = sum << 8 | left_[i];
    left_ = left_.subspan(sizeof value);
    if (sum < least || sum > most) good_ = false;
    else value = static_cast<Number>(sum);
  }
  void flag(bool& value) {
    std::uint8_t byte = 0;
    number(byte, 0, 1);
    value = byte == 1;
  }
  void bytes(void* to, std::size_t size) {
    if (!has(size)) return;
    std::memcpy(to, left_.data(), size);
    left_ = left_.subspan(size);
  }
  bool at_end() const { return good_ && left_.empty(); }

 private:
  bool has(std::size_t size) { return good_ = good_ && left_.size() >= size; }
  std::span<const std::uint8_t> left_;
  bool good_ = true;
};

/// Its sources alone, not the places that are free; the context judges what they say.
template <typename Way, typename State>
void walk_srtp(Way& way, State& state) {
  way.bytes(&state, offsetof(crypto::SrtpState, streams));
  const std::size_t count = state.stream_count < std::size(state.streams) ? state.stream_count : std::size(state.streams);
  for (std::size_t i = 0; i < count; ++i) way.bytes(&state.streams[i], sizeof state.streams[i]);
}

template <typename Way, typename State>
void walk_mark(Way& way, State& mark) {
  way.bytes(mark.data(), mark.size());
}

template <typename Way, typename State>
void walk_side(Way& way, State& side) {
  for (auto& path : side.paths) {
    way.flag(path.known);
    way.flag(path.reachable);
    way.bytes(&path.source, sizeof path.source);
    way.bytes(&path.to, sizeof path.to);
  }
  way.number(side.source_count, 0, side.sources.size());
  for (std::size_t i = 0; i < side.source_count; ++i) {
    auto& source = side.sources[i];
    way.number(source.in);
    way.number(source.out);
    way.number(source.given);
    way.flag(source.sent);
  }
  way.flag(side.numbered);
  way.number(side.spent.count, 0, side.spent.marks.size());
  for (std::size_t i = 0; i < side.spent.count; ++i) walk_mark(way, side.spent.marks[i]);
  way.flag(side.has_rx);
  if (side.has_rx) walk_mark(way, side.rx_mark), walk_srtp(way, side.rx);
  way.flag(side.has_tx);
  if (side.has_tx) walk_mark(way, side.tx_mark), walk_srtp(way, side.tx);
}

template <typename Way, typename State>
void walk(Way& way, State& state) {
  std::uint32_t magic = kMagic, version = kVersion;
  way.number(magic, kMagic, kMagic);
  way.number(version, kVersion, kVersion);
  way.number(state.kind, 0, static_cast<std::uint64_t>(PairKind::kUdptl));
  way.number(state.made_unix_ns);
  for (auto& side : state.sides) walk_side(way, side);
}

/// Two sources of one name would send under one index.
bool apart(const SideState& side) noexcept {
  for (std::size_t i = 0; i < side.source_count; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (side.sources[i].out == side.sources[j].out || side.sources[i].in == side.sources[j].in) return false;
    }
  }
  return true;
}

}  // namespace

std::vector<std::uint8_t> written(const PairState& state) {
  std::vector<std::uint8_t> out;
  Writer writer(out);
  walk(writer, state);
  const std::uint32_t sum = fingerprint_of(out);
  writer.number(sum);
  return out;
}

bool read(std::span<const std::uint8_t> bytes, PairState& state) {
  if (bytes.size() > kStateBytes || bytes.size() < kSumBytes) return false;
  const auto body = bytes.first(bytes.size() - kSumBytes);
  std::uint32_t sum = 0;
  Reader end(bytes.last(kSumBytes));
  end.number(sum);
  if (sum != fingerprint_of(body)) return false;
  state = PairState{};
  Reader reader(body);
  walk(reader, state);
  return reader.at_end() && apart(state.sides[0]) && apart(state.sides[1]);
}

const char* Relay::save(std::uint32_t number, PairState& out) const noexcept {
  if (number >= max_pairs_ || !pairs_[number].open) return "there is no such pair";
  const Pair& pair = pairs_[number];
  out.kind = pair.kind;
  for (std::uint32_t i = 0; i < 2; ++i) {
    const RunningSide& side = pair.sides[i];
    if (side.bundled) return "lines of a bundle are not exported";
    if (side.ice || side.dtls) return "sides with ICE or DTLS are not exported";
    SideState& saved = out.sides[i];
    for (std::size_t path = 0; path < 2; ++path) {
      const Path& from = side.paths[path];
      saved.paths[path] = {from.known, from.reachable, from.source, from.to};
    }
    saved.numbered = side.numbered;
    saved.source_count = 0;
    for (std::size_t at = 0; at < side.out.count(); ++at) {
      const OutSource& source = side.out.source(at);
      saved.sources[saved.source_count++] = {source.in, source.out, source.given, source.sent && source.gave};
    }
    saved.has_rx = side.rx != nullptr;
    saved.has_tx = side.tx != nullptr;
    if (side.rx != nullptr) saved.rx_mark = mark_of(*side.rx), export_state(*side.rx, saved.rx);
    if (side.tx != nullptr) saved.tx_mark = mark_of(*side.tx), export_state(*side.tx, saved.tx);
    saved.spent = Spent{};
    const auto spent = [&saved](const crypto::KeyMark& mark) {
      if (saved.spent.count < kSpentLimit) saved.spent.marks[saved.spent.count++] = mark;
    };
    for (const crypto::SrtpContext* old : side.old_tx) {
      if (old != nullptr) spent(mark_of(*old));
    }
    if (!side.remembers) continue;
    const Spent& before = guard(number, i).spent;
    for (std::size_t at = 0; at < before.count; ++at) spent(before.marks[at]);
  }
  return nullptr;
}

void Relay::resume(std::uint32_t number, const PairState& state, std::uint32_t dice, std::uint64_t now_ns) noexcept {
  if (number >= max_pairs_ || !pairs_[number].open) return;
  Pair& pair = pairs_[number];
  for (std::uint32_t i = 0; i < 2; ++i) {
    RunningSide& side = pair.sides[i];
    const SideState& saved = state.sides[i];
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
      if (highest) side.out.resume(source.in, source.out, static_cast<std::uint16_t>(*highest), milliseconds(now_ns));
    }
    if (side.tx != nullptr) {
      side.out.rename(dice);
      side.dice_of_birth ^= dice;
    }
    side.remembers = saved.spent.count != 0;
    if (side.remembers) guard(number, i).spent = saved.spent;
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
