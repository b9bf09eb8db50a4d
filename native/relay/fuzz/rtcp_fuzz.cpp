/// For libFuzzer: any bytes as RTCP. What fits is rewritten to what fits, renamed within its bytes, and read.
#include <cstdlib>

#include "../reports.h"
#include "../rtcp.h"

using namespace sallyport::relay;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  const std::span<const std::uint8_t> compound(input, size);
  if (!rtcp_fits(compound)) return 0;
  std::array<std::uint8_t, kRtcpBytes> out;
  const std::size_t made = rewrite_rtcp(compound, "box", out);
  if (made > out.size()) std::abort();
  if (made >= 8 && !rtcp_fits({out.data(), made})) std::abort();
  OutSources onward, back;
  OutSource places[2][kAudioSources];
  onward.start(kAudioSources, places[0]), back.start(kAudioSources, places[1]);
  for (std::uint32_t i = 0; i < kAudioSources; ++i) onward.place(i, 0), back.place(i + 7, 0);
  rename_rtcp({out.data(), made}, &onward, &back);
  if (made >= 8 && !rtcp_fits({out.data(), made})) std::abort();
  Marks marks;
  marks.sent({out.data(), made}, 1'000'000'000);
  const Told told = read_reports(compound, marks, 1'500'000'000);
  if (told.round_trip_ns > 30'000'000'000) std::abort();
  return 0;
}
