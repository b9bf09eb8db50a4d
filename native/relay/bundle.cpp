/// Lines that share the transport of a side (RFC 9143): whose a packet is, and what it bears of that.
///
/// The pair whose sockets they are is the carrier; it alone has addresses, keys, ICE and a handshake. Whatever arrives is
/// judged and decrypted there, and only then dealt out: by the name it bears, by a payload type that one line alone has, or
/// by its source (§9.2). RTCP is dealt out block by block, by the sources that it speaks of.
#include "bundle.h"

#include <cstring>
#include <utility>

#include "pair.h"
#include "rtcp.h"
#include "rtcp_blocks.h"
#include "rtp.h"

namespace sallyport::relay {
namespace {

/// Limit: bytes of header extensions that are rewritten; a packet with more stays as it is.
constexpr std::size_t kExtensionBytes = 512;
/// Limit: blocks of a compound that are told apart; those behind go where the first one goes.
constexpr std::size_t kBlockLimit = 32;
constexpr std::uint16_t kOneByteForm = 0xbede;
constexpr std::uint16_t kTwoByteForm = 0x1000;

/// The extension block of a packet whose header fits, without its first word.
struct Extensions {
  std::uint16_t form = 0;
  std::size_t at = 0;  ///< Of its first word.
  std::span<const std::uint8_t> elements;
  bool two_byte() const noexcept { return (form & 0xfff0) == kTwoByteForm; }
  bool known() const noexcept { return form == kOneByteForm || two_byte(); }
};

Extensions extensions_of(const Datagram& datagram) noexcept {
  Extensions found;
  found.at = kRtpHeaderBytes + (datagram.data[0] & 0x0f) * std::size_t{4};
  if (!(datagram.data[0] & 0x10)) return found;
  found.form = read16(datagram.data + found.at);
  found.elements = {datagram.data + found.at + 4, read16(datagram.data + found.at + 2) * std::size_t{4}};
  return found;
}

/// Calls `element(id, data, whole)` for each; `whole` has its head. Ends at the first that lies about its length.
template <typename Element>
void walk(const Extensions& extensions, Element element) noexcept {
  const std::span<const std::uint8_t> bytes = extensions.elements;
  const std::size_t head = extensions.two_byte() ? 2 : 1;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::uint8_t id = extensions.two_byte() ? bytes[at] : bytes[at] >> 4;
    if (id == 0) {  // Padding.
      at += 1;
      continue;
    }
    if (head == 1 && id == 15) return;  // RFC 8285 §4.2.
    if (at + head > bytes.size()) return;
    const std::size_t size = head == 2 ? bytes[at + 1] : (bytes[at] & 0x0f) + std::size_t{1};
    if (at + head + size > bytes.size()) return;
    element(id, bytes.subspan(at + head, size), bytes.subspan(at, head + size));
    at += head + size;
  }
}

/// Extensions written anew behind one another.
class Written {
 public:
  explicit Written(bool two_byte) noexcept : two_byte_(two_byte) {}
  std::span<const std::uint8_t> bytes() const noexcept { return {bytes_.data(), size_}; }

