/// The inside of a context: one key in one direction, and the sources seen under it.
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

/// What is left of a source that made room: enough that no index of it counts twice.
struct Retired {
  std::uint64_t rtp_highest;
  std::uint32_t ssrc;
  std::uint32_t rtcp_highest;
  std::uint32_t last_used;
  bool has_rtp;
  bool has_rtcp;
};

/// What is known of a source, live or retired, without changing anything.
struct Known {
  const Stream* stream;
  const Retired* retired;

  bool rtp() const noexcept { return stream ? stream->has_rtp : retired && retired->has_rtp; }
  bool rtcp() const noexcept { return stream ? stream->has_rtcp : retired && retired->has_rtcp; }
  std::uint64_t rtp_highest() const noexcept { return stream ? stream->rtp_highest : retired->rtp_highest; }
  std::uint32_t rtcp_highest() const noexcept { return stream ? stream->rtcp_highest : retired->rtcp_highest; }
  Seen look_rtp(std::uint64_t index) const noexcept;
  Seen look_rtcp(std::uint32_t index) const noexcept;
};

class SrtpContext {
 public:
  SrtpContext(Direction direction, const SrtpKeying& keying, Backend& backend, std::size_t rtcp_key_at,
              std::size_t streams_at, std::size_t retired_at, std::size_t bytes) noexcept;
  ~SrtpContext();
  SrtpContext(const SrtpContext&) = delete;
  SrtpContext& operator=(const SrtpContext&) = delete;

  bool serves(const Backend& backend, Direction wanted) const noexcept {
    return direction == wanted && kind == backend.kind();
  }
  Known find(std::uint32_t ssrc) const noexcept;
  /// True when `entry` would find or make a place for this source.
  bool has_place_for(const Known& known) const noexcept;
  /// The live entry of a source, made when need be: revived, fresh, or taken from the one unused for
  /// longest. Null when there is no place: see kRetiredLimit. Only for packets that authenticate, or that we send.
  Stream* entry(std::uint32_t ssrc) noexcept;

  void* key(bool rtcp) noexcept { return reinterpret_cast<std::uint8_t*>(this) + (rtcp ? rtcp_key_at_ : rtp_key_at()); }
  static constexpr std::size_t rtp_key_at() noexcept;

  // What every packet looks at comes first and fills one cache line.
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
  std::uint8_t rtp_salt[16] = {};  ///< With zeros behind.
  std::uint8_t key_bytes;
  std::uint8_t tag_bytes[2];  ///< RTP's, RTCP's.
  bool aead;
  std::uint32_t uses = 0;
  Stream* streams;
  std::uint64_t rtp_packets = 0;
  std::uint64_t lifetime_packets;

  std::uint8_t mki[kMkiLimit] = {};
  std::uint8_t rtcp_salt[16] = {};
  std::uint32_t bytes;  ///< Of the whole block, keys and streams included.
  Backend::Release release;
  bool keyed[2] = {false, false};
  Retired* retired;

  const std::uint8_t (&salt(bool rtcp) const noexcept)[16] { return rtcp ? rtcp_salt : rtp_salt; }
  /// Bytes behind the encrypted part: tag, SRTCP index, MKI.
  std::uint32_t trailer_bytes(bool rtcp) const noexcept {
    return std::uint32_t{mki_bytes} + tag_bytes[rtcp] + (rtcp ? 4 : 0);
  }

 private:
  Stream* revive(Stream& place, std::uint32_t ssrc) noexcept;
  void remember(const Retired& leaving) noexcept;
  std::uint32_t rtcp_key_at_;
};

inline constexpr std::size_t kKeyAlignment = 64;
constexpr std::size_t SrtpContext::rtp_key_at() noexcept {
  return (sizeof(SrtpContext) + kKeyAlignment - 1) / kKeyAlignment * kKeyAlignment;
}

/// One block for all: header, RTP key, RTCP key, streams, retired ones. Null when the keying is out of range.
SrtpContextPtr open_context(Backend& backend, Direction direction, const SrtpKeying& keying);
/// The same with the derivation already done: some RFCs print packets under session keys only.
SrtpContextPtr open_context(Backend& backend, Direction direction, const SrtpKeying& keying,
                            const SessionKeys& rtp_keys, const SessionKeys& rtcp_keys);

}  // namespace sallyport::crypto
