/// The relay's words and what they mean to packets. Three columns line up: `src/media/relay-command.ts` (the words),
/// `native/addon/relay.d.ts` (their types at the addon) and this file.
///
/// The decision code under this door has no sockets, no clock, no threads and no Node: datagrams and the time come in,
/// verdicts and events go out. One Relay belongs to one packet thread. Nothing here allocates after construction.
///
/// Who opens and closes: control opens SRTP contexts and hands them over in a Side; Relay gives each back exactly
/// once, in an Event (`kRetired`, `kClosed`), and control closes them. `kKept` is the packet port's, see PacketPort::keep.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "../crypto/dtls.h"
#include "../crypto/srtp.h"
#include "../shared/endpoint.h"
#include "flow_sink.h"

namespace sallyport::relay {

using Ip = std::array<std::uint8_t, 16>;

/// Limit: longest CNAME put into RTCP; control refuses longer ones.
inline constexpr std::size_t kCnameBytes = 64;
/// Limit: renumberings of payload types a side; control refuses more.
inline constexpr std::size_t kPayloadTypeLimit = 32;
/// A flow is a socket's number: pair · 4 + side · 2 + (1 for the RTCP port).
inline constexpr std::uint32_t kFlowsPerPair = 4;
/// Limit: payload types of telephone-event a side; control refuses more.
inline constexpr std::size_t kEventTypeLimit = 4;

/// kUdptl: T.38 fax (ITU-T T.38 Annex D). Nothing of RTP holds there; datagrams pass as they are.
enum class PairKind : std::uint8_t { kAudio, kVideo, kOther, kUdptl };
/// Packets a second.
struct PacketLimits {
  std::uint32_t audio = 0;
  std::uint32_t other = 0;
};

enum class LatchPolicy : std::uint8_t { kOff, kSignalled, kSource };

struct MediaAddress {
  Ip ip{};
  std::uint16_t rtp_port = 0;   ///< Host byte order.
  std::uint16_t rtcp_port = 0;  ///< Equal to rtp_port: RTCP shares it (RFC 5761).
  bool known = false;
};

/// Limit: bytes of a text of ICE; control refuses longer ones. Of RFC 8839 §5.4 the peer's may have 256; ours are short.
inline constexpr std::size_t kLocalUfragBytes = 32;
inline constexpr std::size_t kLocalPasswordBytes = 64;
inline constexpr std::size_t kRemoteUfragBytes = 256;

template <std::size_t kLimit>
struct Text {
  std::array<char, kLimit> bytes{};
  std::uint16_t size = 0;
  std::string_view view() const noexcept { return {bytes.data(), size}; }
};

/// IceCredentials of the first column. The peer's password is control's to check: a lite agent never needs it.
struct IceWords {
  bool present = false;
  Text<kLocalUfragBytes> local_ufrag;
  Text<kLocalPasswordBytes> local_password;
  Text<kRemoteUfragBytes> remote_ufrag;
};

/// DtlsAssociation of the first column. The handshake itself is not the relay's: it knows by a number which one may
/// bring keys, so that what a former one brings is not taken for it.
struct DtlsLink {
  std::uint32_t association = 0;  ///< 0: none.
  bool active = false;            ///< We begin.
  crypto::SrtpContext* rtcp_rx = nullptr;  ///< Of one on the RTCP port that another box has made; RTP's are the side's.
  crypto::SrtpContext* rtcp_tx = nullptr;
};

/// Limit: m-lines on one transport; control refuses more. Bytes of a line's name in packets (RFC 8285 §4.2 has no more).
inline constexpr std::size_t kBundleLimit = 16;
inline constexpr std::size_t kMidBytes = 16;

/// BundleLine of the first column: the line shares the transport of a pair, perhaps its own. RFC 9143.
struct BundleWords {
  bool present = false;
  std::uint32_t pair = 0;
  Text<kMidBytes> mid;
  std::uint8_t mid_id = 0;                        ///< Header extension that bears `mid`; 0: none is agreed.
  std::array<std::uint64_t, 2> payload_types{};  ///< A bit for each that may arrive.
};

struct PayloadType {
  std::uint8_t from, to;
};

struct EventType {
  std::uint8_t payload_type = 0;
  std::uint32_t clock_hz = 0;
};

/// RFC 4733 digits of a side: SideDigits in the first column.
struct Digits {
  std::array<EventType, kEventTypeLimit> events{};  ///< Of packets that come from it.
  std::uint8_t event_count = 0;
  bool take = false;    ///< Its digits are told, and not passed on.
  bool insert = false;  ///< Digits of ours may be put into what goes to it.
};

/// A digit of ours: the word `digit`.
struct Digit {
  std::uint8_t event = 0;
  std::uint8_t payload_type = 0;
  std::uint32_t clock_hz = 8'000;
  std::uint32_t duration_ms = 0;
};

/// One side of one m-line: RelaySide in the first column, member for member.
struct Side {
  MediaAddress local;
  MediaAddress remote;
  LatchPolicy latch = LatchPolicy::kOff;
  Ip latch_from{};  ///< All zero: none.
  crypto::SrtpContext* rx = nullptr;
  crypto::SrtpContext* tx = nullptr;
  IceWords ice;
  DtlsLink dtls;
  std::uint8_t dscp = 0;  ///< Control's business: it marks the sockets.
  bool receive = true;
  bool send = true;
  std::array<char, kCnameBytes> cname{};
  std::uint8_t cname_size = 0;
  std::uint32_t silence_limit_ms = 0;
  std::array<PayloadType, kPayloadTypeLimit> payload_types{};
  std::uint8_t payload_type_count = 0;
  Digits digits{};
  bool reports = false;
  std::uint16_t max_datagram = 0;
  BundleWords bundle;
};

/// Which members of a Side a change carries.
enum ChangeBits : std::uint32_t {
  kChangeRemote = 1 << 0,
  kChangeLatch = 1 << 1,
  kChangeLatchFrom = 1 << 2,
  kChangeRx = 1 << 3,
  kChangeTx = 1 << 4,
  kChangeReceive = 1 << 5,
  kChangeSend = 1 << 6,
  kChangeCname = 1 << 7,
  kChangeSilenceLimitMs = 1 << 8,
  kChangePayloadTypes = 1 << 9,
  kChangeDscp = 1 << 10,
  kChangeRelatch = 1 << 11,
  kChangeIce = 1 << 12,
  kChangeDtls = 1 << 13,
  kChangeDigits = 1 << 14,
  kChangeReports = 1 << 15,
  kChangeMaxDatagram = 1 << 16,
  kChangeBundle = 1 << 17,
};

/// The counters of a side, in the order in which they stand in shared memory. SideCounters in the first column.
#define SALLYPORT_COUNTERS(X)                                                                      \
  X(packets) X(bytes) X(lost) X(jitterUs) X(path) X(sent) X(sentBytes) X(rtcpPackets)             \
  X(droppedStranger) X(droppedAuth) X(droppedReplay) X(droppedMalformed) X(droppedUnsent) X(lossBursts) X(rttUs)     \
  X(reports) X(reportedLost) X(reportedJitterUs) X(reportedMos) X(digits) X(made) X(taken)       \
  X(droppedPoliced)
enum Counter : std::uint32_t {
#define X(name) k_##name,
  SALLYPORT_COUNTERS(X)
#undef X
  kCounterCount
};
/// Three cache lines a side, so that threads never share one; what every packet counts stands in the first.
inline constexpr std::size_t kCounterStride = 24;
static_assert(kCounterCount <= kCounterStride);

/// What became of a datagram. All but kForward are drops, each with its counter. kTaken: a digit that crosses in another
/// way, or sound in whose place a digit of ours goes. Two are neither, and Relay's alone: kAnswer (it goes out as it stands, an answer to a check or
/// ZRTP, and becomes kForward) and kHandedOn (to a handshake, to be put into a record, or no more than a sign of life).
enum class Verdict : std::uint8_t { kForward, kAnswer, kHandedOn, kStranger, kNotAuthentic, kReplay, kMalformed, kUnsent, kTaken, kPoliced, kClosed };

/// One datagram, worked on in place.
struct Datagram {
  std::uint32_t flow = 0;  ///< In: where it arrived. Out: of the line it belongs to, where lines share that way.
  endpoint sender{};       ///< In.
  std::uint8_t* data = nullptr;
  std::uint32_t size = 0;  ///< In and out.
  std::uint32_t room = 0;  ///< Bytes that may be written at `data`.
  Verdict verdict = Verdict::kMalformed;
  bool by_ring = false;        ///< In: AF_XDP brought it.
  bool rtcp = false;           ///< Out.
  bool part = false;           ///< Out: RTCP that arrived with others of its kind.
  std::uint32_t out_flow = 0;  ///< Out, when forwarded: the socket it leaves by.
  std::uint32_t out_pair = 0;  ///< Out, when forwarded: whose stream it is.
  endpoint to{};               ///< Out, when forwarded.
};

struct PairState;
struct SideState;

enum class EventKind : std::uint8_t { kLatched, kSecured, kExpired, kSilent, kHeard, kDigit, kKeyLifetime, kExported, kFailed, kClosed, kRetired, kKept };

struct Event {
  EventKind kind;
  std::uint8_t side = 0;
  std::uint32_t pair = 0;
  endpoint source{};                               ///< With kLatched.
  crypto::Suite suite{};                           ///< With kSecured.
  const char* reason = "";                         ///< With kFailed; with kExported: why there is no state, "" when there is.
  std::uint8_t digit = 0;                          ///< With kDigit: its event code, RFC 4733 §3.2.
  std::uint32_t duration_ms = 0;                   ///< With kDigit.
  bool receiving = false;                          ///< With kKeyLifetime: the side's own key, else ours toward it.
  std::uint64_t packets_left = 0;                  ///< With kKeyLifetime.
  std::array<crypto::SrtpContext*, 4> contexts{};  ///< With kRetired and kClosed: control closes them.
  PairState* state = nullptr;                      ///< With kExported and kRetired: control's, given back.
};

class EventSink {
 public:
  virtual void event(const Event& event) noexcept = 0;

