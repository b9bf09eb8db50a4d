/// What Relay keeps of a pair. Its own file, since only the relay's sources look inside.
#pragma once

#include <cstring>

#include "digit_watch.h"
#include "flow_sink.h"
#include "ice.h"
#include "out_sources.h"
#include "pair_state.h"
#include "reception.h"
#include "relay.h"
#include "reports.h"

namespace sallyport::relay {

/// Limit: keys we sent under before, a side. What is offered to several forks is answered by one, the other, and the first
/// again: then its key must go on where it stood, or indices would be used twice. Beyond, the oldest is given back; media
/// makes a new key for every later re-key.
inline constexpr std::size_t kOldKeys = 3;

inline constexpr std::uint64_t kMillisecondNs = 1'000'000;
constexpr std::uint32_t milliseconds(std::uint64_t ns) noexcept { return static_cast<std::uint32_t>(ns / kMillisecondNs); }

inline bool same(const endpoint& a, const endpoint& b) noexcept { return std::memcmp(&a, &b, sizeof a) == 0; }
inline bool same_ip(const endpoint& a, const Ip& ip) noexcept { return std::memcmp(a.ip, ip.data(), ip.size()) == 0; }

/// The two ways of a side. With RTCP on the RTP port the second is not used. One cache line.
struct Path {
  bool known = false;
  bool reachable = false;
  endpoint source{};  ///< Who may send to us; meaningless until `known`.
  endpoint to{};      ///< Where we send; meaningless until `reachable`.
  endpoint before{};  ///< The source until the peer signalled another one.
  std::uint64_t before_until_ns = 0;
};
static_assert(sizeof(Path) == 64);

/// What left to a side last, for packets of ours that follow. Kept where we make any.
struct LastOut {
  std::uint64_t sent_ns = 0;  ///< 0: nothing yet.
  std::uint32_t ssrc = 0;     ///< Before renumbering.
  std::uint32_t timestamp = 0;
  std::uint32_t packets = 0;  ///< Under this SSRC.
  std::uint32_t octets = 0;   ///< Of payload.
};

/// What a bundle knows of a source that it hears.
struct HeardIn {
  std::uint32_t ssrc = 0;
  std::uint32_t used_ms = 0;
  std::uint8_t line = 0;  ///< Its place among the lines, plus one; 0: the place is free.
};

/// Lines that share the transport of a side.
struct Bundle {
  std::uint32_t carrier = 0;  ///< The pair whose transport it is.
  std::uint8_t line = 0;      ///< Its own place among the carrier's lines, plus one; 0: there was none.
  BundleWords words;
  // Of the carrier alone.
  std::array<std::uint32_t, kBundleLimit> lines{};  ///< Pairs, plus one; 0: the place is free.
  std::array<HeardIn, kBundleSourceLimit> heard{};
};

/// What only sides with ICE, DTLS or a bundle have, and those that came from another box.
struct Guard {
  Bundle bundle;
  IceAgent ice;
  DtlsLink link;                           ///< Of the association that may bring keys.
  crypto::SrtpContext* rtcp_rx = nullptr;  ///< Of the association on the RTCP port, where DTLS has one: RFC 5764 §4.2.
  crypto::SrtpContext* rtcp_tx = nullptr;
  HandshakeKeys keys;                      ///< In use, or not there yet. Wiped with the association.
  bool records = false;                    ///< UDPTL: the association is there that its datagrams go by.
  std::uint32_t keys_of = 0;               ///< The association that brought RTP's; 0: one of another box, which was another's.
  Spent spent;                             ///< Where the side `remembers`.
  std::uint64_t refilled_ns = 0;
  std::uint32_t datagrams = kDtlsBurst;  ///< That may still come in this burst.
};

/// What the counter `path` says. FlowPath in the first column.
enum PathWord : std::uint64_t { kPathSocket, kPathKernel, kPathRing };

/// A direction that a faster path may carry: packets that arrive at the side it stands in.
struct Offload {
  std::uint64_t again_ns = 0;  ///< Not offered before.
  std::uint64_t waits_ns = 0;  ///< Since when it waits for its clock to be known; 0: it does not.
  std::uint32_t ssrc = 0;      ///< Of the source it carries.
};

/// What few sides need, or not yet. It costs no memory before it is first written.
struct Spare {
  std::array<OutSource, kOtherSources - 1> out_sources;
  std::array<Reception, kReceptionSources - 1> receptions;
  std::array<PayloadType, kPayloadTypeLimit> payload_types;  ///< Renumberings of packets to this side.
  // Meaningless until the side's `uses_spare`.
  DigitWatch watch;
  LastOut last_out;
  FlowTally seen;  ///< What of the counts of its Offload stands in ours.
};

/// A Side at work. By cache lines: what every packet from or to it looks at comes first.
struct RunningSide {
  Path paths[2];  ///< RTP (and muxed RTCP), RTCP.

