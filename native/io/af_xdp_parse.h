/// From the bytes of a frame to the UDP datagram in it. The kernel has looked at nothing of it but what the XDP program
/// needed: every byte is the sender's.
#pragma once

#include <cstdint>

#include "../shared/endpoint.h"

namespace sallyport::io {

enum class FrameFault : std::uint8_t {
  kNone,
  kNotUdp,    ///< Not IP, a fragment, options or extension headers: the XDP program passes those up, so nobody's here.
  kLength,    ///< A header says more than the frame holds.
  kChecksum,
  kSource,    ///< An address nobody can have, or port 0: the kernel would drop these too.
};

struct UdpFrame {
  endpoint from;
  endpoint to;
  std::uint32_t payload_at;
  std::uint32_t payload_size;
};

/// `partial`: the card may be one end of a cable inside this machine, whose other end leaves the checksum to a card
/// that there is not: then the sum of the pseudo-header alone is right, too.
FrameFault parse_frame(const std::uint8_t* frame, std::uint32_t size, bool partial, UdpFrame& out) noexcept;

}  // namespace sallyport::io