 protected:
  ~EventSink() = default;
};

/// Where handshakes are made. Relay says who may shake hands and with whom to begin.
class HandshakeDoor {
 public:
  /// A DTLS datagram from somebody who may be the peer. Its bytes are only good inside the call.
  virtual void arrived(std::uint32_t association, const Datagram& datagram) noexcept = 0;
  /// The peer is there: an active side begins, any other one sends there from now on.
  virtual void reached(std::uint32_t association, std::uint32_t flow, const endpoint& to) noexcept = 0;
  /// A datagram of UDPTL for the peer of that association, to go in a record. Its bytes are only good inside the call. False:
  /// there is no room for it.
  virtual bool leaves(std::uint32_t association, std::uint32_t flow, const Datagram& datagram) noexcept = 0;

 protected:
  ~HandshakeDoor() = default;
};

/// What a handshake brought. Without contexts: of UDPTL, whose datagrams go in records from now on.
struct Secured {
  std::uint32_t association = 0;
  std::uint32_t flow = 0;
  endpoint peer{};
  crypto::SrtpContext* rx = nullptr;
  crypto::SrtpContext* tx = nullptr;
  crypto::Suite suite{};
  crypto::DtlsMaster receive{};  ///< For a box that goes on.
  crypto::DtlsMaster send{};
};

/// Limit: DTLS datagrams of a side in a burst, and the time that brings one more. What comes beyond is lost: a handshake
/// takes twenty, and a flood in its peer's name shall not be the work of others.
inline constexpr std::uint32_t kDtlsBurst = 64;
inline constexpr std::uint64_t kDtlsDatagramNs = 10'000'000;
/// The same for UDPTL in records: fax has 50 datagrams a second, or a hundred.
inline constexpr std::uint64_t kUdptlRecordNs = 2'500'000;

struct Bundle;
struct Pair;
struct Spare;
struct RunningSide;
struct Guard;
struct Outbox;
struct Playing;
struct ToldDigits;

class Relay {
 public:
  /// `counters`: kCounterStride words a side, two sides a pair, written without locks. `engine` may be null where no
  /// side ever has keys.
  Relay(std::uint32_t max_pairs, crypto::SrtpEngine* engine, std::uint64_t* counters, EventSink& events);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  /// The slot must be free: control sees to that.
  void open(std::uint32_t pair, PairKind kind, const Side& caller, const Side& callee, std::uint64_t now_ns) noexcept;
  void change(std::uint32_t pair, std::uint8_t side, std::uint32_t bits, const Side& set, std::uint64_t now_ns) noexcept;
  /// From now on its packets are dropped. Give `closed` once its sockets are no longer read.
  void close(std::uint32_t pair) noexcept;

