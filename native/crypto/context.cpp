#include "crypto/context.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>

#include "crypto/hmac_sha1.h"
#include "crypto/key_derivation.h"
#include "crypto/packet_index.h"
#include "crypto/secret_bytes.h"

namespace sallyport::crypto {
namespace {

constexpr std::size_t kBlockAlignment = 64;

constexpr std::size_t aligned(std::size_t bytes, std::size_t to) noexcept { return (bytes + to - 1) / to * to; }

bool in_range(const SrtpKeying& keying, Direction direction) noexcept {
  if (static_cast<std::size_t>(keying.suite) >= kSuiteCount) return false;
  const auto& suite = facts(keying.suite);
  const std::size_t wanted = std::size_t{suite.master_key_bytes} + suite.master_salt_bytes;
  for (std::size_t i = 0; i < keying.more.size(); ++i) {
    if (keying.more[i].master.size() != wanted || keying.more[i].mki.size() != keying.mki.size()) return false;
    if (std::equal(keying.mki.begin(), keying.mki.end(), keying.more[i].mki.begin())) return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (std::equal(keying.mki.begin(), keying.mki.end(), keying.more[j].mki.begin(), keying.more[j].mki.end())) return false;
      if (std::ranges::equal(keying.more[i].mki, keying.more[j].mki)) return false;
    }
  }
  if (!keying.more.empty() && (direction != Direction::kReceive || keying.mki.empty())) return false;
  return keying.more.size() < kMasterKeyLimit && keying.master.size() == wanted && keying.mki.size() <= kMkiLimit &&
         keying.streams >= 1 && keying.streams <= kStreamLimit && keying.retired <= kRetiredLimit &&
         keying.lifetime_packets <= kRtpLifetimePackets;
}

ContextShape shape_of(const Backend& backend, const SrtpKeying& keying) noexcept {
  const auto& suite = facts(keying.suite);
  ContextShape shape{};
  shape.key_count = 1 + keying.more.size();
  std::size_t at = shape.streams_at = aligned(sizeof(SrtpContext) + shape.key_count * sizeof(KeySlot), alignof(Stream));
  at += keying.streams * sizeof(Stream);
  for (std::size_t i = 0; i < shape.key_count; ++i) {
    for (const bool rtcp : {false, true}) {
      at = shape.keys_at[rtcp][i] = aligned(at, backend.key_alignment(suite, rtcp));
      at += backend.key_room(suite, rtcp);
    }
  }
  shape.mkis_at = at;
  at = shape.retired_at = aligned(at + shape.key_count * keying.mki.size(), alignof(Retired));
  shape.bytes = aligned(at + keying.retired * sizeof(Retired), alignof(Retired));  // posix_memalign asks for no multiple of 64.
  return shape;
}

SrtpContextPtr make_block(Backend& backend, Direction direction, const SrtpKeying& keying) {
  const ContextShape shape = shape_of(backend, keying);
  // Only the tables of GCM want more than malloc's own alignment, and asking for it costs a tenth of a block.
  void* block = nullptr;
  if (!facts(keying.suite).aead) block = std::malloc(shape.bytes);
  else if (posix_memalign(&block, kBlockAlignment, shape.bytes) != 0) return nullptr;
  if (!block) return nullptr;
  std::memset(block, 0, shape.bytes);
  return SrtpContextPtr(new (block) SrtpContext(direction, keying, backend, shape));
}

bool expand(Backend& backend, SrtpContext& context, std::uint8_t which, bool rtcp, const SessionKeys& keys) noexcept {
  const auto& suite = facts(context.suite);
  if (!backend.expand(context.key(which, rtcp), suite, rtcp, keys)) return false;
  context.expanded += 1;
  std::memcpy(context.slots()[which].salts[rtcp], keys.salt, suite.master_salt_bytes);
  return true;
}

}  // namespace

SrtpContextPtr open_context(Backend& backend, Direction direction, const SrtpKeying& keying) {
  if (!in_range(keying, direction)) return nullptr;
  SrtpContextPtr context = make_block(backend, direction, keying);
  if (!context) return nullptr;
  for (std::uint8_t which = 0; which < context->key_count; ++which) {
    const auto master = which == 0 ? keying.master : keying.more[which - 1u].master;
    for (const bool rtcp : {false, true}) {
      SessionKeys keys;
      if (!derive(backend, facts(keying.suite), rtcp, master, keys)) return nullptr;
      if (!expand(backend, *context, which, rtcp, keys)) return nullptr;
    }
  }
  return context;
}

SrtpContextPtr open_context(Backend& backend, Direction direction, const SrtpKeying& keying,
                            const SessionKeys& rtp_keys, const SessionKeys& rtcp_keys) {
  if (!in_range(keying, direction) || !keying.more.empty()) return nullptr;
  SrtpContextPtr context = make_block(backend, direction, keying);
  if (!context || !expand(backend, *context, 0, false, rtp_keys) || !expand(backend, *context, 0, true, rtcp_keys)) return nullptr;
  return context;
}

