#include "../digit_player.h"
#include "../digit_watch.h"

#include "../../shared/check.h"
#include "world.h"

using namespace sallyport;
using namespace sallyport::relay;
using namespace sallyport::relay::test;

namespace {

constexpr std::uint8_t kType = 101;

Bytes event_packet(std::uint16_t sequence, std::uint32_t timestamp, std::uint8_t event, std::uint16_t duration, bool end,
                   bool marker = false) {
  Bytes made = rtp(sequence, timestamp);
  made.resize(16);
  made[1] = static_cast<std::uint8_t>((marker ? 0x80 : 0) | kType);
  made[12] = event;
  made[13] = static_cast<std::uint8_t>((end ? 0x80 : 0) | 10);
  write16(&made[14], duration);
  return made;
}

/// Alice (side 0) sends digits.
struct Talk : World {
  explicit Talk(bool take = false) {
    Side caller = side(2), callee = side(3);
    caller.digits.events[0] = {kType, 8'000};
    caller.digits.event_count = 1;
    caller.digits.take = take;
    callee.digits.insert = true;
    relay.open(0, PairKind::kAudio, caller, callee, now);
  }
  Datagram from_alice(const Bytes& packet) { return give(0, at(2, 5'000), packet); }
  std::string told() {
    std::string text;
    for (const Event& event : events) {
      if (event.kind == EventKind::kDigit) text += std::to_string(event.digit) + ":" + std::to_string(event.duration_ms) + " ";
    }
    return text;
  }
  /// 20 ms at a time.
  std::vector<Bytes> pass(unsigned ms) {
    std::vector<Bytes> made;
    for (unsigned i = 0; i < ms / 20; ++i) {
      now += 20 * kMs;
      relay.tick(now);
      for (const Datagram& one : relay.made(now)) made.emplace_back(one.data, one.data + one.size);
    }
    return made;
  }
};

std::uint16_t duration_of(const Bytes& packet) { return read16(&packet[14]); }
bool ends(const Bytes& packet) { return packet[13] & 0x80; }

}  // namespace

TEST("a digit with its three ends is told once, with its length, and passes as it is") {
  Talk talk;
  std::uint16_t sequence = 1;
  for (std::uint16_t units = 160; units <= 640; units += 160) {
    EXPECT(talk.from_alice(event_packet(sequence++, 1'000, 5, units, false, units == 160)).verdict == Verdict::kForward);
  }
  for (int i = 0; i < 3; ++i) talk.from_alice(event_packet(sequence++, 1'000, 5, 800, true));
  EXPECT(talk.told() == "5:100 ");
  EXPECT(talk.counter(0, 0, k_digits) == 1);
}

TEST("doubled and late packets of a digit change nothing") {
  Talk talk;
  for (const std::uint16_t units : {160, 320, 320, 160, 480}) talk.from_alice(event_packet(1, 1'000, 1, units, false));
  talk.from_alice(event_packet(9, 1'000, 1, 640, true));
  talk.from_alice(event_packet(10, 5'000, 2, 160, true));
  talk.from_alice(event_packet(8, 1'000, 1, 480, false));
  EXPECT(talk.told() == "1:80 2:20 ");
}

TEST("the same digit twice is two digits") {
  Talk talk;
  talk.from_alice(event_packet(1, 1'000, 7, 400, true, true));
  talk.from_alice(event_packet(2, 2'000, 7, 400, true, true));
  EXPECT(talk.told() == "7:50 7:50 ");
}

TEST("a clock that jumps back, as that of a recording does, hides no digit") {
  Talk talk;
  talk.from_alice(event_packet(1, 90'000, 7, 400, true, true));
  talk.from_alice(event_packet(2, 2'000, 8, 160, false, true));
  talk.from_alice(event_packet(3, 2'000, 8, 400, true));
  talk.now += 2'000 * kMs;
  talk.from_alice(event_packet(4, 1'000, 9, 400, true));  // Its first packets are lost.
  EXPECT(talk.told() == "7:50 8:50 9:50 ");
}

TEST("a digit whose ends are lost is told when the next begins, or when nothing comes any more") {
  Talk talk;
  talk.from_alice(event_packet(1, 1'000, 3, 480, false, true));
  talk.from_alice(event_packet(6, 4'000, 4, 160, false, true));
  EXPECT(talk.told() == "3:60 ");
  talk.pass(500);
  EXPECT(talk.told() == "3:60 4:20 ");
  talk.from_alice(event_packet(9, 4'000, 4, 640, true));  // Its end comes after all.
  EXPECT(talk.told() == "3:60 4:20 ");
}

TEST("a long digit goes over segments of 65,535 units: one digit") {
  Talk talk;
  std::uint16_t sequence = 1;
  std::uint32_t begin = 1'000;
  for (int segment = 0; segment < 2; ++segment) {
    for (std::uint32_t units = 8'000; units < 0xffff; units += 8'000) {
      talk.from_alice(event_packet(sequence++, begin, 0, static_cast<std::uint16_t>(units), false, segment == 0 && units == 8'000));
    }
    talk.from_alice(event_packet(sequence++, begin, 0, 0xffff, false));
    begin += 0xffff;
  }
  talk.from_alice(event_packet(sequence, begin, 0, 8'000, true));
  EXPECT(talk.told() == "0:" + std::to_string((2 * 0xffff + 8'000) / 8) + " ");
}

TEST("two digits at once are two, each with its own length") {
  Talk talk;
  talk.from_alice(event_packet(1, 1'000, 1, 800, false, true));
  talk.from_alice(event_packet(2, 1'400, 2, 160, false, true));
  talk.from_alice(event_packet(3, 1'000, 1, 960, false));
  talk.from_alice(event_packet(4, 1'400, 2, 560, false));
  talk.from_alice(event_packet(5, 1'000, 1, 1'200, true));
  talk.from_alice(event_packet(6, 1'400, 2, 1'600, true));
  EXPECT(talk.told() == "1:150 2:200 ");
}

TEST("fax and modem tones are no digits; floods are not told on") {
  Talk talk;
  talk.from_alice(event_packet(1, 1'000, 36, 800, true));
  EXPECT(talk.told().empty());
  for (std::uint16_t i = 0; i < 200; ++i) talk.from_alice(event_packet(i, 10'000 + i * 400u, i % 10, 160, true, true));
  EXPECT(talk.counter(0, 0, k_digits) == kDigitsPerSecond);
}

TEST("short and odd payloads are looked at to their end only") {
  DigitWatch watch;
  const std::uint8_t bytes[7] = {5, 0x80, 1, 0, 6, 0x80, 1};
  for (std::size_t size = 0; size <= sizeof bytes; ++size) {
    const std::vector<std::uint8_t> exact(bytes, bytes + size);
    EXPECT(watch.packet(1, static_cast<std::uint32_t>(1'000 * (size + 1)), true, exact, 0, 1).count == (size >= 4));
    EXPECT(are_digits(exact) == (size >= 4));
  }
}

TEST("digits that are taken do not pass, and leave no gap in the numbers of the sound around them") {
  Talk talk(true);
  std::vector<std::uint16_t> numbers;
  std::uint16_t sequence = 100;
  const auto sound = [&] {
    const Datagram out = talk.from_alice(rtp(sequence, sequence * 160u));
    sequence += 1;
    EXPECT(out.verdict == Verdict::kForward);
    numbers.push_back(read16(out.data + 2));
  };
  sound(), sound();
  for (int i = 0; i < 3; ++i) EXPECT(talk.from_alice(event_packet(sequence++, 20'000, 9, 400, true)).verdict == Verdict::kTaken);
  sound(), sound();
  EXPECT((numbers == std::vector<std::uint16_t>{100, 101, 102, 103}));
  EXPECT(talk.told() == "9:50 ");
  EXPECT(talk.counter(0, 0, k_taken) == 3 && talk.counter(0, 0, k_droppedUnsent) == 0);
}

TEST("digits that are taken out of the midst of a batch leave no gap either, and no number comes twice") {
  Talk talk(true);
  std::vector<Bytes> packets;
  for (std::uint16_t i = 1; i <= 12; ++i) packets.push_back(i >= 4 && i <= 9 ? event_packet(i, 640, 3, 160 * (i - 3u), i >= 7) : rtp(i, i * 160u));
  for (Bytes& packet : packets) packet.resize(200 + packet.size());
  std::vector<Datagram> batch;
  for (Bytes& packet : packets) {
    batch.push_back({.flow = 0, .sender = at(2, 5'000), .data = packet.data(), .size = static_cast<std::uint32_t>(packet.size() - 200), .room = static_cast<std::uint32_t>(packet.size())});
  }
  talk.relay.handle(batch, talk.now);
  std::vector<std::uint16_t> numbers;
  for (const Datagram& one : batch) {
    if (one.verdict == Verdict::kForward) numbers.push_back(read16(one.data + 2));
  }
  EXPECT((numbers == std::vector<std::uint16_t>{1, 2, 3, 4, 5, 6}));
  EXPECT(talk.told() == "3:80 ");
}

TEST("a digit of ours goes on in the numbers, the source and the time of the sound, which waits meanwhile") {
  Talk talk;
  talk.from_alice(rtp(100, 16'000));
  talk.now += 20 * kMs;
  const Datagram last = talk.from_alice(rtp(101, 16'160));
  EXPECT(read16(last.data + 2) == 101);
  talk.relay.play(0, 1, {.event = 11, .payload_type = 96, .clock_hz = 8'000, .duration_ms = 100}, talk.now);
  std::vector<Bytes> made = talk.pass(40);
  EXPECT(talk.from_alice(rtp(102, 16'320)).verdict == Verdict::kTaken);
  for (Bytes& one : talk.pass(200)) made.push_back(one);
  EXPECT(made.size() == 7);
  std::uint16_t awaited = 102;
  for (std::size_t i = 0; i < made.size(); ++i) {
    EXPECT(made[i].size() == 16 && made[i][0] == 0x80);
    EXPECT(made[i][1] == (i == 0 ? 0x80 | 96 : 96));
    EXPECT(read16(&made[i][2]) == awaited++);
    EXPECT(read32(&made[i][4]) == 16'160 + 160);  // 20 ms after the last sound.
    EXPECT(read32(&made[i][8]) == read32(&rtp()[8]));
    EXPECT(made[i][12] == 11);
    EXPECT(duration_of(made[i]) == (i < 5 ? (i + 1) * 160 : 800));
    EXPECT(ends(made[i]) == (i >= 4));
  }
  const Datagram next = talk.from_alice(rtp(110, 17'600));
  EXPECT(next.verdict == Verdict::kForward && read16(next.data + 2) == awaited && read32(next.data + 4) == 17'600);
}

TEST("digits wait for one another, and are told apart") {
  Talk talk;
  talk.from_alice(rtp(1, 160));
  for (std::uint8_t event = 1; event <= 3; ++event) talk.relay.play(0, 1, {.event = event, .payload_type = 96, .clock_hz = 8'000, .duration_ms = 60}, talk.now);
  const std::vector<Bytes> made = talk.pass(1'000);
  std::string order;
  for (const Bytes& one : made) order += std::to_string(one[12]) + (ends(one) ? "e" : "") + " ";
  EXPECT(order == "1 1 1e 1e 1e 2 2 2e 2e 2e 3 3 3e 3e 3e ");
  EXPECT(read32(&made[5][4]) - read32(&made[0][4]) >= 8 * (60 + 60));
}

TEST("a digit where nothing has ever been sent gets a source of its own; one on hold is not heard") {
  Talk talk;
  talk.relay.play(0, 1, {.event = 4, .payload_type = 96, .clock_hz = 8'000, .duration_ms = 50}, talk.now);
  const std::vector<Bytes> made = talk.pass(300);
  EXPECT(made.size() == 5 && read32(&made[0][8]) != 0);
  Side held = talk.side(3);
  held.send = false;
  talk.relay.change(0, 1, kChangeSend, held, talk.now);
  talk.relay.play(0, 1, {.event = 4, .payload_type = 96, .clock_hz = 8'000, .duration_ms = 50}, talk.now);
  EXPECT(talk.pass(300).empty());
}

TEST("digits of a closed pair are forgotten, and nobody's places are taken for ever") {
  Talk talk;
  for (int i = 0; i < 100; ++i) talk.relay.play(0, 1, {.event = 4, .payload_type = 96, .clock_hz = 8'000, .duration_ms = 6'000}, talk.now);
  EXPECT(talk.relay.next_made_ns() <= talk.now);
  talk.relay.close(0);
  EXPECT(talk.relay.next_made_ns() == ~std::uint64_t{0});
  EXPECT(talk.pass(100).empty());
}

TEST("a long digit of ours is heard as one of the same length, at every clock") {
  for (const std::uint32_t clock_hz : {8'000u, 16'000u, 48'000u}) {
    Playing playing{.digit = {.event = 2, .payload_type = 96, .clock_hz = clock_hz, .duration_ms = 5'000}, .timestamp = 0xffff'ff00};
    DigitWatch watch;
    unsigned told = 0, length = 0;
    while (playing.ends < kEndPackets) {
      const EventPacket packet = next_event_packet(playing);
      const ToldDigits digits = watch.packet(1, packet.timestamp, packet.marker, packet.payload, clock_hz, playing.packets * kEventPacketNs);
      for (std::size_t i = 0; i < digits.count; ++i) told += 1, length = digits.digits[i].duration_ms;
    }
    EXPECT(told == 1 && length == 5'000);
  }
}

