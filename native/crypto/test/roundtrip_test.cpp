/// What goes in comes out, through either engine, and each engine reads what the other wrote.
#include "crypto/test/srtp_tools.h"

using namespace tools;

namespace {

void every_suite_both_ways() {
  with_engines([](SrtpEngine& sender) {
    with_engines([&](SrtpEngine& receiver) {
      Dice dice(1);
      for (std::size_t s = 0; s < kSuiteCount; ++s) {
        const auto suite = static_cast<Suite>(s);
        for (const std::size_t mki_bytes : {0, 1, 4, 16}) {
          const Bytes master = master_for(suite, dice);
          const Bytes mki = dice.bytes(mki_bytes);
          auto tx = open(sender, Direction::kSend, suite, master, mki);
          auto rx = open(receiver, Direction::kReceive, suite, master, mki);
          EXPECT(tx && rx);
          for (std::size_t payload = 0; payload < 300; ++payload) {
            for (const bool is_rtcp : {false, true}) {
              const Bytes plain = is_rtcp ? rtcp(7, dice.bytes(payload)) : rtp(7, static_cast<std::uint16_t>(payload + 65400), dice.bytes(payload));
              Bytes packet = plain;
              EXPECT(protect(sender, *tx, packet, is_rtcp) == Verdict::kGood);
              const std::size_t tag = is_rtcp ? facts(suite).rtcp_tag_bytes + 4u : facts(suite).rtp_tag_bytes;
              EXPECT(packet.size() == plain.size() + tag + mki_bytes);
              EXPECT(unprotect(receiver, *rx, packet, is_rtcp) == Verdict::kGood);
              EXPECT(packet == plain);
            }
          }
          EXPECT(rtp_index(*rx, 7) == std::uint64_t{65400 + 299});
        }
      }
    });
  });
}

}  // namespace

int main() {
  harness::test("every suite, both engines as sender and receiver, RTP and RTCP, any size", every_suite_both_ways);
  return harness::finish();
}
