/// Where flows go that need no more than other headers: a faster path than the sockets. The relay alone decides which
/// flows; it offers one when all about it is settled, and takes it back before anything about it changes.
#pragma once

#include <array>
#include <cstdint>

#include "../shared/endpoint.h"

namespace sallyport::relay {

/// The relay's name of one direction: pair · 2 + the side it arrives at.
using FlowNumber = std::uint32_t;

/// All a faster path must know to forward RTP of one source as the relay would.
struct FlowWords {
  endpoint local{};   ///< Where it arrives.
  endpoint source{};  ///< Who may send.
  endpoint from{};    ///< The address and port of ours it leaves by.
  endpoint to{};
  std::uint8_t dscp = 0;
  std::uint32_t ssrc = 0;                                ///< Host byte order. Packets of others go to the sockets.
  std::uint32_t highest = 0;                             ///< Extended sequence number to go on from.
  std::uint32_t jitter_q4 = 0;                           ///< To go on from: RFC 3550 §A.8.
  std::uint32_t clock_hz = 0;                            ///< Of its timestamps; 0: not known.
  std::uint32_t packets_per_second = 0;                  ///< Policing; 0: any number.
  std::array<std::uint64_t, 2> up_types{};               ///< A bit a payload type that the relay itself must see.
  const std::array<std::uint8_t, 128>* renumber = nullptr;  ///< Null: payload types stay.
};

/// What the path counted of a flow since its pair was opened.
struct FlowTally {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t last_ns = 0;  ///< 0: none yet.
  std::uint32_t highest = 0;
  std::uint32_t jitter_q4 = 0;  ///< RFC 3550 §A.8.
  std::uint32_t bursts = 0;     ///< Gaps in the numbers.
  std::uint32_t strangers = 0;
  std::uint32_t policed = 0;
};

enum class Offered : std::uint8_t {
  kTaken,  ///< From now on its packets come no more.
  kLater,  ///< Offer it again in a while: its next hop is being looked for.
  kNever,  ///< Not these addresses, as things stand.
};

/// Called by packet threads, each about flows of its own pairs.
class FlowSink {
 public:
  virtual Offered offer(FlowNumber number, const FlowWords& words) noexcept = 0;
  /// Once it returns, packets that arrive go to the sockets. A flow that is not there is none of its business.
  virtual void withdraw(FlowNumber number) noexcept = 0;
  virtual FlowTally tally(FlowNumber number) noexcept = 0;
  /// The pair is new: counts of its flows start at nothing.
  virtual void forget(FlowNumber number) noexcept = 0;

 protected:
  ~FlowSink() = default;
};

}  // namespace sallyport::relay
