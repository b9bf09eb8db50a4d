/* The same captures give the same packets, whatever carries them: `paths_test socket|native|generic [ONLY]`. A box with two
 * NICs, and all that stands between its door and the wire. */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <random>

#include "../../shared/check.h"
#include "../relay_host.h"
#include "field.h"

using namespace sallyport;
using frames::at;
using frames::Bytes;
using frames::Seen;
using frames::Shape;

namespace {

constexpr int kWithoutPrivileges = 77;  // ctest counts it as skipped.
enum class Way { kSocket, kNative, kGeneric } way;

void rest_ms(long ms) {
  const timespec time{ms / 1'000, ms % 1'000 * 1'000'000};
  nanosleep(&time, nullptr);
}

template <typename Holds>
bool soon(Holds holds, int limit_ms = 5'000) {
  for (int waited = 0; waited < limit_ms; waited += 5, rest_ms(5)) {
    if (holds()) return true;
  }
  return holds();
}

relay::Ip ip_of(const endpoint& of) {
  relay::Ip ip;
  std::copy_n(of.ip, 16, ip.begin());
  return ip;
}
std::uint16_t port_of(const endpoint& of) { return frames::get16(of.port); }

/* The box, with a call between the two cables. */
struct Box {
  field::Cable in{1, way == Way::kNative}, out{2, way == Way::kNative};
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
    if (way != Way::kSocket) options.kernel_addresses = {ip_of(box_caller), ip_of(box_callee)};
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
  Seen take(int wait_ms = 1'000) const { return out.take(callee, wait_ms); }

  /* Talks until the path under test carries the caller's voice; returns the next sequence number. */
  std::uint16_t settle(std::uint16_t sequence = 1) {
    const std::uint64_t wanted = way == Way::kSocket ? 0 : 1;
    soon([&] {
      put(frames::rtp(sequence));
      if (take(200).whole) sequence += 1;
      return sequence > 3 && counter(0, relay::k_path) == wanted;
    });
    EXPECT(counter(0, relay::k_path) == wanted);
    return sequence;
  }
};

bool same(const endpoint& a, const endpoint& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

void expect_right(const Box& box, const Seen& seen, const Bytes& payload) {
  EXPECT(seen.whole && seen.ip_sum_right && seen.udp_sum_right);
  EXPECT(same(seen.from, box.box_callee) && same(seen.to, box.callee));
  EXPECT(seen.tos == 46 << 2 && seen.hop_limit == 64);
  EXPECT((seen.ethernet == Bytes{2, 0, 0, 0, 2, 2, 2, 0, 0, 0, 2, 1}));
  EXPECT(seen.payload == payload);
}

std::string links() { return field::told("ip -d link"); }

}  // namespace

TEST("between all address families, a capture with loss, doubles, disorder and a wrap comes out as it went in") {
  for (const bool in_v4 : {true, false}) {
    for (const bool out_v4 : {true, false}) {
      Box box(in_v4, out_v4);
      box.open();
      const std::uint16_t first = box.settle(65'300);
      std::mt19937 dice(7);
      std::vector<std::uint16_t> order;
      for (std::uint16_t i = 0; i < 500; ++i) {
        if (dice() % 100 == 0) continue;
        order.push_back(static_cast<std::uint16_t>(first + i));
        if (dice() % 50 == 0) order.push_back(order.back());
        if (dice() % 50 == 0 && order.size() > 2) std::swap(order[order.size() - 1], order[order.size() - 2]);
      }
      const std::uint64_t before = box.counter(0, relay::k_packets);
      for (const std::uint16_t sequence : order) {
        const Bytes payload = frames::rtp(sequence, 20 + sequence % 180);
        box.put(payload);
        expect_right(box, box.take(), payload);
      }
      EXPECT(soon([&] { return box.counter(0, relay::k_packets) - before == order.size(); }));
      const std::uint64_t lost = box.counter(0, relay::k_lost);
      EXPECT(box.counter(0, relay::k_packets) == box.counter(1, relay::k_sent) && lost <= 10);
      EXPECT(box.counter(0, relay::k_path) == (way == Way::kSocket ? 0u : 1u));
    }
  }
}

TEST("a burst keeps its order") {
  Box box;
  box.open();
  const std::uint16_t first = box.settle();
  constexpr std::uint16_t kBurst = 60;
  for (std::uint16_t i = 0; i < kBurst; ++i) box.put(frames::rtp(static_cast<std::uint16_t>(first + i)));
  for (std::uint16_t i = 0; i < kBurst; ++i) {
    const Seen seen = box.take();
    EXPECT(seen.whole && frames::get16(&seen.payload[2]) == first + i);
  }
}

TEST("fragments are put together and go on; strangers, and forged addresses, get nothing through") {
  Box box;
  box.open();
  const std::uint16_t next = box.settle();
  const Bytes payload = frames::rtp(next);
  const Bytes whole = frames::frame_of(box.shape(payload));
  const auto piece = [&](std::size_t from, std::size_t size, std::uint16_t flags) {
    Bytes frame(whole.begin(), whole.begin() + 34);
    frame.insert(frame.end(), whole.begin() + static_cast<long>(34 + from), whole.begin() + static_cast<long>(34 + from + size));
    frames::put16(&frame[16], 20 + size), frames::put16(&frame[20], flags | from / 8), frames::put16(&frame[24], 0);
    frames::put16(&frame[24], static_cast<std::uint16_t>(~frames::sum(&frame[14], 20)));
    return frame;
  };
  box.in.put(piece(0, 80, 0x2000));
  box.in.put(piece(80, 100, 0));
  expect_right(box, box.take(), payload);

  const std::uint64_t before = box.counter(0, relay::k_droppedStranger);
  Shape stranger = box.shape(frames::rtp(static_cast<std::uint16_t>(next + 1)));
  stranger.from = at("10.81.1.2", 4'001);
  box.in.put(frames::frame_of(stranger));
  stranger.from = at("10.81.1.77", 4'000);
  box.in.put(frames::frame_of(stranger));
  EXPECT(!box.take(100).whole);
  EXPECT(soon([&] { return box.counter(0, relay::k_droppedStranger) - before == 2; }));
}

TEST("RTCP, another SSRC and a payload type that is watched go on as ever, by the sockets") {
  Box box;
  io::SideWords caller = box.words(box.box_caller, box.caller);
  caller.side.digits.events[0] = {101, 8'000};
  caller.side.digits.event_count = 1;
  caller.side.local.rtcp_port = caller.side.local.rtp_port;
  box.open(caller, box.words(box.box_callee, box.callee));
  const std::uint16_t next = box.settle();
  box.put(frames::rtp(next, 4, 101));
  EXPECT(box.take().payload.size() == 16);
  box.put(frames::rtp(1, 160, 0, 0x99));
  EXPECT(box.take().whole);
  const std::uint64_t reports = box.counter(0, relay::k_rtcpPackets);
  box.put({0x80, 201, 0, 1, 1, 2, 3, 4});
  EXPECT(soon([&] { return box.counter(0, relay::k_rtcpPackets) == reports + 1; }));
  box.put(frames::rtp(static_cast<std::uint16_t>(next + 1)));
  expect_right(box, box.take(), frames::rtp(static_cast<std::uint16_t>(next + 1)));
  EXPECT(box.counter(0, relay::k_lost) == 0);
}

TEST("payload types are renumbered toward the side that wants it") {
  Box box;
  io::SideWords callee = box.words(box.box_callee, box.callee);
  callee.side.payload_types[0] = {0, 111};
  callee.side.payload_type_count = 1;
  box.open(box.words(box.box_caller, box.caller), callee);
  const std::uint16_t next = box.settle();
  box.put(frames::rtp(next));
  const Seen seen = box.take();
  EXPECT(seen.udp_sum_right && seen.payload.size() == 172 && seen.payload[1] == 111);
}

TEST("a live call changes without losing a packet: hold, resume, another remote, another mark") {
  Box box;
  box.open();
  std::uint16_t next = box.settle();
  io::SideWords callee = box.words(box.box_callee, box.callee);

  callee.side.send = false;
  box.change(1, relay::kChangeSend, callee);
  EXPECT(soon([&] { return box.counter(0, relay::k_path) == 0; }));
  box.put(frames::rtp(next++));
  EXPECT(!box.take(100).whole);
  EXPECT(box.counter(0, relay::k_droppedUnsent) == 1);
  callee.side.send = true;
  callee.side.dscp = 10;
  box.change(1, relay::kChangeSend | relay::kChangeDscp, callee);
  // Packets every 2 ms while the flow moves back: each arrives, in order.
  std::uint16_t awaited = next;
  bool marked = true;
  for (int i = 0; i < 300; ++i) {
    box.put(frames::rtp(next++));
    const Seen seen = box.take();
    marked &= seen.whole && frames::get16(&seen.payload[2]) == awaited++ && seen.tos == 10 << 2;
    rest_ms(2);
  }
  EXPECT(marked);
  EXPECT(box.counter(0, relay::k_path) == (way == Way::kSocket ? 0u : 1u));

  box.callee = at("10.81.2.2", 5'100);
  box.change(1, relay::kChangeRemote, box.words(box.box_callee, box.callee));
  EXPECT(soon([&] { return box.put(frames::rtp(next++)), box.take(50).whole; }));
  EXPECT(box.counter(0, relay::k_lost) == 0);
}

TEST("so many packets a second and no more") {
  Box box(true, true, {.audio = 40, .other = 0});
  box.open();
  std::uint16_t next = box.settle();
  int through = 0;
  for (int i = 0; i < 200; ++i) box.put(frames::rtp(next++));
  while (box.take(200).whole) through += 1;
  EXPECT(through <= 120 && box.counter(0, relay::k_droppedPoliced) + box.counter(0, relay::k_packets) >= 200);
}

TEST("a NIC that goes down and comes back carries on; the kernel keeps nothing of a box that is gone") {
  if (way == Way::kSocket) return;
  {
    Box box;
    box.open();
    std::uint16_t next = box.settle();
    EXPECT(links().find("xdp") != std::string::npos);
    for (const char* side : {"spx-box1", "spx-box2"}) {
      field::shell(std::string("ip link set ") + side + " down && ip link set " + side + " up");
      field::shell("ip neigh replace 10.81.2.2 lladdr 02:00:00:00:02:02 nud permanent dev spx-box2");
    }
    EXPECT(soon([&] { return box.put(frames::rtp(next++)), box.take(50).whole; }));
    EXPECT(soon([&] { return box.put(frames::rtp(next++)), box.take(50).whole && box.counter(0, relay::k_path) == 1; }));
    box.host->close(0);
    box.host->wake();
    rest_ms(100);
    box.host->stop();
    box.host.reset();
    EXPECT(links().find("xdp") == std::string::npos);
  }
  // A neighbour that moves to another card is found there.
  Box box;
  box.open();
  std::uint16_t next = box.settle();
  field::shell("ip neigh replace 10.81.2.2 lladdr 02:00:00:00:02:aa nud permanent dev spx-box2");
  EXPECT(soon([&] {
    box.put(frames::rtp(next++));
    const Seen seen = box.take(50);
    return seen.whole && seen.ethernet[5] == 0xaa && box.counter(0, relay::k_path) == 1;
  }));
}

TEST("a box that is killed leaves nothing in the kernel") {
  if (way == Way::kSocket) return;
  const field::Cable cable(1, way == Way::kNative);
  cable.address("10.81.1.1", "10.81.1.2");
  const pid_t child = fork();
  if (child == 0) {
    std::string why;
    const auto path = io::KernelPath::start(8, {ip_of(at("10.81.1.1", 0))}, why);
    for (;;) pause();
  }
  EXPECT(child > 0);
  if (child <= 0) return;
  EXPECT(soon([] { return links().find("xdp") != std::string::npos; }));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT(soon([] { return links().find("xdp") == std::string::npos; }));
}

int main(int count, char** words) {
  const std::string wanted = count > 1 ? words[1] : "socket";
  way = wanted == "native" ? Way::kNative : wanted == "generic" ? Way::kGeneric : Way::kSocket;
  if (!field::enter()) {
    std::printf("skipped: namespaces need root\n");
    return kWithoutPrivileges;
  }
  return check::run(count - 1, words + 1);
}
