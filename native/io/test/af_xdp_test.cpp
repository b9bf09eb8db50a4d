/// Rings, frames, look-up, headers and parsing: no kernel, no NIC. Random inputs come from fixed seeds.
#include <memory>
#include <random>
#include <unordered_map>

#include "../../shared/check.h"
#include "../address.h"
#include "../af_xdp_flows.h"
#include "../af_xdp_frames.h"
#include "../af_xdp_headers.h"
#include "../af_xdp_parse.h"
#include "../af_xdp_rings.h"
#include "../inet_sum.h"

using namespace sallyport;
using namespace sallyport::io;
using Bytes = std::vector<std::uint8_t>;

namespace {

/// A ring in plain memory, whose positions start where we say, and both of its ends.
struct TestRing {
  explicit TestRing(std::uint32_t size, std::uint32_t start) : producer(start), consumer(start), entries(size) {}
  RingMemory<std::uint64_t> memory() { return {&producer, &consumer, &flags, entries.data(), static_cast<std::uint32_t>(entries.size())}; }
  std::uint32_t producer, consumer, flags = 0;
  std::vector<std::uint64_t> entries;
};

endpoint v4(std::uint8_t last, std::uint16_t port) {
  endpoint made{};
  std::memcpy(made.ip, kMappedPrefix, sizeof kMappedPrefix);
  const std::uint8_t ip[4] = {10, 9, 1, last};
  std::memcpy(made.ip + 12, ip, 4);
  made.port[0] = static_cast<std::uint8_t>(port >> 8);
  made.port[1] = static_cast<std::uint8_t>(port);
  return made;
}
endpoint v6(std::uint8_t last, std::uint16_t port) {
  endpoint made = v4(last, port);
  const std::uint8_t ip[16] = {0xfd, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, last};
  std::memcpy(made.ip, ip, 16);
  return made;
}
bool same(const endpoint& a, const endpoint& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

next_hop hop(std::uint16_t vlan = 0) {
  next_hop made{};
  for (std::uint8_t i = 0; i < 6; ++i) made.destination[i] = static_cast<std::uint8_t>(0x10 + i), made.source[i] = static_cast<std::uint8_t>(0x20 + i);
  made.vlan[0] = static_cast<std::uint8_t>(vlan >> 8);
  made.vlan[1] = static_cast<std::uint8_t>(vlan);
  made.usable = 1;
  made.mtu = 1'500;
  return made;
}

Bytes framed(const next_hop& to, const endpoint& from, const endpoint& dest, const Bytes& payload, std::uint8_t dscp = 46) {
  HeaderTemplate header;
  header.set(to, from, dest, dscp);
  Bytes memory(HeaderTemplate::kMost + payload.size());
  std::copy(payload.begin(), payload.end(), memory.begin() + HeaderTemplate::kMost);
  header.write(memory.data() + HeaderTemplate::kMost, static_cast<std::uint32_t>(payload.size()));
  return {memory.begin() + (HeaderTemplate::kMost - header.size()), memory.end()};
}

/// Copied to the end of a block of its own, so that AddressSanitizer sees a read beyond.
FrameFault parse(const Bytes& frame, UdpFrame& out, bool partial = false) {
  const auto exact = std::make_unique<std::uint8_t[]>(frame.size());
  std::copy(frame.begin(), frame.end(), exact.get());
  return parse_frame(exact.get(), static_cast<std::uint32_t>(frame.size()), partial, out);
}

/// RFC 1071 as its text has it: sixteen bits at a time, in network byte order.
std::uint16_t slow_sum(const std::uint8_t* at, std::size_t size) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < size; ++i) {
    sum += i % 2 == 0 ? at[i] << 8 : at[i];
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(sum);
}

Bytes random_bytes(std::mt19937& dice, std::size_t size) {
  Bytes made(size);
  for (std::uint8_t& byte : made) byte = static_cast<std::uint8_t>(dice());
  return made;
}

}  // namespace

