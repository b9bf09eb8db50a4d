/// SRTP and SRTCP for many flows at once: RFC 3711, RFC 6188, RFC 7714.
///
/// The caller gathers datagrams of any flows and suites into an array of jobs and hands the whole
/// array over, so that the lanes of the multi-buffer hash fill. Sixteen to thirty-two jobs a call
/// are enough. For a relay this makes two bursts: `unprotect`, rewrite, `protect`.
///
///     SrtpJob jobs[64];
///     jobs[n++] = {.context = flow.rx, .data = bytes, .size = length, .room = capacity};
///     engine.unprotect({jobs, n});      // each job now has a verdict and its new size
///     ...rewrite the good ones, point .context at the other side's sending context...
///     engine.protect({jobs, n});
///
/// Who opens and closes: the control thread opens contexts with an engine of its own; the packet
/// thread uses them with its own engine (one engine a thread, one thread a context at a time).
/// Opening and closing allocate; `unprotect` and `protect` never do (the OpenSSL engine may, inside
/// libcrypto). No function here reads a clock, throws or logs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace sallyport::crypto {

/// What protects a stream. There is no NULL cipher and no NULL authentication on purpose.
enum class Suite : std::uint8_t {
  kAesCm128HmacSha1_80,
  kAesCm128HmacSha1_32,
  kAesCm192HmacSha1_80,
  kAesCm192HmacSha1_32,
  kAesCm256HmacSha1_80,
  kAesCm256HmacSha1_32,
  kAeadAes128Gcm,
  kAeadAes256Gcm,
};
inline constexpr std::size_t kSuiteCount = 8;

struct SuiteFacts {
  std::string_view sdes_name;     ///< As in an a=crypto line: RFC 4568 §6.2, RFC 6188 §4, RFC 7714 §14.2.
  std::uint8_t master_key_bytes;  ///< Also the session key's size.
  std::uint8_t master_salt_bytes;
  std::uint8_t rtp_tag_bytes;
  std::uint8_t rtcp_tag_bytes;  ///< Ten with the _32 suites too: RFC 4568 §6.2.2.
  bool aead;
};
const SuiteFacts& facts(Suite suite) noexcept;
/// Empty for names we do not do, NULL ciphers and F8 among them. Case matters, as in RFC 4568.
std::optional<Suite> suite_named(std::string_view sdes_name) noexcept;

enum class Direction : std::uint8_t { kReceive, kSend };

/// What became of one job. Everything but kGood and kCipherFailed left the
/// packet's bytes and the context as they were.
enum class Verdict : std::uint8_t {
  kGood,
  kMalformed,       ///< Too short, not version 2, header longer than the packet, or no context given.
  kReplayed,        ///< Received before (also: earlier in the same batch).
  kTooOld,          ///< Behind the window, so it cannot be told from a replay; or sent before the first one.
  kNotAuthentic,    ///< The tag is wrong: a stranger, another key, or a rollover counter we cannot guess.
  kNotEncrypted,    ///< SRTCP without its E bit; we never negotiate UNENCRYPTED_SRTCP.
  kTooManySources,  ///< See kRetiredLimit.
  kKeyExpired,      ///< The key's lifetime or the index space is used up: negotiate a new key.
  kIndexUsed,       ///< Sending this sequence number again would reuse a keystream.
  kNoRoom,          ///< `room` holds no tag: nothing was written.
  kWrongContext,    ///< A sending one given to `unprotect` or the other way round, or of the other engine kind.
  kCipherFailed,    ///< The library gave up (no memory): drop the packet, whose bytes may be spoilt.
};
inline constexpr std::size_t kVerdictCount = 12;
const char* name(Verdict verdict) noexcept;

