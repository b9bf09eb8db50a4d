/// The inside of the io_uring port: its own header, since second sockets (settled.h) have a source file of their own.
#pragma once

#include <liburing.h>

#include <array>
#include <atomic>
#include <vector>

#include "address.h"
#include "gathering.h"
#include "packet_port.h"

namespace sallyport::io {

enum class Op : std::uint8_t { kReceive, kSend, kWake, kCancel, kReceiveSettled, kSendSettled, kWatch };
inline constexpr std::uint64_t tag(Op op, std::uint32_t generation, std::uint32_t flow) {
  return std::uint64_t{static_cast<std::uint8_t>(op)} << 56 | std::uint64_t{generation & 0xff'ffff} << 32 | flow;
}

/// Of the ring's own table of sockets: none.
inline constexpr std::uint32_t kNoPlace = ~0u;

struct UringFlow {
  int fd = -1;                 ///< Closed by control once it is `kept`: then it only says that the flow is there.
  std::uint32_t place = kNoPlace;
  bool kept = false;           ///< The table alone holds the socket.
  bool v4 = true;
  std::uint32_t generation = 0;
  bool armed = false;
  bool leaving = false;
  bool fragments = false;      ///< It was told `allow_fragments`.
  bool never_settles = false;  ///< Its second socket had an error, or there was none to be had.
  std::uint8_t same = 0;       ///< Sends in a row to the address that `to_word` is of.
  std::uint32_t to_word = 0;
  std::uint32_t settled = 0;   ///< Place of its second socket plus one; 0: none.
};

/// A second socket: see settled.h.
struct Settled {
  int fd = -1;
  std::uint32_t place = kNoPlace;
  endpoint to{};
  bool armed = false;
  bool leaving = false;
};

inline constexpr std::size_t kDrainSlots = 16;

class UringPort final : public PacketPort {
 public:
  ~UringPort() override;
  bool start(std::uint32_t flows);

  PortKind kind() const noexcept override { return PortKind::kIoUring; }
  bool add(std::uint32_t first, std::span<const int> fds) noexcept override;
  void remove(std::uint32_t flow) noexcept override;
  void forget(std::uint32_t first, std::uint32_t count) noexcept override;
  bool keep(std::uint32_t first, std::uint32_t count) noexcept override;
  void know(std::uint32_t flow, const endpoint& local, std::uint8_t) noexcept override;
  void mark(std::uint32_t first, std::uint8_t dscp) noexcept override;
  void changed(std::uint32_t flow) noexcept override;
  /// Does the ring carry words to sockets (Linux 6.7)? Asked of flow 0, whose socket is `fd`.
  void try_words(int fd) noexcept;
  std::span<relay::Datagram> receive(std::uint64_t now_ns, std::uint64_t timeout_ns) noexcept override;
  void send(const relay::Datagram& datagram) noexcept override;
  void flush() noexcept override;
  bool watch(int fd) noexcept override;
  void unwatch(int fd) noexcept override;
  void wake() noexcept override;

 private:
  struct Watched {
    int fd;
    bool armed;
  };
  void arm_watches() noexcept;
  io_uring_sqe* submission() noexcept;
  unsigned publish() noexcept;
  void enter(unsigned wait_for, std::uint32_t gather_us, std::uint64_t timeout_ns) noexcept;
  void arm(std::uint32_t flow, Op op = Op::kReceive) noexcept;
  void cancel(std::uint32_t flow, Op op) noexcept;
  bool settled_for(std::uint32_t flow, const endpoint& to) noexcept;
  void settle(std::uint32_t flow, const endpoint& to) noexcept;
  void unsettle(std::uint32_t flow) noexcept;
  void distrust(std::uint32_t flow) noexcept;
  void drain(std::uint32_t flow, int fd) noexcept;
  void settled_ended(std::uint32_t flow) noexcept;
  void arm_wake() noexcept;
  void take(const io_uring_cqe& completion) noexcept;
  void take_datagram(std::uint32_t flow, const io_uring_cqe& completion) noexcept;
  void end_if_through(std::uint32_t flow) noexcept;
  void give_back(unsigned buffer) noexcept;
  void give_back_all() noexcept;
  bool gathers(std::uint64_t now_ns) noexcept;

  std::uint32_t place_of(int fd) noexcept;
  void leave_place(std::uint32_t& place) noexcept;
  void say(std::uint32_t flow, int level, int option, int value) noexcept;

  io_uring ring_{};
  bool ring_open_ = false;
  /// A table of our own for the sockets spares the shared one's reference counts, and the descriptors when they get short.
  /// Without it all works, a little dearer.
  std::vector<std::uint32_t> places_;  // Free ones.
  std::size_t all_places_ = 0;
  bool words_ = false;
  std::array<int, 16> said_{};  // Until the kernel has read them.
  unsigned said_count_ = 0;
  io_uring_buf_ring* buffers_ = nullptr;
  std::uint8_t* slots_ = nullptr;
  std::vector<Watched> watched_;
  int wake_fd_ = -1;
  std::uint64_t wake_value_ = 0;
  std::atomic<bool> wake_pending_{false};
  msghdr shape_{};  // What a multishot receive lays out: the source's address, no ancillary data.
  std::vector<UringFlow> flows_;
  std::vector<Settled> settled_;
  std::vector<std::uint32_t> settled_free_;
  std::vector<std::uint32_t> leaving_;  // Flows whose second socket can be closed.
  std::vector<std::uint8_t> drain_slots_;
  std::size_t drained_ = 0;
  std::vector<std::uint64_t> rearm_;  // Tags of receives that ended.
  std::vector<std::uint16_t> used_buffers_;  // Of the batch the caller works on, and sends from.
  std::vector<relay::Datagram> batch_;
  std::vector<SocketAddress> to_;
  std::size_t to_count_ = 0;
  Gathering gathering_;
  std::uint64_t packets_ = 0;
  bool can_gather_ = false;
};

}  // namespace sallyport::io
