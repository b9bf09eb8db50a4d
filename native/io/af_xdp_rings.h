/// The four rings of an AF_XDP socket as they lie in memory shared with the kernel: one producer, one consumer, and
/// positions that run freely through 32 bits. Nobody waits for anybody.
#pragma once

#include <linux/if_xdp.h>

#include <atomic>
#include <cstdint>

namespace sallyport::io {

/// Where a ring lies: what the kernel tells with XDP_MMAP_OFFSETS, added to where it was mapped.
template <typename Entry>
struct RingMemory {
  std::uint32_t* producer = nullptr;
  std::uint32_t* consumer = nullptr;
  std::uint32_t* flags = nullptr;
  Entry* entries = nullptr;
  std::uint32_t size = 0;  ///< Entries: a power of two.
};

/// Fill and transmit rings: we write, the kernel reads.
template <typename Entry>
class ProducerRing {
 public:
  ProducerRing() = default;
  explicit ProducerRing(const RingMemory<Entry>& memory) noexcept
      : memory_(memory), produced_(load(memory.producer)), consumed_(load(memory.consumer)) {}

  /// Entries that may be written now; asks the kernel's position only when the last answer no longer holds `wanted`.
  std::uint32_t vacant(std::uint32_t wanted) noexcept {
    if (memory_.size - (produced_ - consumed_) < wanted) consumed_ = load(memory_.consumer);
    return memory_.size - (produced_ - consumed_);
  }
  /// The next entry; only after `vacant` has said there is one. The kernel sees it after `publish`.
  Entry& next() noexcept { return memory_.entries[produced_++ & (memory_.size - 1)]; }
  void publish() noexcept { std::atomic_ref(*memory_.producer).store(produced_, std::memory_order_release); }
  /// Published or not, and not yet taken by the kernel.
  std::uint32_t waiting() noexcept {
    consumed_ = load(memory_.consumer);
    return produced_ - consumed_;
  }
  bool needs_wakeup() const noexcept {
    return std::atomic_ref(*memory_.flags).load(std::memory_order_relaxed) & XDP_RING_NEED_WAKEUP;
  }

 private:
  static std::uint32_t load(std::uint32_t* at) noexcept { return std::atomic_ref(*at).load(std::memory_order_acquire); }
  RingMemory<Entry> memory_;
  std::uint32_t produced_ = 0;
  std::uint32_t consumed_ = 0;
};

/// Receive and completion rings: the kernel writes, we read.
template <typename Entry>
class ConsumerRing {
 public:
  ConsumerRing() = default;
  explicit ConsumerRing(const RingMemory<Entry>& memory) noexcept
      : memory_(memory), consumed_(std::atomic_ref(*memory.consumer).load(std::memory_order_acquire)) {}

  std::uint32_t available() const noexcept {
    return std::atomic_ref(*memory_.producer).load(std::memory_order_acquire) - consumed_;
  }
  /// The entry `ahead` of the next one; only below `available`.
  const Entry& peek(std::uint32_t ahead) const noexcept {
    return memory_.entries[(consumed_ + ahead) & (memory_.size - 1)];
  }
  /// Gives the first `count` entries back to the kernel.
  void release(std::uint32_t count) noexcept {
    consumed_ += count;
    std::atomic_ref(*memory_.consumer).store(consumed_, std::memory_order_release);
  }

 private:
  RingMemory<Entry> memory_;
  std::uint32_t consumed_ = 0;
};

}  // namespace sallyport::io
