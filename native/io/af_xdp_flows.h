/// Which flow a datagram belongs to, by where it was sent to. Only our own addresses and ports are keys, so nobody else
/// can make look-ups long.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "../shared/endpoint.h"

namespace sallyport::io {

class FlowIndex {
 public:
  static constexpr std::uint32_t kNone = 0xffff'ffff;

  /// Limit: `flows` keys at once.
  explicit FlowIndex(std::uint32_t flows) {
    std::size_t size = 16;
    while (size < std::size_t{flows} * 2) size *= 2;
    slots_.resize(size);
    mask_ = size - 1;
  }

  /// Has the memory bring what `find` will look at.
  void ask_for(const endpoint& to) const noexcept { __builtin_prefetch(&slots_[home(to)]); }
  std::uint32_t find(const endpoint& to) const noexcept {
    for (std::size_t at = home(to);; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.flow == kNone || same(slot.to, to)) return slot.flow;
    }
  }
  /// A key that is there already gets the new flow.
  void put(const endpoint& to, std::uint32_t flow) noexcept {
    std::size_t at = home(to);
    while (slots_[at].flow != kNone && !same(slots_[at].to, to)) at = (at + 1) & mask_;
    slots_[at] = {to, flow};
  }
  /// Nothing happens unless `to` is `flow`'s. Those behind move up, so that no search ends early.
  void remove(const endpoint& to, std::uint32_t flow) noexcept {
    std::size_t at = home(to);
    while (slots_[at].flow != kNone && !same(slots_[at].to, to)) at = (at + 1) & mask_;
    if (slots_[at].flow != flow) return;
    slots_[at].flow = kNone;
    for (std::size_t next = (at + 1) & mask_; slots_[next].flow != kNone; next = (next + 1) & mask_) {
      const std::size_t wanted = home(slots_[next].to);
      if (((next - wanted) & mask_) < ((next - at) & mask_)) continue;
      slots_[at] = slots_[next];
      slots_[next].flow = kNone;
      at = next;
    }
  }

 private:
  struct Slot {
    endpoint to{};
    std::uint32_t flow = kNone;
  };
  static bool same(const endpoint& a, const endpoint& b) noexcept { return std::memcmp(&a, &b, sizeof a) == 0; }
  std::size_t home(const endpoint& to) const noexcept {
    std::uint64_t first, second;
    std::uint16_t port;
    std::memcpy(&first, to.ip, 8);
    std::memcpy(&second, to.ip + 8, 8);
    std::memcpy(&port, to.port, 2);
    const std::uint64_t mixed = (first ^ second * 0x9e37'79b9'7f4a'7c15 ^ port) * 0xff51'afd7'ed55'8ccd;
    return (mixed >> 32) & mask_;
  }

  std::vector<Slot> slots_;
  std::size_t mask_;
};

}  // namespace sallyport::io
