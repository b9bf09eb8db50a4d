#include "next_hops.h"

#include <linux/rtnetlink.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "address.h"

namespace sallyport::io {
namespace {

/// The kernel believes a neighbour for 15 to 45 s (base_reachable_time): proved so often, one that moved is noticed in time.
constexpr int kRoundMs = 5'000;
/// Changes come in swarms: all of one are looked at together.
constexpr int kSwarmMs = 20;
/// Limit: destinations looked up between two looks at what changed.
constexpr std::size_t kNewAtOnce = 256;
/// Rounds after which a destination that nobody uses is forgotten.
constexpr std::uint32_t kIdleRounds = 12;

constexpr std::uint32_t group(std::uint32_t number) { return 1u << (number - 1); }
constexpr std::uint32_t kGroups = group(RTNLGRP_LINK) | group(RTNLGRP_NEIGH) | group(RTNLGRP_IPV4_IFADDR) |
                                  group(RTNLGRP_IPV6_IFADDR) | group(RTNLGRP_IPV4_ROUTE) | group(RTNLGRP_IPV6_ROUTE);

relay::Ip ip_of(const endpoint& of) noexcept {
  relay::Ip ip;
  std::copy_n(of.ip, ip.size(), ip.begin());
  return ip;
}

}  // namespace

NextHops::NextHops(std::function<void(Routes&, std::uint32_t, const next_hop&)> publish, std::function<void(Routes&)> rounds)
    : publish_(std::move(publish)), rounds_(std::move(rounds)), wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  rounds_(routes_);
  thread_ = std::thread([this] { run(); });
}

NextHops::~NextHops() {
  stopping_.store(true);
  poke();
  thread_.join();
  close(wake_fd_);
}

NextHops::Found NextHops::look_up(const endpoint& from, const endpoint& to) noexcept {
  const Ways ways{ip_of(from), ip_of(to)};
  const std::lock_guard lock(mutex_);
  const auto known = numbers_.find(ways);
  if (known != numbers_.end()) {
    const Hop& hop = hops_[known->second];
    return {known->second, hop.hop, hop.never};
  }
  if (free_.empty() && hops_.size() == FLOW_HOPS) return {.never = true};
  std::uint32_t number = static_cast<std::uint32_t>(hops_.size());
  if (free_.empty()) {
    hops_.emplace_back();
  } else {
    number = free_.back();
    free_.pop_back();
  }
  hops_[number] = {};
  hops_[number].ways = ways;
  hops_[number].in_use = true;
  numbers_.emplace(ways, number);
  new_.push_back(number);
  poke();
  return {.number = number};
}

void NextHops::hold(std::uint32_t number) noexcept {
  const std::lock_guard lock(mutex_);
  hops_[number].users += 1;
}

void NextHops::release(std::uint32_t number) noexcept {
  const std::lock_guard lock(mutex_);
  hops_[number].users -= 1;
  hops_[number].idle_rounds = 0;
}

void NextHops::look_again() noexcept {
  changed_.store(true);
  poke();
}

void NextHops::poke() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
}

void NextHops::run() noexcept {
  pthread_setname_np(pthread_self(), "sallyport-hops");
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);  // Signals are Node's.
  Netlink changes(NETLINK_ROUTE, kGroups);
  pollfd watched[2] = {{.fd = wake_fd_, .events = POLLIN, .revents = 0}, {.fd = changes.fd(), .events = POLLIN, .revents = 0}};
  timespec due;
  clock_gettime(CLOCK_MONOTONIC, &due);
  while (!stopping_.load()) {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const long passed_ms = (now.tv_sec - due.tv_sec) * 1'000 + (now.tv_nsec - due.tv_nsec) / 1'000'000;
    poll(watched, 2, static_cast<int>(std::clamp(kRoundMs - passed_ms, 0L, long{kRoundMs})));
    if (stopping_.load()) return;
    std::uint64_t value;
    [[maybe_unused]] const ssize_t bytes = read(wake_fd_, &value, sizeof value);
    if (changed_.exchange(false) || watched[1].revents != 0) {
      poll(nullptr, 0, kSwarmMs);
      changes.drain();
      rounds_(routes_);
      look_at_all(false);
    }
    look_at_new();
    if (passed_ms < kRoundMs) continue;
    due = now;
    rounds_(routes_);
    look_at_all(true);
  }
}

void NextHops::look_at_new() {
  for (std::size_t i = 0; i < kNewAtOnce; ++i) {
    std::uint32_t number;
    {
      const std::lock_guard lock(mutex_);
      if (new_.empty()) return;
      number = new_.back();
      new_.pop_back();
    }
    look(number, true);
  }
  poke();
}

void NextHops::look_at_all(bool prove) {
  std::size_t count;
  {
    const std::lock_guard lock(mutex_);
    count = hops_.size();
  }
  for (std::uint32_t number = 0; number < count && !stopping_.load(); ++number) {
    bool forgotten = false;
    {
      const std::lock_guard lock(mutex_);
      Hop& hop = hops_[number];
      if (!hop.in_use || !hop.asked) continue;
      forgotten = prove && hop.users == 0 && ++hop.idle_rounds > kIdleRounds;
      if (forgotten) {
        numbers_.erase(hop.ways);
        hop = {};
      }
    }
    if (!forgotten) {
      look(number, prove);
      continue;
    }
    publish_(routes_, number, next_hop{});
    generation_.fetch_add(1, std::memory_order_release);
    const std::lock_guard lock(mutex_);
    free_.push_back(number);
  }
}

/// The lock is not held while the kernel is asked: packet threads find others meanwhile.
void NextHops::look(std::uint32_t number, bool prove) {
  Ways ways;
  {
    const std::lock_guard lock(mutex_);
    ways = hops_[number].ways;
  }
  next_hop fresh{};
  bool never = true;
  const auto route = routes_.route(ways.second, ways.first);
  if (route && route->direct && route->interface != 0) {
    auto link = routes_.link(route->interface);
    const std::uint16_t vlan = link ? link->vlan : 0;
    const std::uint32_t mtu = !link ? 0 : route->mtu != 0 ? route->mtu : link->mtu;
    const bool up = link && link->up;
    if (vlan != 0) link = routes_.link(link->parent);
    if (link && link->ethernet && !link->loopback) {
      never = false;
      const Neighbour neighbour = routes_.neighbour(route->interface, route->gateway);
      if (!neighbour.fresh && prove) routes_.use(route->interface, route->gateway);
      std::copy_n(neighbour.mac.begin(), 6, fresh.destination);
      std::copy_n(link->mac.begin(), 6, fresh.source);
      fresh.vlan[0] = static_cast<std::uint8_t>(vlan >> 8);
      fresh.vlan[1] = static_cast<std::uint8_t>(vlan);
      fresh.usable = neighbour.known && up;
      fresh.interface = link->index;
      fresh.mtu = mtu;
    }
  }
  {
    const std::lock_guard lock(mutex_);
    const Hop& hop = hops_[number];
    if (hop.asked && hop.never == never && std::memcmp(&hop.hop, &fresh, sizeof fresh) == 0) return;
  }
  publish_(routes_, number, fresh);  // First: whoever finds it may use its number at once.
  {
    const std::lock_guard lock(mutex_);
    Hop& hop = hops_[number];
    hop.hop = fresh;
    hop.never = never;
    hop.asked = true;
  }
  generation_.fetch_add(1, std::memory_order_release);
}

}  // namespace sallyport::io
