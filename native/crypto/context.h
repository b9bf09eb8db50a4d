/// The inside of a context: one key (or a few, told apart by MKI) in one direction, and the sources seen under it.
#pragma once

#include "crypto/backend.h"
#include "crypto/replay_window.h"
#include "crypto/srtp.h"

namespace sallyport::crypto {

/// A source we follow, with both its counters: RTP and RTCP of one SSRC share the entry.
struct Stream {
  std::uint32_t ssrc;
  std::uint32_t last_used;
  std::uint64_t rtp_highest;
  std::uint32_t rtcp_highest;  ///< Sending: the last one given out.
  bool has_rtp;
  bool has_rtcp;
  ReplayWindow<kRtpWindowPackets> rtp_window;
  ReplayWindow<kRtcpWindowPackets> rtcp_window;
};

/// What is left of a source that made room: enough that no index of it counts twice. Sixteen bytes, since most of them
/// are never used.
struct Retired {
  std::uint64_t rtp_highest : 48;
  std::uint64_t has_rtp : 1;
  std::uint64_t has_rtcp : 1;
  std::uint64_t noted : 1;  ///< Nothing was heard yet under this key: `rtp_highest` is of the key before.
  std::uint64_t spare : 13;
  std::uint32_t ssrc;
  std::uint32_t rtcp_highest;
};
static_assert(sizeof(Retired) == 16);

/// What is known of a source, live or retired, without changing anything.
struct Known {
  const Stream* stream;
  const Retired* retired;

  bool rtp() const noexcept { return stream ? stream->has_rtp : retired && retired->has_rtp; }
  bool rtcp() const noexcept { return stream ? stream->has_rtcp : retired && retired->has_rtcp; }
  bool noted() const noexcept { return !stream && retired && retired->noted; }
  std::uint64_t rtp_highest() const noexcept { return stream ? stream->rtp_highest : std::uint64_t{retired->rtp_highest}; }
  std::uint32_t rtcp_highest() const noexcept { return stream ? stream->rtcp_highest : retired->rtcp_highest; }
  Seen look_rtp(std::uint64_t index) const noexcept {
    if (!rtp()) return Seen::kNo;
    if (stream) return stream->rtp_window.look(stream->rtp_highest, index);
    return index > retired->rtp_highest ? Seen::kNo : Seen::kTooOld;
  }
  Seen look_rtcp(std::uint32_t index) const noexcept {
    if (!rtcp()) return Seen::kNo;
    if (stream) return stream->rtcp_window.look(stream->rtcp_highest, index);
    return index > retired->rtcp_highest ? Seen::kNo : Seen::kTooOld;
  }
};

/// One master key's share of the block: salts with zeros behind, and where its expanded keys stand.
struct KeySlot {
  std::uint8_t salts[2][16];  ///< RTP's, RTCP's.
  std::uint16_t expanded_at[2];
};

/// Where things stand in the block.
struct ContextShape {
  std::size_t key_count, keys_at[2][kMasterKeyLimit], mkis_at, streams_at, retired_at, bytes;
};

class SrtpContext {
 public:
  SrtpContext(Direction direction, const SrtpKeying& keying, Backend& backend, const ContextShape& shape) noexcept;
  ~SrtpContext();
  SrtpContext(const SrtpContext&) = delete;
  SrtpContext& operator=(const SrtpContext&) = delete;

  bool serves(EngineKind engine, Direction wanted) const noexcept { return direction == wanted && kind == engine; }
  /// Most contexts have one source.
  Known find(std::uint32_t ssrc) const noexcept {
    if (stream_count > 0 && streams()->ssrc == ssrc) return {streams(), nullptr};
    return find_further(ssrc);
  }
  /// True when `entry` would find or make a place for this source.
  bool has_place_for(const Known& known) const noexcept {
    return known.stream || known.retired || stream_count < stream_limit || retired_count < retired_limit ||
           direction == Direction::kReceive;
  }
  /// The live entry of a source, made when need be: revived, fresh, or taken from the one unused for
  /// longest. Null when there is no place: see kRetiredLimit. Only for packets that authenticate, or that we send.
  Stream* entry(std::uint32_t ssrc) noexcept;
  void remember(const Retired& leaving) noexcept;
  /// The key whose identifier stands at `mki`; empty: none of ours.
  std::optional<std::uint8_t> key_named(const std::uint8_t* mki) const noexcept {
    return key_count == 1 ? std::uint8_t{0} : key_of_several(mki);
  }

