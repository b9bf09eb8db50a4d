/// Packets through AF_XDP rings, beside the sockets that are always there. What a ring brings and what a socket brings
/// goes through the same relay; what the relay sends leaves by a ring when it is known where to, else by the socket.
///
/// Order within a flow is kept when the flow moves between the two:
///  - arriving: what a socket still holds is older than the first packets a ring brings, and younger than the last ones;
///  - leaving: a socket is used only when the kernel has taken all of the flow that was put on a ring, and a ring only
///    in a turn in which the flow has not used its socket.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "../shared/flow.h"
#include "af_xdp_queue.h"
#include "packet_port.h"

namespace sallyport::io {

/// Where datagrams go next. Asked by a packet thread: it must not block.
class HopFinder {
 public:
  virtual ~HopFinder() = default;
  /// Moves whenever an answer given may no longer hold, or one not given may be had.
  virtual std::uint32_t generation() const noexcept = 0;
  /// `usable` 0: not known yet. The kernel finds out when the socket sends there.
  virtual next_hop find(const endpoint& from, const endpoint& to) noexcept = 0;
};

/// What the rings did and did not. Written by the packet thread alone.
#define SALLYPORT_RING_COUNTERS(X)                                                                                       \
  X(received)    /* Datagrams that a ring brought to a flow. */                                                          \
  X(sent)        /* Datagrams that left by a ring. */                                                                    \
  X(copied)      /* Of those: copied, since they came by a socket or from another UMEM. */                               \
  X(bySocket)    /* Would have left by a ring, had its next hop been known, been in order and small enough. */           \
  X(heldBack)    /* Lost: the ring was full, and the socket would have overtaken what is in it. */                       \
  X(noFrame)     /* Took the socket since no frame was free. */                                                          \
  X(unknownFlow) /* Came for a flow that is gone. */                                                                     \
  X(malformed)   /* Were no UDP datagrams, or lied about their length or sender. */                                      \
  X(badChecksum) /* Were spoilt on their way. */                                                                         \
  X(nicDown)     /* Times a NIC would not send: down, or gone. */
enum RingCounter : std::uint32_t {
#define X(name) kRing_##name,
  SALLYPORT_RING_COUNTERS(X)
#undef X
  kRingCounterCount
};

struct QueueFacts {
  XskPlace place;
  int fd = -1;
  XskMode mode = XskMode::kCopy;
  bool busy_polls = false;
};

class RingPort : public PacketPort {
 public:
  /// Queues that could be had. Their descriptors stay the port's; whoever fills the kernel program's map needs them.
  virtual std::vector<QueueFacts> queues() const = 0;
  /// From any thread.
  virtual std::uint64_t counter(RingCounter which) const noexcept = 0;
};

struct RingOptions {
  std::vector<XskPlace> places;
  /// May be null until HopFinder exist: then all leaves by sockets.
  HopFinder* hops = nullptr;
  /// Only where the thread has a core of its own: else three times the cost.
  bool busy_poll = false;
};

/// Takes `inner` over. No place that can be had is no error: then all goes through `inner`.
std::unique_ptr<RingPort> make_ring_port(std::uint32_t flows, std::unique_ptr<PacketPort> inner, const RingOptions& options);

}  // namespace sallyport::io
