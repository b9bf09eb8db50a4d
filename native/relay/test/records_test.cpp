/// UDPTL over DTLS (RFC 7345): fax in records on one side or on both, in virtual time.
#include "guarded.h"

using namespace sallyport::relay;
using namespace sallyport::relay::test;

namespace {

/// Its number, an IFP packet, and no redundancy.
Bytes fax(std::uint8_t number, std::size_t ifp = 30) {
  Bytes made(3 + ifp + 2, 0x38);
  made[0] = 0, made[1] = number, made[2] = static_cast<std::uint8_t>(ifp < 128 ? ifp : 0);
  made[made.size() - 2] = made[made.size() - 1] = 0;
  return made;
}

/// One of so many bytes.
Bytes fax_of(std::uint8_t number, std::size_t bytes) { return fax(number, bytes - 5); }

crypto::DtlsWords records(const Machine& peer, bool active) {
  crypto::DtlsWords words = words_toward(peer, active);
  words.data = true;
  words.suite_count = 0;
  return words;
}

struct FaxBox : Box {
  /// Side 0 is at 10.0.0.2 or at `peer`, side 1 at 10.0.0.3; null: plain.
  void begin(const crypto::DtlsWords* first, const crypto::DtlsWords* second = nullptr, LatchPolicy latch = LatchPolicy::kOff,
             const endpoint* peer = nullptr) {
    Side sides[2] = {world.side(2, latch), world.side(3)};
    if (peer != nullptr) std::memcpy(sides[0].remote.ip.data(), peer->ip, sizeof peer->ip);
    for (std::uint32_t i = 0; i < 2; ++i) {
      sides[i].remote.rtcp_port = sides[i].remote.rtp_port;
      const crypto::DtlsWords* const words = i == 0 ? first : second;
      if (words == nullptr) continue;
      handshakes.open({.association = ++last, .first_flow = i * 2, .one_source = latch == LatchPolicy::kOff, .words = *words}, world.now);
      sides[i].dtls = {.association = last, .active = words->active};
    }
    world.relay.open(0, PairKind::kUdptl, sides[0], sides[1], world.now);
  }
  std::uint64_t count(std::uint32_t side, Counter which) { return world.counter(0, side, which); }
};

/// A fax machine behind one flow.
struct Machine38 : Phone {
  Machine38(FaxBox& its_box, bool active, std::uint8_t ip = 2, std::uint16_t port = 5'000, std::uint32_t its_flow = 0)
      : Phone(its_box, active, ip, port, its_flow, phone_machine(), true) {
    dtls->set_taker([](void* self, std::span<const std::uint8_t> datagram) {
      static_cast<Machine38*>(static_cast<Phone*>(self))->heard.push_back({datagram.begin(), datagram.end()});
    });
  }
  /// Its record, on its way.
  Bytes sealed_fax(const Bytes& datagram) {
    const bool sealed = dtls->write(datagram, its->world.now) && out.size() == 1;
    EXPECT(sealed);
    if (!sealed) return {};
    const Bytes record = out.front();
    out.pop_front();
    return record;
  }
  std::vector<Bytes> heard;
};

const Bytes* last_plain(const FaxBox& box) { return box.plain.empty() ? nullptr : &box.plain.back().bytes; }

}  // namespace

TEST("fax crosses between a side in the clear and one in records, both ways, and is counted as what it is") {
  for (const bool active : {false, true}) {
    FaxBox box;
    const crypto::DtlsWords words = records(phone_machine(), active);
    box.begin(&words);
    EXPECT(box.sent.size() == (active ? 1 : 0));  // One handshake: there is no RTCP.
    EXPECT(box.give(2, at(3, 5'000), fax(1)) == Verdict::kUnsent);
    Machine38 machine(box, !active);
    machine.talk();
    EXPECT(box.told(EventKind::kSecured) == 1 && box.told(EventKind::kFailed) == 0);
    for (std::uint8_t i = 2; i < 100; ++i) {
      EXPECT(box.give(2, at(3, 5'000), fax(i)) == Verdict::kHandedOn);
      machine.talk();
      EXPECT(!machine.heard.empty() && machine.heard.back() == fax(i));
      EXPECT(box.give(0, at(2, 5'000), machine.sealed_fax(fax(i, 60))) == Verdict::kHandedOn);
      EXPECT(last_plain(box) != nullptr && *last_plain(box) == fax(i, 60) && box.plain.back().flow == 2 && same(box.plain.back().peer, at(3, 5'000)));
      box.world.now += 10 * kMs;
    }
    EXPECT(machine.heard.size() == 98 && box.plain.size() == 98);
    EXPECT(box.count(0, k_packets) == 98 && box.count(0, k_sent) == 98 && box.count(1, k_packets) == 99 && box.count(1, k_sent) == 98);
    EXPECT(box.count(0, k_bytes) == 98 * fax(1, 60).size() && box.count(0, k_sentBytes) == 98 * fax(1).size());
  }
}

TEST("records on both sides: two associations, and each hears what the other one wrote") {
  FaxBox box;
  const crypto::DtlsWords words[2] = {records(phone_machine(), false), records(phone_machine(), true)};
  box.begin(&words[0], &words[1]);
  Machine38 caller(box, true), callee(box, false, 3, 5'000, 2);
  caller.talk();
  callee.talk();
  EXPECT(box.told(EventKind::kSecured) == 2);
  for (std::uint8_t i = 0; i < 20; ++i) {
    box.give(0, caller.address, caller.sealed_fax(fax(i)));
    callee.talk();
    box.give(2, callee.address, callee.sealed_fax(fax(i, 50)));
    caller.talk();
  }
  EXPECT(callee.heard.size() == 20 && callee.heard.back() == fax(19) && caller.heard.size() == 20 && caller.heard.back() == fax(19, 50));
  EXPECT(box.plain.empty());
}

TEST("what is not in a record of the peer is nothing: plain fax, strangers' records, records said again, changed ones") {
  FaxBox box;
  const crypto::DtlsWords words = records(phone_machine(), false);
  box.begin(&words, nullptr, LatchPolicy::kSignalled);
  Machine38 stranger(box, true, 9);
  EXPECT(stranger.talk() == Verdict::kStranger && box.taken == 0);
  Machine38 machine(box, true, 2, 6'000);
  machine.talk();
  EXPECT(box.told(EventKind::kSecured) == 1 && box.told(EventKind::kLatched) == 1);
  EXPECT(box.give(0, machine.address, fax(1)) == Verdict::kMalformed);
  EXPECT(box.give(1, machine.address, machine.sealed_fax(fax(1))) == Verdict::kMalformed);
  const Bytes record = machine.sealed_fax(fax(2));
  EXPECT(box.give(0, at(2, 7'000), record) == Verdict::kStranger && box.plain.empty());
  Bytes changed = record;
  changed.back() ^= 1;
  box.give(0, machine.address, changed);
  EXPECT(box.plain.empty());
  box.give(0, machine.address, record);
  box.give(0, machine.address, record);
  EXPECT(box.plain.size() == 1);
  for (std::size_t cut = 1; cut < record.size(); ++cut) box.give(0, machine.address, Bytes(record.begin(), record.begin() + static_cast<std::ptrdiff_t>(cut)));
  EXPECT(box.plain.size() == 1);
  box.world.now += 1'000 * kMs;
  Machine38 late(box, true, 2, 6'000);  // A new ClientHello in the peer's place.
  late.talk();
  box.give(0, machine.address, machine.sealed_fax(fax(3)));
  EXPECT(box.plain.size() == 2 && box.told(EventKind::kSecured) == 1 && box.told(EventKind::kFailed) == 0);
}

TEST("what is no UDPTL inside of a record goes nowhere") {
  FaxBox box;
  const crypto::DtlsWords words = records(phone_machine(), false);
  box.begin(&words);
  Machine38 machine(box, true);
  machine.talk();
  box.give(0, machine.address, machine.sealed_fax(Bytes(2, 0)));
  EXPECT(box.opened.size() == 1 && box.opened[0].verdict == Verdict::kMalformed && box.plain.empty());
  EXPECT(box.count(0, k_droppedMalformed) == 1);
}

TEST("the longest datagram fills a packet of 1,500 bytes with its record, either way; what is longer is dropped and counted") {
  EXPECT(crypto::kDtlsDataBytes == 1'500 - 20 - 8 - 13 - 8 - 16);
  FaxBox box;
  const crypto::DtlsWords words = records(phone_machine(), false);
  box.begin(&words);
  Machine38 machine(box, true);
  machine.talk();
  EXPECT(box.give(2, at(3, 5'000), fax_of(1, crypto::kDtlsDataBytes)) == Verdict::kHandedOn);
  EXPECT(box.give(2, at(3, 5'000), fax_of(2, crypto::kDtlsDataBytes + 1)) == Verdict::kUnsent);
  EXPECT(box.count(1, k_droppedUnsent) == 1 && box.count(0, k_sent) == 1);
  EXPECT(!box.sent.empty() && box.sent.back().bytes.size() == crypto::kDtlsRecordBytes);
  machine.talk();
  EXPECT(machine.heard.size() == 1 && machine.heard[0] == fax_of(1, crypto::kDtlsDataBytes));

  box.give(0, machine.address, machine.sealed_fax(fax_of(3, crypto::kDtlsDataBytes)));
  EXPECT(last_plain(box) != nullptr && *last_plain(box) == fax_of(3, crypto::kDtlsDataBytes));
  // A cipher with a shorter record leaves its peer a few bytes more.
  box.data(1, 0, machine.address, fax_of(4, crypto::kDtlsOpenedBytes));
  EXPECT(*last_plain(box) == fax_of(4, crypto::kDtlsOpenedBytes) && box.count(0, k_droppedMalformed) == 0);
  box.data(1, 0, machine.address, fax_of(5, crypto::kDtlsOpenedBytes + 1));
  EXPECT(box.plain.size() == 2 && box.opened.back().verdict == Verdict::kMalformed && box.count(0, k_droppedMalformed) == 1);
}

TEST("toward an address of IPv6, whose head is longer, records hold that much less") {
  const endpoint peer{.ip = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, .port = {0x13, 0x88}};
  constexpr std::size_t kLongest = crypto::kDtlsDataBytes - 20;
  FaxBox box;
  const crypto::DtlsWords words = records(phone_machine(), false);
  box.begin(&words, nullptr, LatchPolicy::kOff, &peer);
  Machine38 machine(box, true);
  machine.address = peer;
  machine.talk();
  EXPECT(box.told(EventKind::kSecured) == 1);
  EXPECT(box.give(2, at(3, 5'000), fax_of(1, kLongest)) == Verdict::kHandedOn);
  EXPECT(box.give(2, at(3, 5'000), fax_of(2, kLongest + 1)) == Verdict::kUnsent);
  machine.talk();
  EXPECT(machine.heard.size() == 1 && machine.heard[0] == fax_of(1, kLongest) && box.count(1, k_droppedUnsent) == 1);
}

TEST("a flood in the peer's name: no more than a burst and four hundred a second reach the records") {
  FaxBox box;
  const crypto::DtlsWords words = records(phone_machine(), false);
  box.begin(&words);
  Machine38 machine(box, true);
  machine.talk();
  const std::size_t before = box.taken;
  Bytes noise(200, 0x55);
  noise[0] = 23;
  for (int i = 0; i < 10'000; ++i) {
    if (i % 10 == 0) box.world.now += kMs;
    box.give(0, machine.address, noise);
  }
  EXPECT(box.taken - before >= kDtlsBurst && box.taken - before <= kDtlsBurst + 401);
  box.world.now += 1'000 * kMs;
  box.give(0, machine.address, machine.sealed_fax(fax(1)));
  EXPECT(box.plain.size() == 1);
}

TEST("an association of fax lives as long as its side, whatever the time; its end is said, and it is not exported") {
  FaxBox box;
  const crypto::DtlsWords words = records(phone_machine(), false);
  box.begin(&words);
  Machine38 machine(box, true);
  machine.talk();
  for (int minute = 0; minute < 10; ++minute) {
    box.world.now += 60'000 * kMs;
    if (box.handshakes.deadline_ns() <= box.world.now) box.handshakes.handle_time(box.world.now);
  }
  EXPECT(box.handshakes.live() == 1 && box.told(EventKind::kFailed) == 0);
  box.give(0, machine.address, machine.sealed_fax(fax(1)));
  EXPECT(box.plain.size() == 1);
  PairState state;
  EXPECT(box.world.relay.save(0, state, box.world.now) != nullptr);
  box.handshakes.close(1, false, box.world.now);
  machine.talk();
  EXPECT(machine.dtls->state() == crypto::DtlsState::kClosed && box.handshakes.size() == 0);
  EXPECT(box.give(2, at(3, 5'000), fax(2)) == Verdict::kHandedOn);  // To nobody: control is about to close the pair.
}

TEST("a new association: the old one carries nothing any more once control has taken another, and the new one does when it is there") {
  FaxBox box;
  const crypto::DtlsWords words = records(phone_machine(), false);
  box.begin(&words);
  Machine38 first(box, true);
  first.talk();
  Side set;
  box.handshakes.open({.association = ++box.last, .first_flow = 0, .one_source = true, .words = words}, box.world.now);
  set.dtls = {.association = box.last, .active = false};
  box.world.relay.change(0, 0, kChangeDtls, set, box.world.now);
  box.handshakes.close(1, true, box.world.now);
  box.give(0, first.address, first.sealed_fax(fax(1)));
  EXPECT(box.plain.empty());
  Machine38 second(box, true);
  second.talk();
  EXPECT(box.told(EventKind::kSecured) == 2);
  box.give(0, second.address, second.sealed_fax(fax(2)));
  EXPECT(box.plain.size() == 1 && box.give(2, at(3, 5'000), fax(3)) == Verdict::kHandedOn);
  second.talk();
  EXPECT(second.heard.size() == 1);
  box.world.relay.change(0, 0, kChangeDtls, Side{}, box.world.now);
  EXPECT(box.give(0, second.address, fax(4)) == Verdict::kForward && box.give(2, at(3, 5'000), fax(5)) == Verdict::kForward);
}
