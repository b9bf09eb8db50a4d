/// Sides without keys, ICE, a bundle or digits, as numbers and bytes on a desk that both languages see: nearly all are such,
/// and to ask an object for each of its members costs as much as all the rest of opening a pair. `src/io/plain-desk.ts` is
/// the other end.
#pragma once

#include <array>
#include <cstdint>

#include "../io/relay_host.h"
#include "js.h"

namespace sallyport::addon {

/// As it lies on the desk: 32-bit words, then texts of which the words give the lengths.
struct PlainSide {
  std::uint32_t bits;   ///< relay::ChangeBits, of a change.
  std::uint32_t flags;  ///< kRemoteGiven and so on.
  std::uint32_t kind;   ///< relay::PairKind, of a pair.
  std::uint32_t latch;  ///< relay::LatchPolicy.
  std::uint32_t dscp;
  std::uint32_t silence_limit_ms;
  std::uint32_t local_rtp, local_rtcp;
  std::uint32_t remote_rtp, remote_rtcp;
  std::uint32_t local_size, remote_size, latch_from_size, cname_size;
  std::uint32_t payload_type_count;
  std::uint32_t max_datagram;
  std::array<char, 48> local, remote, latch_from;
  std::array<char, relay::kCnameBytes> cname;
  std::array<std::array<std::uint8_t, 2>, relay::kPayloadTypeLimit> payload_types;  ///< From, to.
};
static_assert(sizeof(PlainSide) == 336);

enum PlainFlags : std::uint32_t { kRemoteGiven = 1, kLatchFromGiven = 2, kReceive = 4, kSend = 8, kReports = 16 };

/// Whole sides, the caller's first. False: thrown.
bool read_plain_pair(const Js& js, const PlainSide (&desk)[2], relay::PairKind& kind, io::SideWords& caller, io::SideWords& callee);
/// What `bits` names of one. False: thrown.
bool read_plain_change(const Js& js, const PlainSide& plain, io::SideWords& out);

}  // namespace sallyport::addon
