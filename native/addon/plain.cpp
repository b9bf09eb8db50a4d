#include "plain.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "../io/address.h"

namespace sallyport::addon {
namespace {

/// What can be said without an object.
constexpr std::uint32_t kPlainBits = relay::kChangeRemote | relay::kChangeLatch | relay::kChangeLatchFrom | relay::kChangeReceive |
                                     relay::kChangeSend | relay::kChangeCname | relay::kChangeSilenceLimitMs |
                                     relay::kChangePayloadTypes | relay::kChangeDscp | relay::kChangeRelatch |
                                     relay::kChangeReports | relay::kChangeMaxDatagram;
constexpr std::uint32_t kSilenceLimitMs = 86'400'000;

bool read_ip(const std::array<char, 48>& text, std::uint32_t size, relay::Ip& out) {
  char buffer[49];
  if (size == 0 || size > text.size()) return false;
  std::copy_n(text.begin(), size, buffer);
  buffer[size] = '\0';
  if (std::memchr(buffer, ':', size) != nullptr) return inet_pton(AF_INET6, buffer, out.data()) == 1;
  std::memcpy(out.data(), io::kMappedPrefix, sizeof io::kMappedPrefix);
  return inet_pton(AF_INET, buffer, out.data() + 12) == 1;
}

bool read_address(const std::array<char, 48>& text, std::uint32_t size, std::uint32_t rtp, std::uint32_t rtcp, relay::MediaAddress& out) {
  if (rtp > 65'535 || rtcp > 65'535 || !read_ip(text, size, out.ip)) return false;
  out.rtp_port = static_cast<std::uint16_t>(rtp);
  out.rtcp_port = static_cast<std::uint16_t>(rtcp);
  out.known = true;
  return true;
}

/// All but `local`. Not null: what is wrong.
const char* read_side(const PlainSide& plain, relay::Side& out) {
  if ((plain.flags & kRemoteGiven) && !read_address(plain.remote, plain.remote_size, plain.remote_rtp, plain.remote_rtcp, out.remote)) return "remote";
  if (plain.latch > static_cast<std::uint32_t>(relay::LatchPolicy::kSource)) return "latch is none of off, signalled, source";
  out.latch = static_cast<relay::LatchPolicy>(plain.latch);
  if ((plain.flags & kLatchFromGiven) && !read_ip(plain.latch_from, plain.latch_from_size, out.latch_from)) return "latchFrom";
  if (plain.dscp > 63) return "dscp";
  out.dscp = static_cast<std::uint8_t>(plain.dscp);
  if (plain.silence_limit_ms > kSilenceLimitMs) return "silenceLimitMs";
  out.silence_limit_ms = plain.silence_limit_ms;
  if (plain.max_datagram > 65'535) return "maxDatagram";
  out.max_datagram = static_cast<std::uint16_t>(plain.max_datagram);
  out.receive = plain.flags & kReceive;
  out.send = plain.flags & kSend;
  out.reports = plain.flags & kReports;
  if (plain.cname_size > plain.cname.size()) return "cname";
  std::copy_n(plain.cname.begin(), plain.cname_size, out.cname.begin());
  out.cname_size = static_cast<std::uint8_t>(plain.cname_size);
  if (plain.payload_type_count > plain.payload_types.size()) return "payloadTypes: more than 32";
  for (std::uint32_t i = 0; i < plain.payload_type_count; ++i) {
    const auto [from, to] = plain.payload_types[i];
    if (from > 127 || to > 127) return "payloadTypes: not couples";
    out.payload_types[i] = {from, to};
  }
  out.payload_type_count = static_cast<std::uint8_t>(plain.payload_type_count);
  return nullptr;
}

bool read_whole(const Js& js, const PlainSide& plain, io::SideWords& out) {
  if (!read_address(plain.local, plain.local_size, plain.local_rtp, plain.local_rtcp, out.side.local)) return js.fail("local");
  const char* const wrong = read_side(plain, out.side);
  return wrong == nullptr ? true : js.fail(wrong);
}

}  // namespace

bool read_plain_pair(const Js& js, const PlainSide (&desk)[2], relay::PairKind& kind, io::SideWords& caller, io::SideWords& callee) {
  if (desk[0].kind > static_cast<std::uint32_t>(relay::PairKind::kUdptl)) return js.fail("kind is none of audio, video, other, udptl");
  kind = static_cast<relay::PairKind>(desk[0].kind);
  return read_whole(js, desk[0], caller) && read_whole(js, desk[1], callee);
}

bool read_plain_change(const Js& js, const PlainSide& plain, io::SideWords& out) {
  if ((plain.bits & ~kPlainBits) != 0) return js.fail("a change that is not plain");
  const char* const wrong = read_side(plain, out.side);
  return wrong == nullptr ? true : js.fail(wrong);
}

}  // namespace sallyport::addon
