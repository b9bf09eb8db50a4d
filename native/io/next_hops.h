/// Where packets of a destination go next: asked of the kernel's routes and neighbours once, kept, and asked anew when
/// either changes. A thread of its own does the asking, so that no packet thread ever waits for the kernel.
///
/// The kernel program could look both up itself for every packet (bpf_fib_lookup); that costs more than the rest of it
/// together, needs a GPL programme, and still proves no neighbour: packets that never reach the network stack keep none
/// alive. So that is done here: a neighbour in use is proved before the kernel forgets it.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "../shared/flow.h"
#include "routes.h"

namespace sallyport::io {

class NextHops {
 public:
  /// `publish` is called by the thread for every hop that is new or changed; `rounds` once
  /// before this returns, then by the thread on every change of links and addresses, and every few seconds.
  NextHops(std::function<void(Routes&, std::uint32_t number, const next_hop&)> publish, std::function<void(Routes&)> rounds);
  ~NextHops();
  NextHops(const NextHops&) = delete;
  NextHops& operator=(const NextHops&) = delete;

  struct Found {
    std::uint32_t number = 0;
    next_hop hop{};      ///< `usable` 0: not known yet, or not to be had.
    bool never = false;  ///< This machine itself, or nowhere: asking again is in vain until routes change.
  };
  /// Never blocks but on another look-up. A pair of addresses not seen before is looked up soon. Limit: FLOW_HOPS at once;
  /// beyond, `never`.
  Found look_up(const endpoint& from, const endpoint& to) noexcept;
  /// One more, or one less, uses it: those that nobody uses are forgotten after a while.
  void hold(std::uint32_t number) noexcept;
  void release(std::uint32_t number) noexcept;
  /// Something besides the kernel changed: all is looked at soon.
  void look_again() noexcept;
  /// Moves whenever an answer may have changed.
  std::uint32_t generation() const noexcept { return generation_.load(std::memory_order_acquire); }

 private:
  using Ways = std::pair<relay::Ip, relay::Ip>;  // From, to.
  struct Hop {
    Ways ways{};
    next_hop hop{};
    std::uint32_t users = 0;
    std::uint32_t idle_rounds = 0;
    bool in_use = false;
    bool asked = false;
    bool never = false;
  };
  void run() noexcept;
  void look(std::uint32_t number, bool prove);
  void look_at_all(bool prove);
  void look_at_new();
  void poke() noexcept;

  std::function<void(Routes&, std::uint32_t, const next_hop&)> publish_;
  std::function<void(Routes&)> rounds_;
  Routes routes_;
  std::mutex mutex_;
  std::vector<Hop> hops_;
  std::vector<std::uint32_t> free_, new_;
  std::map<Ways, std::uint32_t> numbers_;
  std::atomic<std::uint32_t> generation_{1};
  std::atomic<bool> stopping_{false}, changed_{false};
  int wake_fd_ = -1;
  std::thread thread_;
};

}  // namespace sallyport::io