  KeySlot* slots() noexcept { return reinterpret_cast<KeySlot*>(this + 1); }
  const KeySlot* slots() const noexcept { return reinterpret_cast<const KeySlot*>(this + 1); }
  void* key(std::uint8_t which, bool rtcp) noexcept { return at(slots()[which].expanded_at[rtcp]); }
  const std::uint8_t (&salt(std::uint8_t which, bool rtcp) const noexcept)[16] { return slots()[which].salts[rtcp]; }
  Stream* streams() noexcept { return reinterpret_cast<Stream*>(at(streams_at)); }
  const Stream* streams() const noexcept { return const_cast<SrtpContext*>(this)->streams(); }
  /// Oldest first.
  Retired* retired() noexcept { return reinterpret_cast<Retired*>(at(retired_at)); }
  const Retired* retired() const noexcept { return const_cast<SrtpContext*>(this)->retired(); }
  const std::uint8_t* mki(std::uint8_t which) const noexcept { return const_cast<SrtpContext*>(this)->at(mkis_at) + which * mki_bytes; }

  // What every packet looks at follows each other: this, the salts, the first stream with its window. Then the keys.
  /// Where the last of this context's jobs of the current round stands, plus one; 0 = none. The engine's.
  std::uint16_t pending = 0;
  EngineKind kind;
  Suite suite;
  Direction direction;
  std::uint8_t stream_limit;
  std::uint8_t stream_count = 0;
  std::uint8_t retired_limit;
  std::uint8_t retired_count = 0;
  std::uint8_t mki_bytes;
  std::uint8_t key_bytes;
  std::uint8_t tag_bytes[2];  ///< RTP's, RTCP's.
  bool aead;
  std::uint8_t key_count;
  std::uint8_t expanded = 0;  ///< Keys that hold something to give back: RTP's and RTCP's in turn.
  std::uint32_t uses = 0;
  std::uint32_t bytes;  ///< Of the whole block, keys and streams included.
  std::uint64_t rtp_packets = 0;
  std::uint64_t lifetime_packets;
  std::uint32_t streams_at;
  std::uint32_t retired_at;
  std::uint32_t mkis_at;
  bool keeps_rollover;
  Backend::Release release;

  /// Bytes behind the encrypted part: tag, SRTCP index, MKI.
  std::uint32_t trailer_bytes(bool rtcp) const noexcept {
    return std::uint32_t{mki_bytes} + tag_bytes[rtcp] + (rtcp ? 4 : 0);
  }
  /// SRTCP packets of a source: RFC 3711 §9.2, or what is agreed for the key, if that is less.
  std::uint32_t rtcp_lifetime() const noexcept {
    return lifetime_packets < kRtcpLifetimePackets ? static_cast<std::uint32_t>(lifetime_packets) : kRtcpLifetimePackets;
  }

 private:
  std::uint8_t* at(std::size_t offset) noexcept { return reinterpret_cast<std::uint8_t*>(this) + offset; }
  Known find_further(std::uint32_t ssrc) const noexcept;
  std::optional<std::uint8_t> key_of_several(const std::uint8_t* mki) const noexcept;
  Stream* revive(Stream& place, std::uint32_t ssrc) noexcept;
};
static_assert(sizeof(SrtpContext) == 64, "one cache line");

/// Makes a changed state whole again: for tests, which forge them.
void renew_checksum(SrtpState& state) noexcept;

/// One block for all: header, streams, keys, MKIs, retired ones. Null when the keying is out of range.
SrtpContextPtr open_context(Backend& backend, Direction direction, const SrtpKeying& keying);
/// The same with the derivation of its one key already done: some RFCs print packets under session keys only.
SrtpContextPtr open_context(Backend& backend, Direction direction, const SrtpKeying& keying,
                            const SessionKeys& rtp_keys, const SessionKeys& rtcp_keys);

}  // namespace sallyport::crypto
