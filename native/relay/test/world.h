/// A relay of four pairs, what it said, and one packet at a time.
#pragma once

#include "../relay.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "../rtp.h"

namespace sallyport::relay::test {

using Bytes = std::vector<std::uint8_t>;

inline constexpr std::uint64_t kMs = 1'000'000;

inline Ip ip(std::uint8_t last) { return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last}; }

inline endpoint at(std::uint8_t last, std::uint16_t port) {
  endpoint made{};
  std::memcpy(made.ip, ip(last).data(), 16);
  write16(made.port, port);
  return made;
}
inline bool same(const endpoint& a, const endpoint& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

inline Bytes rtp(std::uint16_t sequence = 1, std::uint32_t timestamp = 160) {
  Bytes made(172, 0x55);
  made[0] = 0x80;
  made[1] = 0;
  write16(&made[2], sequence);
  write16(&made[4], static_cast<std::uint16_t>(timestamp >> 16));
  write16(&made[6], static_cast<std::uint16_t>(timestamp));
  return made;
}

struct World : EventSink {
  explicit World(crypto::SrtpEngine* engine = nullptr) : relay(4, engine, counters, *this) {}
  void event(const Event& event) noexcept override { events.push_back(event); }

  Side side(std::uint8_t remote, LatchPolicy latch = LatchPolicy::kOff) {
    Side made;
    made.local = {ip(1), 4'000, 4'001, true};
    made.remote = {ip(remote), 5'000, 5'001, true};
    made.latch = latch;
    std::memcpy(made.cname.data(), "box", 3);
    made.cname_size = 3;
    return made;
  }

  Datagram give(std::uint32_t flow, const endpoint& sender, const Bytes& packet) {
    std::copy(packet.begin(), packet.end(), memory);
    Datagram datagram;
    datagram.flow = flow;
    datagram.sender = sender;
    datagram.data = memory;
    datagram.size = static_cast<std::uint32_t>(packet.size());
    datagram.room = sizeof memory;
    relay.handle({&datagram, 1}, now);
    return datagram;
  }
  std::uint64_t counter(std::uint32_t pair, std::uint32_t side, Counter which) {
    return counters[(pair * 2 + side) * kCounterStride + which];
  }

  std::uint64_t counters[4 * 2 * kCounterStride] = {};
  std::vector<Event> events;
  std::uint8_t memory[2'048];
  std::uint64_t now = 1'000 * kMs;
  Relay relay;
};


}  // namespace sallyport::relay::test
