/// STUN and the lite agent in virtual time. The peer's checks are built here byte by byte, by another reading of RFC 8489.
#include "../ice.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>

#include "../../crypto/hmac_sha1.h"
#include "../../shared/check.h"
#include "checks.h"
#include "world.h"

using namespace sallyport::relay;
using namespace sallyport::relay::test;
namespace crypto = sallyport::crypto;

namespace {

Bytes file(const char* name) {
  const char* folder = std::getenv("SALLYPORT_TESTDATA");
  std::ifstream in(std::string(folder ? folder : SALLYPORT_TESTDATA_DEFAULT) + "/stun-vectors/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

constexpr std::string_view kVectorPassword = "VOkJxbRl1RmTxUk/WvJxBt";

/// An agent and one check at a time.
struct Lite {
  Lite() { agent.start(ice_words()); }
  CheckVerdict check(const endpoint& from, const Bytes& packet, std::uint32_t component = 0) {
    std::fill(std::begin(memory), std::end(memory), std::uint8_t{0xee});
    std::copy(packet.begin(), packet.end(), memory);
    datagram.sender = from;
    datagram.data = memory;
    datagram.size = static_cast<std::uint32_t>(packet.size());
    datagram.room = sizeof memory;
    return agent.check(datagram, component, now, nominated);
  }
  Bytes answer() const { return {memory, memory + datagram.size}; }
  std::uint64_t now = 1'000'000 * kMs;
  IceAgent agent;
  Datagram datagram;
  bool nominated = false;
  std::uint8_t memory[2'048];
};

}  // namespace

TEST("the request and the answer of RFC 5769 are read, with integrity and fingerprint") {
  const Bytes request = file("rfc5769-request.bin"), response = file("rfc5769-response-ipv4.bin");
  EXPECT(request.size() == 108 && response.size() == 80);
  StunMessage message;
  EXPECT(parse_stun(request, message) && message.kind == StunClass::kRequest && message.method == kStunBinding);
  EXPECT(message.username == "evtj:h6vY" && message.priority == 0x6e0001ff && message.controlled && !message.controlling);
  EXPECT(message.fingerprint && has_integrity(message, kVectorPassword) && !has_integrity(message, "VOkJxbRl1RmTxUk/WvJxBu"));
  EXPECT(parse_stun(response, message) && message.kind == StunClass::kSuccess && has_integrity(message, kVectorPassword));
}

TEST("every byte of a check counts: one changed is not read, or has no integrity, and changes nothing") {
  const Bytes good = binding(kBothUfrags, kOurPassword, {.use_candidate = true});
  for (std::size_t i = 0; i < good.size(); ++i) {
    Lite lite;
    Bytes bad = good;
    bad[i] ^= 0x01;
    EXPECT(lite.check(at(2, 5'000), bad) != CheckVerdict::kAnswered);
    EXPECT(!lite.nominated && !lite.agent.proved(0, at(2, 5'000), lite.now));
    EXPECT(lite.datagram.size == bad.size() && std::equal(bad.begin(), bad.end(), lite.memory));
    fix_fingerprint(bad);
    EXPECT(lite.check(at(2, 5'000), bad) != CheckVerdict::kAnswered || i >= good.size() - 8);
  }
}

TEST("an answer tells the address the check came from, IPv4 and IPv6, and proves who gives it") {
  Lite lite;
  EXPECT(lite.check(at(2, 5'000), binding(kBothUfrags, kOurPassword, {})) == CheckVerdict::kAnswered);
  Bytes answer = lite.answer();
  StunMessage message;
  EXPECT(parse_stun(answer, message) && message.kind == StunClass::kSuccess && message.fingerprint);
  EXPECT(has_integrity(message, kOurPassword));
  EXPECT(answer[20] == 0 && answer[21] == 0x20 && answer[25] == 1);
  EXPECT(((answer[26] ^ 0x21) << 8 | (answer[27] ^ 0x12)) == 5'000);
  EXPECT((answer[28] ^ 0x21) == 10 && (answer[31] ^ 0x42) == 2);
  EXPECT(std::equal(&answer[8], &answer[20], &binding(kBothUfrags, kOurPassword, {})[8]));

  endpoint v6{};
  for (std::uint8_t i = 0; i < 16; ++i) v6.ip[i] = static_cast<std::uint8_t>(0x20 + i);
  EXPECT(lite.check(v6, binding(kBothUfrags, kOurPassword, {})) == CheckVerdict::kAnswered);
  answer = lite.answer();
  EXPECT(answer[25] == 2 && (answer[28] ^ 0x21) == 0x20 && (answer[43] ^ answer[19]) == 0x2f);
}

TEST("who names another session, has no integrity, or the wrong password hears nothing") {
  Lite lite;
  for (const std::string& name : {std::string("box1:else"), std::string("phon:box1"), std::string("box1"), std::string("box1:phone"), std::string()}) {
    EXPECT(lite.check(at(2, 5'000), binding(name, kOurPassword, {})) == CheckVerdict::kStranger);
  }
  EXPECT(lite.check(at(2, 5'000), binding(kBothUfrags, "another password of 22", {})) == CheckVerdict::kForged);
  EXPECT(lite.check(at(2, 5'000), binding(kBothUfrags, kOurPassword, {.integrity = false})) == CheckVerdict::kForged);
  EXPECT(lite.check(at(2, 5'000), binding(kBothUfrags, kOurPassword, {.fingerprint = false})) == CheckVerdict::kMalformed);
  EXPECT(!lite.agent.proved(0, at(2, 5'000), lite.now));
}

TEST("a required attribute that nobody knows: 420 that names it, with integrity, and nothing is proved") {
  Lite lite;
  EXPECT(lite.check(at(2, 5'000), binding(kBothUfrags, kOurPassword, {.use_candidate = true, .unknown = 0x7fff})) == CheckVerdict::kAnswered);
  const Bytes answer = lite.answer();
  StunMessage message;
  EXPECT(parse_stun(answer, message) && message.kind == StunClass::kError && has_integrity(message, kOurPassword));
  EXPECT(answer[26] == 4 && answer[27] == 20);
  const Bytes named{0x00, 0x0a, 0x00, 0x02, 0x7f, 0xff};
  EXPECT(std::search(answer.begin(), answer.end(), named.begin(), named.end()) != answer.end());
  EXPECT(!lite.nominated && !lite.agent.proved(0, at(2, 5'000), lite.now));
  EXPECT(lite.check(at(2, 5'000), binding(kBothUfrags, kOurPassword, {.unknown = 0xc057})) == CheckVerdict::kAnswered);
  EXPECT(lite.agent.proved(0, at(2, 5'000), lite.now));
}

TEST("a peer that calls itself controlled gets a 487: we are lite and stay so") {
  Lite lite;
  EXPECT(lite.check(at(2, 5'000), binding(kBothUfrags, kOurPassword, {.controlled = true})) == CheckVerdict::kAnswered);
  EXPECT(lite.answer()[26] == 4 && lite.answer()[27] == 87);
  EXPECT(!lite.agent.proved(0, at(2, 5'000), lite.now));
}

TEST("nomination: the first wins, a better one at once, a worse one only later; each source stays proved") {
  Lite lite;
  lite.check(at(2, 5'000), binding(kBothUfrags, kOurPassword, {}));
  EXPECT(!lite.nominated);
  lite.check(at(2, 5'000), binding(kBothUfrags, kOurPassword, {.use_candidate = true, .priority = 100}));
  EXPECT(lite.nominated);
  lite.check(at(2, 5'000), binding(kBothUfrags, kOurPassword, {.use_candidate = true, .priority = 100}));
  EXPECT(!lite.nominated);
  lite.check(at(3, 5'000), binding(kBothUfrags, kOurPassword, {.use_candidate = true, .priority = 90}));
  EXPECT(!lite.nominated && lite.agent.proved(0, at(3, 5'000), lite.now));
  lite.check(at(4, 5'000), binding(kBothUfrags, kOurPassword, {.use_candidate = true, .priority = 110}));
  EXPECT(lite.nominated);
  lite.now += 4'000 * kMs;
  lite.check(at(3, 5'000), binding(kBothUfrags, kOurPassword, {.use_candidate = true, .priority = 90}));
  EXPECT(lite.nominated && lite.agent.proved(0, at(2, 5'000), lite.now) && lite.agent.proved(0, at(4, 5'000), lite.now));
  EXPECT(!lite.agent.proved(1, at(3, 5'000), lite.now));
}

TEST("many sources: the nominated one is never pushed out") {
  Lite lite;
  lite.check(at(2, 5'000), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  for (std::uint16_t port = 6'000; port < 6'100; ++port) {
    lite.now += kMs;
    lite.check(at(3, port), binding(kBothUfrags, kOurPassword, {}));
    EXPECT(lite.agent.proved(0, at(2, 5'000), lite.now) && lite.agent.proved(0, at(3, port), lite.now));
  }
  EXPECT(!lite.agent.proved(0, at(3, 6'000), lite.now));
}

TEST("consent: checks keep it, their absence for 30 s ends it once, and a new nomination brings it back") {
  Lite lite;
  lite.check(at(2, 5'000), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  for (int i = 0; i < 20; ++i) {
    lite.now += 5'000 * kMs;
    lite.check(at(2, 5'000), binding(kBothUfrags, kOurPassword, {}));
    EXPECT(!lite.agent.expire(0, lite.now));
  }
  lite.now += 29'999 * kMs;
  lite.agent.heard(0, at(2, 5'000), false, lite.now);  // Plain packets anybody may send: this peer renews by checks.
  EXPECT(!lite.agent.expire(0, lite.now));
  lite.now += kMs;
  EXPECT(lite.agent.expire(0, lite.now) && !lite.agent.expire(0, lite.now) && !lite.agent.proved(0, at(2, 5'000), lite.now));
  lite.check(at(2, 5'000), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  EXPECT(lite.nominated);
}

TEST("consent of a peer that never checks again: what comes from the nominated source counts") {
  Lite lite;
  lite.check(at(2, 5'000), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  for (int i = 0; i < 10; ++i) {
    lite.now += 20'000 * kMs;
    lite.agent.heard(0, at(2, 5'000), false, lite.now);
    lite.agent.heard(0, at(9, 5'000), true, lite.now);
    EXPECT(!lite.agent.expire(0, lite.now));
  }
  lite.now += 30'000 * kMs;
  lite.agent.heard(0, at(9, 5'000), true, lite.now);
  EXPECT(lite.agent.expire(0, lite.now));
}

TEST("a restart: old words answer no more, new ones do, and who was proved stays so") {
  Lite lite;
  lite.check(at(2, 5'000), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  IceWords again = ice_words();
  again.local_ufrag = text<kLocalUfragBytes>("box2");
  lite.agent.start(again);
  EXPECT(lite.agent.proved(0, at(2, 5'000), lite.now));
  EXPECT(lite.check(at(2, 5'000), binding(kBothUfrags, kOurPassword, {})) == CheckVerdict::kStranger);
  EXPECT(lite.check(at(3, 5'000), binding("box2:phon", kOurPassword, {})) == CheckVerdict::kAnswered);
}

TEST("garbage: random bytes, cut and lying lengths, attributes of ten thousand bytes") {
  std::mt19937 dice(7);
  const Bytes good = binding(kBothUfrags, kOurPassword, {.use_candidate = true});
  StunMessage message;
  for (int round = 0; round < 20'000; ++round) {
    Bytes bad = good;
    bad.resize(dice() % (good.size() + 8));
    for (unsigned i = dice() % 4; i > 0 && !bad.empty(); --i) bad[dice() % bad.size()] = static_cast<std::uint8_t>(dice());
    const Bytes exact(bad.begin(), bad.end());  // Its end is the end of its memory, for the sanitizer.
    if (parse_stun(exact, message)) has_integrity(message, kOurPassword);
  }
  Bytes huge = binding(kBothUfrags, kOurPassword, {.filler = 10'000});
  EXPECT(huge.size() > 10'000 && parse_stun(huge, message) && has_integrity(message, kOurPassword));
  write16(&huge[22], 65'532);
  EXPECT(!parse_stun(huge, message));
  EXPECT(!parse_stun({}, message));
}
