/// The memory that packets lie in between a receive ring and a transmit ring: a UMEM cut into frames, who has each
/// frame at the moment, and the free ones as a stack, so that the one used last, still in the cache, is used next.
#pragma once

#include <linux/if_xdp.h>
#include <sys/mman.h>

#include <cstdint>
#include <new>
#include <vector>

namespace sallyport::io {

/// The kernel leaves 256 bytes before a packet; behind those a full Ethernet packet and its SRTP tag find room.
inline constexpr std::uint32_t kFrameBytes = 2'048;
/// How far apart frames lie where the kernel copies packets in: with a cache line between them, or the parts of them that packets
/// fill would be the same few sets of every cache. The kernel then also takes its own note of a frame from a stack, the last
/// one used first, where frames at powers of two have one each.
inline constexpr std::uint32_t kStaggeredBytes = kFrameBytes + 64;
/// Limit: queues of one packet thread; what arrives on others stays with the sockets.
inline constexpr std::uint8_t kQueueLimit = 128;
/// Limit: entries of each ring. A receive ring that is full loses packets, counted by the kernel; one of transmission
/// makes the flow take the socket, or lose the packet where that one would overtake.
inline constexpr std::uint32_t kRingEntries = 2'048;
/// Frames a queue brings into its store: those that wait to be filled, and as many on their way out.
inline constexpr std::uint32_t kFramesPerQueue = 2 * kRingEntries;

class FrameStore {
 public:
  enum : std::uint8_t { kFree = 0xff, kOurs = 0xfe };  // Else: the number of the queue whose rings hold it.

  /// A NIC that writes frames by itself wants none that lie across two pages.
  enum class Layout : std::uint8_t { kAligned, kStaggered };

  /// For so many queues at once.
  FrameStore(std::uint32_t queues, Layout layout) : FrameStore(queues, queues * kFramesPerQueue, layout) {}
  FrameStore(std::uint32_t queues, std::uint32_t frames, Layout layout)
      : share_limit_(queues), count_(frames), staggered_(layout == Layout::kStaggered), holders_(frames, kFree) {
    void* memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<std::uint8_t*>(memory);
    free_.reserve(frames);
    for (std::uint32_t frame = frames; frame-- > 0;) free_.push_back(frame);
  }
  ~FrameStore() { munmap(memory_, bytes()); }
  FrameStore(const FrameStore&) = delete;
  FrameStore& operator=(const FrameStore&) = delete;

  std::uint8_t* memory() const noexcept { return memory_; }
  std::uint32_t share_limit() const noexcept { return share_limit_; }
  std::size_t bytes() const noexcept { return std::size_t{count_} * (staggered_ ? kStaggeredBytes : kFrameBytes); }
  std::uint32_t free_count() const noexcept { return static_cast<std::uint32_t>(free_.size()); }

  bool owns(const std::uint8_t* at) const noexcept { return at >= memory_ && at < memory_ + bytes(); }
  bool holds(std::uint64_t address) const noexcept { return address < bytes(); }
  std::uint32_t frame_of(const std::uint8_t* at) const noexcept { return frame_of(address(at)); }
  /// Two constants, since it is asked for every packet.
  std::uint32_t frame_of(std::uint64_t address) const noexcept {
    return static_cast<std::uint32_t>(staggered_ ? address / kStaggeredBytes : address / kFrameBytes);
  }
  std::uint8_t* start(std::uint32_t frame) const noexcept {
    return memory_ + std::size_t{frame} * (staggered_ ? kStaggeredBytes : kFrameBytes);
  }
  /// Does it lie within one frame?
  bool holds(std::uint64_t address, std::uint32_t size) const noexcept {
    if (!holds(address)) return false;
    const std::uint8_t* const at = memory_ + address;
    return at - start(frame_of(address)) + std::ptrdiff_t{size} <= std::ptrdiff_t{kFrameBytes};
  }
  /// Of staggered frames the kernel says where they begin, and above that how far into them a packet does.
  static std::uint64_t plain(std::uint64_t descriptor) noexcept {
    return (descriptor & XSK_UNALIGNED_BUF_ADDR_MASK) + (descriptor >> XSK_UNALIGNED_BUF_OFFSET_SHIFT);
  }
  /// Has the memory bring the headers of a packet.
  void ask_for(std::uint64_t descriptor) const noexcept {
    const std::uint64_t address = plain(descriptor);
    if (!holds(address)) return;
    __builtin_prefetch(memory_ + address);
    __builtin_prefetch(memory_ + address + 64);
  }
  bool staggered() const noexcept { return staggered_; }
  std::uint64_t address(const std::uint8_t* at) const noexcept { return static_cast<std::uint64_t>(at - memory_); }

  /// False: all are in use.
  bool take(std::uint32_t& frame, std::uint8_t holder) noexcept {
    if (free_.empty()) return false;
    frame = free_.back();
    free_.pop_back();
    holders_[frame] = holder;
    return true;
  }
  void hand(std::uint32_t frame, std::uint8_t holder) noexcept { holders_[frame] = holder; }
  std::uint8_t holder(std::uint32_t frame) const noexcept { return holders_[frame]; }
  void give_back(std::uint32_t frame) noexcept {
    if (holders_[frame] == kFree) return;
    holders_[frame] = kFree;
    free_.push_back(frame);
  }
  /// A queue is gone, and with it its rings: what they held is free again.
  void reclaim(std::uint8_t holder) noexcept {
    for (std::uint32_t frame = 0; frame < count_; ++frame) {
      if (holders_[frame] == holder) give_back(frame);
    }
  }

  std::uint32_t shared_by = 0;  ///< Queues, at the moment.

 private:
  std::uint32_t share_limit_;
  std::uint32_t count_;
  bool staggered_;
  std::uint8_t* memory_ = nullptr;
  std::vector<std::uint8_t> holders_;
  std::vector<std::uint32_t> free_;
};

}  // namespace sallyport::io