TEST("what goes into a ring comes out in order, through every wrap of its positions") {
  std::mt19937 dice(1);
  for (const std::uint32_t start : {0u, 0xffff'fff0u, 0x7fff'fffcu}) {
    TestRing ring(8, start);
    ProducerRing<std::uint64_t> in(ring.memory());
    ConsumerRing<std::uint64_t> out(ring.memory());
    std::uint64_t put = 0, got = 0;
    for (int turn = 0; turn < 2'000; ++turn) {
      std::uint32_t wanted = dice() % 10;
      const std::uint32_t vacant = in.vacant(wanted);
      EXPECT(vacant <= 8);
      for (; wanted != 0 && wanted <= vacant; --wanted) in.next() = put++;
      const std::uint64_t seen_before = got + out.available();
      in.publish();
      EXPECT(got + out.available() == put && seen_before <= put);
      EXPECT(in.waiting() == put - got);
      const std::uint32_t take = out.available() == 0 ? 0 : dice() % (out.available() + 1);
      for (std::uint32_t i = 0; i < take; ++i) EXPECT(out.peek(i) == got + i);
      out.release(take);
      got += take;
    }
    EXPECT(got > 1'000);
  }
}

TEST("a ring holds its size and no more, and nothing is seen before it is published") {
  TestRing ring(4, 0xffff'fffe);
  ProducerRing<std::uint64_t> in(ring.memory());
  ConsumerRing<std::uint64_t> out(ring.memory());
  EXPECT(in.vacant(4) == 4);
  for (std::uint64_t i = 0; i < 4; ++i) in.next() = i;
  EXPECT(in.vacant(1) == 0 && out.available() == 0);
  in.publish();
  EXPECT(out.available() == 4);
  out.release(1);
  EXPECT(in.vacant(1) == 1);
  EXPECT(!in.needs_wakeup());
  ring.flags = XDP_RING_NEED_WAKEUP;
  EXPECT(in.needs_wakeup());
}

TEST("no frame is anybody's twice, and those of a queue that is gone come back") {
  FrameStore store(1, 64, FrameStore::Layout::kAligned);
  std::vector<std::uint32_t> ours;
  std::uint32_t frame;
  for (int i = 0; i < 40; ++i) EXPECT(store.take(frame, 3));
  while (store.take(frame, FrameStore::kOurs)) ours.push_back(frame);
  EXPECT(ours.size() == 24 && store.free_count() == 0);
  store.give_back(ours[0]);
  store.give_back(ours[0]);
  EXPECT(store.free_count() == 1);
  store.reclaim(3);
  EXPECT(store.free_count() == 41);
  EXPECT(!store.owns(store.memory() - 1) && store.owns(store.memory()) && !store.owns(store.memory() + store.bytes()));
  EXPECT(store.frame_of(store.start(7) + kFrameBytes - 1) == 7 && !store.holds(store.bytes()));
}

TEST("staggered frames lie apart by a cache line more, and a packet lies in one of them or in none") {
  FrameStore store(1, 64, FrameStore::Layout::kStaggered);
  EXPECT(store.start(7) == store.memory() + 7 * (2'048 + 64) && store.bytes() == 64 * (2'048 + 64));
  const std::uint64_t seventh = store.address(store.start(7));
  EXPECT(store.frame_of(seventh) == 7 && store.frame_of(seventh + 2'047) == 7 && store.frame_of(store.start(63)) == 63);
  EXPECT(store.holds(seventh + 256, 1'792) && !store.holds(seventh + 256, 1'793));
  EXPECT(!store.holds(store.bytes(), 0) && !store.holds(~std::uint64_t{0}, 1));
  // The kernel says a frame's address and, from bit 48 on, how far into it the packet begins.
  EXPECT(FrameStore::plain(seventh | std::uint64_t{256} << 48) == seventh + 256 && FrameStore::plain(seventh) == seventh);
}

TEST("a flow is found by its port as long as it is there, whoever came and went around it") {
  std::mt19937 dice(2);
  FlowIndex index(200);
  std::unordered_map<std::uint32_t, std::uint32_t> model;
  for (int step = 0; step < 50'000; ++step) {
    const std::uint32_t port = 10'000 + dice() % 300;
    const endpoint key = port % 2 ? v4(1, static_cast<std::uint16_t>(port)) : v6(1, static_cast<std::uint16_t>(port));
    if (model.size() < 200 && dice() % 2) {
      const std::uint32_t flow = dice() % 1'000;
      index.put(key, flow);
      model[port] = flow;
    } else if (model.contains(port)) {
      index.remove(key, model[port] + 1);  // Another flow's: nothing happens.
      EXPECT(index.find(key) == model[port]);
      index.remove(key, model[port]);
      model.erase(port);
    }
    const std::uint32_t other = 10'000 + dice() % 300;
    const endpoint asked = other % 2 ? v4(1, static_cast<std::uint16_t>(other)) : v6(1, static_cast<std::uint16_t>(other));
    EXPECT(index.find(asked) == (model.contains(other) ? model[other] : FlowIndex::kNone));
  }
}

TEST("the sum of any bytes is what RFC 1071 says, at any length and alignment") {
  std::mt19937 dice(3);
  for (int round = 0; round < 3'000; ++round) {
    const Bytes bytes = random_bytes(dice, 8 + dice() % 300);
    const std::size_t from = dice() % 8;
    const std::uint16_t ours = inet_fold(inet_add(0, bytes.data() + from, static_cast<std::uint32_t>(bytes.size() - from)));
    EXPECT(__builtin_bswap16(ours) % 0xffff == slow_sum(bytes.data() + from, bytes.size() - from) % 0xffff);
  }
  const Bytes most(65'535, 0xff);
  EXPECT(inet_fold(inet_add(~std::uint32_t{0}, most.data(), 65'535)) != 0);
}

TEST("headers we write are read as they were meant, with right sums, for IPv4 and IPv6, with a VLAN tag and without") {
  std::mt19937 dice(4);
  for (int round = 0; round < 2'000; ++round) {
    const bool six = dice() % 2;
    const std::uint16_t vlan = dice() % 2 ? static_cast<std::uint16_t>(1 + dice() % 4'094) : 0;
    const auto port = [&] { return static_cast<std::uint16_t>(1 + dice() % 65'535); };
    const endpoint from = six ? v6(static_cast<std::uint8_t>(dice()), port()) : v4(static_cast<std::uint8_t>(dice()), port());
    const endpoint to = six ? v6(static_cast<std::uint8_t>(dice()), port()) : v4(static_cast<std::uint8_t>(dice()), port());
    const Bytes payload = random_bytes(dice, dice() % 1'400);
    const auto dscp = static_cast<std::uint8_t>(dice() % 64);
    const Bytes frame = framed(hop(vlan), from, to, payload, dscp);
    UdpFrame read;
    EXPECT(parse(frame, read) == FrameFault::kNone);
    EXPECT(same(read.from, from) && same(read.to, to));
    EXPECT(Bytes(frame.begin() + read.payload_at, frame.end()) == payload && read.payload_size == payload.size());
    const std::size_t ip = vlan ? 18 : 14;
    EXPECT(frame[0] == 0x10 && frame[6] == 0x20);
    if (vlan) EXPECT(frame[12] == 0x81 && frame[13] == 0 && (frame[14] << 8 | frame[15]) == vlan);
    if (six) {
      EXPECT(frame[ip] >> 4 == 6 && ((frame[ip] & 0x0f) << 4 | frame[ip + 1] >> 4) == dscp << 2);
      EXPECT(frame[ip + 7] == 64 && (frame[ip + 4] << 8 | frame[ip + 5]) == static_cast<int>(payload.size()) + 8);
    } else {
      EXPECT(slow_sum(&frame[ip], 20) == 0xffff);
      EXPECT(frame[ip + 1] == dscp << 2 && frame[ip + 8] == 64 && frame[ip + 6] == 0x40);
      EXPECT((frame[ip + 2] << 8 | frame[ip + 3]) == static_cast<int>(payload.size()) + 28);
    }
  }
}

TEST("a UDP checksum that comes out as zero is sent as all ones") {
  for (std::uint32_t word = 0; word < 65'536; ++word) {
    const Bytes payload{static_cast<std::uint8_t>(word >> 8), static_cast<std::uint8_t>(word)};
    const Bytes frame = framed(hop(), v4(1, 4'000), v4(2, 5'000), payload);
    EXPECT((frame[40] | frame[41]) != 0);
    if (frame[40] == 0xff && frame[41] == 0xff) {
      UdpFrame read;
      EXPECT(parse(frame, read) == FrameFault::kNone);
      return;
    }
  }
  EXPECT(!"one of them all comes out as zero");
}

TEST("limits: the largest payload fills the MTU, and an MTU too small for headers holds nothing") {
  HeaderTemplate header;
  next_hop narrow = hop();
  header.set(narrow, v4(1, 1), v4(2, 2), 0);
  EXPECT(header.payload_limit() == 1'500 - 28 && header.size() == 42);
  header.set(narrow, v6(1, 1), v6(2, 2), 0);
  EXPECT(header.payload_limit() == 1'500 - 48 && header.size() == 62);
  for (const std::uint32_t mtu : {0u, 28u, 48u}) {
    narrow.mtu = mtu;
    header.set(narrow, v6(1, 1), v6(2, 2), 0);
    EXPECT(header.payload_limit() == 0);
  }
}

TEST("one changed bit anywhere in headers or payload: refused, or read as another whole datagram of the same length") {
  for (const bool six : {false, true}) {
    const Bytes payload(40, 0x5a);
    const Bytes frame = six ? framed(hop(7), v6(1, 4'000), v6(2, 5'000), payload) : framed(hop(7), v4(1, 4'000), v4(2, 5'000), payload);
    for (std::size_t bit = 18 * 8; bit < frame.size() * 8; ++bit) {
      Bytes spoilt = frame;
      spoilt[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
      UdpFrame read;
      const bool unsummed = six && (bit / 8 < 18 + 4 || bit / 8 == 18 + 7);  // Class, label and hop limit: no sum covers them.
      EXPECT(parse(spoilt, read) != FrameFault::kNone || (unsummed && read.payload_size == payload.size()));
    }
  }
}

TEST("a frame cut anywhere is refused; what follows the datagram is not part of it") {
  for (const bool six : {false, true}) {
    const Bytes frame = six ? framed(hop(), v6(1, 4'000), v6(2, 5'000), Bytes(33, 1)) : framed(hop(), v4(1, 4'000), v4(2, 5'000), Bytes(33, 1));
    UdpFrame read;
    for (std::size_t size = 0; size < frame.size(); ++size) {
      EXPECT(parse(Bytes(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size)), read) != FrameFault::kNone);
    }
    Bytes padded = frame;
    padded.resize(frame.size() + 18, 0xee);
    EXPECT(parse(padded, read) == FrameFault::kNone && read.payload_size == 33);
  }
}

TEST("fragments, options, extension headers, other protocols and senders that cannot be are refused") {
  const auto refused = [](Bytes frame, FrameFault fault, std::initializer_list<std::pair<std::size_t, std::uint8_t>> changes, bool fix_sum = true) {
    for (const auto& [at, value] : changes) frame[at] = value;
    if (fix_sum && frame[12] == 8) {
      frame[24] = frame[25] = 0;
      const std::uint16_t sum = slow_sum(&frame[14], 20);
      frame[24] = static_cast<std::uint8_t>(~sum >> 8), frame[25] = static_cast<std::uint8_t>(~sum);
    }
    UdpFrame read;
    EXPECT(parse(frame, read) == fault);
  };
  const Bytes four = framed(hop(), v4(1, 4'000), v4(2, 5'000), Bytes(60, 1));
  refused(four, FrameFault::kNotUdp, {{20, 0x20}});             // More fragments.
  refused(four, FrameFault::kNotUdp, {{20, 0x00}, {21, 0x01}}); // The last one.
  refused(four, FrameFault::kNotUdp, {{14, 0x46}});             // Options.
  refused(four, FrameFault::kNotUdp, {{14, 0x44}});
  refused(four, FrameFault::kNotUdp, {{23, 6}});
  refused(four, FrameFault::kNotUdp, {{12, 0x88}});
  refused(four, FrameFault::kNotUdp, {{12, 0x81}, {13, 0x00}});  // A tag, and behind it nothing we know.
  refused(four, FrameFault::kLength, {{17, 19}});               // Shorter than its header.
  refused(four, FrameFault::kLength, {{16, 0x40}});             // Longer than the frame.
  refused(four, FrameFault::kLength, {{38, 0x01}});             // UDP longer than IP.
  refused(four, FrameFault::kLength, {{38, 0x00}, {39, 7}});
  for (const std::uint8_t first : {0, 127, 224, 239, 240, 255}) refused(four, FrameFault::kSource, {{26, first}});

  const Bytes six = framed(hop(), v6(1, 4'000), v6(2, 5'000), Bytes(60, 1));
  for (const std::uint8_t next : {0, 43, 44, 51, 60, 6}) refused(six, FrameFault::kNotUdp, {{20, next}});
  refused(six, FrameFault::kChecksum, {{60, 0}, {61, 0}});  // None: RFC 8200 §8.1 wants one.
  refused(six, FrameFault::kSource, {{22, 0xff}});
  Bytes mapped = six;  // An IPv4 sender in IPv6's clothes.
  std::memcpy(&mapped[22], v4(1, 0).ip, 16);
  refused(mapped, FrameFault::kSource, {});
  std::memset(&mapped[22], 0, 16);
  refused(mapped, FrameFault::kSource, {});
  refused(mapped, FrameFault::kSource, {{37, 1}});
  UdpFrame read;
  EXPECT(parse(framed(hop(), v4(1, 0), v4(2, 5'000), Bytes(20, 1)), read) == FrameFault::kSource);
}

TEST("no checksum is fine from IPv4; one left to a card that there is not only from a cable inside the machine") {
  Bytes none = framed(hop(), v4(1, 4'000), v4(2, 5'000), Bytes(60, 1));
  Bytes left = none;
  none[40] = none[41] = 0;
  UdpFrame read;
  EXPECT(parse(none, read) == FrameFault::kNone);
  Bytes pseudo(12, 0);
  std::memcpy(pseudo.data(), &left[26], 8);
  pseudo[9] = 17, pseudo[11] = 68;
  const std::uint16_t sum = slow_sum(pseudo.data(), pseudo.size());
  left[40] = static_cast<std::uint8_t>(sum >> 8), left[41] = static_cast<std::uint8_t>(sum);
  EXPECT(parse(left, read, true) == FrameFault::kNone && parse(left, read, false) == FrameFault::kChecksum);
}

TEST("any bytes at all are answered, and what is read lies inside the frame") {
  std::mt19937 dice(5);
  const Bytes good[] = {framed(hop(), v4(1, 4'000), v4(2, 5'000), Bytes(60, 1)), framed(hop(9), v4(1, 4'000), v4(2, 5'000), Bytes(60, 1)),
                        framed(hop(), v6(1, 4'000), v6(2, 5'000), Bytes(60, 1)), framed(hop(9), v6(1, 4'000), v6(2, 5'000), Bytes(60, 1))};
  std::uint32_t whole = 0;
  for (int round = 0; round < 200'000; ++round) {
    Bytes frame = round % 4 == 0 ? random_bytes(dice, dice() % 120) : good[dice() % 4];
    if (round % 4 != 0) {
      for (std::uint32_t change = dice() % 4; change != 0; --change) frame[dice() % frame.size()] = static_cast<std::uint8_t>(dice());
      if (dice() % 3 == 0) frame.resize(dice() % (frame.size() + 1));
    }
    UdpFrame read;
    if (parse(frame, read, dice() % 2) != FrameFault::kNone) continue;
    whole += 1;
    EXPECT(read.payload_at <= frame.size() && read.payload_size <= frame.size() - read.payload_at);
  }
  EXPECT(whole > 10'000);
}

int main(int count, char** words) { return check::run(count, words); }
