/// What Relay keeps of a pair. Its own file, since only the relay's sources look inside.
#pragma once

#include <cstring>

#include "out_sources.h"
#include "reception.h"
#include "relay.h"

namespace sallyport::relay {

/// Limit: keys we sent under before, a side. What is offered to several forks is answered by one, the other, and the first
/// again: then its key must go on where it stood, or indices would be used twice. Beyond, the oldest is given back; media
/// makes a new key for every later re-key.
inline constexpr std::size_t kOldKeys = 3;

inline constexpr std::uint64_t kMillisecondNs = 1'000'000;
constexpr std::uint32_t milliseconds(std::uint64_t ns) noexcept { return static_cast<std::uint32_t>(ns / kMillisecondNs); }

inline bool same(const endpoint& a, const endpoint& b) noexcept { return std::memcmp(&a, &b, sizeof a) == 0; }
inline bool same_ip(const endpoint& a, const Ip& ip) noexcept { return std::memcmp(a.ip, ip.data(), ip.size()) == 0; }

/// The two ways of a side. With RTCP on the RTP port the second is not used.
struct Path {
  endpoint source{};  ///< Who may send to us; meaningless until `known`.
  endpoint to{};      ///< Where we send; meaningless until `reachable`.
  endpoint before{};  ///< The source until the peer signalled another one.
  std::uint64_t before_until_ns = 0;
  bool known = false;
  bool reachable = false;
};

/// A Side at work.
struct RunningSide {
  Path paths[2];  ///< RTP (and muxed RTCP), RTCP.
  crypto::SrtpContext* rx = nullptr;
  crypto::SrtpContext* tx = nullptr;
  crypto::SrtpContext* old_rx = nullptr;  ///< The key before; heard until `old_rx_until_ns`.
  std::uint64_t old_rx_until_ns = 0;
  std::array<crypto::SrtpContext*, kOldKeys> old_tx{};  ///< Newest first.
  OutSources out;                                       ///< Of what goes to this side while `tx` is there.
  std::uint64_t last_heard_ns = 0;  ///< Or when the watch began.
  std::uint64_t silence_limit_ns = 0;
  bool silent = false;  ///< Reported, and not heard since.
  bool receive = true;
  bool send = true;
  bool mux = false;  ///< One local port for both.
  bool renumbers = false;
  bool peer_mux = false;  ///< It takes RTCP on its RTP port.
  LatchPolicy latch = LatchPolicy::kOff;
  std::uint8_t cname_size = 0;
  std::array<char, kCnameBytes> cname{};
  MediaAddress remote;
  Ip latch_from{};
  Receptions receptions;
  std::array<std::uint8_t, 128> payload_types{};  ///< Of packets to this side; the identity unless `renumbers`.
};

struct Pair {
  bool open = false;
  PairKind kind = PairKind::kAudio;
  std::uint32_t number = 0;
  std::uint32_t active_at = 0;  ///< Its place among the active ones.
  RunningSide sides[2];
};

/// Limit: bytes a pair takes beside its sockets and SRTP contexts.
static_assert(sizeof(Pair) <= 2'048, "a box holds twenty thousand of these");

}  // namespace sallyport::relay
