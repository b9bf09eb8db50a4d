/// Busy doors are looked at by the clock, all of them at one time, and not at each datagram: to wake up, with caches
/// gone cold, costs more than to serve a message. A door that is not busy is never on the beat, and waits for nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "uv.h"

namespace sallyport::addon {

/// Of one event loop, and of its thread alone: all doors there share it, and it is gone with the last one.
class Beat {
 public:
  static Beat& enter(uv_loop_s* loop);
  void exit() noexcept;

  /// The longest that a datagram waits for others, in milliseconds.
  static constexpr std::uint64_t kMs = 4;

  class Door {
   public:
    /// Takes what is there. True: there is more, for the next turn of the loop.
    virtual bool look() = 0;

   protected:
    ~Door() = default;
  };

  void join(Door& door);
  void leave(Door& door) noexcept;
  std::uint64_t now_ms() const noexcept { return uv_now(loop_); }

 private:
  explicit Beat(uv_loop_s* loop);
  void tick();
  void arm(bool at_once);

  uv_loop_s* loop_;
  void* timer_;
  std::size_t users_ = 0;
  bool ticking_ = false;
  std::vector<Door*> doors_;  // Null: left during a tick.
};

/// Is a door busy? Busy doors pay for their beat with company; the two rates lie apart so that none goes to and fro.
class Pace {
 public:
  /// Counts what a look found. Says whether the door is to be on the beat from now on.
  bool counts(std::size_t datagrams, std::uint64_t now_ms) noexcept {
    seen_ += datagrams;
    if (!busy_ && seen_ >= kBusy && now_ms - since_ms_ <= kSpanMs) begin(true, now_ms);
    if (now_ms - since_ms_ > kSpanMs) begin(busy_ && seen_ >= kLeast, now_ms);
    return busy_;
  }

 private:
  static constexpr std::uint64_t kSpanMs = 64;
  /// 1,000 datagrams a second, or as many at once.
  static constexpr std::size_t kBusy = 64;
  static constexpr std::size_t kLeast = 32;

  void begin(bool busy, std::uint64_t now_ms) noexcept {
    busy_ = busy;
    since_ms_ = now_ms;
    seen_ = 0;
  }

  bool busy_ = false;
  std::uint64_t since_ms_ = 0;
  std::size_t seen_ = 0;
};

}  // namespace sallyport::addon