  bool copy(std::span<const std::uint8_t> whole) noexcept {
    if (size_ + whole.size() > bytes_.size()) return false;
    std::memcpy(bytes_.data() + size_, whole.data(), whole.size());
    size_ += whole.size();
    return true;
  }
  bool put(std::uint8_t id, std::string_view text) noexcept {
    const std::uint8_t heads[2][2] = {{static_cast<std::uint8_t>(id << 4 | (text.size() - 1)), 0}, {id, static_cast<std::uint8_t>(text.size())}};
    return copy({heads[two_byte_], two_byte_ ? 2u : 1u}) && copy({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }
  void pad() noexcept {
    while (size_ % 4 != 0) bytes_[size_++] = 0;
  }

 private:
  std::array<std::uint8_t, kExtensionBytes> bytes_{};
  std::size_t size_ = 0;
  bool two_byte_;
};

/// What a compound holds, block by block, and whose each is.
struct Dealt {
  struct Part {
    Block block;
    std::uint8_t line;  ///< 0: not known.
  };
  std::array<Part, kBlockLimit> parts;
  std::size_t count = 0;
};

/// The blocks of one line as a compound of its own, which begins with a report (RFC 3550 §6.1). Returns its size.
std::size_t compose(const Dealt& dealt, std::uint8_t line, std::span<std::uint8_t, kRtcpBytes> out) noexcept {
  std::size_t size = 0;
  for (std::size_t i = 0; i < dealt.count; ++i) {
    const auto& [block, whose] = dealt.parts[i];
    if (whose != line) continue;
    if (size == 0 && block.type != kSr && block.type != kRr) {
      const std::uint8_t empty[4] = {0x80, kRr, 0, 1};
      std::memcpy(&out[0], empty, sizeof empty);
      std::memcpy(&out[4], &block.bytes[4], 4);
      size = 8;
    }
    if (size + block.bytes.size() > out.size()) continue;
    std::memcpy(&out[size], block.bytes.data(), block.bytes.size());
    out[size] = static_cast<std::uint8_t>(0x80 | block.count);  // Its padding is cut off.
    write16(&out[size + 2], static_cast<std::uint16_t>(block.bytes.size() / 4 - 1));
    size += block.bytes.size();
  }
  return size;
}

std::uint8_t heard_as(const Bundle& bundle, std::uint32_t ssrc) noexcept {
  for (const HeardIn& source : bundle.heard) {
    if (source.line != 0 && source.ssrc == ssrc) return source.line;
  }
  return 0;
}

/// 0: there are several.
std::uint8_t only_line(const Bundle& bundle) noexcept {
  std::uint8_t only = 0;
  for (std::size_t i = 0; i < bundle.lines.size(); ++i) {
    if (bundle.lines[i] == 0) continue;
    if (only != 0) return 0;
    only = static_cast<std::uint8_t>(i + 1);
  }
  return only;
}

void remember(Bundle& bundle, std::uint32_t ssrc, std::uint8_t line, std::uint32_t now_ms) noexcept {
  HeardIn* oldest = &bundle.heard[0];
  for (HeardIn& source : bundle.heard) {
    if (source.line != 0 && source.ssrc == ssrc) {
      source.line = line;
      source.used_ms = now_ms;
      return;
    }
    if (oldest->line != 0 && (source.line == 0 || now_ms - source.used_ms > now_ms - oldest->used_ms)) oldest = &source;
  }
  *oldest = {.ssrc = ssrc, .used_ms = now_ms, .line = line};
}

}  // namespace

std::string_view mid_in(const Datagram& datagram, std::uint8_t id) noexcept {
  std::string_view found;
  const Extensions extensions = extensions_of(datagram);
  if (!extensions.known()) return found;
  walk(extensions, [&](std::uint8_t each, std::span<const std::uint8_t> data, std::span<const std::uint8_t>) {
    if (each == id && found.empty()) found = {reinterpret_cast<const char*>(data.data()), data.size()};
  });
  return found;
}

void rename_line(Datagram& datagram, std::uint8_t id, std::uint8_t put_id, std::string_view mid) noexcept {
  const Extensions extensions = extensions_of(datagram);
  if (extensions.form != 0 && !extensions.known()) return;
  if (extensions.form == 0 && put_id == 0) return;
  Written written(extensions.two_byte());
  bool fits = true;
  walk(extensions, [&](std::uint8_t each, std::span<const std::uint8_t>, std::span<const std::uint8_t> whole) {
    if (each != id && each != put_id) fits = fits && written.copy(whole);
  });
  if (put_id != 0) fits = fits && written.put(put_id, mid);
  if (!fits) return;
  written.pad();
  const std::size_t before = extensions.form == 0 ? 0 : 4 + extensions.elements.size();
  const std::size_t after = written.bytes().empty() ? 0 : 4 + written.bytes().size();
  const std::size_t size = datagram.size - before + after;
  if (size + crypto::kTailroomBytes > datagram.room) return;
  std::uint8_t* const at = datagram.data + extensions.at;
  std::memmove(at + after, at + before, datagram.size - extensions.at - before);
  datagram.size = static_cast<std::uint32_t>(size);
  datagram.data[0] = static_cast<std::uint8_t>((datagram.data[0] & ~0x10) | (after == 0 ? 0 : 0x10));
  if (after == 0) return;
  write16(at, extensions.form == 0 ? kOneByteForm : extensions.form);
  write16(at + 2, static_cast<std::uint16_t>(written.bytes().size() / 4));
  std::memcpy(at + 4, written.bytes().data(), written.bytes().size());
}

void Relay::join(Pair& pair, std::uint32_t side_number, const BundleWords& words) noexcept {
  Bundle& own = guard(pair.number, side_number).bundle;
  own = Bundle{};
  own.words = words;
  own.carrier = pair.number;
  pair.sides[side_number].bundled = true;
  if (words.pair != pair.number && words.pair < max_pairs_ && pairs_[words.pair].open && pairs_[words.pair].sides[side_number].bundled) {
    own.carrier = guard(words.pair, side_number).bundle.carrier;
  }
  Bundle& shared = guard(own.carrier, side_number).bundle;
  for (std::size_t i = 0; i < shared.lines.size() && own.line == 0; ++i) {
    if (shared.lines[i] != 0) continue;
    shared.lines[i] = pair.number + 1;
    own.line = static_cast<std::uint8_t>(i + 1);
  }
}

/// Takes the place that it had in another box, if that is free: what is known of sources goes by places.
void Relay::sit(Pair& pair, std::uint32_t side_number, std::uint8_t line) noexcept {
  Bundle& own = guard(pair.number, side_number).bundle;
  Bundle& shared = guard(own.carrier, side_number).bundle;
  if (line == 0 || line == own.line || shared.lines[line - 1u] != 0) return;
  if (own.line != 0) shared.lines[own.line - 1u] = 0;
  shared.lines[line - 1u] = pair.number + 1;
  own.line = line;
}

/// A line that loses its carrier sends nothing more, and hears nothing.
void Relay::leave(Pair& pair, std::uint32_t side_number) noexcept {
  Bundle& own = guard(pair.number, side_number).bundle;
  if (own.carrier != pair.number) {
    Bundle& shared = guard(own.carrier, side_number).bundle;
    if (own.line != 0) shared.lines[own.line - 1u] = 0;
    for (HeardIn& source : shared.heard) {
      if (source.line == own.line) source = {};
    }
    return;
  }
  for (const std::uint32_t line : own.lines) {
    if (line == 0 || line - 1 == pair.number) continue;
    Bundle& left = guard(line - 1, side_number).bundle;
    left.carrier = line - 1;
    left.line = 1;
    left.lines[0] = line;
  }
}

std::uint32_t Relay::shared_carrier(const Pair& pair, std::uint32_t side_number) const noexcept {
  return guard(pair.number, side_number).bundle.carrier;
}

std::uint8_t Relay::line_in(const Pair& pair, std::uint32_t side_number) const noexcept {
  return pair.sides[side_number].bundled ? guard(pair.number, side_number).bundle.line : std::uint8_t{0};
}

/// The place, where RTCP from that side goes to, of the line that the source of that name belongs to.
std::uint8_t Relay::sender_line(const Pair& pair, std::uint32_t side_number, std::uint32_t ssrc) const noexcept {
  const std::uint32_t to = side_number ^ 1;
  if (!pair.sides[side_number].bundled || !pair.sides[to].bundled) return line_in(pair, to);
  const Bundle& bundle = guard(carrier(pair, side_number), side_number).bundle;
  const std::uint8_t heard = heard_as(bundle, ssrc);
  if (heard == 0 || bundle.lines[heard - 1u] == 0) return line_in(pair, to);
  const Pair& other = pairs_[bundle.lines[heard - 1u] - 1];
  return other.sides[to].bundled && carrier(other, to) == carrier(pair, to) ? line_in(other, to) : line_in(pair, to);
}

/// Whose packet this is. Order matters: what it says itself, what its payload type says, what others of its source said.
std::uint8_t Relay::line_of(const Datagram& datagram, const Bundle& bundle, std::uint32_t side_number) const noexcept {
  const std::uint8_t payload_type = datagram.data[1] & 0x7f;
  std::uint8_t by_type = 0;
  std::size_t takers = 0;
  bool named = false;
  for (std::size_t i = 0; i < bundle.lines.size(); ++i) {
    if (bundle.lines[i] == 0) continue;
    const BundleWords& words = guard(bundle.lines[i] - 1, side_number).bundle.words;
    if (words.mid_id != 0) {
      const std::string_view mid = mid_in(datagram, words.mid_id);
      named = named || !mid.empty();
      if (!mid.empty() && mid == words.mid.view()) return static_cast<std::uint8_t>(i + 1);
    }
    if (words.payload_types[payload_type >> 6] >> (payload_type & 63) & 1) by_type = static_cast<std::uint8_t>(i + 1), takers += 1;
  }
  if (const std::uint8_t only = only_line(bundle); only != 0) return only;
  if (named) return 0;
  return takers == 1 ? by_type : heard_as(bundle, read32(datagram.data + 8));
}

void Relay::deal(Datagram& datagram, Pair& pair, std::uint32_t side_number, std::uint64_t now_ns) noexcept {
  if (datagram.rtcp) return deal_rtcp(datagram, pair, side_number, now_ns);
  Bundle& bundle = guard(pair.number, side_number).bundle;
  const std::uint8_t line = line_of(datagram, bundle, side_number);
  if (line == 0 || bundle.lines[line - 1u] == 0) return drop(datagram, Verdict::kUnsent);  // Its pair may still be to come.
  remember(bundle, read32(datagram.data + 8), line, milliseconds(now_ns));
  Pair& of = pairs_[bundle.lines[line - 1u] - 1];
  const std::uint8_t id = guard(of.number, side_number).bundle.words.mid_id;
  if (id != 0) rename_line(datagram, id, 0, {});  // What lines are called is each leg's own.
  datagram.flow = of.number * kFlowsPerPair + side_number * 2;
  forward(datagram, of, side_number, now_ns);
}

void Relay::deal_rtcp(Datagram& datagram, Pair& pair, std::uint32_t side_number, std::uint64_t now_ns) noexcept {
  const Bundle& bundle = guard(pair.number, side_number).bundle;
  const OutSources& sent = pair.sides[side_number].out;
  Dealt dealt;
  std::uint8_t first = 0;
  bool several = false;
  for (Bytes rest(datagram.data, datagram.size); !rest.empty() && dealt.count < kBlockLimit;) {
    const auto block = next_block(rest);
    if (!block) break;
    if (block->bytes.size() < 8) continue;  // It speaks of nobody.
    const BlockSources sources = sources_of(block->bytes);
    const OutSource* const about = sources.has_about ? sent.by_out(sources.about) : nullptr;
    const std::uint8_t sender = heard_as(bundle, sources.sender);
    const bool speaks = block->type == kSr || about == nullptr;
    const std::uint8_t line = speaks && sender != 0 ? sender : about != nullptr ? about->line : sender;
    dealt.parts[dealt.count++] = {*block, line};
    several = several || (line != 0 && first != 0 && line != first);
    if (first == 0) first = line;
  }
  // Of sources that nobody heard yet nothing is passed on: under a wrong line's name they would be two sources.
  if (first == 0) first = only_line(bundle);
  if (first == 0 || bundle.lines[first - 1u] == 0) return drop(datagram, Verdict::kUnsent);
  Pair& of = pairs_[bundle.lines[first - 1u] - 1];
  datagram.flow = of.number * kFlowsPerPair + side_number * 2;
  if (!several) return forward(datagram, of, side_number, now_ns);

  for (std::size_t i = 0; i < dealt.count; ++i) {
    if (dealt.parts[i].line == 0) dealt.parts[i].line = first;
  }
  std::uint8_t made[kRtcpBytes];
  for (std::uint8_t line = 1; line <= kBundleLimit; ++line) {
    if (line == first || bundle.lines[line - 1u] == 0) continue;
    const std::size_t size = compose(dealt, line, made);
    Pair& other = pairs_[bundle.lines[line - 1u] - 1];
    Datagram* const part = size == 0 ? nullptr : letter(other, side_number ^ 1, true);
    if (part == nullptr) continue;
    std::memcpy(part->data, made, size);
    part->size = static_cast<std::uint32_t>(size);
    part->part = true;
    forward(*part, other, side_number, now_ns);
  }
  const std::size_t size = compose(dealt, first, made);
  std::memcpy(datagram.data, made, size);
  datagram.size = static_cast<std::uint32_t>(size);
  forward(datagram, of, side_number, now_ns);
}

}  // namespace sallyport::relay
