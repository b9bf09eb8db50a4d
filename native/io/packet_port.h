/// Moves datagrams between sockets and one packet thread. Two kinds stand behind it: io_uring and epoll.
///
/// Who opens and closes: control opens the sockets and closes them; a port only reads and writes them between `add`
/// and the moment `remove` is through. All calls but `wake` come from the packet thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "../relay/relay.h"

namespace sallyport::io {

/// Limit: bytes of a datagram with room for its SRTP tag; longer ones are cut by the kernel and dropped as malformed.
inline constexpr std::uint32_t kSlotBytes = 2'048;
/// Limit: datagrams one `receive` brings.
inline constexpr std::uint32_t kBatch = 256;

/// Makes sockets when they are needed.
class SocketMaker {
 public:
  virtual ~SocketMaker() = default;
  /// A datagram is to leave by a flow that has no socket. True: it has been added, and has one now.
  virtual bool make_socket(std::uint32_t flow) noexcept = 0;
};

enum class PortKind : std::uint8_t { kIoUring, kEpoll };

class PacketPort {
 public:
  virtual ~PacketPort() = default;
  virtual PortKind kind() const noexcept = 0;
  /// Sockets of flows that follow one another, -1 where there is none. They stay the caller's. False: none was added.
  virtual bool add(std::uint32_t first, std::span<const int> fds) noexcept = 0;
  /// May the caller close the descriptors of these flows that `descriptors_are_short` for, the port keeping the sockets open?
  /// Then it never touches those descriptors again.
  virtual bool keep(std::uint32_t, std::uint32_t) noexcept { return false; }
  /// Begins to stop reading; `removed` gets the flow once no packet of it can come any more.
  virtual void remove(std::uint32_t flow) noexcept = 0;
  /// Lets go of what `add` took, once all of it is removed: only then may the caller close it.
  virtual void forget(std::uint32_t first, std::uint32_t count) noexcept = 0;
  /// Control has changed the flow's socket (its mark): what the port made after its pattern is made anew.
  virtual void changed(std::uint32_t) noexcept {}
  /// Sends what was queued, waits until something arrived, somebody called `wake` or `timeout_ns` has passed. What it
  /// returns may be used, and changed, until the next `receive`. `now_ns`: monotonic, 0 is fine before traffic.
  virtual std::span<relay::Datagram> receive(std::uint64_t now_ns, std::uint64_t timeout_ns) noexcept = 0;
  /// Queues `datagram` (by its out_flow and `to`); its bytes must stay as they are until the next `receive`.
  virtual void send(const relay::Datagram& datagram) noexcept = 0;
  /// The same for all of these that are to be forwarded, in order.
  virtual void send_all(std::span<const relay::Datagram> batch) noexcept {
    for (const relay::Datagram& datagram : batch) {
      if (datagram.verdict == relay::Verdict::kForward) send(datagram);
    }
  }
  /// What was queued leaves now, and its bytes are the caller's again.
  virtual void flush() noexcept {}
  /// What sockets know by themselves: where a flow's packets come to, and how those that leave by it are marked. Said
  /// before `add`.
  virtual void know(std::uint32_t flow, const endpoint& local, std::uint8_t dscp) noexcept {
    static_cast<void>(flow), static_cast<void>(local), static_cast<void>(dscp);
  }
  /// Both flows of a side, from `first` on.
  virtual void mark(std::uint32_t first, std::uint8_t dscp) noexcept { static_cast<void>(first), static_cast<void>(dscp); }
  /// A wait of `receive` also ends when `fd` is readable; `unwatch` before it is closed.
  virtual bool watch(int fd) noexcept = 0;
  virtual void unwatch(int fd) noexcept = 0;
  /// From any thread.
  virtual void wake() noexcept = 0;
  /// Who makes sockets that are missing; null, and nothing leaves without.
  void set_maker(SocketMaker* maker) noexcept { maker_ = maker; }
  /// Flows that `remove` is through with; the caller takes and clears them.
  std::vector<std::uint32_t> removed;
  /// Watched descriptors that ended a wait; the caller takes and clears them.
  std::vector<int> readable;

 protected:
  bool can_leave(bool has_socket, std::uint32_t flow) noexcept { return has_socket || (maker_ != nullptr && maker_->make_socket(flow)); }
  SocketMaker* maker_ = nullptr;
};

/// Null when the kernel lacks or forbids what it needs: a datagram is sent to ourselves to know. `flows`: the highest
/// flow number + 1.
std::unique_ptr<PacketPort> make_io_uring_port(std::uint32_t flows);
std::unique_ptr<PacketPort> make_epoll_port(std::uint32_t flows);

}  // namespace sallyport::io