/// Limit: packets behind the newest one that are still told apart, for RTP and for RTCP. Ten seconds of
/// 20 ms audio. Older ones are dropped (RFC 3711 §3.3.2 asks for at least 64).
inline constexpr std::size_t kRtpWindowPackets = 512;
inline constexpr std::size_t kRtcpWindowPackets = 128;
/// Limit: sources (SSRCs) a context follows at a time; more push the one unused for longest into
/// retirement. A retired one is remembered by its highest indices alone, and goes on above them.
inline constexpr std::size_t kStreamLimit = 16;
inline constexpr std::size_t kStreamsByDefault = 3;
/// Limit: retired sources a context remembers. When all are taken, a sending context refuses a new source, since to
/// forget one would be to use its keystream twice. A receiving one forgets the source unused for longest, and only for
/// a packet that is authentic: a phone that takes a new SSRC at each hold must not fall silent in a long call.
/// Deviation: RFC 3711 §3.3.2 asks for a replay list of each source; who recorded a source that was forgotten (this
/// many and more sources ago) could play it again, from its very address. To renew the key ends that, too.
inline constexpr std::size_t kRetiredLimit = 16;
/// Limit: bytes of a master key identifier: RFC 4568 §6.1.
inline constexpr std::size_t kMkiLimit = 128;
/// Limit: master keys of a receiving context, told apart by their identifiers.
inline constexpr std::size_t kMasterKeyLimit = 8;
/// What `protect` may add to a packet, at most: tag, SRTCP index, MKI. Reserve it behind each packet.
inline constexpr std::size_t kTailroomBytes = 16 + 4 + kMkiLimit;
/// Packets a key may protect: RFC 3711 §9.2.
inline constexpr std::uint64_t kRtpLifetimePackets = std::uint64_t{1} << 48;
inline constexpr std::uint32_t kRtcpLifetimePackets = std::uint32_t{1} << 31;
/// Jobs that go through the lanes together. Longer arrays are cut into pieces of this size.
inline constexpr std::size_t kBatchLimit = 64;

struct MasterKey {
  std::span<const std::uint8_t> master;  ///< Master key, then master salt, as SDES and DTLS order them.
  std::span<const std::uint8_t> mki;
};

struct SrtpKeying {
  Suite suite = Suite::kAesCm128HmacSha1_80;
  std::span<const std::uint8_t> master;  ///< Master key, then master salt, as SDES and DTLS order them.
  /// Sent as it stands. Of a received packet only its length counts while there is one key, since the tag tells it.
  std::span<const std::uint8_t> mki = {};
  /// Further keys that the sender may go over to, with identifiers of the same length (RFC 4568 §6.1). All share one
  /// index a source: RFC 3711 §3.3.1. Receiving contexts only: we go over to a new key by saying so.
  std::span<const MasterKey> more = {};
  /// Of a sending context that replaces another: whether the caller is to `follow`. It only stands here.
  bool keeps_rollover = false;
  /// Of SDES "|2^31|". RTP packets of all sources; SRTCP packets of a source at most so many, too. A sending context
  /// stops there; a receiving one counts, and hears on: how long the key is good is the sender's own word.
  std::uint64_t lifetime_packets = kRtpLifetimePackets;
  std::size_t streams = kStreamsByDefault;               ///< 1..kStreamLimit sources at a time.
  std::size_t retired = kRetiredLimit;                   ///< 0..kRetiredLimit remembered beside them.
};

/// What a standby needs beside the keys to go on with a context. Plain bytes: no pointers, no secrets.
struct SrtpStreamState {
  std::uint32_t ssrc;
  std::uint8_t has_rtp;
  std::uint8_t has_rtcp;
  std::uint8_t retired;  ///< The windows mean nothing then.
  std::uint8_t noted;    ///< See `follow`: only where the source stood under the key before.
  std::uint64_t rtp_highest;  ///< 48 bits: rollover counter, then sequence number.
  std::uint32_t rtcp_highest;
  std::uint32_t last_used;  ///< Order of use within the context, for retirement.
  std::uint64_t rtp_window[kRtpWindowPackets / 64];
  std::uint64_t rtcp_window[kRtcpWindowPackets / 64];
};
struct SrtpState {
  std::uint32_t version;  ///< kVersion; another one is refused.
  std::uint32_t stream_count;
  std::uint64_t rtp_packets;  ///< Sent or heard under this key.
  std::uint32_t uses;         ///< The last `last_used` given out.
  Suite suite;
  Direction direction;
  std::uint8_t spare[2];
  std::uint32_t checksum;  ///< Over all the rest: what was damaged on its way is refused.
  std::uint32_t spare_word;
  SrtpStreamState streams[kStreamLimit + kRetiredLimit];
  static constexpr std::uint32_t kVersion = 2;
};

/// One key in one direction with the sources seen under it. Its bytes are wiped when it is closed.
class SrtpContext;
struct SrtpContextCloser {
  void operator()(SrtpContext* context) const noexcept;
};
using SrtpContextPtr = std::unique_ptr<SrtpContext, SrtpContextCloser>;

