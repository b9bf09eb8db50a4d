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

/// What rings stand on: NICs with our program on them, and the way to every destination. Asked by a packet thread: no
/// answer may be waited for.
class RingGround {
 public:
  virtual ~RingGround() = default;
  /// Moves whenever other queues are to be had, or some are gone. Asked every turn.
  virtual std::uint32_t places_generation() const noexcept = 0;
  virtual std::vector<XskPlace> places() = 0;
  /// A socket is bound there: from now on the program may give it packets. False: it will not.
  virtual bool connect(const XskPlace& place, int socket) noexcept = 0;
  virtual void disconnect(const XskPlace& place) noexcept = 0;
  /// What is sent to `local` belongs to this flow: it is to come by rings, where its NIC has some.
  virtual void carry(std::uint32_t flow, const endpoint& local) noexcept = 0;
  virtual void drop(std::uint32_t flow) noexcept = 0;

  /// Moves whenever an answer of `next` may no longer hold, or one not given may be had.
  virtual std::uint32_t hops_generation() const noexcept = 0;
  /// The way of what leaves by this flow. `usable` 0: not known yet; the kernel finds out when the socket sends there. It is
  /// kept fresh until the flow asks again, or is dropped.
  virtual next_hop next(std::uint32_t flow, const endpoint& from, const endpoint& to) noexcept = 0;
};

/// What the rings did and did not. Written by the packet thread alone.
#define SALLYPORT_RING_COUNTERS(X)                                                                                       \
  X(received)    /* Datagrams that a ring brought to a flow. */                                                          \
  X(sent)        /* Datagrams that left by a ring. */                                                                    \
  X(copied)      /* Of those: copied, since they came by a socket or from another UMEM. */                               \
  X(bySocket)    /* Would have left by a ring, had its next hop been known, been in order and small enough. */           \
  X(heldBack)    /* Lost: the ring was full, and the socket would have overtaken what is in it. */                       \
  X(missed)      /* Lost by the kernel before it reached us: its receive ring was full, or no frame was there for it. */   \
  X(noFrame)     /* Times a flow took its socket for the rest of a turn, since no frame was free. */                     \
  X(unknownFlow) /* Came for a flow that is gone. */                                                                     \
  X(malformed)   /* Were no UDP datagrams, or lied about their length or sender. */                                      \
  X(badChecksum) /* Were spoilt on their way. */                                                                         \
  X(nicDown)     /* Times a NIC would not send: down, or gone. */                                                        \
  X(refused)     /* Queues that could not be had. */
enum RingCounter : std::uint32_t {
#define X(name) kRing_##name,
  SALLYPORT_RING_COUNTERS(X)
#undef X
  kRingCounterCount
};

struct QueueFacts {
  XskPlace place;
  XskMode mode = XskMode::kCopy;
  bool busy_polls = false;
};

class RingPort : public PacketPort {
 public:
  /// Queues whose rings are in use. From any thread.
  virtual std::vector<QueueFacts> queues() const = 0;
  /// From any thread.
  virtual std::uint64_t counter(RingCounter which) const noexcept = 0;
};

struct RingOptions {
  /// Null: no rings. Outlives the port.
  RingGround* ground = nullptr;
  /// Only where the thread has a core of its own: else three times the cost.
  bool busy_poll = false;
};

/// Takes `inner` over. No queue that can be had is no error: then all goes through `inner`.
std::unique_ptr<RingPort> make_ring_port(std::uint32_t flows, std::unique_ptr<PacketPort> inner, const RingOptions& options);

}  // namespace sallyport::io
