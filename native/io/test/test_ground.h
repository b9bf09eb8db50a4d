/// What rings stand on, as a test tells it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>

#include "../../shared/check.h"
#include "../af_xdp_port.h"
#include "cables.h"

namespace sallyport::io::test {

/// Two cables' worth of it, all told by the test. Everything that arrives is redirected.
struct TestGround final : RingGround {
  /// Asked at the beginning of every turn: who holds `turn` holds the packet thread.
  std::uint32_t places_generation() const noexcept override {
    at_door = true;
    const std::lock_guard lock(turn);
    at_door = false;
    return places_moved.load();
  }
  std::vector<XskPlace> places() override {
    const std::lock_guard lock(mutex);
    return there;
  }
  bool connect(const XskPlace& place, int socket) noexcept override {
    const std::lock_guard lock(mutex);
    sockets[{place.interface, place.queue}] = socket;
    return redirects[place.interface]->put(place.queue, socket);
  }
  void disconnect(const XskPlace& place) noexcept override {
    const std::lock_guard lock(mutex);
    sockets.erase({place.interface, place.queue});
    if (redirects.contains(place.interface)) redirects[place.interface]->remove(place.queue);
  }
  void carry(std::uint32_t, const endpoint&) noexcept override { carried += 1; }
  void drop(std::uint32_t) noexcept override { carried -= 1; }
  std::uint32_t hops_generation() const noexcept override { return hops_moved.load(); }
  next_hop next(std::uint32_t, const endpoint&, const endpoint& to) noexcept override {
    const std::lock_guard lock(mutex);
    for (const auto& [ip, hop] : hops) {
      if (std::memcmp(at(ip, 0).ip, to.ip, 16) == 0) return hop;
    }
    return {};
  }

  void learn(const Cable& cable) {
    const std::lock_guard lock(mutex);
    for (const bool six : {false, true}) hops[cable.far_ip(six)] = cable.hop();
    hops_moved += 1;
  }
  void forget() {
    const std::lock_guard lock(mutex);
    hops.clear();
    hops_moved += 1;
  }
  void attach(const Cable& cable, bool generic, unsigned queues) {
    const std::lock_guard lock(mutex);
    redirects[cable.interface()] = std::make_unique<Redirect>(cable.interface(), generic);
    EXPECT(redirects[cable.interface()]->good());
    for (std::uint32_t queue = 0; queue < queues; ++queue) there.push_back({cable.interface(), queue});
    places_moved += 1;
  }
  void detach(unsigned interface) {
    const std::lock_guard lock(mutex);
    std::erase_if(there, [&](const XskPlace& place) { return place.interface == interface; });
    redirects.erase(interface);
    places_moved += 1;
  }
  /// Without it what arrives there passes up to the sockets.
  void redirect(const Cable& cable, bool on) {
    const std::lock_guard lock(mutex);
    const unsigned interface = cable.interface();
    if (on) redirects[interface]->put(0, sockets[{interface, 0}]);
    else redirects[interface]->remove(0);
  }

  mutable std::mutex turn;
  mutable std::atomic<bool> at_door{false};  ///< While somebody holds `turn`: the packet thread has come to wait for it.
  std::mutex mutex;
  std::vector<XskPlace> there;
  std::map<unsigned, std::unique_ptr<Redirect>> redirects;
  std::map<std::pair<unsigned, std::uint32_t>, int> sockets;
  std::map<std::string, next_hop> hops;
  std::atomic<std::uint32_t> places_moved{1}, hops_moved{1};
  std::atomic<int> carried{0};
};

}  // namespace sallyport::io::test
