/// The life of a key, to its end: RFC 3711 §9.2, RFC 4568 §6.1. What left is counted by (key, SSRC, index).
#include <map>
#include <set>
#include <tuple>

#include "../../crypto/context.h"
#include "../keys.h"
#include "secured.h"

using namespace sallyport::relay;
using namespace sallyport::relay::test;

namespace {

constexpr std::uint32_t kSource = 7;
const Key kFirst(2), kSecond(3), kIn(1);

/// A plain caller whose sound goes to a callee with keys, and that callee's phone.
struct Ageing : SecureWorld {
  std::map<const crypto::SrtpContext*, std::uint64_t> left;
  std::set<std::tuple<const crypto::SrtpContext*, bool, std::uint64_t>> indices;
  crypto::SrtpContextPtr phones[2] = {phone(crypto::Direction::kReceive, kFirst), phone(crypto::Direction::kReceive, kSecond)};
  std::uint16_t sequence = 100;

  void begin(crypto::SrtpContext* tx) {
    Side callee = side(3);
    callee.rx = context(crypto::Direction::kReceive, kIn);
    callee.tx = tx;
    open(side(2), callee);
  }
  void renew(crypto::SrtpContext* tx) {
    Side set;
    set.tx = tx;
    relay.change(0, 1, kChangeTx, set, now);
  }
  /// What `context` was before it got to the relay, `packets` RTP packets and an RTCP index further.
  static void age(crypto::SrtpContext& context, std::uint64_t rtp_highest, std::uint32_t rtcp_highest, std::uint64_t packets) {
    crypto::SrtpState state;
    export_state(context, state);
    state.stream_count = 1;
    state.rtp_packets = packets;
    state.streams[0].ssrc = kSource;
    state.streams[0].has_rtp = state.streams[0].has_rtcp = 1;
    state.streams[0].rtp_highest = rtp_highest;
    state.streams[0].rtcp_highest = rtcp_highest;
    renew_checksum(state);
    EXPECT(import_state(context, state, {.rtp = 0, .rtcp = 0}));
  }
  /// A packet later. True: it left, and the phone knows it by one of its keys, under an index that none had before.
  bool say(const Bytes& packet, bool rtcp, std::uint32_t flow = 0) {
    now += 20 * kMs;
    relay.tick(now);
    const Datagram sent = give(flow, at(2, flow == 0 ? 5'000 : 5'001), packet);
    if (sent.verdict != Verdict::kForward) return false;
    for (const auto& key : phones) {
      Bytes bytes(sent.data, sent.data + sent.size);
      crypto::SrtpJob job{.context = key.get(), .data = bytes.data(), .size = sent.size, .room = sent.size, .rtcp = rtcp};
      engine().unprotect({&job, 1});
      if (job.verdict != crypto::Verdict::kGood) continue;
      EXPECT(indices.insert({key.get(), rtcp, job.index}).second);
      left[key.get()] += 1;
      return true;
    }
    EXPECT(!"the phone understands what is sent to it");
    return false;
  }
  bool say_rtp() { return say(from(kSource, sequence++), false); }
  bool say_rtcp() { return say(report(kSource, 9, 0), true, 1); }
  std::vector<std::uint64_t> warnings() {
    std::vector<std::uint64_t> told;
    for (const Event& event : events) {
      if (event.kind == EventKind::kKeyLifetime && !event.receiving && event.side == 1) told.push_back(event.packets_left);
    }
    return told;
  }
  /// The relay looks at its keys ten times a second, and not after each packet.
  void look() { for (int i = 0; i < 100; ++i) relay.tick(now += 20 * kMs); }
};

bool falling(const std::vector<std::uint64_t>& told) {
  for (std::size_t i = 1; i < told.size(); ++i) {
    if (told[i] >= told[i - 1]) return false;
  }
  return true;
}

}  // namespace

TEST("an agreed lifetime: it is told from the half on, with each half of the rest, and at the end nothing more leaves") {
  Ageing world;
  world.begin(world.context(crypto::Direction::kSend, kFirst, 1, 1 << 10));
  for (int i = 0; i < 1 << 10; ++i) EXPECT(world.say_rtp());
  const auto before = world.warnings();
  EXPECT(before.size() >= 4 && falling(before));
  EXPECT(before.front() <= 512 && before.front() > 400 && before.back() > 0);
  for (int i = 0; i < 50; ++i) EXPECT(!world.say_rtp());
  world.look();
  EXPECT(world.warnings().back() == 0 && falling(world.warnings()));
  EXPECT(world.left[world.phones[0].get()] == 1 << 10);
  EXPECT(world.counter(0, 0, k_droppedUnsent) == 50);
}