SrtpContext::SrtpContext(Direction towards, const SrtpKeying& keying, Backend& backend, const ContextShape& shape) noexcept
    : kind(backend.kind()),
      suite(keying.suite),
      direction(towards),
      stream_limit(static_cast<std::uint8_t>(keying.streams)),
      retired_limit(static_cast<std::uint8_t>(keying.retired)),
      mki_bytes(static_cast<std::uint8_t>(keying.mki.size())),
      key_bytes(facts(keying.suite).master_key_bytes),
      tag_bytes{facts(keying.suite).rtp_tag_bytes, facts(keying.suite).rtcp_tag_bytes},
      aead(facts(keying.suite).aead),
      key_count(static_cast<std::uint8_t>(shape.key_count)),
      bytes(static_cast<std::uint32_t>(shape.bytes)),
      lifetime_packets(keying.lifetime_packets),
      streams_at(static_cast<std::uint32_t>(shape.streams_at)),
      retired_at(static_cast<std::uint32_t>(shape.retired_at)),
      mkis_at(static_cast<std::uint32_t>(shape.mkis_at)),
      keeps_rollover(keying.keeps_rollover),
      release(backend.release()) {
  for (std::size_t i = 0; i < shape.key_count; ++i) {
    slots()[i].expanded_at[0] = static_cast<std::uint16_t>(shape.keys_at[0][i]);
    slots()[i].expanded_at[1] = static_cast<std::uint16_t>(shape.keys_at[1][i]);
    const auto name = i == 0 ? keying.mki : keying.more[i - 1].mki;
    std::copy(name.begin(), name.end(), at(mkis_at) + i * mki_bytes);
  }
}

SrtpContext::~SrtpContext() {
  for (std::uint8_t i = 0; i < expanded; ++i) release(key(i / 2, i % 2 != 0));
}

std::optional<std::uint8_t> SrtpContext::key_of_several(const std::uint8_t* name) const noexcept {
  for (std::uint8_t which = 0; which < key_count; ++which) {
    if (std::equal(name, name + mki_bytes, mki(which))) return which;
  }
  return std::nullopt;
}

void SrtpContextCloser::operator()(SrtpContext* context) const noexcept {
  const std::size_t bytes = context->bytes;
  context->~SrtpContext();
  wipe(static_cast<void*>(context), bytes);
  std::free(context);
}

Known SrtpContext::find_further(std::uint32_t ssrc) const noexcept {
  const Stream* const live = streams();
  for (std::size_t i = 0; i < stream_count; ++i) {
    if (live[i].ssrc == ssrc) return {&live[i], nullptr};
  }
  for (std::size_t i = 0; i < retired_count; ++i) {
    if (retired()[i].ssrc == ssrc) return {nullptr, &retired()[i]};
  }
  return {nullptr, nullptr};
}

Stream* SrtpContext::entry(std::uint32_t ssrc) noexcept {
  const Known known = find(ssrc);
  if (known.stream) return const_cast<Stream*>(known.stream);
  if (!has_place_for(known)) return nullptr;
  if (stream_count < stream_limit) return revive(streams()[stream_count++], ssrc);

  // Counts of use wrap after 2^32 packets: compare distances, not values.
  auto& oldest = *std::max_element(streams(), streams() + stream_count, [this](const Stream& a, const Stream& b) {
    return uses - a.last_used < uses - b.last_used;
  });
  Retired leaving{};
  leaving.rtp_highest = oldest.rtp_highest & 0xffff'ffff'ffff;
  leaving.has_rtp = oldest.has_rtp;
  leaving.has_rtcp = oldest.has_rtcp;
  leaving.ssrc = oldest.ssrc;
  leaving.rtcp_highest = oldest.rtcp_highest;
  Stream* place = revive(oldest, ssrc);
  remember(leaving);  // A revived one has just left its place free.
  return place;
}

void SrtpContext::remember(const Retired& leaving) noexcept {
  if (retired_limit == 0) return;  // A receiving context, as below: `has_place_for` has said so.
  if (retired_count == retired_limit) {
    std::copy(retired() + 1, retired() + retired_count, retired());
    retired_count -= 1;
  }
  retired()[retired_count++] = leaving;
}

/// Fills `place` with what is known of `ssrc`, and takes it off the list of the retired.
Stream* SrtpContext::revive(Stream& place, std::uint32_t ssrc) noexcept {
  place = Stream{};
  place.ssrc = ssrc;
  for (std::size_t i = 0; i < retired_count; ++i) {
    const Retired& found = retired()[i];
    if (found.ssrc != ssrc) continue;
    if (!found.noted) {
      place.has_rtp = found.has_rtp;
      place.has_rtcp = found.has_rtcp;
      place.rtp_highest = found.rtp_highest;
      place.rtcp_highest = found.rtcp_highest;
      place.rtp_window.close();
      place.rtcp_window.close();
    }
    std::copy(retired() + i + 1, retired() + retired_count, retired() + i);
    retired_count -= 1;
    break;
  }
  return &place;
}

