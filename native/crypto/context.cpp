#include "crypto/context.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "crypto/key_derivation.h"
#include "crypto/packet_index.h"
#include "crypto/secret_bytes.h"

namespace sallyport::crypto {
namespace {

constexpr std::size_t aligned(std::size_t bytes) noexcept {
  return (bytes + kKeyAlignment - 1) / kKeyAlignment * kKeyAlignment;
}

bool in_range(const SrtpKeying& keying) noexcept {
  if (static_cast<std::size_t>(keying.suite) >= kSuiteCount) return false;
  const auto& suite = facts(keying.suite);
  const std::size_t wanted = std::size_t{suite.master_key_bytes} + suite.master_salt_bytes;
  return keying.master.size() == wanted && keying.mki.size() <= kMkiLimit && keying.streams >= 1 &&
         keying.streams <= kStreamLimit && keying.retired <= kRetiredLimit && keying.lifetime_packets >= 1 &&
         keying.lifetime_packets <= kRtpLifetimePackets;
}

}  // namespace

SrtpContextPtr open_context(Backend& backend, Direction direction, const SrtpKeying& keying) {
  if (!in_range(keying)) return nullptr;
  const auto& suite = facts(keying.suite);
  SessionKeys rtp_keys;
  SessionKeys rtcp_keys;
  if (!derive(backend, suite, false, keying.master, rtp_keys)) return nullptr;
  if (!derive(backend, suite, true, keying.master, rtcp_keys)) return nullptr;
  return open_context(backend, direction, keying, rtp_keys, rtcp_keys);
}

SrtpContextPtr open_context(Backend& backend, Direction direction, const SrtpKeying& keying,
                            const SessionKeys& rtp_keys, const SessionKeys& rtcp_keys) {
  if (!in_range(keying)) return nullptr;
  const auto& suite = facts(keying.suite);
  const std::size_t rtcp_key_at = SrtpContext::rtp_key_at() + aligned(backend.key_room(suite, false));
  const std::size_t streams_at = rtcp_key_at + aligned(backend.key_room(suite, true));
  const std::size_t retired_at = streams_at + keying.streams * sizeof(Stream);
  const std::size_t bytes = aligned(retired_at + keying.retired * sizeof(Retired));

  void* block = std::aligned_alloc(kKeyAlignment, bytes);
  if (!block) return nullptr;
  std::memset(block, 0, bytes);
  SrtpContextPtr context(new (block) SrtpContext(direction, keying, backend, rtcp_key_at, streams_at, retired_at, bytes));
  for (const bool rtcp : {false, true}) {
    const SessionKeys& keys = rtcp ? rtcp_keys : rtp_keys;
    if (!backend.expand(context->key(rtcp), suite, rtcp, keys)) return nullptr;
    context->keyed[rtcp] = true;
    std::memcpy(rtcp ? context->rtcp_salt : context->rtp_salt, keys.salt, suite.master_salt_bytes);
  }
  return context;
}

SrtpContext::SrtpContext(Direction towards, const SrtpKeying& keying, Backend& backend, std::size_t rtcp_key_at,
                         std::size_t streams_at, std::size_t retired_at, std::size_t block_bytes) noexcept
    : kind(backend.kind()),
      suite(keying.suite),
      direction(towards),
      stream_limit(static_cast<std::uint8_t>(keying.streams)),
      retired_limit(static_cast<std::uint8_t>(keying.retired)),
      mki_bytes(static_cast<std::uint8_t>(keying.mki.size())),
      key_bytes(facts(keying.suite).master_key_bytes),
      tag_bytes{facts(keying.suite).rtp_tag_bytes, facts(keying.suite).rtcp_tag_bytes},
      aead(facts(keying.suite).aead),
      streams(reinterpret_cast<Stream*>(reinterpret_cast<std::uint8_t*>(this) + streams_at)),
      lifetime_packets(keying.lifetime_packets),
      bytes(static_cast<std::uint32_t>(block_bytes)),
      release(backend.release()),
      retired(reinterpret_cast<Retired*>(reinterpret_cast<std::uint8_t*>(this) + retired_at)),
      rtcp_key_at_(static_cast<std::uint32_t>(rtcp_key_at)) {
  std::copy(keying.mki.begin(), keying.mki.end(), mki);
}

SrtpContext::~SrtpContext() {
  for (const bool rtcp : {false, true}) {
    if (keyed[rtcp]) release(key(rtcp));
  }
}

void SrtpContextCloser::operator()(SrtpContext* context) const noexcept {
  const std::size_t bytes = context->bytes;
  context->~SrtpContext();
  wipe(static_cast<void*>(context), bytes);
  std::free(context);
}

Seen Known::look_rtp(std::uint64_t index) const noexcept {
  if (!rtp()) return Seen::kNo;
  if (stream) return stream->rtp_window.look(stream->rtp_highest, index);
  return index > retired->rtp_highest ? Seen::kNo : Seen::kTooOld;
}

Seen Known::look_rtcp(std::uint32_t index) const noexcept {
  if (!rtcp()) return Seen::kNo;
  if (stream) return stream->rtcp_window.look(stream->rtcp_highest, index);
  return index > retired->rtcp_highest ? Seen::kNo : Seen::kTooOld;
}

Known SrtpContext::find(std::uint32_t ssrc) const noexcept {
  for (std::size_t i = 0; i < stream_count; ++i) {
    if (streams[i].ssrc == ssrc) return {&streams[i], nullptr};
  }
  for (std::size_t i = 0; i < retired_count; ++i) {
    if (retired[i].ssrc == ssrc) return {nullptr, &retired[i]};
  }
  return {nullptr, nullptr};
}

bool SrtpContext::has_place_for(const Known& known) const noexcept {
  return known.stream || known.retired || stream_count < stream_limit || retired_count < retired_limit ||
         direction == Direction::kReceive;
}

Stream* SrtpContext::entry(std::uint32_t ssrc) noexcept {
  const Known known = find(ssrc);
  if (known.stream) return const_cast<Stream*>(known.stream);
  if (!has_place_for(known)) return nullptr;
  if (stream_count < stream_limit) return revive(streams[stream_count++], ssrc);

  // Counts of use wrap after 2^32 packets: compare distances, not values.
  auto& oldest = *std::max_element(streams, streams + stream_count, [this](const Stream& a, const Stream& b) {
    return uses - a.last_used < uses - b.last_used;
  });
  const Retired leaving{oldest.rtp_highest, oldest.ssrc, oldest.rtcp_highest, oldest.last_used, oldest.has_rtp, oldest.has_rtcp};
  Stream* place = revive(oldest, ssrc);
  remember(leaving);  // A revived one has just left its place free.
  return place;
}

void SrtpContext::remember(const Retired& leaving) noexcept {
  if (retired_count < retired_limit) {
    retired[retired_count++] = leaving;
    return;
  }
  if (retired_limit == 0) return;  // A receiving context, as below: `has_place_for` has said so.
  *std::max_element(retired, retired + retired_count, [this](const Retired& a, const Retired& b) {
    return uses - a.last_used < uses - b.last_used;
  }) = leaving;
}

/// Fills `place` with what is known of `ssrc`, and takes it off the list of the retired.
Stream* SrtpContext::revive(Stream& place, std::uint32_t ssrc) noexcept {
  place = Stream{};
  place.ssrc = ssrc;
  for (std::size_t i = 0; i < retired_count; ++i) {
    if (retired[i].ssrc != ssrc) continue;
    place.has_rtp = retired[i].has_rtp;
    place.has_rtcp = retired[i].has_rtcp;
    place.rtp_highest = retired[i].rtp_highest;
    place.rtcp_highest = retired[i].rtcp_highest;
    place.rtp_window.close();
    place.rtcp_window.close();
    retired[i] = retired[--retired_count];
    break;
  }
  return &place;
}

Suite suite_of(const SrtpContext& context) noexcept { return context.suite; }

std::uint64_t packets_left(const SrtpContext& context) noexcept {
  return context.lifetime_packets - context.rtp_packets;
}

std::size_t memory_bytes(const SrtpContext& context) noexcept { return context.bytes; }

/// The derived salts are a hundred bits that hang on every bit of the master key.
bool same_key(const SrtpContext& a, const SrtpContext& b) noexcept {
  return a.suite == b.suite && a.direction == b.direction && std::equal(a.rtp_salt, std::end(a.rtp_salt), b.rtp_salt) &&
         std::equal(a.rtcp_salt, std::end(a.rtcp_salt), b.rtcp_salt);
}

std::optional<std::uint64_t> rtp_index(const SrtpContext& context, std::uint32_t ssrc) noexcept {
  const Known known = context.find(ssrc);
  if (!known.rtp()) return std::nullopt;
  return known.rtp_highest();
}

}  // namespace sallyport::crypto
