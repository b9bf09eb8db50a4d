#include "../reports.h"

#include "../../shared/check.h"
#include "../rtcp.h"
#include "world.h"

using namespace sallyport;
using namespace sallyport::relay;
using namespace sallyport::relay::test;

namespace {

constexpr std::uint32_t kAlice = 0x5555'5555;  // As world.h's packets have it.
constexpr std::uint32_t kBob = 0xb0b;

Bytes words(std::initializer_list<std::uint32_t> list) {
  Bytes made;
  for (const std::uint32_t word : list) {
    for (int shift = 24; shift >= 0; shift -= 8) made.push_back(static_cast<std::uint8_t>(word >> shift));
  }
  return made;
}

Bytes sender_report(std::uint32_t ssrc, std::uint64_t ntp) {
  return words({0x80c8'0006, ssrc, static_cast<std::uint32_t>(ntp >> 32), static_cast<std::uint32_t>(ntp), 160, 1, 160});
}

Bytes receiver_report(std::uint32_t ssrc, std::uint32_t about, std::uint32_t fraction_lost, std::uint32_t jitter, std::uint32_t lsr,
                      std::uint32_t dlsr) {
  return words({0x81c9'0007, ssrc, about, fraction_lost, 1'000, jitter, lsr, dlsr});
}

struct Talk : World {
  explicit Talk(bool reports = false, bool mux = false) {
    Side caller = side(2), callee = side(3);
    callee.reports = reports;
    if (mux) callee.local.rtcp_port = callee.local.rtp_port, callee.remote.rtcp_port = callee.remote.rtp_port;
    relay.open(0, PairKind::kAudio, caller, callee, now);
    relay.set_wall(kWall);
  }
  void alice_talks(std::uint16_t sequence) {
    Bytes packet = rtp(sequence, sequence * 160u);
    give(0, at(2, 5'000), packet);
  }
  Datagram alice_reports(const Bytes& packet) { return give(1, at(2, 5'001), packet); }
  Datagram bob_reports(const Bytes& packet) { return give(3, at(3, 5'001), packet); }
  std::vector<Datagram> pass(unsigned ms) {
    std::vector<Datagram> made;
    for (unsigned i = 0; i < ms / 20; ++i) {
      now += 20 * kMs;
      relay.tick(now);
      for (Datagram one : relay.made(now)) {
        bodies.emplace_back(one.data, one.data + one.size);
        made.push_back(one);
      }
    }
    return made;
  }
  static constexpr std::uint64_t kWall = 1'700'000'000'000'000'000;
  std::vector<Bytes> bodies;
};

}  // namespace

TEST("a round trip is known from a report that crossed and its answer") {
  Talk talk;
  EXPECT(talk.alice_reports(sender_report(kAlice, 0x0102'0304'0506'0708)).verdict == Verdict::kForward);
  talk.now += 150 * kMs;
  // It lay at Bob's for 100 ms: 6554/65536 s.
  talk.bob_reports(receiver_report(kBob, kAlice, 0x0500'0007, 80, 0x0304'0506, 6'554));
  const std::uint64_t rtt = talk.counter(0, 1, k_rttUs);
  EXPECT(rtt > 49'900 && rtt < 50'100);
  EXPECT(talk.counter(0, 1, k_reports) == 1 && talk.counter(0, 1, k_reportedLost) == 7);
  EXPECT(talk.counter(0, 0, k_rttUs) == 0);
}

TEST("jitter that is told counts in the clock of the stream that it speaks of; negative loss is none") {
  Talk talk;
  for (std::uint16_t i = 0; i < 3; ++i) talk.alice_talks(i);
  talk.bob_reports(receiver_report(kBob, kAlice, 0x00ff'fffe, 80, 0, 0));
  EXPECT(talk.counter(0, 1, k_reportedJitterUs) == 10'000);
  EXPECT(talk.counter(0, 1, k_reportedLost) == 0);
}

TEST("answers to times that nobody sent, and those from the future, are not believed") {
  Talk talk;
  talk.alice_reports(sender_report(kAlice, 0x0102'0304'0506'0708));
  talk.now += 10 * kMs;
  talk.bob_reports(receiver_report(kBob, kAlice, 0, 0, 0x1111'1111, 0));
  talk.bob_reports(receiver_report(kBob, kAlice, 0, 0, 0x0304'0506, 65'536));  // A second, of ten milliseconds.
  EXPECT(talk.counter(0, 1, k_rttUs) == 0);
  EXPECT(talk.counter(0, 1, k_reports) == 2);
}

TEST("RRT and DLRR tell a round trip, too, and VoIP metrics how it sounds") {
  Talk talk;
  const Bytes reference = words({0x80cf'0004, kAlice, 0x0400'0002, 0x0102'0304, 0x0506'0708});
  EXPECT(talk.alice_reports(reference).verdict == Verdict::kForward);
  talk.now += 30 * kMs;
  const Bytes delay = words({0x80cf'0005, kBob, 0x0500'0003, kAlice, 0x0304'0506, 0});
  const Bytes metrics = words({0x80cf'000a, kBob, 0x0700'0008, kAlice, 0, 0, 0, 0, 0x5d00'2a29, 0, 0});
  EXPECT(rtcp_fits(delay) && rtcp_fits(metrics));
  EXPECT(talk.bob_reports(delay).verdict == Verdict::kForward);
  EXPECT(talk.bob_reports(metrics).verdict == Verdict::kForward);
  EXPECT(talk.counter(0, 1, k_rttUs) == 30'000);
  EXPECT(talk.counter(0, 1, k_reportedMos) == 41);
}

TEST("a known block of an extended report has its own length; an unknown one does not cross") {
  EXPECT(!rtcp_fits(words({0x80cf'0003, kBob, 0x0400'0001, 1})));
  EXPECT(!rtcp_fits(words({0x80cf'0003, kBob, 0x0500'0001, 1})));
  EXPECT(!rtcp_fits(words({0x80cf'0003, kBob, 0x0700'0001, 1})));
  EXPECT(!rtcp_fits(words({0x80cf'0003, kBob, 0x0600'0001, 1})));
  const Bytes unknown = words({0x80cf'0006, kBob, 0x6300'0001, 0x6e61'6d65, 0x0400'0002, 1, 2});
  std::array<std::uint8_t, kRtcpBytes> out;
  const std::size_t size = rewrite_rtcp(unknown, "box", out);
  EXPECT(Bytes(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size)) == words({0x80cf'0004, kBob, 0x0400'0002, 1, 2}));
}

TEST("where one side sends no RTCP, the other hears of it by ours: right times, counts and names") {
  Talk talk(true);
  for (std::uint16_t i = 0; i < 50; ++i) {
    talk.alice_talks(i);
    talk.pass(20);
  }
  Bytes heard = rtp(7, 160);
  heard[8] = heard[9] = 0, write16(&heard[10], kBob);
  talk.give(2, at(3, 5'000), heard);
  const std::vector<Datagram> made = talk.pass(8'000);
  EXPECT(!made.empty() && talk.bodies.size() >= 1);
  if (talk.bodies.empty()) return;
  const Bytes& report = talk.bodies[0];
  EXPECT(rtcp_fits(report));
  EXPECT(report[1] == 200 && read32(&report[4]) == kAlice);
  EXPECT(read32(&report[20]) == 50 && read32(&report[24]) == 50 * 160);
  EXPECT(talk.counter(0, 1, k_made) == made.size());
  EXPECT(same(made[0].to, at(3, 5'001)) && made[0].out_flow == 3);
  EXPECT(std::string_view(reinterpret_cast<const char*>(report.data()), report.size()).find("box") != std::string_view::npos);
}

TEST("NTP and RTP times of our reports are those of one moment") {
  Talk talk(true);
  for (std::uint16_t i = 0; i < 50; ++i) {
    talk.alice_talks(i);
    talk.pass(20);
  }
  const std::uint64_t sent_ns = talk.now - 20 * kMs;
  while (talk.bodies.empty()) talk.pass(20);
  const Bytes& report = talk.bodies[0];
  const std::uint64_t unix_ns = talk.now + Talk::kWall;
  EXPECT(read32(&report[8]) == unix_ns / 1'000'000'000 + 2'208'988'800);
  EXPECT(read32(&report[16]) == 49 * 160 + (talk.now - sent_ns) / 1'000'000 * 8);
}

TEST("our reports come at random times, half to one and a half of the interval, and no two of a row alike") {
  Talk talk(true);
  std::vector<std::uint64_t> times;
  for (unsigned i = 0; i < 120'000 / 20; ++i) {
    talk.alice_talks(static_cast<std::uint16_t>(i));
    if (!talk.pass(20).empty()) times.push_back(talk.now);
  }
  EXPECT(times.size() >= 120 / 6 && times.size() <= 120 / 2);
  bool differ = false;
  for (std::size_t i = 2; i < times.size(); ++i) {
    const std::uint64_t interval = (times[i] - times[i - 1]) / kMs;
    EXPECT(interval >= 2'030 && interval <= 6'200);
    differ |= interval != (times[i - 1] - times[i - 2]) / kMs;
  }
  EXPECT(differ);
}

TEST("we fall silent as soon as the end speaks for itself, and go on when it has been silent for long") {
  Talk talk(true);
  talk.alice_talks(1);
  EXPECT(!talk.pass(10'000).empty());
  talk.alice_reports(sender_report(kAlice, 5));
  EXPECT(talk.pass(24'000).empty());
  talk.alice_talks(2);
  EXPECT(!talk.pass(10'000).empty());
}

TEST("a side that wants none gets none; one that only listens gets receiver reports, under our own name") {
  Talk silent(false);
  silent.alice_talks(1);
  EXPECT(silent.pass(20'000).empty());
  Talk talk(true, true);
  Bytes heard = rtp(7, 160);
  heard[8] = heard[9] = 0, write16(&heard[10], kBob);
  talk.give(2, at(3, 5'000), heard);
  const std::vector<Datagram> made = talk.pass(8'000);
  EXPECT(!made.empty());
  if (made.empty()) return;
  EXPECT(same(made[0].to, at(3, 5'000)) && made[0].out_flow == 2);  // It shares one port for both.
  const Bytes& report = talk.bodies[0];
  EXPECT(report[1] == 201 && (report[0] & 0x1f) == 1 && read32(&report[8]) == kBob && read32(&report[4]) != kBob);
  EXPECT(read32(&report[16]) == 7);  // The highest number heard, without a cycle of our own.
}

TEST("loss since the last report is told in 256ths, loss in all beside it; bursts are counted") {
  Talk talk(true);
  std::uint16_t sequence = 0;
  const auto bob_talks = [&](bool lost) {
    Bytes packet = rtp(sequence, sequence * 160u);
    packet[8] = packet[9] = 0, write16(&packet[10], kBob);
    sequence += 1;
    if (!lost) talk.give(2, at(3, 5'000), packet);
  };
  for (int i = 0; i < 100; ++i) bob_talks(i % 4 == 1 || i % 4 == 2);
  while (talk.bodies.empty()) talk.pass(20);
  const Bytes& report = talk.bodies[0];
  EXPECT(read32(&report[8]) == kBob);
  EXPECT(report[12] == 50 * 256 / 100 && (read32(&report[12]) & 0xff'ffff) == 50);
  EXPECT(talk.counter(0, 1, k_lost) == 50 && talk.counter(0, 1, k_lossBursts) == 25);
  talk.bodies.clear();
  for (int i = 0; i < 10; ++i) bob_talks(false);
  while (talk.bodies.empty()) talk.pass(20);
  EXPECT(talk.bodies[0][12] == 0 && (read32(&talk.bodies[0][12]) & 0xff'ffff) == 50);
}

TEST("a round trip is known from our own reports as well") {
  Talk talk(true);
  talk.alice_talks(1);
  talk.alice_talks(2);
  while (talk.bodies.empty()) talk.pass(20);
  const std::uint32_t middle = read32(&talk.bodies[0][10]);
  talk.now += 80 * kMs;
  talk.bob_reports(receiver_report(kBob, kAlice, 0, 0, middle, 0));
  EXPECT(talk.counter(0, 1, k_rttUs) >= 79'999 && talk.counter(0, 1, k_rttUs) <= 80'001);
}

TEST("fax datagrams pass as they are, from where they were latched, and not beyond what the other side takes") {
  World world;
  Side caller = world.side(2, LatchPolicy::kSignalled), callee = world.side(3);
  caller.local.rtcp_port = caller.local.rtp_port;
  callee.local.rtcp_port = callee.local.rtp_port;
  callee.max_datagram = 600;
  world.relay.open(0, PairKind::kUdptl, caller, callee, world.now);
  Bytes fax(200, 0);  // Neither version 2 nor anything else of RTP.
  fax[1] = 200;       // Nor RTCP, though it might look like it.
  const Datagram out = world.give(0, at(2, 7'777), fax);
  EXPECT(out.verdict == Verdict::kForward && !out.rtcp && out.out_flow == 2 && same(out.to, at(3, 5'000)));
  EXPECT(Bytes(out.data, out.data + out.size) == fax);
  EXPECT(world.give(0, at(2, 5'000), fax).verdict == Verdict::kStranger);
  EXPECT(same(world.give(2, at(3, 5'000), fax).to, at(2, 7'777)));
  EXPECT(world.give(0, at(2, 7'777), Bytes(601, 1)).verdict == Verdict::kMalformed);
  EXPECT(world.give(0, at(2, 7'777), Bytes(600, 1)).verdict == Verdict::kForward);
  EXPECT(world.give(0, at(2, 7'777), Bytes(3, 1)).verdict == Verdict::kMalformed);
  EXPECT(world.counter(0, 0, k_packets) == 3 && world.counter(0, 0, k_droppedMalformed) == 2);
}

TEST("a small limit of a fax machine is the size of one packet of its own: those with redundancy pass") {
  World world;
  Side caller = world.side(2), callee = world.side(3);
  callee.max_datagram = 72;
  world.relay.open(0, PairKind::kUdptl, caller, callee, world.now);
  EXPECT(world.give(0, at(2, 5'000), Bytes(400, 1)).verdict == Verdict::kForward);
  EXPECT(world.give(0, at(2, 5'000), Bytes(513, 1)).verdict == Verdict::kMalformed);
}