void follow(SrtpContext& fresh, const SrtpContext& before) noexcept {
  if (fresh.direction != before.direction || &fresh == &before) return;
  const bool sending = fresh.direction == Direction::kSend;
  const auto take = [&](std::uint32_t ssrc, bool has_rtp, std::uint64_t rtp_highest, bool has_rtcp, std::uint32_t rtcp_highest) {
    if (fresh.find(ssrc).stream || fresh.find(ssrc).retired) return;
    if (!sending) {
      // Counter 0 is tried in any case.
      if (!has_rtp || rtp_highest >> 16 == 0) return;
      Retired noted{};
      noted.ssrc = ssrc;
      noted.rtp_highest = rtp_highest & 0xffff'ffff'ffff;
      noted.noted = 1;
      fresh.remember(noted);
      return;
    }
    Stream* const stream = fresh.entry(ssrc);
    if (!stream) return;
    stream->has_rtp = has_rtp;
    stream->has_rtcp = has_rtcp;
    stream->rtp_highest = rtp_highest;
    stream->rtcp_highest = rtcp_highest;
    stream->rtp_window.clear();  // Nothing was sent under this key yet.
    stream->rtcp_window.clear();
    stream->last_used = ++fresh.uses;
  };
  for (std::size_t i = 0; i < before.retired_count; ++i) {
    const Retired& source = before.retired()[i];
    if (!source.noted) take(source.ssrc, source.has_rtp, source.rtp_highest, source.has_rtcp, source.rtcp_highest);
    else if (!sending) take(source.ssrc, true, source.rtp_highest, false, 0);
  }
  for (std::size_t i = 0; i < before.stream_count; ++i) {
    const Stream& source = before.streams()[i];
    take(source.ssrc, source.has_rtp, source.rtp_highest, source.has_rtcp, source.rtcp_highest);
  }
}

Suite suite_of(const SrtpContext& context) noexcept { return context.suite; }

std::uint64_t packets_left(const SrtpContext& context) noexcept {
  std::uint64_t left = context.rtp_packets < context.lifetime_packets ? context.lifetime_packets - context.rtp_packets : 0;
  const auto source = [&](bool has_rtp, std::uint64_t rtp_highest, bool has_rtcp, std::uint64_t rtcp_highest) {
    if (has_rtp) left = std::min(left, kRtpIndexLimit - 1 - rtp_highest);
    const std::uint64_t rtcp_used = has_rtcp ? rtcp_highest + 1 : 0;
    left = std::min(left, context.rtcp_lifetime() - std::min<std::uint64_t>(rtcp_used, context.rtcp_lifetime()));
  };
  for (const Stream& stream : std::span(context.streams(), context.stream_count)) source(stream.has_rtp, stream.rtp_highest, stream.has_rtcp, stream.rtcp_highest);
  for (const Retired& gone : std::span(context.retired(), context.retired_count)) {
    if (!gone.noted) source(gone.has_rtp, gone.rtp_highest, gone.has_rtcp, gone.rtcp_highest);
  }
  return left;
}

std::uint64_t lifetime_packets(const SrtpContext& context) noexcept { return context.lifetime_packets; }

/// Of the derived salts, which hang on every bit of the master key.
KeyMark mark_of(const SrtpContext& context) noexcept {
  const std::uint8_t facts[] = {static_cast<std::uint8_t>(context.suite), static_cast<std::uint8_t>(context.direction)};
  return hmac_sha1(context.salt(0, false), context.salt(0, true), facts);
}

void spend(SrtpContext& context) noexcept { context.lifetime_packets = 0; }

bool keeps_rollover(const SrtpContext& context) noexcept { return context.keeps_rollover; }

std::size_t memory_bytes(const SrtpContext& context) noexcept { return context.bytes; }

/// The derived salts are a hundred bits that hang on every bit of the master key.
bool same_key(const SrtpContext& a, const SrtpContext& b) noexcept {
  if (a.suite != b.suite || a.direction != b.direction || a.key_count != b.key_count || a.mki_bytes != b.mki_bytes) return false;
  for (std::uint8_t which = 0; which < a.key_count; ++which) {
    if (!std::ranges::equal(a.salt(which, false), b.salt(which, false)) || !std::ranges::equal(a.salt(which, true), b.salt(which, true))) return false;
    if (!std::equal(a.mki(which), a.mki(which) + a.mki_bytes, b.mki(which))) return false;
  }
  return true;
}

std::optional<std::uint64_t> rtp_index(const SrtpContext& context, std::uint32_t ssrc) noexcept {
  const Known known = context.find(ssrc);
  if (!known.rtp()) return std::nullopt;
  return known.rtp_highest();
}

}  // namespace sallyport::crypto
