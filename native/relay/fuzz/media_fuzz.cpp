/// For libFuzzer: datagrams of both sides of a plain call whose digits are taken and played, and which gets reports of ours.
/// Input: datagrams, each behind a byte that says where it comes from and what else happens, and one of length.
#include <cstdlib>

#include "../rtcp.h"
#include "../test/world.h"

using namespace sallyport::relay;
using namespace sallyport::relay::test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  World world;
  Side sides[2] = {world.side(2), world.side(3, LatchPolicy::kSignalled)};
  for (Side& side : sides) {
    side.digits.events[0] = {101, 8'000};
    side.digits.event_count = 1;
    side.digits.insert = side.reports = true;
  }
  sides[0].digits.take = true;
  sides[0].payload_types[0] = {0, 8};
  sides[0].payload_type_count = 1;
  world.relay.open(0, size != 0 && (input[0] & 0x80) != 0 ? PairKind::kUdptl : PairKind::kAudio, sides[0], sides[1], world.now);
  while (size >= 2) {
    const std::uint8_t what = input[0];
    const std::size_t length = std::min<std::size_t>(input[1], size - 2);
    const Datagram out = world.give(what & 3, at(static_cast<std::uint8_t>(2 + (what >> 1 & 1)), static_cast<std::uint16_t>(5'000 + (what & 1))), Bytes(input + 2, input + 2 + length));
    if (out.verdict == Verdict::kForward && out.size > out.room) std::abort();
    if (what & 4) world.relay.play(0, what >> 3 & 1, {.event = what, .payload_type = 96, .clock_hz = what * 1'000u, .duration_ms = what * 40u}, world.now);
    world.now += (what >> 4 & 7) * 100 * kMs;
    world.relay.tick(world.now);
    for (const Datagram& made : world.relay.made(world.now)) {
      if (made.verdict == Verdict::kForward && (made.size > made.room || (made.rtcp && !rtcp_fits({made.data, made.size})))) std::abort();
    }
    input += 2 + length;
    size -= 2 + length;
  }
  world.relay.close(0);
  return 0;
}
