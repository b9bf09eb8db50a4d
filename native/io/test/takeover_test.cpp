/// A call that goes on in another box: two hosts, real sockets, libsrtp at the other end.
#include "phones.h"

using namespace phones;

namespace {

/// What the host tells of the pair's state; empty: it gave none.
std::vector<std::uint8_t> exported(Box& box, std::string* reason = nullptr) {
  EXPECT(box.host->save(0));
  box.host->wake();
  HostEvent events[16];
  for (int round = 0; round < 4'000; ++round) {
    const std::size_t count = box.host->events(events);
    for (std::size_t i = 0; i < count; ++i) {
      if (events[i].kind != relay::EventKind::kExported) continue;
      if (reason != nullptr) *reason = events[i].reason;
      return events[i].state;
    }
    usleep(5'000);
  }
  return {};
}

std::string failure(Box& box) {
  HostEvent events[16];
  for (int round = 0; round < 4'000; ++round) {
    const std::size_t count = box.host->events(events);
    for (std::size_t i = 0; i < count; ++i) {
      if (events[i].kind == relay::EventKind::kFailed) return events[i].reason;
    }
    usleep(5'000);
  }
  return "";
}

struct Words {
  SideWords a, b;
};
Words words(const Phone& secure, const Phone& plain, const std::uint16_t (&ports)[2], Suite suite, std::uint8_t seed = 5) {
  Words made{side(secure, ports[0]), side(plain, ports[1])};
  made.a.rx = key_words(suite, seed);
  made.a.tx = key_words(suite, 11);
  return made;
}

}  // namespace

TEST("libsrtp hears one call from two boxes, and both hear libsrtp, every suite, over a wrap between them") {
  for (const PortChoice choice : kChoices) {
    for (const SuitePolicy& under_test : kSuites) {
      Phone secure("127.0.0.1"), plain("127.0.0.1");
      const KeyWords in = key_words(under_test.suite, 5), out = key_words(under_test.suite, 11);
      Libsrtp sends(in, true), hears(out, false);
      std::uint32_t sequence = 65'450;
      std::vector<std::uint8_t> state;
      const auto talk = [&](const std::uint16_t (&ports)[2]) {
        for (const std::uint32_t end = sequence + 60; sequence < end; ++sequence) {
          secure.send(sends.with(srtp_protect, rtp(sequence)), ports[0]);
          EXPECT(plain.get() == rtp(sequence));
          plain.send(rtp(sequence), ports[1]);
          const Bytes heard = hears.with(srtp_unprotect, secure.get());
          // Under the source's name, with its sound; the number may be ours.
          EXPECT(heard.size() == 172 && std::equal(heard.begin() + 8, heard.end(), rtp(sequence).begin() + 8));
        }
        secure.send(sends.with(srtp_protect_rtcp, kReport), ports[0]);
        EXPECT(plain.get() == kOurReport);
        plain.send(kReport, ports[1]);
        EXPECT(!hears.with(srtp_unprotect_rtcp, secure.get()).empty());
      };
      {
        Box active(choice);
        const std::uint16_t ports[2] = {free_port("127.0.0.1"), free_port("127.0.0.1")};
        Words call = words(secure, plain, ports, under_test.suite);
        EXPECT(active.host->open(0, relay::PairKind::kAudio, call.a, call.b));
        active.host->wake();
        talk(ports);
        state = exported(active);
        EXPECT(!state.empty());
        talk(ports);  // It goes on while its state is on its way.
      }
      Box standby(choice);
      const std::uint16_t ports[2] = {free_port("127.0.0.1"), free_port("127.0.0.1")};
      Words call = words(secure, plain, ports, under_test.suite);
      EXPECT(standby.host->open(0, relay::PairKind::kAudio, call.a, call.b, state));
      standby.host->wake();
      talk(ports);
      talk(ports);
      std::vector<std::uint8_t> again = exported(standby);
      EXPECT(!again.empty());
    }
  }
}

TEST("a state of other keys, of another kind, too old or not whole is refused with the whole pair, whose ports are free again") {
  Phone secure("127.0.0.1"), plain("127.0.0.1");
  const std::uint16_t ports[2] = {free_port("127.0.0.1"), free_port("127.0.0.1")};
  const Suite suite = Suite::kAesCm128HmacSha1_80;
  std::vector<std::uint8_t> good;
  {
    Box active(PortChoice::kEpoll);
    Words call = words(secure, plain, ports, suite);
    EXPECT(active.host->open(0, relay::PairKind::kAudio, call.a, call.b));
    active.host->wake();
    plain.send(rtp(1), ports[1]);
    EXPECT(!secure.get().empty());
    good = exported(active);
  }
  relay::PairState state;
  EXPECT(relay::read(good, state));
  Box standby(PortChoice::kEpoll);
  const auto refused = [&](std::span<const std::uint8_t> bytes, relay::PairKind kind, std::uint8_t seed) {
    Words call = words(secure, plain, ports, suite, seed);
    EXPECT(standby.host->open(0, kind, call.a, call.b, bytes));
    const std::string why = failure(standby);
    EXPECT(standby.host->close(0));
    standby.hear();
    return why;
  };
  EXPECT(refused(good, relay::PairKind::kAudio, 6) == "the state is of other keys");
  EXPECT(refused(good, relay::PairKind::kVideo, 5) == "the state is of another kind of stream");
  EXPECT(refused(std::span(good).first(good.size() - 1), relay::PairKind::kAudio, 5) == "the state is not whole, or of another version");
  relay::PairState old = state;
  old.made_unix_ns -= relay::kStateLifeNs;
  EXPECT(refused(relay::written(old), relay::PairKind::kAudio, 5) == "the state is too old");
  relay::PairState lying = state;
  lying.sides[0].tx.stream_count = 1'000'000;
  EXPECT(refused(relay::written(lying), relay::PairKind::kAudio, 5) != "");
  lying = state;
  lying.sides[0].tx.rtp_packets += 1;
  EXPECT(refused(relay::written(lying), relay::PairKind::kAudio, 5) == "the state of a key is not sound");
  Words call = words(secure, plain, ports, suite);
  EXPECT(standby.host->open(0, relay::PairKind::kAudio, call.a, call.b, good));
  standby.host->wake();
  plain.send(rtp(2), ports[1]);
  EXPECT(!secure.get().empty());
}

TEST("a pair that is not there has no state") {
  Box box(PortChoice::kEpoll);
  std::string reason;
  EXPECT(exported(box, &reason).empty() && !reason.empty());
}
