#include "rtcp.h"

#include <cstring>

#include "rtcp_blocks.h"

namespace sallyport::relay {
namespace {

/// A block of a known type has one length, or one of a row (RFC 3611 §4); of any other only its end is known.
bool part_fits(std::uint8_t type, Bytes part) noexcept {
  switch (type) {
    case kLossRle:
    case kDuplicateRle:
    case kReceiptTimes: return part.size() >= 12;
    case kReceiverReferenceTime: return part.size() == 12;
    case kDelaySinceLast: return part.size() % 12 == 4;
    case kStatistics: return part.size() == 40;
    case kVoipMetrics: return part.size() == 36;
    default: return true;
  }
}

bool xr_fits(Bytes block) noexcept {
  bool fit = true;
  const bool whole = walk_extended(block, [&](std::uint8_t type, Bytes part) { fit = fit && part_fits(type, part); });
  return whole && fit;
}

/// Walks the chunks of a source description; calls `chunk(ssrc, has_cname)`. False: an item or chunk leaves the block.
template <typename Chunk>
bool walk_sdes(const Block& block, Chunk chunk) noexcept {
  Bytes rest = block.bytes.subspan(4);
  for (unsigned i = 0; i < block.count; ++i) {
    if (rest.size() < 8) return false;
    std::size_t at = 4;
    bool has_cname = false;
    while (true) {
      if (at >= rest.size()) return false;
      const std::uint8_t item = rest[at];
      if (item == 0) break;
      if (at + 2 > rest.size() || at + 2 + rest[at + 1] > rest.size()) return false;
      has_cname |= item == kCname;
      at += 2 + std::size_t{rest[at + 1]};
    }
    const std::size_t size = (at / 4 + 1) * 4;  // At least one null, up to the next word.
    if (size > rest.size()) return false;
    chunk(rest.data(), has_cname);
    rest = rest.subspan(size);
  }
  return true;
}

bool block_fits(const Block& block) noexcept {
  const std::size_t size = block.bytes.size();
  switch (block.type) {
    case kSr: return size >= 28 + block.count * std::size_t{24};
    case kRr: return size >= 8 + block.count * std::size_t{24};
    case kSdes: return walk_sdes(block, [](const std::uint8_t*, bool) {});
    case kBye: return size >= 4 + block.count * std::size_t{4};
    case kApp:
    case kRtpFeedback:
    case kPayloadFeedback: return size >= 12;
    case kXr: return xr_fits(block.bytes);
    default: return true;
  }
}

/// Writes behind what is written; what does not fit whole is not begun.
class Compound {
 public:
  explicit Compound(std::span<std::uint8_t, kRtcpBytes> out) noexcept : out_(out) {}
  std::size_t size() const noexcept { return size_; }

  void copy(const Block& block, std::size_t bytes) noexcept {
    if (size_ + bytes > out_.size()) return;
    std::memcpy(&out_[size_], block.bytes.data(), bytes);
    finish(block.count, block.type, size_ + bytes);
  }

  /// Numbers cross; a block whose meaning we do not know might say anything.
  void extend(const Block& block) noexcept {
    const std::size_t begin = size_;
    copy({0, kXr, block.bytes}, 8);
    if (size_ == begin) return;
    std::size_t at = size_;
    walk_extended(block.bytes, [&](std::uint8_t type, Bytes part) {
      if (type < kLossRle || type > kVoipMetrics || at + part.size() > out_.size()) return;
      std::memcpy(&out_[at], part.data(), part.size());
      at += part.size();
    });
    size_ = begin;
    if (at > begin + 8) finish(0, kXr, at);
  }

  void describe(const Block& block, std::string_view cname) noexcept {
    std::size_t at = size_ + 4;
    bool fits = true;
    walk_sdes(block, [&](const std::uint8_t* ssrc, bool has_cname) {
      const std::size_t text = has_cname ? 2 + cname.size() : 0;
      const std::size_t chunk = (4 + text) / 4 * 4 + 4;
      fits = fits && at + chunk <= out_.size();
      if (!fits) return;
      std::memset(&out_[at], 0, chunk);
      std::memcpy(&out_[at], ssrc, 4);
      if (has_cname) {
        out_[at + 4] = kCname;
        out_[at + 5] = static_cast<std::uint8_t>(cname.size());
        std::memcpy(&out_[at + 6], cname.data(), cname.size());
      }
      at += chunk;
    });
    if (fits) finish(block.count, kSdes, at);
  }

 private:
  void finish(std::uint8_t count, std::uint8_t type, std::size_t end) noexcept {
    out_[size_] = static_cast<std::uint8_t>(0x80 | count);
    out_[size_ + 1] = type;
    write16(&out_[size_ + 2], static_cast<std::uint16_t>((end - size_) / 4 - 1));
    size_ = end;
  }

  std::span<std::uint8_t, kRtcpBytes> out_;
  std::size_t size_ = 0;
};

/// The names of sources on the other leg.
struct Names {
  const OutSources* onward;
  const OutSources* back;
  std::uint8_t line;

