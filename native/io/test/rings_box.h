/// The box between two cables, its packets through AF_XDP rings, or not.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "../../shared/check.h"
#include "../af_xdp_headers.h"
#include "../af_xdp_parse.h"
#include "../relay_host.h"
#include "cables.h"
#include "rtp_packet.h"
#include "test_ground.h"

namespace sallyport::io::test {

enum class Path { kSocket, kNative, kGeneric };

inline void until(const std::function<bool()>& so) {
  for (int i = 0; i < 15'000 && !so(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT(so());
}

constexpr std::uint16_t kFarPort = 40'000;

/// A box that is gone holds its ports a moment longer: io_uring lets go of sockets in its own time.
inline std::uint16_t next_port() {
  static std::uint16_t port = 20'000;
  return port += 2;
}

/// The box with one call: side 0 on the first cable, side 1 on the second.
struct Box {
  static constexpr std::uint32_t kPairs = 16;

  Box(Path path, Cable& first, Cable& second, unsigned queues = 1, PortChoice sockets = PortChoice::kAuto, bool busy_poll = false)
      : cables{&first, &second}, counters(kPairs * 2 * relay::kCounterStride) {
    HostOptions options;
    options.max_pairs = kPairs;
    options.rings.busy_poll = busy_poll;
    options.counters = counters.data();
    options.notify = [](void*) {};
    options.port = sockets;
    if (path != Path::kSocket) {
      for (Cable* cable : cables) {
        ground.attach(*cable, path == Path::kGeneric, queues);
        ground.learn(*cable);
      }
      options.rings.ground = &ground;
    }
    host = std::make_unique<RelayHost>(options);
    EXPECT(host->problem().empty());
    if (path != Path::kSocket) EXPECT(host->ring_queues().size() == 2 * queues);
  }

  SideWords side(int which, bool six, std::uint8_t dscp) const {
    SideWords words;
    std::memcpy(words.side.local.ip.data(), at(cables[which]->box_ip(six), 0).ip, 16);
    std::memcpy(words.side.remote.ip.data(), at(cables[which]->far_ip(six), 0).ip, 16);
    words.side.local.rtp_port = words.side.local.rtcp_port = port;
    words.side.remote.rtp_port = words.side.remote.rtcp_port = kFarPort;
    words.side.local.known = words.side.remote.known = true;
    words.side.dscp = dscp;
    return words;
  }
  void open(std::uint32_t pair, SideWords a, SideWords b) {
    EXPECT(host->open(pair, relay::PairKind::kAudio, a, b));
    host->wake();
    HostEvent events[4];
    for (std::size_t i = 0, count = host->events(events); i < count; ++i) {
      EXPECT(events[i].kind != relay::EventKind::kFailed);
    }
  }
  std::uint64_t ring(RingCounter which) const { return host->ring_counter(which); }
  std::uint64_t counter(std::uint32_t side, relay::Counter which) const {
    return std::atomic_ref(const_cast<std::uint64_t&>(counters[side * relay::kCounterStride + which])).load();
  }

  Cable* cables[2];
  const std::uint16_t port = next_port();
  std::vector<std::uint64_t> counters;
  TestGround ground;
  std::unique_ptr<RelayHost> host;
};

/// What a phone at the far end of `cable` sends to the box.
inline Bytes frame_in(const Cable& cable, bool six, const Bytes& payload, std::uint16_t to_port, std::uint16_t from_port = kFarPort) {
  next_hop to_box = cable.hop();
  std::swap(to_box.destination, to_box.source);
  HeaderTemplate header;
  header.set(to_box, at(cable.far_ip(six), from_port), at(cable.box_ip(six), to_port), 0);
  Bytes memory(HeaderTemplate::kMost + payload.size());
  std::copy(payload.begin(), payload.end(), memory.begin() + HeaderTemplate::kMost);
  header.write(memory.data() + HeaderTemplate::kMost, static_cast<std::uint32_t>(payload.size()));
  return {memory.begin() + (HeaderTemplate::kMost - header.size()), memory.end()};
}

inline Bytes payload_of(const Bytes& frame) {
  UdpFrame read;
  if (frame.empty() || parse_frame(frame.data(), static_cast<std::uint32_t>(frame.size()), true, read) != FrameFault::kNone) return {};
  return Bytes(frame.begin() + read.payload_at, frame.begin() + read.payload_at + read.payload_size);
}

}  // namespace sallyport::io::test
