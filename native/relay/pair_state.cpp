#include "pair_state.h"

#include <cstddef>
#include <cstring>

#include "stun.h"

namespace sallyport::relay {
namespace {

constexpr std::uint32_t kMagic = 0x5350'5053;
constexpr std::uint32_t kVersion = 2;
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
void walk_agent(Way& way, State& agent) {
  for (auto& component : agent.components) {
    way.number(component.count, 0, component.sources.size());
    for (std::size_t i = 0; i < component.count; ++i) {
      way.bytes(&component.sources[i].address, sizeof component.sources[i].address);
      way.number(component.sources[i].age_ns);
    }
    way.number(component.chosen);
    way.flag(component.renews);
    way.number(component.priority);
    way.number(component.age_ns);
  }
}

template <typename Way, typename State>
void walk_transport(Way& way, State& side) {
  way.flag(side.ice);
  if (side.ice) walk_agent(way, side.agent);
  way.flag(side.dtls);
  way.flag(side.has_rtcp_rx);
  if (side.has_rtcp_rx) walk_mark(way, side.rtcp_rx_mark), walk_srtp(way, side.rtcp_rx);
  way.flag(side.has_rtcp_tx);
  if (side.has_rtcp_tx) walk_mark(way, side.rtcp_tx_mark), walk_srtp(way, side.rtcp_tx);
  way.flag(side.bundled);
  way.flag(side.shares);
  way.number(side.line, 0, kBundleLimit);
  way.number(side.heard_count, 0, side.heard.size());
  for (std::size_t i = 0; i < side.heard_count; ++i) {
    way.number(side.heard[i].ssrc);
    way.number(side.heard[i].line, 1, kBundleLimit);
  }
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
    way.number(source.line, 0, kBundleLimit);
  }
  way.flag(side.numbered);
  way.number(side.spent.count, 0, side.spent.marks.size());
  for (std::size_t i = 0; i < side.spent.count; ++i) walk_mark(way, side.spent.marks[i]);
  way.flag(side.has_rx);
  if (side.has_rx) walk_mark(way, side.rx_mark), walk_srtp(way, side.rx);
  way.flag(side.has_tx);
  if (side.has_tx) walk_mark(way, side.tx_mark), walk_srtp(way, side.tx);
  walk_transport(way, side);
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

/// Two sources of one name would send under one index. Sources of two lines may arrive under one.
bool apart(const SideState& side) noexcept {
  for (std::size_t i = 0; i < side.source_count; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const SourceState &one = side.sources[i], &other = side.sources[j];
      if (one.out == other.out || (one.in == other.in && one.line == other.line)) return false;
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

}  // namespace sallyport::relay
