/* The same captures give the same packets, whatever carries them: `paths_test socket|native|generic|rings [ONLY]`. A box with
 * two NICs, and all that stands between its door and the wire. */
#include <signal.h>
#include <sys/wait.h>

#include <array>
#include <chrono>
#include <random>

#include "paths_box.h"

using namespace paths;

namespace {

constexpr int kWithoutPrivileges = 77;  // ctest counts it as skipped.

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
      EXPECT(box.counter(0, relay::k_path) == path_wanted());
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
  for (const Bytes& piece : frames::pieces(frames::frame_of(box.shape(payload)), 80)) box.in.put(piece);
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
  EXPECT(way == Way::kRings || soon([&] { return box.counter(0, relay::k_path) == 0; }));
  // What was said is obeyed before the next packet is judged: rings and sockets ask first.
  box.put(frames::rtp(next++));
  EXPECT(!box.take(100).whole);
  EXPECT(soon([&] { return box.counter(0, relay::k_droppedUnsent) == 1; }));
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
  EXPECT(soon([&] {
    if (box.counter(0, relay::k_path) == path_wanted()) return true;
    box.put(frames::rtp(next++));
    EXPECT(box.take().whole);
    return false;
  }));

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
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 200; ++i) box.put(frames::rtp(next++));
  while (box.take(200).whole) through += 1;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT(through <= 40 * (2 + took.count()));
  EXPECT(soon([&] { return box.counter(0, relay::k_droppedPoliced) + box.counter(0, relay::k_packets) >= 200; }));
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
    EXPECT(soon([&] { return box.put(frames::rtp(next++)), box.take(50).whole && box.counter(0, relay::k_path) == path_wanted(); }));
    box.host->close(0);
    box.host->wake();
    rest_ms(100);
    box.host->stop();
    box.host.reset();
    EXPECT(soon([] { return links().find("xdp") == std::string::npos; }));
  }
  // A neighbour that moves to another card is found there.
  Box box;
  box.open();
  std::uint16_t next = box.settle();
  field::shell("ip neigh replace 10.81.2.2 lladdr 02:00:00:00:02:aa nud permanent dev spx-box2");
  EXPECT(soon([&] {
    box.put(frames::rtp(next++));
    const Seen seen = box.take(50);
    return seen.whole && seen.ethernet[5] == 0xaa && box.counter(0, relay::k_path) == path_wanted();
  }));
}

TEST("a box that is killed leaves nothing in the kernel") {
  if (way == Way::kSocket) return;
  const field::Cable cable(1, way != Way::kGeneric);
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
  way = wanted == "native" ? Way::kNative : wanted == "generic" ? Way::kGeneric : wanted == "rings" ? Way::kRings : Way::kSocket;
  if (!field::enter()) {
    std::printf("skipped: namespaces need root\n");
    return kWithoutPrivileges;
  }
  return check::run(count - 1, words + 1);
}
