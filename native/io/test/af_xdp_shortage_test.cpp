/// Frames that come back late: a completion ring that fills up, and a frame store that runs empty.
#include <sys/syscall.h>

#include <atomic>
#include <mutex>

#include "rings_seen.h"
#include "talk.h"

using namespace sallyport;
using namespace sallyport::io;
using namespace sallyport::io::test;

namespace {

/// How often the kernel was asked to look at a transmit ring.
std::atomic<std::uint64_t> kicks{0};

}  // namespace

/// Before libc's: a kick is the call without a byte.
extern "C" ssize_t sendto(int fd, const void* bytes, size_t size, int flags, const sockaddr* to, socklen_t to_size) {
  if (bytes == nullptr && size == 0) kicks += 1;
  return syscall(SYS_sendto, fd, bytes, size, flags, to, to_size);
}

namespace {

constexpr std::uint32_t kPiece = 32;
constexpr std::uint32_t kAllFrames = 2 * kFramesPerQueue;

/// One call between two NICs, of one queue each, that can keep the frames they send.
struct Scene {
  Cable first{"spax", 1}, second{"spay", 2};
  Box box{Path::kNative, first, second};
  Talk talk{box};
  SeenRings to_first{socket_of(first)}, to_second{socket_of(second)};

  Scene() {
    box.open(0, box.side(0, false, 0), box.side(1, false, 0));
    EXPECT(talk.passes(first, second, 1) && talk.passes(second, first, 1));
    rest();
  }
  int socket_of(const Cable& cable) {
    const std::lock_guard lock(box.ground.mutex);
    return box.ground.sockets.at({cable.interface(), 0});
  }
  void rest() {
    until([&] { return to_first.at_rest() && to_second.at_rest(); });
  }
  /// While the packet thread stands between two turns.
  void between_turns(const std::function<void()>& act) {
    const std::lock_guard turn(box.ground.turn);
    box.host->wake();
    until([&] { return box.ground.at_door.load(); });
    act();
  }

  std::uint64_t lost() const { return to_first.lost() + to_second.lost(); }
  std::uint64_t settled() const { return box.ring(kRing_sent) + box.ring(kRing_heldBack) + box.ring(kRing_bySocket); }
  /// Until each has left, was dropped by the port, or by the kernel: so no ring of arrival overflows.
  void put(Cable& from, std::uint32_t packets, std::uint16_t port) {
    const std::uint64_t before = settled() + lost();
    for (std::uint32_t i = 0; i < packets; ++i) from.put(frame_in(from, false, rtp(talk.sequence++, 20), port));
    until([&] { return settled() + lost() == before + packets; });
  }
  void put(Cable& from, std::uint32_t packets) { put(from, packets, box.port); }
};

std::vector<std::uint32_t> taken(Cable& cable, std::uint64_t count) {
  std::vector<std::uint32_t> numbers;
  while (numbers.size() < count) {
    const Bytes payload = payload_of(cable.get(10'000));
    if (payload.empty()) break;
    numbers.push_back(sequence_of(payload));
  }
  return numbers;
}

}  // namespace

TEST("a completion ring that is full: what finds no room is counted, the kernel is not asked in vain, the other way goes on, all frames come back") {
  Scene scene;
  auto& [first, second, box, talk, to_first, to_second] = scene;
  const std::uint64_t sent = box.ring(kRing_sent);
  const std::uint32_t begin = talk.sequence;
  scene.between_turns([&] { to_second.hide_completions(); });
  constexpr std::uint32_t kRoom = 2 * kRingEntries, kTooMany = 320;  // One ring full of what left, one of what waits.
  for (std::uint32_t i = 0; i < kRoom; i += kPiece) scene.put(first, kPiece);
  EXPECT(box.ring(kRing_sent) == sent + kRoom && box.ring(kRing_heldBack) == 0);
  const std::uint64_t kicked = kicks;
  for (std::uint32_t i = 0; i < kTooMany; i += kPiece) scene.put(first, kPiece);
  EXPECT(box.ring(kRing_sent) == sent + kRoom && box.ring(kRing_heldBack) == kTooMany);
  EXPECT(kicks - kicked < 10 * kTooMany);
  EXPECT(to_second.in_flight() == kRoom && box.ring(kRing_bySocket) == 0 && box.ring(kRing_noFrame) == 0 && scene.lost() == 0);
  std::vector<std::uint32_t> came = taken(second, kRingEntries);
  EXPECT(talk.passes(second, first, kPiece));

  scene.between_turns([&] { to_second.show_completions(); });
  for (const std::uint32_t number : taken(second, kRingEntries)) came.push_back(number);
  EXPECT(came.size() == kRoom && rising(came) && came.front() == begin && came.back() == begin + kRoom - 1);
  scene.rest();
  talk.every_frame_goes_round();
}

TEST("a frame store that is empty: the kernel's losses are counted, other calls take their sockets, all frames come back, twice") {
  Scene scene;
  auto& [first, second, box, talk, to_first, to_second] = scene;
  const std::uint16_t other_port = static_cast<std::uint16_t>(box.port + 100);
  SideWords a = box.side(0, false, 0), b = box.side(1, false, 0);
  for (SideWords* words : {&a, &b}) words->side.local.rtp_port = words->side.local.rtcp_port = other_port;
  box.open(1, a, b);
  for (std::uint64_t round = 1; round <= 2; ++round) {
    scene.between_turns([&] { to_first.hide_completions(), to_second.hide_completions(); });
    for (std::uint32_t i = 0; i < kAllFrames / 2 + 10 * kPiece; i += kPiece) scene.put(first, kPiece), scene.put(second, kPiece);
    // None is missing, and all that nothing is sent from wait for packets to come.
    until([&] { return to_first.in_flight() + to_second.in_flight() + to_first.to_be_filled() + to_second.to_be_filled() == kAllFrames; });
    EXPECT(to_first.in_flight() + to_second.in_flight() > kAllFrames - 4 * kPiece);
    EXPECT(scene.lost() > 0);

    const std::uint64_t without = box.ring(kRing_noFrame);
    box.ground.redirect(first, false);
    scene.put(first, kPiece, other_port);
    box.ground.redirect(first, true);
    // Once a turn: what follows in it goes the same way.
    EXPECT(box.ring(kRing_noFrame) > without && box.ring(kRing_noFrame) <= without + kPiece);
    EXPECT(box.ring(kRing_bySocket) == round * kPiece && box.ring(kRing_copied) == 0);

    const std::uint32_t to_come[] = {to_first.in_flight(), to_second.in_flight() + kPiece};
    scene.between_turns([&] { to_first.show_completions(), to_second.show_completions(); });
    EXPECT(taken(first, to_come[0]).size() == to_come[0] && taken(second, to_come[1]).size() == to_come[1]);
    scene.rest();
    until([&] { return box.ring(kRing_missed) == scene.lost(); });
    talk.every_frame_goes_round();
    scene.rest();
  }
}
