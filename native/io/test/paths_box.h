/* A box with two NICs and a call between them, for tests of whatever carries its packets. */
#pragma once

#include <time.h>

#include <algorithm>
#include <memory>

#include "../../shared/check.h"
#include "../relay_host.h"
#include "field.h"

namespace paths {

using namespace sallyport;
using frames::at;
using frames::Bytes;
using frames::Seen;
using frames::Shape;

enum class Way { kSocket, kNative, kGeneric, kRings };
inline Way way = Way::kSocket;

/* What `k_path` says of plain RTP. */
inline std::uint64_t path_wanted() { return way == Way::kSocket ? 0 : way == Way::kRings ? 2 : 1; }

inline void rest_ms(long ms) {
  const timespec time{ms / 1'000, ms % 1'000 * 1'000'000};
  nanosleep(&time, nullptr);
}

template <typename Holds>
bool soon(Holds holds, int limit_ms = 20'000) {
  const auto now_ms = [] {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000 + now.tv_nsec / 1'000'000;
  };
  for (const long end_ms = now_ms() + limit_ms; now_ms() < end_ms; rest_ms(5)) {
    if (holds()) return true;
  }
  return holds();
}

inline relay::Ip ip_of(const endpoint& of) {
  relay::Ip ip;
  std::copy_n(of.ip, 16, ip.begin());
  return ip;
}
inline std::uint16_t port_of(const endpoint& of) { return frames::get16(of.port); }

/* The box, with a call between the two cables. */
struct Box {
  field::Cable in{1, way == Way::kNative || way == Way::kRings}, out{2, way == Way::kNative || way == Way::kRings};
  endpoint caller, box_caller, box_callee, callee;
  std::vector<std::uint64_t> counters = std::vector<std::uint64_t>(4 * 2 * relay::kCounterStride);
  std::unique_ptr<io::RelayHost> host;

  explicit Box(bool in_v4 = true, bool out_v4 = true, relay::PacketLimits limits = {}) {
    caller = in_v4 ? at("10.81.1.2", 4'000) : at("fd81:1::2", 4'000);
    box_caller = in_v4 ? at("10.81.1.1", 20'000) : at("fd81:1::1", 20'000);
    box_callee = out_v4 ? at("10.81.2.1", 30'000) : at("fd81:2::1", 30'000);
    callee = out_v4 ? at("10.81.2.2", 5'000) : at("fd81:2::2", 5'000);
    in.address(in_v4 ? "10.81.1.1" : "fd81:1::1", in_v4 ? "10.81.1.2" : "fd81:1::2");
    out.address(out_v4 ? "10.81.2.1" : "fd81:2::1", out_v4 ? "10.81.2.2" : "fd81:2::2");
    io::HostOptions options;
    options.max_pairs = 4;
    options.counters = counters.data();
    options.packet_limits = limits;
    options.notify = [](void*) {};
    const std::vector<relay::Ip> addresses{ip_of(box_caller), ip_of(box_callee)};
    if (way == Way::kRings) options.ring_addresses = addresses;
    else if (way != Way::kSocket) options.kernel_addresses = addresses;
    host = std::make_unique<io::RelayHost>(options);
  }

  io::SideWords words(const endpoint& local, const endpoint& remote) const {
    io::SideWords made;
    made.side.local = {ip_of(local), port_of(local), static_cast<std::uint16_t>(port_of(local) + 1), true};
    made.side.remote = {ip_of(remote), port_of(remote), static_cast<std::uint16_t>(port_of(remote) + 1), true};
    made.side.dscp = 46;
    std::copy_n("box", 3, made.side.cname.begin());
    made.side.cname_size = 3;
    return made;
  }
  void open() { open(words(box_caller, caller), words(box_callee, callee)); }
  void open(io::SideWords from, io::SideWords to) {
    host->open(0, relay::PairKind::kAudio, from, to);
    host->wake();
  }
  void change(std::uint8_t side, std::uint32_t bits, io::SideWords set) {
    host->change(0, side, bits, set);
    host->wake();
  }
  std::uint64_t counter(std::size_t side, relay::Counter which) const {
    return std::atomic_ref(const_cast<std::uint64_t&>(counters[side * relay::kCounterStride + which])).load();
  }

  Shape shape(Bytes payload) const { return {.from = caller, .to = box_caller, .payload = std::move(payload)}; }
  void put(Bytes payload) const { in.put(frames::frame_of(shape(std::move(payload)))); }
  Seen take(int wait_ms = 10'000) const { return out.take(callee, wait_ms); }

  /* Talks until the path under test carries the caller's voice, and all that came is counted; returns the next number. */
  std::uint16_t settle(std::uint16_t sequence = 1) {
    std::uint64_t came = 0;
    const auto arrives = [&] {
      for (Seen seen = take(500); seen.whole; seen = take(500)) {
        came += 1;
        if (frames::get16(&seen.payload[2]) == sequence) return true;
      }
      return false;
    };
    EXPECT(soon([&] {
      put(frames::rtp(sequence));
      const bool there = arrives();
      sequence += 1;
      return there && came > 2 && counter(0, relay::k_path) == path_wanted();
    }));
    EXPECT(soon([&] { return counter(0, relay::k_packets) == came; }));
    return sequence;
  }
};

inline bool same(const endpoint& a, const endpoint& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

inline void expect_right(const Box& box, const Seen& seen, const Bytes& payload) {
  EXPECT(seen.whole && seen.ip_sum_right && seen.udp_sum_right);
  EXPECT(same(seen.from, box.box_callee) && same(seen.to, box.callee));
  EXPECT(seen.tos == 46 << 2 && seen.hop_limit == 64);
  EXPECT((seen.ethernet == Bytes{2, 0, 0, 0, 2, 2, 2, 0, 0, 0, 2, 1}));
  EXPECT(seen.payload == payload);
}

}  // namespace paths