  /// What another box needs to go on with the pair, but for its keys: see pair_state.h. Not null: why there is none.
  const char* save(std::uint32_t pair, PairState& out, std::uint64_t now_ns) const noexcept;
  /// Of a pair just opened, whose contexts have taken over what the state says of them. `dice`: random.
  void resume(std::uint32_t pair, const PairState& state, std::uint32_t dice, std::uint64_t now_ns) noexcept;

  /// Puts a digit into what goes to that side, after those said before. Limit: see digit_player.h; it is lost beyond.
  void play(std::uint32_t pair, std::uint8_t side, const Digit& digit, std::uint64_t now_ns) noexcept;
  /// Nanoseconds since 1970 less those of the clock that packets come by: for the NTP times of our reports.
  void set_wall(std::uint64_t unix_minus_clock_ns) noexcept { wall_ns_ = unix_minus_clock_ns; }

  /// Judges, rewrites and re-encrypts a batch. Order matters: flow, size and version, source, replay and tag, and only
  /// then state. A packet that fails any of them has changed nothing but one counter (RFC 3711 §3.3).
  void handle(std::span<Datagram> batch, std::uint64_t now_ns) noexcept;

  /// Without a door no side can have DTLS.
  void set_handshakes(HandshakeDoor* door) noexcept { handshakes_ = door; }
  /// Takes the keys into use, or retires them when that association is not asked for any more.
  void secured(const Secured& secured, std::uint64_t now_ns) noexcept;
  /// What came in a record of UDPTL: goes on to the other side, as what arrived in the clear does. `datagram`: flow, sender,
  /// data, size and room; its verdict says whether it is to be sent.
  void opened(std::uint32_t association, Datagram& datagram, std::uint64_t now_ns) noexcept;
  /// `reason`: static text.
  void handshake_failed(std::uint32_t association, std::uint32_t flow, const char* reason) noexcept;
  /// Whether a datagram of that handshake may leave by that flow.
  bool speaks_for(std::uint32_t association, std::uint32_t flow) const noexcept;

