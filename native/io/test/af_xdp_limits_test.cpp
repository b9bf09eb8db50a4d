/// Rings at their limits: full ones, many of them, and those that are polled without sleep.
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "talk.h"

using namespace sallyport;
using namespace sallyport::io;
using namespace sallyport::io::test;

namespace {

/// Queues of a cable's end that have seen packets by XDP, as its driver counts.
unsigned queues_heard(const Cable& cable, unsigned queues) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::strncpy(request.ifr_name, cable.box.c_str(), IFNAMSIZ - 1);
  const auto ask = [&](void* words) {
    request.ifr_data = static_cast<char*>(words);
    EXPECT(ioctl(fd, SIOCETHTOOL, &request) == 0);
  };
  std::uint64_t size[3]{};
  auto* const set = reinterpret_cast<ethtool_sset_info*>(size);
  set->cmd = ETHTOOL_GSSET_INFO;
  set->sset_mask = 1u << ETH_SS_STATS;
  ask(set);
  const std::uint32_t count = set->data[0];  // The kernel wants it exactly.
  std::vector<std::uint64_t> texts(2 + std::size_t{count} * ETH_GSTRING_LEN / 8), values(1 + count);
  auto* const names = reinterpret_cast<ethtool_gstrings*>(texts.data());
  names->cmd = ETHTOOL_GSTRINGS;
  names->string_set = ETH_SS_STATS;
  names->len = count;
  ask(names);
  auto* const counts = reinterpret_cast<ethtool_stats*>(values.data());
  counts->cmd = ETHTOOL_GSTATS;
  counts->n_stats = count;
  ask(counts);
  close(fd);
  unsigned heard = 0, known = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::string name(reinterpret_cast<const char*>(names->data) + i * ETH_GSTRING_LEN);
    if (!name.starts_with("rx_queue_") || !name.ends_with("_xdp_packets")) continue;
    known += 1;
    heard += counts->data[i] != 0;
  }
  EXPECT(known == queues);
  return heard;
}

/// Calls that the hash of their addresses spreads over the queues; returns what came out, by our port of the call.
std::map<int, std::vector<Bytes>> talk_on_all(Box& box, Cable& first, Cable& second, std::uint32_t packets) {
  for (std::uint32_t pair = 0; pair < Box::kPairs; ++pair) {
    SideWords a = box.side(0, false, 0), b = box.side(1, false, 0);
    for (SideWords* words : {&a, &b}) words->side.local.rtp_port = words->side.local.rtcp_port = static_cast<std::uint16_t>(box.port + 100 + pair * 2);
    box.open(pair, a, b);
  }
  for (std::uint32_t sequence = 0; sequence < packets; ++sequence) {
    for (std::uint32_t pair = 0; pair < Box::kPairs; ++pair) first.put(frame_in(first, false, rtp(sequence), static_cast<std::uint16_t>(box.port + 100 + pair * 2)));
  }
  std::map<int, std::vector<Bytes>> came;
  for (std::uint32_t i = 0; i < packets * Box::kPairs; ++i) {
    const Bytes frame = second.get(10'000);
    if (frame.size() <= 42) break;
    came[frame[34] << 8 | frame[35]].push_back(payload_of(frame));
  }
  return came;
}

void all_in_order(const std::map<int, std::vector<Bytes>>& came, std::uint32_t packets) {
  EXPECT(came.size() == Box::kPairs);
  for (const auto& [port, payloads] : came) {
    EXPECT(payloads.size() == packets);
    for (std::uint32_t i = 0; i < payloads.size(); ++i) EXPECT(payloads[i] == rtp(i));
  }
}

}  // namespace

