/// A relay and its handshakes, a phone with DTLS, and strangers, in virtual time.
#include "guarded.h"

using namespace sallyport::relay;
using namespace sallyport::relay::test;

TEST("we are passive: nothing passes before the handshake, voice passes both ways after it, and it is told once") {
  Box box;
  box.open(words_toward(phone_machine(), false));
  EXPECT(box.give(0, at(2, 5'000), rtp(1)) == Verdict::kNotAuthentic);
  EXPECT(box.give(2, at(3, 5'000), rtp(1)) == Verdict::kUnsent);
  Phone phone(box, true);
  EXPECT(phone.talk() == Verdict::kHandedOn);
  EXPECT(box.told(EventKind::kSecured) == 1 && box.told(EventKind::kFailed) == 0);
  phone.make_contexts();
  EXPECT(phone.speaks(2) && phone.speaks(3));
  EXPECT(box.give(0, at(2, 5'000), rtp(4)) == Verdict::kNotAuthentic);
  EXPECT(box.give(0, at(2, 5'000), phone.sealed(kReport, true)) == Verdict::kForward);
}

TEST("we are active: the ClientHello goes to the signalled address at once, and only its answer counts") {
  Box box;
  box.open(words_toward(phone_machine(), true), LatchPolicy::kSignalled);
  EXPECT(box.sent.size() == 1 && same(box.sent[0].peer, at(2, 5'000)));
  Phone phone(box, false);
  phone.talk();
  EXPECT(box.told(EventKind::kSecured) == 1 && box.told(EventKind::kLatched) == 1);
  phone.make_contexts();
  EXPECT(phone.speaks(2));
}

TEST("a stranger's ClientHello does nothing, before the handshake and after it") {
  Box box;
  box.open(words_toward(phone_machine(), false), LatchPolicy::kSignalled);
  Phone stranger(box, true, 9);
  EXPECT(stranger.talk() == Verdict::kStranger && box.taken == 0 && box.sent.empty());
  Phone phone(box, true, 2, 6'000);
  phone.talk();
  EXPECT(box.told(EventKind::kSecured) == 1);
  phone.make_contexts();
  EXPECT(phone.speaks(1));
  const std::size_t taken = box.taken;
  Phone late(box, true, 9), neighbour(box, true, 2, 7'000);
  EXPECT(late.talk() == Verdict::kStranger && neighbour.talk() == Verdict::kStranger && box.taken == taken && box.sent.empty());
  EXPECT(box.world.counter(0, 0, k_droppedStranger) == 3 && phone.speaks(2));
}

TEST("a neighbour behind the peer's address begins first, with a certificate nobody signalled: the peer still comes through") {
  Machine other;
  Box box;
  box.open(words_toward(phone_machine(), false), LatchPolicy::kSignalled);
  Phone neighbour(box, true, 2, 7'000, 0, other);
  neighbour.talk();
  EXPECT(box.told(EventKind::kSecured) == 0 && box.told(EventKind::kFailed) == 0 && box.told(EventKind::kLatched) == 0);
  Phone phone(box, true, 2, 6'000);
  phone.talk();
  EXPECT(box.told(EventKind::kSecured) == 1);
  phone.make_contexts();
  EXPECT(phone.speaks(1));
}

TEST("many neighbours: no more than four shake hands at a time, and a quiet one makes way") {
  Box box;
  box.open(words_toward(phone_machine(), false), LatchPolicy::kSignalled);
  for (std::uint16_t port = 7'000; port < 7'020; ++port) {
    Phone neighbour(box, true, 2, port);
    while (!neighbour.out.empty()) box.give(0, neighbour.address, neighbour.out.front()), neighbour.out.pop_front();
  }
  EXPECT(box.handshakes.live() == kAttemptLimit);
  box.world.now += kQuietNs;
  Phone phone(box, true);
  phone.talk();
  EXPECT(box.told(EventKind::kSecured) == 1 && box.handshakes.live() == 1);
}

TEST("the certificate of somebody else from the only address there can be: failed at once, by name") {
  Machine other;
  Box box;
  box.open(words_toward(phone_machine(), false));
  Phone phone(box, true, 2, 5'000, 0, other);
  phone.talk();
  EXPECT(box.told(EventKind::kFailed) == 1 && std::string(box.world.events.back().reason).find("certificate") != std::string::npos);
  EXPECT(box.handshakes.size() == 0 && box.give(0, at(2, 5'000), rtp(1)) == Verdict::kNotAuthentic);
}

TEST("a peer that never answers: failed after 30 s, and nothing is left of it") {
  for (const bool active : {true, false}) {
    Box box;
    box.open(words_toward(phone_machine(), active));
    for (const std::uint64_t until = box.world.now + 60'000 * kMs; box.handshakes.deadline_ns() <= until;) {
      box.world.now = box.handshakes.deadline_ns();
      box.handshakes.handle_time(box.world.now);
    }
    EXPECT(box.told(EventKind::kFailed) == 1 && box.world.now == (1'000 + 30'000) * kMs);
    EXPECT(box.handshakes.size() == 0 && box.handshakes.live() == 0);
    EXPECT(active ? box.sent.size() > 5 && box.sent.size() < 15 : box.sent.empty());
  }
}

TEST("a new association: the old keys serve until the new are there, and its end may not be taken for the new one's") {
  Box box;
  box.open(words_toward(phone_machine(), false));
  Phone first(box, true);
  first.talk();
  first.make_contexts();
  EXPECT(first.speaks(1));
  Side set;
  const std::uint32_t old = box.last;
  set.dtls = box.link(words_toward(phone_machine(), false), true, false);
  box.world.relay.change(0, 0, kChangeDtls, set, box.world.now);
  box.handshakes.close(old, true, box.world.now);
  EXPECT(box.sent.empty() && first.speaks(2));
  Phone second(box, true);
  second.talk();
  EXPECT(box.told(EventKind::kSecured) == 2);
  second.make_contexts();
  EXPECT(second.speaks(3));
  EXPECT(box.give(0, at(2, 5'000), first.sealed(rtp(4))) == Verdict::kForward);  // Was on its way.
  box.world.now += 3'000 * kMs;
  EXPECT(box.give(0, at(2, 5'000), first.sealed(rtp(5))) == Verdict::kNotAuthentic);
}

TEST("from DTLS to plain RTP: keys of the handshake are not used any more, and what it still brings is given back") {
  Box box;
  box.open(words_toward(phone_machine(), false));
  Phone phone(box, true);
  phone.talk();
  Side set;
  box.world.relay.change(0, 0, kChangeDtls, set, box.world.now);
  EXPECT(box.give(0, at(2, 5'000), rtp(1)) == Verdict::kForward);
  const Datagram back = box.world.give(2, at(3, 5'000), rtp(1));
  EXPECT(back.verdict == Verdict::kForward && back.size == rtp(1).size());
  const std::size_t retired = box.told(EventKind::kRetired);
  box.secured(1, 0, at(2, 5'000), crypto::Suite::kAeadAes128Gcm, {.bytes = {}, .size = 28}, {.bytes = {}, .size = 28});
  EXPECT(box.told(EventKind::kRetired) == retired + 1 && box.told(EventKind::kSecured) == 1);
}

TEST("RTCP on its own port has an association of its own, and neither's keys open the other's") {
  Box box;
  box.open(words_toward(phone_machine(), false), LatchPolicy::kOff, false, false);
  Phone rtp_end(box, true), rtcp_end(box, true, 2, 5'001, 1);
  rtp_end.talk();
  EXPECT(box.give(1, at(2, 5'001), kReport) == Verdict::kNotAuthentic);
  EXPECT(box.give(3, at(3, 5'001), kReport) == Verdict::kUnsent);
  rtcp_end.talk();
  EXPECT(box.told(EventKind::kSecured) == 1);
  rtp_end.make_contexts();
  rtcp_end.make_contexts();
  EXPECT(rtp_end.speaks(1));
  EXPECT(box.give(1, at(2, 5'001), rtp_end.sealed(kReport, true)) == Verdict::kNotAuthentic);
  EXPECT(box.give(1, at(2, 5'001), rtcp_end.sealed(kReport, true)) == Verdict::kForward);
  const Datagram back = box.world.give(3, at(3, 5'001), kReport);
  EXPECT(back.verdict == Verdict::kForward && back.out_flow == 1 && rtcp_end.opens(back, true));
}

TEST("close_notify is said at the end: at once, and long after the handshake's memory went back") {
  for (const bool late : {false, true}) {
    Box box;
    box.open(words_toward(phone_machine(), false));
    Phone phone(box, true);
    phone.talk();
    EXPECT(box.handshakes.live() == 1);
    if (late) {
      box.world.now += kHandshakeLimitNs;
      box.handshakes.handle_time(box.world.now);
      EXPECT(box.handshakes.live() == 0 && box.handshakes.size() == 1 && box.sent.empty());
      phone.make_contexts();
      EXPECT(phone.speaks(1));
    }
    box.handshakes.close(1, false, box.world.now);
    phone.talk();
    EXPECT(phone.dtls->state() == crypto::DtlsState::kClosed && box.handshakes.size() == 0 && box.handshakes.deadline_ns() > box.world.now);
  }
}

TEST("a flood in the peer's name: a burst and then a hundred a second reach the handshake") {
  Box box;
  box.open(words_toward(phone_machine(), false));
  Bytes noise(1'200, 0x55);
  noise[0] = 22;
  for (int i = 0; i < 10'000; ++i) {
    if (i % 10 == 0) box.world.now += kMs;
    box.give(0, at(2, 5'000), noise);
  }
  EXPECT(box.taken >= kDtlsBurst && box.taken <= kDtlsBurst + 101);
  box.world.now += 1'000 * kMs;
  Phone phone(box, true);
  phone.talk();
  EXPECT(box.told(EventKind::kSecured) == 1);
}

TEST("ICE: whom no check has proved is a stranger in everything; the nominated one hears and speaks") {
  Box box;
  box.open(words_toward(phone_machine(), false), LatchPolicy::kSource, true);
  Phone unproved(box, true);
  EXPECT(unproved.talk() == Verdict::kStranger && box.taken == 0);
  EXPECT(box.give(0, at(2, 5'000), binding(kBothUfrags, "another password of 22", {.use_candidate = true})) == Verdict::kNotAuthentic);
  EXPECT(box.told(EventKind::kLatched) == 0);

  const Datagram answer = box.world.give(0, at(4, 4'444), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  EXPECT(answer.verdict == Verdict::kForward && answer.out_flow == 0 && same(answer.to, at(4, 4'444)) && answer.data[0] == 1);
  EXPECT(box.told(EventKind::kLatched) == 1 && same(box.world.events.back().source, at(4, 4'444)));
  Phone phone(box, true, 4, 4'444);
  phone.talk();
  EXPECT(box.told(EventKind::kSecured) == 1);
  phone.make_contexts();
  EXPECT(phone.speaks(1));
  EXPECT(box.give(0, at(2, 5'000), phone.sealed(rtp(2))) == Verdict::kStranger);
}

TEST("ICE and active: the ClientHello waits for the nomination and goes where it says") {
  Box box;
  box.open(words_toward(phone_machine(), true), LatchPolicy::kOff, true);
  EXPECT(box.sent.empty());
  box.give(0, at(4, 4'444), binding(kBothUfrags, kOurPassword, {}));
  EXPECT(box.sent.empty());
  box.give(0, at(4, 4'444), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  EXPECT(box.sent.size() == 1 && same(box.sent[0].peer, at(4, 4'444)));
  Phone phone(box, false, 4, 4'444);
  phone.talk();
  EXPECT(box.told(EventKind::kSecured) == 1);
}

TEST("ICE: a new nomination moves the call with the same keys, and the way before is still heard") {
  Box box;
  box.open(words_toward(phone_machine(), false), LatchPolicy::kOff, true);
  box.give(0, at(4, 4'444), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  Phone phone(box, true, 4, 4'444);
  phone.talk();
  phone.make_contexts();
  EXPECT(phone.speaks(1));
  box.world.now += 10'000 * kMs;
  box.give(0, at(5, 5'555), binding(kBothUfrags, kOurPassword, {.use_candidate = true, .priority = 1}));
  EXPECT(box.told(EventKind::kLatched) == 2 && box.told(EventKind::kSecured) == 1);
  EXPECT(box.give(0, at(4, 4'444), phone.sealed(rtp(2))) == Verdict::kForward);
  phone.address = at(5, 5'555);
  EXPECT(phone.speaks(3));
}

TEST("ICE: 30 s without a sign of the peer and nothing more is sent there; its next nomination brings the call back") {
  Box box;
  box.open(words_toward(phone_machine(), false), LatchPolicy::kOff, true);
  box.give(0, at(4, 4'444), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  Phone phone(box, true, 4, 4'444);
  phone.talk();
  phone.make_contexts();
  EXPECT(phone.speaks(1));
  box.world.now += 29'990 * kMs;
  box.world.relay.tick(box.world.now);
  EXPECT(box.world.give(2, at(3, 5'000), rtp(2)).verdict == Verdict::kForward);
  box.world.now += 40 * kMs;
  box.world.relay.tick(box.world.now);
  EXPECT(box.told(EventKind::kExpired) == 1);
  EXPECT(box.world.give(2, at(3, 5'000), rtp(3)).verdict == Verdict::kUnsent);
  EXPECT(box.give(0, at(4, 4'444), phone.sealed(rtp(4))) == Verdict::kStranger);
  box.give(0, at(4, 4'444), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  EXPECT(box.told(EventKind::kLatched) == 2 && phone.speaks(5));
}

TEST("ICE without keys: plain RTP from the nominated source alone, and a side without ICE answers no check") {
  Box box;
  Side caller = box.world.side(2);
  caller.ice = ice_words();
  box.world.relay.open(0, PairKind::kAudio, caller, box.world.side(3), box.world.now);
  EXPECT(box.give(0, at(2, 5'000), rtp(1)) == Verdict::kStranger);
  EXPECT(box.give(2, at(3, 5'000), rtp(1)) == Verdict::kUnsent);
  EXPECT(box.give(2, at(3, 5'000), binding(kBothUfrags, kOurPassword, {.use_candidate = true})) == Verdict::kMalformed);
  box.give(0, at(2, 5'000), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  EXPECT(box.give(0, at(2, 5'000), rtp(2)) == Verdict::kForward && box.give(2, at(3, 5'000), rtp(2)) == Verdict::kForward);
  Side set;
  box.world.relay.change(0, 0, kChangeIce, set, box.world.now);
  EXPECT(box.give(0, at(2, 5'000), binding(kBothUfrags, kOurPassword, {})) == Verdict::kMalformed);
  EXPECT(box.give(0, at(2, 5'000), rtp(3)) == Verdict::kForward);
}

TEST("a source that was proved once and has been silent since is a stranger again") {
  Box box;
  box.open(words_toward(phone_machine(), false), LatchPolicy::kOff, true);
  box.give(0, at(5, 5'555), binding(kBothUfrags, kOurPassword, {}));
  for (int i = 0; i < 7; ++i) {
    box.world.now += 5'000 * kMs;
    box.give(0, at(4, 4'444), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  }
  Phone late(box, true, 5, 5'555), phone(box, true, 4, 4'444);
  EXPECT(late.talk() == Verdict::kStranger && phone.talk() == Verdict::kHandedOn && box.told(EventKind::kSecured) == 1);
}

TEST("ZRTP crosses as it is between phones that have no keys with us, from the right source alone") {
  Box box;
  box.world.relay.open(0, PairKind::kAudio, box.world.side(2), box.world.side(3), box.world.now);
  Bytes hello(60, 0x41);
  hello[0] = 0x10;
  write32(&hello[4], 0x5a525450);
  const Datagram sent = box.world.give(0, at(2, 5'000), hello);
  EXPECT(sent.verdict == Verdict::kForward && sent.out_flow == 2 && same(sent.to, at(3, 5'000)));
  EXPECT(Bytes(sent.data, sent.data + sent.size) == hello);
  EXPECT(box.give(0, at(9, 5'000), hello) == Verdict::kStranger);
  hello[5] = 0;
  EXPECT(box.give(0, at(2, 5'000), hello) == Verdict::kMalformed && box.give(0, at(2, 5'000), {0x10}) == Verdict::kMalformed);
  Box secret;
  secret.open(words_toward(phone_machine(), false));
  hello[5] = 0x52;
  EXPECT(secret.give(2, at(3, 5'000), hello) == Verdict::kMalformed);
}

TEST("DTLS and STUN on sides that have neither are malformed, as ever") {
  Box box;
  box.world.relay.open(0, PairKind::kAudio, box.world.side(2), box.world.side(3), box.world.now);
  Phone phone(box, true);
  EXPECT(phone.talk() == Verdict::kMalformed && box.taken == 0);
  EXPECT(box.give(0, at(2, 5'000), {}) == Verdict::kMalformed);
  EXPECT(box.world.counter(0, 0, k_droppedMalformed) == 2);
}