  /// Looks for silent sides, a part of the table a call. Cheap: call it every turn.
  void tick(std::uint64_t now_ns) noexcept;
  bool idle() const noexcept { return active_count_ == 0; }

  /// Limit: RTP packets a second that are accepted from one side; more are dropped and counted. 0: any number.
  void set_packet_limits(const PacketLimits& limits) noexcept { limits_ = limits; }
  /// From now on flows that need no more than other headers are offered to `sink`; null: none. Before the first `open`.
  void set_sink(FlowSink* sink) noexcept { sink_ = sink; }

  /// What we have to send ourselves by now: reports and digits, ready to go out. Their bytes stay until the next call.
  std::span<Datagram> made(std::uint64_t now_ns) noexcept;
  /// When `made` has something next, as far as a packet thread must not sleep over it; all ones: never.
  std::uint64_t next_made_ns() const noexcept;

 private:
  enum : std::size_t { kPiece = crypto::kBatchLimit };
  void handle_piece(std::span<Datagram> piece, std::uint64_t now_ns) noexcept;
  void ask_for(std::uint32_t flow) const noexcept;
  void judge(Datagram& datagram, std::uint64_t now_ns) noexcept;
  void judge_other(Datagram& datagram, std::uint64_t now_ns) noexcept;
  void check(Datagram& datagram, Pair& pair, std::uint64_t now_ns) noexcept;
  void shake(Datagram& datagram, Pair& pair, std::uint64_t now_ns) noexcept;
  bool acceptable(const Datagram& datagram, const RunningSide& side, std::uint64_t now_ns) const noexcept;
  bool proved(const Datagram& datagram, std::uint64_t now_ns) const noexcept;
  void pass_zrtp(Datagram& datagram, const Pair& pair, std::uint64_t now_ns) noexcept;
  Guard& guard(std::uint32_t pair, std::uint32_t side) const noexcept;
  std::uint32_t carrier(const Pair& pair, std::uint32_t side) const noexcept;
  std::uint32_t shared_carrier(const Pair& pair, std::uint32_t side) const noexcept;
  RunningSide& transport(const Pair& pair, std::uint32_t side) const noexcept;
  std::uint8_t line_in(const Pair& pair, std::uint32_t side) const noexcept;
  std::uint8_t sender_line(const Pair& pair, std::uint32_t side, std::uint32_t ssrc) const noexcept;
  std::uint8_t line_of(const Datagram& datagram, const Bundle& bundle, std::uint32_t side) const noexcept;
  void join(Pair& pair, std::uint32_t side, const BundleWords& words) noexcept;
  void leave(Pair& pair, std::uint32_t side) noexcept;
  void sit(Pair& pair, std::uint32_t side, std::uint8_t line) noexcept;
  void save_side(const Pair& pair, std::uint32_t side, SideState& out, std::uint64_t now_ns) const noexcept;
  void resume_side(Pair& pair, std::uint32_t side, const SideState& state, std::uint32_t dice, std::uint64_t now_ns) noexcept;
  void deal(Datagram& datagram, Pair& pair, std::uint32_t side, std::uint64_t now_ns) noexcept;
  void deal_rtcp(Datagram& datagram, Pair& pair, std::uint32_t side, std::uint64_t now_ns) noexcept;
  void forward(Datagram& datagram, Pair& pair, std::uint32_t side, std::uint64_t now_ns) noexcept;
  crypto::SrtpContext* receiving(std::uint32_t flow) const noexcept;
  crypto::SrtpContext* sending(std::uint32_t flow) const noexcept;
  void watch_spent(std::uint32_t pair, std::uint32_t side, crypto::SrtpContext* tx) const noexcept;
  void set_ice(Pair& pair, std::uint32_t side, const IceWords& words) noexcept;
  void set_dtls(Pair& pair, std::uint32_t side, const DtlsLink& link) noexcept;
  void reach(const Pair& pair, std::uint32_t side) noexcept;
  void watch_consent(Pair& pair, std::uint32_t side, std::uint64_t now_ns) noexcept;
  void unprotect(std::span<Datagram> piece, std::uint64_t now_ns) noexcept;
  void try_old_key(Datagram& datagram, crypto::SrtpJob& job, std::uint64_t now_ns) noexcept;
  void pass(Datagram& datagram, std::uint64_t now_ns) noexcept;
  bool pass_rtcp(Datagram& datagram, Pair& pair, std::uint32_t side, std::uint64_t now_ns) noexcept;
  bool pass_rtp(Datagram& datagram, Pair& pair, std::uint32_t side, std::uint64_t now_ns) noexcept;
  void judge_record(Datagram& datagram, Pair& pair, std::uint64_t now_ns) noexcept;
  void put_in_record(Datagram& datagram) noexcept;
  bool pass_udptl(Datagram& datagram, Pair& pair, std::uint32_t side) noexcept;
  void look_for_digits(const Datagram& datagram, Pair& pair, std::uint32_t side, std::uint64_t now_ns) noexcept;
  void tell_digits(const Pair& pair, std::uint32_t side, const ToldDigits& told) noexcept;
  void hear_reports(const Datagram& datagram, Pair& pair, std::uint32_t side, std::uint64_t now_ns) noexcept;
  void watch_pair(Pair& pair, std::uint64_t now_ns) noexcept;
  void report(Pair& pair, std::uint32_t side, std::uint64_t now_ns) noexcept;
  void play_on(std::uint64_t now_ns) noexcept;
  void play_packet(Playing& playing, std::uint64_t now_ns) noexcept;
  Datagram* letter(const Pair& pair, std::uint32_t side, bool rtcp) noexcept;
  std::uint32_t packet_limit(PairKind kind) const noexcept { return kind == PairKind::kAudio ? limits_.audio : limits_.other; }
  bool within_rate(RunningSide& side, PairKind kind, std::uint64_t now_ns) noexcept;
  void watch_flows(Pair& pair, std::uint64_t now_ns) noexcept;
  void offer(Pair& pair, std::uint32_t side, std::uint64_t now_ns) noexcept;
  void collect(Pair& pair, std::uint32_t side) noexcept;
  void take_back(Pair& pair) noexcept;
  void protect(std::span<Datagram> piece) noexcept;
  bool learn(Pair& pair, std::uint32_t side, bool rtcp_port, const endpoint& sender, std::uint64_t now_ns) noexcept;
  void heard(Pair& pair, std::uint32_t side, std::uint64_t now_ns) noexcept;
  void drop(Datagram& datagram, Verdict verdict) noexcept;
  void count(std::uint32_t pair, std::uint32_t side, Counter counter, std::uint64_t more) noexcept;
  void put(std::uint32_t pair, std::uint32_t side, Counter counter, std::uint64_t value) noexcept;

  std::uint32_t max_pairs_;
  crypto::SrtpEngine* engine_;
  std::uint64_t* counters_;
  EventSink& events_;
  FlowSink* sink_ = nullptr;
  PacketLimits limits_;
  Pair* pairs_;
  std::uint32_t* active_;  ///< Numbers of the open pairs, dense.
  std::uint32_t active_count_ = 0;
  std::uint32_t tick_at_ = 0;
  std::uint64_t next_tick_ns_ = 0;
  std::uint64_t wall_ns_ = 0;
  std::unique_ptr<Outbox> outbox_;
  Guard* guards_;  ///< Two a pair; touched where there is ICE or DTLS.
  Spare* spares_;  ///< Two a pair.
  HandshakeDoor* handshakes_ = nullptr;
  bool answers_ = false;  ///< There are answers in the piece in hand.
};

}  // namespace sallyport::relay
