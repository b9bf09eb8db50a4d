/// Lines that share the transport of a side: whose a packet is, both ways.
#include <set>

#include "../../shared/check.h"
#include "../bundle.h"
#include "checks.h"
#include "world.h"

using namespace sallyport::relay;
using namespace sallyport::relay::test;

namespace {

constexpr std::uint8_t kMidId = 4;
constexpr std::uint32_t kAudio = 0xa0d10, kVideo = 0x71de0, kFar = 0xfa4;

/// The browser at 10.0.0.2 has two lines on the transport of pair 0; inside they go to two ports of 10.0.0.3.
struct BundledWorld : World {
  explicit BundledWorld(bool types_differ = true, std::uint8_t mid_id = kMidId) {
    for (std::uint32_t pair : {0u, 1u}) {
      Side web = side(2);
      web.remote.rtcp_port = web.remote.rtp_port, web.local.rtcp_port = web.local.rtp_port;
      web.remote.known = pair == 0;
      web.bundle.present = true, web.bundle.mid_id = mid_id;
      web.bundle.mid.bytes[0] = pair == 0 ? 'a' : 'v';
      web.bundle.mid.size = 1;
      web.bundle.payload_types[0] = pair == 0 || !types_differ ? 1 : 0;
      web.bundle.payload_types[1] = pair == 1 ? std::uint64_t{1} << (96 - 64) : 0;
      Side phone = side(3);
      phone.remote.rtp_port = static_cast<std::uint16_t>(6'000 + pair * 10);
      phone.remote.rtcp_port = static_cast<std::uint16_t>(phone.remote.rtp_port + 1);
      relay.open(pair, pair == 0 ? PairKind::kAudio : PairKind::kVideo, web, phone, now);
    }
  }
  Datagram from_web(const Bytes& packet) { return give(0, at(2, 5'000), packet); }
  Datagram from_phone(std::uint32_t pair, const Bytes& packet) {
    return give(pair * kFlowsPerPair + 2, at(3, static_cast<std::uint16_t>(6'000 + pair * 10)), packet);
  }
};

Bytes packet(std::uint8_t type, std::uint32_t ssrc, std::uint16_t sequence = 1) {
  Bytes made = rtp(sequence);
  made[1] = type;
  write32(&made[8], ssrc);
  return made;
}

Bytes named(Bytes made, char mid, std::uint8_t id = kMidId) {
  made[0] |= 0x10;
  const Bytes extension{0xbe, 0xde, 0, 2, 0x10, 0x77, static_cast<std::uint8_t>(id << 4), static_cast<std::uint8_t>(mid), 0, 0, 0, 0};
  made.insert(made.begin() + 12, extension.begin(), extension.end());
  return made;
}

Bytes words(std::initializer_list<std::uint32_t> values) {
  Bytes made;
  for (const std::uint32_t value : values) {
    for (int shift = 24; shift >= 0; shift -= 8) made.push_back(static_cast<std::uint8_t>(value >> shift));
  }
  return made;
}

std::uint16_t port(const Datagram& sent) { return sent.verdict == Verdict::kForward ? read16(sent.to.port) : std::uint16_t{0}; }
std::uint32_t ssrc(const Datagram& sent) { return read32(sent.data + 8); }

}  // namespace

TEST("a packet is dealt out by its payload type, counted for its line, and leaves by the ports of that line") {
  BundledWorld world;
  EXPECT(port(world.from_web(packet(0, kAudio))) == 6'000);
  EXPECT(port(world.from_web(packet(96, kVideo))) == 6'010);
  EXPECT(world.counter(0, 0, k_packets) == 1 && world.counter(1, 0, k_packets) == 1);
  EXPECT(world.counter(0, 1, k_sent) == 1 && world.counter(1, 1, k_sent) == 1);
}

TEST("the name that a packet bears counts more than its payload type, and stays on its leg") {
  BundledWorld world;
  const Datagram sent = world.from_web(named(packet(0, kVideo), 'v'));
  EXPECT(port(sent) == 6'010);
  EXPECT(mid_in(sent, kMidId).empty() && mid_in(sent, 1) == "\x77");
  EXPECT(rtp_header_bytes(sent.data) == 12 + 4 + 4 && sent.data[sent.size - 1] == 0x55);
}

TEST("a payload type that two lines have: the source is known once it bore its name; unknown it goes nowhere") {
  BundledWorld world(false);
  EXPECT(world.from_web(packet(0, kVideo)).verdict == Verdict::kUnsent);
  EXPECT(port(world.from_web(named(packet(0, kVideo), 'v'))) == 6'010);
  EXPECT(port(world.from_web(packet(0, kVideo, 2))) == 6'010);
  EXPECT(world.from_web(packet(0, kAudio)).verdict == Verdict::kUnsent);
}

TEST("a name that no line has, and a payload type of nobody: nothing leaves") {
  BundledWorld world;
  EXPECT(world.from_web(named(packet(0, kAudio), 'x')).verdict == Verdict::kUnsent);
  EXPECT(world.from_web(packet(111, kAudio)).verdict == Verdict::kUnsent);
}

TEST("both lines leave by the one socket, each with its name, whatever extension was there") {
  BundledWorld world;
  world.from_web(packet(0, kAudio));
  for (const std::uint32_t pair : {0u, 1u}) {
    for (const bool extended : {false, true}) {
      Bytes given = packet(pair == 0 ? 0 : 96, kFar + pair, extended);
      if (extended) given = named(given, 'z');  // Another leg's name under our number.
      const Datagram sent = world.from_phone(pair, given);
      EXPECT(port(sent) == 5'000 && sent.out_flow == 0 && sent.out_pair == pair);
      EXPECT(mid_in(sent, kMidId) == (pair == 0 ? "a" : "v"));
      EXPECT(mid_in(sent, 1) == (extended ? "\x77" : ""));
      EXPECT(std::all_of(sent.data + rtp_header_bytes(sent.data), sent.data + sent.size, [](std::uint8_t byte) { return byte == 0x55; }));
    }
    EXPECT(world.counter(pair, 0, k_sent) == 2);
  }
}

TEST("where no name is agreed packets stay as they are") {
  BundledWorld world(true, 0);
  world.from_web(packet(0, kAudio));
  const Datagram sent = world.from_phone(1, packet(96, kFar));
  EXPECT(port(sent) == 5'000 && sent.size == 172 && !(sent.data[0] & 0x10));
}

TEST("two lines whose far ends have the same SSRC get two: one key, one source, one index") {
  BundledWorld world;
  world.from_web(packet(0, kAudio));
  const std::uint32_t first = ssrc(world.from_phone(0, packet(0, kFar)));
  const std::uint32_t second = ssrc(world.from_phone(1, packet(96, kFar)));
  EXPECT(first == kFar && second != kFar);
  EXPECT(ssrc(world.from_phone(0, packet(0, kFar, 2))) == first && ssrc(world.from_phone(1, packet(96, kFar, 2))) == second);
}

TEST("a compound of both lines is parted by its sources, and each part begins with a report") {
  BundledWorld world;
  world.from_web(packet(0, kAudio));
  world.from_web(packet(96, kVideo));
  world.from_phone(0, packet(0, kFar));
  const std::uint32_t told = ssrc(world.from_phone(1, packet(96, kFar)));
  // A report on the sound, and a wish for a whole picture.
  Bytes compound = words({0x81c9'0007, kAudio, kFar, 0, 1, 0, 0, 0});
  const Bytes wish = words({0x81ce'0002, kVideo, told});
  compound.insert(compound.end(), wish.begin(), wish.end());
  const Datagram sent = world.from_web(compound);
  EXPECT(port(sent) == 6'001);
  EXPECT(Bytes(sent.data, sent.data + sent.size) == words({0x81c9'0007, kAudio, kFar, 0, 1, 0, 0, 0}));
  const auto others = world.relay.made(world.now);
  EXPECT(others.size() == 1 && port(others[0]) == 6'011);
  EXPECT(Bytes(others[0].data, others[0].data + others[0].size) == words({0x80c9'0001, kVideo, 0x81ce'0002, kVideo, kFar}));
  EXPECT(world.counter(0, 0, k_rtcpPackets) == 1 && world.counter(1, 0, k_rtcpPackets) == 1 && world.counter(1, 1, k_made) == 0);
}

TEST("RTCP of one line goes to that line whole; of sources not heard yet it goes nowhere, and takes no name from them") {
  BundledWorld world;
  world.from_web(packet(96, kVideo));
  EXPECT(port(world.from_web(words({0x80c8'0006, kVideo, 1, 2, 3, 4, 5}))) == 6'011);
  EXPECT(world.from_web(words({0x80c9'0001, 0x999})).verdict == Verdict::kUnsent);
  EXPECT(world.relay.made(world.now).empty());
}

TEST("feedback of one line in the name of another line's source takes no second name, between two bundles") {
  BundledWorld world;
  // The far end, too, has both lines on one transport: pairs 2 and 3.
  for (std::uint32_t pair : {2u, 3u}) {
    Side sides[2] = {world.side(2), world.side(3)};
    for (Side& side : sides) {
      side.remote.rtcp_port = side.remote.rtp_port, side.local.rtcp_port = side.local.rtp_port;
      side.remote.known = pair == 2;
      side.bundle.present = true, side.bundle.pair = 2;
      side.bundle.payload_types[pair - 2] = pair == 2 ? 1 : std::uint64_t{1} << (96 - 64);
    }
    world.relay.open(pair, pair == 2 ? PairKind::kAudio : PairKind::kVideo, sides[0], sides[1], world.now);
  }
  const auto from = [&](std::uint32_t side, const Bytes& bytes) { return world.give(8 + side * 2, at(static_cast<std::uint8_t>(2 + side), 5'000), bytes); };
  from(1, packet(0, kFar)), from(1, packet(96, kFar + 9));
  from(0, packet(0, kAudio));
  // Transport-wide feedback on the sound, by the source of pictures that are still to come.
  const Datagram sent = from(0, words({0x8fcd'0004, kVideo, kFar, 0, 0x0000'0100}));
  EXPECT(sent.verdict == Verdict::kForward && read32(sent.data + 4) == kVideo);
  EXPECT(ssrc(from(0, packet(96, kVideo, 2))) == kVideo);
  EXPECT(ssrc(from(0, packet(0, kVideo, 2))) != kVideo);
}

TEST("strangers are strangers to every line") {
  BundledWorld world;
  world.from_web(packet(0, kAudio));
  EXPECT(world.give(0, at(9, 5'000), packet(96, kVideo)).verdict == Verdict::kStranger);
  EXPECT(world.counter(0, 0, k_droppedStranger) == 1);
}

TEST("a line that is closed leaves the rest to the other; the carrier closed, nothing leaves by its slot whoever has it") {
  BundledWorld world;
  world.from_web(packet(0, kAudio));
  world.relay.close(1);
  EXPECT(port(world.from_web(packet(96, kVideo))) == 6'000);  // One line alone has all that comes.
  BundledWorld other;
  other.from_web(packet(0, kAudio));
  other.relay.close(0);
  other.relay.open(0, PairKind::kAudio, other.side(7), other.side(8), other.now);
  EXPECT(other.from_phone(1, packet(96, kFar)).verdict == Verdict::kUnsent);
}

TEST("any bytes behind a header are walked without harm, and what does not fit stays") {
  BundledWorld world;
  std::uint32_t dice = 1;
  for (int i = 0; i < 20'000; ++i) {
    Bytes made = packet(static_cast<std::uint8_t>(i & 1 ? 96 : 0), kAudio, static_cast<std::uint16_t>(i));
    made[0] |= 0x10;
    made.resize(13 + i % 150);
    for (std::size_t at = 12; at < made.size(); ++at) made[at] = static_cast<std::uint8_t>((dice = dice * 1'664'525 + 1'013'904'223) >> 24);
    if (made.size() > 16) made[12] = i & 2 ? 0xbe : 0x10, made[13] = i & 2 ? 0xde : 0x00, made[14] = 0, made[15] &= 31;
    const Datagram sent = i & 4 ? world.from_web(made) : world.from_phone(i & 1, made);
    EXPECT(sent.verdict != Verdict::kForward || rtp_header_fits({sent.data, sent.size}));
  }
}

TEST("where checks alone say where a peer is, its RTCP goes where its RTP goes") {
  World world;
  Side web = world.side(2);
  web.remote = {};
  web.local.rtcp_port = web.local.rtp_port;
  web.ice = ice_words();
  world.relay.open(0, PairKind::kVideo, web, world.side(3), world.now);
  world.give(0, at(2, 7'000), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  const Datagram sent = world.give(3, at(3, 5'001), words({0x80c9'0001, kFar}));
  EXPECT(port(sent) == 7'000 && sent.out_flow == 0);
}