Suite suite_of(const SrtpContext& context) noexcept;
/// Packets that may still be sent, or may still come, under this key: the least of what is left to RTP of all sources and to
/// RTP and RTCP of each, whose indices end by themselves. Whichever ends first ends the key (RFC 3711 §9.2): re-key well
/// before zero.
std::uint64_t packets_left(const SrtpContext& context) noexcept;
/// As agreed for the key.
std::uint64_t lifetime_packets(const SrtpContext& context) noexcept;
std::size_t memory_bytes(const SrtpContext& context) noexcept;
/// Were both opened with the same master key, for the same suite and direction? Of a key that comes back the old context
/// must go on, lest its indices begin again.
bool same_key(const SrtpContext& a, const SrtpContext& b) noexcept;
/// The newest RTP index (rollover counter · 2^16 + sequence number) of a source, if we follow it.
std::optional<std::uint64_t> rtp_index(const SrtpContext& context, std::uint32_t ssrc) noexcept;

bool keeps_rollover(const SrtpContext& context) noexcept;

/// Tells a key from others, and nothing of the key: for those who must know one again without holding it.
using KeyMark = std::array<std::uint8_t, 20>;
KeyMark mark_of(const SrtpContext& context) noexcept;
/// Nothing more is sent under it.
void spend(SrtpContext& context) noexcept;

/// How indices go on when a new key replaces `before` (same direction, `fresh` not used yet).
/// A sending context takes the rollover counters over: RFC 3711 §3.3.1. (Not to call this is the other reading, RFC 4568
/// §7.1.4: a new context, counters 0.) A receiving one need not know which the sender follows: it notes the counters, and
/// the first packet of a source is tried with 0 and with what is noted; its tag tells.
void follow(SrtpContext& fresh, const SrtpContext& before) noexcept;

void export_state(const SrtpContext& context, SrtpState& state) noexcept;
/// Indices that a box which takes over leaves out, for what the other may have sent since its last word: a minute of
/// voice, and far more reports than a minute has. Less than half a rollover, or receivers would lose count.
struct SrtpGap {
  std::uint32_t rtp = 4'096;
  std::uint32_t rtcp = 64;
};
/// Replaces what the context knows. False, and nothing changed, unless the state is whole, suite and direction are the
/// context's and every count and index is within its limit. Into a sending context, `gap` indices are skipped and all
/// older ones count as sent: the caller has to number what follows above them (`rtp_index`).
bool import_state(SrtpContext& context, const SrtpState& state, const SrtpGap& gap = {}) noexcept;

/// One packet, worked on in place.
struct SrtpJob {
  SrtpContext* context = nullptr;
  std::uint8_t* data = nullptr;
  std::uint32_t size = 0;  ///< In: bytes of the packet. Out: bytes of the result, unchanged unless kGood.
  std::uint32_t room = 0;  ///< Bytes that may be written at `data`; only `protect` looks at it.
  bool rtcp = false;       ///< The caller has told RTP from RTCP: RFC 5761 §4.
  Verdict verdict = Verdict::kMalformed;  ///< Out.
  bool retried = false;                   ///< The engine's own: see `follow`.
  std::uint64_t index = 0;                ///< Out, when kGood: the packet's 48-bit (RTCP: 31-bit) index.
};

enum class EngineKind : std::uint8_t { kIpsecMb, kOpenSsl };

/// The cipher machine of one thread. Contexts work with any engine of the kind that opened them.
class SrtpEngine {
 public:
  /// Null when this build or this CPU lacks it, or when it fails its known answers.
  static std::unique_ptr<SrtpEngine> create(EngineKind kind);
  /// The fastest that passes its known answers; null when none does.
  static std::unique_ptr<SrtpEngine> create();

  SrtpEngine(const SrtpEngine&) = delete;
  SrtpEngine& operator=(const SrtpEngine&) = delete;
  ~SrtpEngine();

  EngineKind kind() const noexcept;
  const char* description() const noexcept;  ///< For the log: "ipsec-mb 1.3.0 avx512".

  /// Null when the key is not exactly as long as the suite wants, the MKI too long or a limit out of range.
  SrtpContextPtr open(Direction direction, const SrtpKeying& keying);

  /// Decrypts, in array order as far as anybody can tell. A duplicate within the array is kReplayed, a
  /// forgery costs nobody else his packet, a source is known from its first authentic packet on.
  void unprotect(std::span<SrtpJob> jobs) noexcept;

  /// Encrypts. Sequence numbers may be out of order within kRtpWindowPackets; none is ever used twice.
  /// A source whose sequence numbers jump back must be renumbered by the caller, since no receiver
  /// could follow (RFC 3711 §3.3.1); here it is kTooOld. SRTCP indices are given out by us.
  void protect(std::span<SrtpJob> jobs) noexcept;

 private:
  struct Parts;
  explicit SrtpEngine(std::unique_ptr<Parts> parts) noexcept;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sallyport::crypto
