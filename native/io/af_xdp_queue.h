/// One AF_XDP socket: one receive queue of one NIC with its four rings.
///
/// System calls, no library: the interface is five socket options, four mappings and a bind, while libxdp would bring a
/// program loader of its own, and its sockets cannot take part in a UMEM whose frames somebody else counts.
///
/// Who opens and closes: `open` binds the socket, the destructor closes it; frames its rings held are the store's to
/// reclaim. The kernel lets the queue be bound again only a moment after that.
#pragma once

#include <cstdint>
#include <memory>

#include "af_xdp_frames.h"
#include "af_xdp_rings.h"

namespace sallyport::io {

enum class XskMode : std::uint8_t { kZeroCopy, kCopy };

struct XskPlace {
  std::uint32_t interface = 0;  ///< Its index.
  std::uint32_t queue = 0;
  bool operator==(const XskPlace&) const = default;
};

class XskQueue {
 public:
  struct Wish {
    XskPlace place;
    std::uint8_t number;       ///< As the store knows it.
    int share_with = -1;       ///< A socket whose UMEM is the store already: it dictates the mode.
    XskMode mode = XskMode::kZeroCopy;
    bool busy_poll = false;
  };
  /// Null, and the reason in `error` (an errno), when it cannot be had. Waits up to half a second for a queue that was
  /// let go just now.
  static std::unique_ptr<XskQueue> open(const Wish& wish, FrameStore& store, int& error);
  ~XskQueue();
  XskQueue(const XskQueue&) = delete;
  XskQueue& operator=(const XskQueue&) = delete;

  int fd() const noexcept { return fd_; }
  const XskPlace& place() const noexcept { return place_; }
  /// As the kernel says, not as we asked: asked for nothing it copies in silence.
  XskMode mode() const noexcept { return mode_; }
  bool busy_polls() const noexcept { return busy_polls_; }
  /// The card is one end of a cable inside this machine (or lo): checksums may be left to nobody.
  bool partial_checksums() const noexcept { return partial_checksums_; }
  FrameStore& store() const noexcept { return store_; }
  std::uint8_t number() const noexcept { return number_; }

  ConsumerRing<xdp_desc>& received() noexcept { return received_; }
  /// False: the ring is full.
  bool send(std::uint32_t frame, const std::uint8_t* at, std::uint32_t size) noexcept;
  /// How many `send` has taken so far; the kernel has the first `taken()` of them.
  std::uint64_t sent() const noexcept { return sent_; }
  std::uint64_t taken() noexcept { return sent_ - transmit_.waiting(); }
  /// Has the kernel look at the transmit ring. 0, or the errno that says the NIC is down (ENETDOWN) or gone (ENXIO).
  int kick() noexcept;
  /// Takes frames back that have left.
  void reap() noexcept;
  /// Hands free frames over for packets to come.
  void refill() noexcept;
  /// Packets since the last call that the kernel had for this queue and could not bring: the ring was full, or no frame was
  /// there. A system call.
  std::uint64_t newly_missed() noexcept;

 private:
  XskQueue(const Wish& wish, FrameStore& store) noexcept : place_(wish.place), number_(wish.number), store_(store) {
    store_.shared_by += 1;
  }
  int start(const Wish& wish);
  int map_rings();
  int bind_to(const Wish& wish, std::uint16_t flags);
  template <typename Entry>
  bool map_ring(const xdp_ring_offset& offset, std::uint64_t page, unsigned which, RingMemory<Entry>& out);

  int fd_ = -1;
  XskPlace place_;
  std::uint8_t number_;
  XskMode mode_ = XskMode::kCopy;
  bool busy_polls_ = false;
  bool partial_checksums_ = false;
  FrameStore& store_;
  std::uint64_t sent_ = 0;
  bool unkicked_ = false;
  std::uint64_t missed_ = 0;
  struct Mapping {
    void* at = nullptr;
    std::size_t bytes = 0;
  } mappings_[4];
  ProducerRing<std::uint64_t> fill_;
  ConsumerRing<std::uint64_t> completed_;
  ConsumerRing<xdp_desc> received_;
  ProducerRing<xdp_desc> transmit_;
};

}  // namespace sallyport::io