TEST("a transmit ring that is full: what finds no room is counted, nothing overtakes, no frame is lost, and traffic goes on") {
  Cable first("spax", 1), second("spay", 2);
  Box box(Path::kNative, first, second);
  box.open(0, box.side(0, false, 0), box.side(1, false, 0));
  Talk talk{box};
  EXPECT(talk.passes(first, second, 1) && talk.passes(second, first, 1));
  const std::uint64_t sent = box.ring(kRing_sent), received = box.ring(kRing_received);
  shell("ip link set spay0 down");
  constexpr std::uint32_t kTooMany = 300;
  for (std::uint32_t i = 0; i < kRingEntries + kTooMany; ++i) {
    first.put(frame_in(first, false, rtp(talk.sequence++, 20), box.port));
    if (i % 64 == 63) until([&] { return box.ring(kRing_received) == received + i + 1; });
  }
  until([&] { return box.ring(kRing_received) == received + kRingEntries + kTooMany; });
  until([&] { return box.ring(kRing_sent) - sent + box.ring(kRing_heldBack) + box.ring(kRing_bySocket) == kRingEntries + kTooMany; });
  EXPECT(box.ring(kRing_sent) - sent == kRingEntries && box.ring(kRing_heldBack) == kTooMany);
  EXPECT(box.ring(kRing_nicDown) > 0 && box.ring(kRing_noFrame) == 0 && box.ring(kRing_missed) == 0);

  shell("ip link set spay0 up");
  shell("ip neigh replace 10.99.2.2 lladdr 02:00:00:00:99:22 dev spay0 nud permanent");
  const std::vector<std::uint32_t> late = drained(second);
  EXPECT(rising(late) && !late.empty() && late.back() < talk.sequence - kTooMany);
  talk.every_frame_goes_round();
}

TEST("a receive ring that is full: the kernel's losses are counted, what it holds comes in order, and traffic goes on") {
  Cable first("spax", 1), second("spay", 2);
  Box box(Path::kNative, first, second);
  box.open(0, box.side(0, false, 0), box.side(1, false, 0));
  Talk talk{box};
  EXPECT(talk.passes(first, second, 1));
  constexpr std::uint32_t kPut = kRingEntries + 700;
  const std::uint32_t begin = talk.sequence;
  {
    const std::lock_guard turn(box.ground.turn);
    for (std::uint32_t i = 0; i < kPut; ++i) first.put(frame_in(first, false, rtp(talk.sequence++, 20), box.port));
    // Until the last of them has been through the cable: its far end sends and the near end receives in one go, or soon after.
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  const std::vector<std::uint32_t> came = drained(second);
  EXPECT(came.size() > kRingEntries - 64 && came.size() <= kRingEntries);
  EXPECT(rising(came) && !came.empty() && came.front() == begin);
  until([&] { return box.ring(kRing_missed) == kPut - came.size(); });
  EXPECT(box.ring(kRing_received) == 1 + came.size() && box.ring(kRing_heldBack) == 0);
  talk.every_frame_goes_round();
  EXPECT(box.ring(kRing_missed) == kPut - came.size());
}

TEST("four queues a NIC, over which the calls are spread: all are heard, each call in order; those without rings go by the sockets") {
  constexpr std::uint32_t kPackets = 40;
  for (const unsigned with_rings : {4u, 2u}) {
    Cable first("spax", 1, 4), second("spay", 2, 4);
    Box box(Path::kNative, first, second, with_rings);
    all_in_order(talk_on_all(box, first, second, kPackets), kPackets);
    EXPECT(queues_heard(first, 4) >= 2);
    const std::uint64_t all = kPackets * Box::kPairs;
    if (with_rings == 4) EXPECT(box.ring(kRing_received) == all && box.ring(kRing_sent) == all && box.ring(kRing_copied) == 0);
    // What came by a socket is copied, since it leaves by a ring.
    else EXPECT(box.ring(kRing_received) + box.ring(kRing_copied) == all && box.ring(kRing_sent) == all);
    EXPECT(box.ring(kRing_missed) == 0 && box.ring(kRing_heldBack) == 0);
  }
}

TEST("a NIC polled without sleep carries the same, one packet at a time and many, and a pause between them hangs nothing") {
  for (const PortChoice sockets : {PortChoice::kIoUring, PortChoice::kEpoll}) {
    Cable first("spax", 1), second("spay", 2);
    Box box(Path::kNative, first, second, 1, sockets, true);
    const auto queues = box.host->ring_queues();
    EXPECT(std::ranges::all_of(queues, [](const QueueFacts& queue) { return queue.busy_polls; }));
    box.open(0, box.side(0, false, 0), box.side(1, false, 0));
    Talk talk{box};
    for (int i = 0; i < 50; ++i) EXPECT(talk.passes(first, second, 1) && talk.passes(second, first, 1));
    for (int i = 0; i < 20; ++i) EXPECT(talk.passes(first, second, 100) && talk.passes(second, first, 100));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT(talk.passes(first, second, 1));
    EXPECT(box.ring(kRing_sent) == box.ring(kRing_received) && box.ring(kRing_bySocket) == 0 && box.ring(kRing_missed) == 0);
  }
}