TEST("a new key in time: not a packet is missed, none leaves under the old one, and the next warning is the new key's own") {
  Ageing world;
  world.begin(world.context(crypto::Direction::kSend, kFirst, 1, 1 << 10));
  while (world.warnings().empty()) EXPECT(world.say_rtp());
  world.renew(world.context(crypto::Direction::kSend, kSecond, 1, 1 << 10));
  const std::uint64_t under_the_first = world.left[world.phones[0].get()];
  for (int i = 0; i < 1'000; ++i) EXPECT(world.say_rtp());
  EXPECT(world.left[world.phones[0].get()] == under_the_first && world.left[world.phones[1].get()] == 1'000);
  const auto told = world.warnings();
  EXPECT(told.size() > 2 && told[1] <= 512 && told[1] > 400);
}

TEST("a spent key that comes back stays spent, whatever lifetime it is said to have now") {
  Ageing world;
  world.begin(world.context(crypto::Direction::kSend, kFirst, 1, 64));
  for (int i = 0; i < 64; ++i) EXPECT(world.say_rtp());
  EXPECT(!world.say_rtp() && !world.say_rtp());
  world.renew(world.context(crypto::Direction::kSend, kSecond));
  for (int i = 0; i < 10; ++i) EXPECT(world.say_rtp());
  world.renew(world.context(crypto::Direction::kSend, kFirst));
  for (int i = 0; i < 10; ++i) EXPECT(!world.say_rtp());
  world.look();
  EXPECT(world.warnings().back() == 0);
  world.renew(world.context(crypto::Direction::kSend, kSecond));
  for (int i = 0; i < 10; ++i) EXPECT(world.say_rtp());
}

TEST("2^48 packets of RTP: the last index is used, none beyond, and it was told two minutes of voice before") {
  Ageing world;
  crypto::SrtpContext* const tx = world.context(crypto::Direction::kSend, kFirst);
  constexpr std::uint64_t kLast = crypto::kRtpLifetimePackets - 1, kRest = 8'000;
  Ageing::age(*tx, kLast - kRest, 5, kLast - kRest);
  Ageing::age(*world.phones[0], kLast - kRest, 5, 0);
  world.sequence = static_cast<std::uint16_t>(kLast - kRest + 1);
  world.begin(tx);
  std::uint64_t told_at = 0;
  for (std::uint64_t i = 0; i < kRest; ++i) {
    EXPECT(world.say_rtp());
    if (told_at == 0 && !world.warnings().empty()) told_at = kRest - 1 - i;
  }
  EXPECT(told_at > 5'900 && told_at <= kPacketsToRenew);
  for (int i = 0; i < 10; ++i) EXPECT(!world.say_rtp());
  world.look();
  EXPECT(world.warnings().back() == 0 && falling(world.warnings()));
  EXPECT(std::get<2>(*world.indices.rbegin()) == kLast && world.indices.size() == kRest);
}

TEST("2^31 packets of RTCP end the key as well, though its RTP has hardly begun") {
  Ageing world;
  crypto::SrtpContext* const tx = world.context(crypto::Direction::kSend, kFirst);
  constexpr std::uint32_t kLast = crypto::kRtcpLifetimePackets - 1, kRest = 100;
  Ageing::age(*tx, 99, kLast - kRest, 1);
  Ageing::age(*world.phones[0], 99, kLast - kRest, 0);
  world.begin(tx);
  world.look();
  EXPECT(!world.warnings().empty() && world.warnings().front() == kRest);
  for (std::uint32_t i = 0; i < kRest; ++i) EXPECT(world.say_rtcp());
  for (int i = 0; i < 10; ++i) EXPECT(!world.say_rtcp());
  world.look();
  EXPECT(world.warnings().back() == 0 && falling(world.warnings()));
  EXPECT(std::get<2>(*world.indices.rbegin()) == kLast);
  world.renew(world.context(crypto::Direction::kSend, kSecond));
  EXPECT(world.say_rtcp() && world.say_rtp());
}

TEST("what a peer sends beyond the life of its key is heard, and told: how long it is good is its own word") {
  Ageing world;
  const auto peer = world.phone(crypto::Direction::kSend, kIn);
  Side caller = world.side(2);
  caller.rx = world.context(crypto::Direction::kReceive, kIn, 1, 100);
  world.open(caller, world.side(3));
  for (std::uint16_t i = 0; i < 150; ++i) {
    EXPECT(world.give(0, at(2, 5'000), world.sealed(*peer, from(kSource, i))).verdict == Verdict::kForward);
    world.relay.tick(world.now += 20 * kMs);
  }
  world.look();
  std::vector<std::uint64_t> told;
  for (const Event& event : world.events) {
    if (event.kind == EventKind::kKeyLifetime && event.receiving && event.side == 0) told.push_back(event.packets_left);
  }
  EXPECT(told.size() > 2 && told.front() <= 50 && told.front() > 30 && told.back() == 0 && falling(told));
}
