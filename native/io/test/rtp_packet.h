/// The RTP packets that phones of the tests send.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sallyport::io::test {

/// G.711 from the source 7; `payload`: bytes behind the header.
inline std::vector<std::uint8_t> rtp(std::uint32_t sequence, std::size_t payload = 160) {
  std::vector<std::uint8_t> packet(12 + payload, 0x5a);
  packet[0] = 0x80;
  packet[1] = 8;
  packet[2] = static_cast<std::uint8_t>(sequence >> 8);
  packet[3] = static_cast<std::uint8_t>(sequence);
  const std::uint32_t timestamp = sequence * 160;
  for (int i = 0; i < 4; ++i) packet[static_cast<std::size_t>(4 + i)] = static_cast<std::uint8_t>(timestamp >> (24 - 8 * i));
  packet[11] = 7;
  return packet;
}

}  // namespace sallyport::io::test
