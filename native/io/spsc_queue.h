/// A bounded queue from one thread to one other. Neither ever waits for the other.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

namespace sallyport::io {

template <typename T>
class SpscQueue {
 public:
  /// Limit: `capacity` (rounded up to a power of two) values; `push` says false beyond.
  explicit SpscQueue(std::size_t capacity) {
    std::size_t size = 1;
    while (size < capacity) size *= 2;
    mask_ = size - 1;
    slots_ = std::make_unique_for_overwrite<T[]>(size);
  }

  /// Producer. Null when full; else fill it and call `publish`.
  T* vacant() noexcept {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    return tail - head_.load(std::memory_order_acquire) > mask_ ? nullptr : &slots_[tail & mask_];
  }
  void publish() noexcept { tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }
  bool push(const T& value) noexcept {
    T* slot = vacant();
    if (slot == nullptr) return false;
    *slot = value;
    publish();
    return true;
  }

  /// Consumer. Null when empty; else use it and call `release`.
  T* front() noexcept {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    return head == tail_.load(std::memory_order_acquire) ? nullptr : &slots_[head & mask_];
  }
  void release() noexcept { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }
  bool pop(T& value) noexcept {
    T* slot = front();
    if (slot == nullptr) return false;
    value = *slot;
    release();
    return true;
  }

  std::size_t size() const noexcept {
    return tail_.load(std::memory_order_acquire) - head_.load(std::memory_order_acquire);
  }
  std::size_t capacity() const noexcept { return mask_ + 1; }

 private:
  alignas(64) std::atomic<std::size_t> head_{0};
  alignas(64) std::atomic<std::size_t> tail_{0};
  alignas(64) std::size_t mask_;
  std::unique_ptr<T[]> slots_;
};

}  // namespace sallyport::io
