/// For libFuzzer: the front of the relay that STUN and DTLS come to. Input: datagrams, each behind a byte that says where
/// it comes from and two of length. A good check opens the way for what follows.
#include <cstdlib>

#include "../../crypto/dtls.h"
#include "../handshakes.h"
#include "../test/checks.h"
#include "../test/world.h"

using namespace sallyport::relay;
using namespace sallyport::relay::test;
namespace crypto = sallyport::crypto;

namespace {

class Box : public HandshakeDoor, public HandshakeSink {
 public:
  explicit Box(const crypto::DtlsFactory& factory) : handshakes(factory, *this) { world.relay.set_handshakes(this); }
  ~Box() { world.relay.close(0); }
  void arrived(std::uint32_t association, const Datagram& datagram) noexcept override {
    handshakes.arrived(association, datagram.flow, datagram.sender, {datagram.data, datagram.size}, world.now);
  }
  void reached(std::uint32_t association, std::uint32_t flow, const endpoint& to) noexcept override {
    handshakes.reached(association, flow, to, world.now);
  }
  void send(std::uint32_t, std::uint32_t, const endpoint&, std::span<const std::uint8_t> datagram) noexcept override {
    if (datagram.size() > crypto::kDtlsDatagramBytes) std::abort();
  }
  void secured(std::uint32_t, std::uint32_t, const endpoint&, crypto::Suite, const crypto::DtlsMaster&, const crypto::DtlsMaster&) noexcept override {
    std::abort();  // Nobody here has the certificate.
  }
  bool leaves(std::uint32_t, std::uint32_t, const Datagram&) noexcept override { std::abort(); }
  void data(std::uint32_t, std::uint32_t, const endpoint&, std::span<const std::uint8_t>) noexcept override { std::abort(); }
  void failed(std::uint32_t association, std::uint32_t flow, const char* reason) noexcept override {
    world.relay.handshake_failed(association, flow, reason);
  }
  World world;
  Handshakes handshakes;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  static const auto identity = crypto::DtlsIdentity::create();
  static const auto factory = crypto::DtlsFactory::create(*identity);
  Box box(*factory);
  crypto::DtlsWords words{.present = true};
  words.fingerprints[0].value[0] = 1;
  words.fingerprint_count = words.suite_count = 1;
  words.suites[0] = crypto::Suite::kAesCm128HmacSha1_80;
  Side sides[2] = {box.world.side(2), box.world.side(3, LatchPolicy::kSignalled)};
  sides[0].ice = ice_words();
  for (std::uint32_t i = 0; i < 2; ++i) {
    words.active = size != 0 && (input[0] >> i & 1) != 0;
    box.handshakes.open({.association = i + 1, .first_flow = i * 2, .one_source = i == 0, .ice = i == 0, .words = words}, box.world.now);
    sides[i].dtls = {.association = i + 1, .active = words.active};
  }
  box.world.relay.open(0, PairKind::kAudio, sides[0], sides[1], box.world.now);
  box.world.give(0, at(2, 5'000), binding(kBothUfrags, kOurPassword, {.use_candidate = true}));
  while (size >= 3) {
    const std::uint8_t where = input[0];
    const std::size_t length = std::min<std::size_t>({std::size_t{input[1]} * 8 + input[2] % 8, size - 3, sizeof box.world.memory});
    const Bytes packet(input + 3, input + 3 + length);
    box.world.give(where & 3, at(static_cast<std::uint8_t>(2 + (where >> 2 & 1)), 5'000), packet);
    box.world.now += (where >> 4) * 50 * kMs;
    if (box.handshakes.deadline_ns() <= box.world.now) box.handshakes.handle_time(box.world.now);
    input += 3 + length;
    size -= 3 + length;
  }
  return 0;
}