  crypto::SrtpContext* rx = nullptr;
  crypto::SrtpContext* tx = nullptr;
  std::uint64_t last_heard_ns = 0;  ///< Or when the watch began.
  std::uint32_t second = 0;         ///< Which one `in_second` counts RTP packets of.
  std::uint32_t in_second = 0;
  std::uint64_t taken_ns = 0;  ///< Since when a faster path has it (Offload); 0: none has.
  bool silent = false;  ///< Reported, and not heard since.
  bool receive = true;
  bool send = true;
  bool mux = false;  ///< One local port for both.
  bool peer_mux = false;  ///< It takes RTCP on its RTP port.
  LatchPolicy latch = LatchPolicy::kOff;
  bool speaks = false;  ///< A digit of ours is in the air: it stands for the sound.
  bool uses_spare = false;
  bool reports : 1 = false;
  bool numbered : 1 = false;            ///< It gets numbers of ours (OutSources), though it gets plain RTP.
  bool ice : 1 = false;
  bool dtls : 1 = false;
  bool bundled : 1 = false;             ///< It stands in a bundle: see Guard.
  bool remembers : 1 = false;           ///< Keys that another box sent under: see Guard.
  std::uint8_t payload_type_count = 0;
  std::uint8_t told_keys = 0;           ///< What control was told of `rx` and `tx`: see keys.h.
  std::uint8_t dscp = 0;
  std::uint8_t cname_size = 0;
  std::uint16_t max_datagram = 0;
  std::uint16_t playing = 0;  ///< Digits of ours that play or wait toward this side.

  OutSources out;  ///< Of what goes to this side while `tx` is there.
  Receptions receptions;
  Digits digits;

  Spare* spare = nullptr;
  crypto::SrtpContext* old_rx = nullptr;  ///< The key before; heard until `old_rx_until_ns`.
  std::uint64_t old_rx_until_ns = 0;
  std::array<crypto::SrtpContext*, kOldKeys> old_tx{};  ///< Newest first.
  std::uint64_t silence_limit_ns = 0;
  Offload offload;
  Marks marks;
  std::uint64_t report_due_ns = 0;    ///< Ours; 0: not planned.
  std::uint64_t other_spoke_ns = 0;   ///< When RTCP of the other side went to this one last; 0: never.
  std::uint32_t dice = 0;             ///< For times of ours: from the CNAME, which is random.
  std::uint32_t dice_of_birth = 0;    ///< For our name as a source.
  MediaAddress local;
  MediaAddress remote;
  Ip latch_from{};
  std::array<char, kCnameBytes> cname{};

  Spare& use_spare() noexcept {
    if (!uses_spare) spare->watch = {}, spare->last_out = {}, spare->seen = {};
    uses_spare = true;
    return *spare;
  }
  LastOut last_out() const noexcept { return uses_spare ? spare->last_out : LastOut{}; }

  void prefetch_for_arrival() const noexcept {
    __builtin_prefetch(&paths[0]);
    __builtin_prefetch(&rx, 1);
    __builtin_prefetch(&receptions, 1);
    __builtin_prefetch(&receptions.more, 1);
  }
  void prefetch_for_departure() const noexcept {
    __builtin_prefetch(&paths[0]);
    __builtin_prefetch(&rx, 1);
    __builtin_prefetch(&out, 1);
  }
};

/// The source before may still be heard, but it is not learnt again while the new one may come: the peer's last packets
/// from its old port would else make a stranger of its new one.
inline bool was_source(const Path& path, const endpoint& sender, std::uint64_t now_ns) noexcept {
  return now_ns < path.before_until_ns && same(path.before, sender);
}

/// May `sender` become the source? What is asked before anything was learnt.
inline bool may_latch(const RunningSide& side, const endpoint& sender) noexcept {
  if (!side.remote.known) return false;
  if (same_ip(sender, side.remote.ip)) return side.latch != LatchPolicy::kOff;
  return side.latch == LatchPolicy::kSource && side.latch_from != Ip{} && same_ip(sender, side.latch_from);
}

struct alignas(64) Pair {
  bool open = false;
  PairKind kind = PairKind::kAudio;
  std::uint32_t number = 0;
  std::uint32_t active_at = 0;  ///< Its place among the active ones.
  RunningSide sides[2];
};

inline std::uint32_t Relay::carrier(const Pair& pair, std::uint32_t side) const noexcept {
  return pair.sides[side].bundled ? shared_carrier(pair, side) : pair.number;
}
/// Where that side's packets come and go: its own way, or that of the line it is bundled with.
inline RunningSide& Relay::transport(const Pair& pair, std::uint32_t side) const noexcept { return pairs_[carrier(pair, side)].sides[side]; }

/// Limit: bytes a pair takes beside its sockets and SRTP contexts.
static_assert(sizeof(Pair) <= 1'536, "a box holds twenty thousand of these");

/// After a change of key or address, what was on its way before still counts for this long: the peer changes when our
/// answer reaches it, which may have to be sent twice.
inline constexpr std::uint64_t kInFlightNs = 2'000 * kMillisecondNs;

/// Takes `fresh` into use; returns what control is to close.
crypto::SrtpContext* renew_rx(RunningSide& side, crypto::SrtpContext* fresh, std::uint64_t now_ns) noexcept;
/// The same for what we send under: a key that comes back goes on with its own indices. A new one goes on with the
/// rollover counters of the one before where that is agreed (RFC 3711 §3.3.1); else they begin at 0 (RFC 4568 §7.1.4).
crypto::SrtpContext* renew_tx(RunningSide& side, crypto::SrtpContext* fresh) noexcept;

}  // namespace sallyport::relay
