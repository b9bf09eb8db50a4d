/// A running pair as a standby needs it to go on: whom it has learnt, where its SRTP indices stand, and under which names
/// and numbers its sources leave. Keys are not in it: they are control's, who gives them with the words of `open`; those that a
/// handshake made it is told beside the state. Lines of a bundle have a state each: their carrier's has what all share.
///
/// What is exported is a copy of a moment; the box goes on sending. So who imports it leaves out as many indices as may have
/// been used since (kTakeoverGap), sends sources that it does not know under names nobody had, and takes no state older than
/// kStateLifeNs: no (key, SSRC, index) comes twice. What the peer sent since is heard: its counters are followed from where
/// they stood.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ice.h"
#include "out_sources.h"
#include "relay.h"

namespace sallyport::relay {

/// Older states are refused, and those from the future.
inline constexpr std::uint64_t kStateLifeNs = 60'000'000'000;
/// Left out by who takes over, of RTP and RTCP. As much as a receiver can follow, less what it may have missed itself: half a
/// minute of video at a thousand packets a second, ten of voice. Limit: what a source itself jumps ahead in its numbers counts
/// as sent; one that jumps by more than this between export and takeover may see indices twice.
inline constexpr crypto::SrtpGap kTakeoverGap{.rtp = 30'000, .rtcp = 4'096};

/// Limit: keys that were sent under before and are remembered by their marks; of more the oldest is forgotten. Media makes a
/// new key for every re-key: old ones come back only from forks that answer by turns.
inline constexpr std::size_t kSpentLimit = 8;
struct Spent {
  std::array<crypto::KeyMark, kSpentLimit> marks{};
  std::uint8_t count = 0;
};

/// Limit: sources of a bundle that are remembered; beyond, the one unheard for longest makes room.
inline constexpr std::size_t kBundleSourceLimit = 16;

struct PathState {
  bool known = false;
  bool reachable = false;
  endpoint source{};
  endpoint to{};
};

/// Keys of a side that a handshake agreed on: of RTP and what shares its port, and of RTCP on a port of its own.
struct HandshakeKeys {
  std::array<crypto::DtlsKeys, 2> components;
  bool done = false;  ///< By the association that its words name; else by the one before, and a new handshake is under way.
};

/// Of a source that a bundle has heard: the line it belongs to.
struct HeardState {
  std::uint32_t ssrc = 0;
  std::uint8_t line = 0;
};

struct SourceState {
  std::uint32_t in = 0;
  std::uint32_t out = 0;
  std::uint16_t given = 0;
  bool sent = false;
  std::uint8_t line = 0;
};

struct SideState {
  std::array<PathState, 2> paths;
  std::array<SourceState, kOtherSources> sources;
  std::uint8_t source_count = 0;
  bool numbered = false;
  bool ice = false;
  bool dtls = false;
  bool bundled = false;
  bool shares = false;    ///< Its transport is another line's.
  std::uint8_t line = 0;  ///< Its place among the lines of its bundle, from 1.
  std::array<HeardState, kBundleSourceLimit> heard;
  std::uint8_t heard_count = 0;
  IceState agent;
  bool has_rx = false;
  bool has_tx = false;
  crypto::KeyMark rx_mark{};  ///< So that a state is not taken for another key.
  crypto::KeyMark tx_mark{};
  Spent spent;                  ///< Never to be sent under again.
  crypto::SrtpState rx{};
  crypto::SrtpState tx{};
  bool has_rtcp_rx = false;  ///< With DTLS: RTCP has an association of its own.
  bool has_rtcp_tx = false;
  crypto::KeyMark rtcp_rx_mark{};
  crypto::KeyMark rtcp_tx_mark{};
  crypto::SrtpState rtcp_rx{};
  crypto::SrtpState rtcp_tx{};
  HandshakeKeys keys;  ///< Never among the bytes.
};

struct PairState {
  PairKind kind = PairKind::kAudio;
  std::uint64_t made_unix_ns = 0;
  std::array<SideState, 2> sides;
};

/// As bytes: a version, every member by itself, a checksum. Bounded by kStateBytes.
inline constexpr std::size_t kStateBytes = 64 * 1'024;
std::vector<std::uint8_t> written(const PairState& state);
/// False, and `state` is of no use, unless the bytes are a whole state of our version with every member within its limits.
bool read(std::span<const std::uint8_t> bytes, PairState& state);

}  // namespace sallyport::relay