  /// One of those that the compound speaks for.
  void own(std::uint8_t* ssrc) const noexcept {
    if (onward) write32(ssrc, onward->out_of(read32(ssrc), line));
  }
  /// One of those it reports on. Returns how far its sequence numbers were shifted.
  std::uint16_t reported(std::uint8_t* ssrc) const noexcept {
    const OutSource* source = back ? back->by_out(read32(ssrc)) : nullptr;
    if (source == nullptr) return 0;
    write32(ssrc, source->in);
    return source->shift;
  }
};

void shift_back(std::uint8_t* number, std::uint16_t shift) noexcept {
  write16(number, static_cast<std::uint16_t>(read16(number) - shift));
}

constexpr std::uint8_t kGenericNack = 1;      // RFC 4585 §6.2.1.
constexpr std::uint8_t kFullIntraRequest = 4;  // RFC 5104 §4.3.1.

void rename_feedback(std::span<std::uint8_t> block, const Names& names) noexcept {
  const std::uint8_t format = block[0] & 0x1f;
  const std::uint16_t shift = names.reported(&block[8]);
  if (block[1] == kRtpFeedback && format == kGenericNack) {
    for (std::size_t at = 12; at + 4 <= block.size(); at += 4) shift_back(&block[at], shift);
  }
  if (block[1] == kPayloadFeedback && format == kFullIntraRequest) {
    for (std::size_t at = 12; at + 8 <= block.size(); at += 8) names.reported(&block[at]);
  }
}

/// RFC 3611 §4: all but the reference time say whom they speak of.
void rename_extended(std::span<std::uint8_t> block, const Names& names) noexcept {
  for (std::size_t at = 8; at + 8 <= block.size();) {
    const std::size_t size = (read16(&block[at + 2]) + std::size_t{1}) * 4;
    const std::size_t end = at + size < block.size() ? at + size : block.size();
    if (block[at] == kDelaySinceLast) {
      for (std::size_t part = at + 4; part + 12 <= end; part += 12) names.reported(&block[part]);
    } else if (block[at] != kReceiverReferenceTime) {
      names.reported(&block[at + 4]);
    }
    at += size;
  }
}

void rename_block(std::span<std::uint8_t> block, const Names& names) noexcept {
  const unsigned count = block[0] & 0x1f;
  const std::uint8_t type = block[1];
  if (type == kSdes) {
    walk_sdes({static_cast<std::uint8_t>(count), type, block}, [&](const std::uint8_t* ssrc, bool) {
      names.own(&block[static_cast<std::size_t>(ssrc - block.data())]);
    });
    return;
  }
  if (type == kBye) {
    for (std::size_t at = 4; at + 4 <= block.size(); at += 4) names.own(&block[at]);
    return;
  }
  names.own(&block[4]);
  if (type == kSr || type == kRr) {
    std::size_t at = type == kSr ? 28 : 8;
    for (unsigned i = 0; i < count && at + 24 <= block.size(); ++i, at += 24) {
      shift_back(&block[at + 10], names.reported(&block[at]));  // The lower half of the highest number received.
    }
  }
  if ((type == kRtpFeedback || type == kPayloadFeedback) && block.size() >= 12) rename_feedback(block, names);
  if (type == kXr) rename_extended(block, names);
}

}  // namespace

bool rtcp_fits(Bytes compound) noexcept {
  if (compound.size() < 8 || !is_rtcp_type(compound[1])) return false;
  while (!compound.empty()) {
    const auto block = next_block(compound);
    if (!block || !block_fits(*block)) return false;
  }
  return true;
}

std::size_t rewrite_rtcp(Bytes compound, std::string_view cname, std::span<std::uint8_t, kRtcpBytes> out) noexcept {
  Compound made(out);
  while (const auto block = compound.empty() ? std::nullopt : next_block(compound)) {
    switch (block->type) {
      // Without profile-specific extensions (RFC 3550 §6.4.3): no profile we relay has any, and they may say anything.
      case kSr: made.copy(*block, 28 + block->count * std::size_t{24}); break;
      case kRr: made.copy(*block, 8 + block->count * std::size_t{24}); break;
      case kRtpFeedback:
      case kPayloadFeedback: made.copy(*block, block->bytes.size()); break;
      case kXr: made.extend(*block); break;
      case kSdes:
        if (block->count != 0) made.describe(*block, cname);
        break;
      // The reason is free text of the other side, and no receiver acts on it.
      case kBye:
        if (block->count != 0) made.copy(*block, 4 + block->count * std::size_t{4});
        break;
      default: break;  // APP and what we do not know may carry anything, names among it.
    }
  }
  return made.size();
}

BlockSources sources_of(Bytes block) noexcept {
  BlockSources found;
  if (block.size() < 8) return found;
  const unsigned count = block[0] & 0x1f;
  const std::uint8_t type = block[1];
  const auto about = [&](std::size_t at) {
    if (found.has_about || at + 4 > block.size()) return;
    found.about = read32(&block[at]);
    found.has_about = true;
  };
  found.sender = read32(&block[4]);
  if (type == kSr && count != 0) about(28);
  if (type == kRr && count != 0) about(8);
  if (type == kXr && block.size() >= 16 && block[8] != kReceiverReferenceTime) about(12);
  if (type != kRtpFeedback && type != kPayloadFeedback) return found;
  if (block.size() >= 12 && read32(&block[8]) != 0) about(8);
  // Requests that name whom they mean behind: RFC 5104 §4.2, §4.3.1 and REMB.
  const bool remb = type == kPayloadFeedback && (block[0] & 0x1f) == 15;
  about(remb ? 20 : 12);
  return found;
}

void rename_rtcp(std::span<std::uint8_t> compound, const OutSources* onward, const OutSources* back, std::uint8_t line) noexcept {
  const Names names{onward, back, line};
  while (compound.size() >= 8) {
    const std::size_t size = (read16(&compound[2]) + std::size_t{1}) * 4;
    if (size > compound.size()) return;
    rename_block(compound.first(size), names);
    compound = compound.subspan(size);
  }
}

}  // namespace sallyport::relay
