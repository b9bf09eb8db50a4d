#include "words.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "../io/address.h"

namespace sallyport::addon {
namespace {

bool read_ip(const Js& js, napi_value value, relay::Ip& out) {
  char buffer[64];
  std::string_view text;
  if (!js.as_text(value, buffer, text)) return js.fail("ip is not text");
  if (inet_pton(AF_INET6, buffer, out.data()) == 1) return true;
  std::memcpy(out.data(), io::kMappedPrefix, sizeof io::kMappedPrefix);
  return inet_pton(AF_INET, buffer, out.data() + 12) == 1 ? true : js.fail("ip is not an address");
}

bool read_address(const Js& js, napi_value object, relay::MediaAddress& out) {
  napi_value ip;
  std::int64_t rtp, rtcp;
  if (!js.has(object, "ip", ip)) return js.fail("ip is missing");
  if (!read_ip(js, ip, out.ip) || !js.number(object, "rtpPort", 0, 65'535, rtp) || !js.number(object, "rtcpPort", 0, 65'535, rtcp)) {
    return false;
  }
  out.rtp_port = static_cast<std::uint16_t>(rtp);
  out.rtcp_port = static_cast<std::uint16_t>(rtcp);
  out.known = true;
  return true;
}

bool read_latch(const Js& js, napi_value object, relay::LatchPolicy& out) {
  char buffer[16];
  std::string_view text;
  if (!js.text(object, "latch", buffer, text)) return false;
  if (text == "off") out = relay::LatchPolicy::kOff;
  else if (text == "signalled") out = relay::LatchPolicy::kSignalled;
  else if (text == "source") out = relay::LatchPolicy::kSource;
  else return js.fail("latch is none of off, signalled, source");
  return true;
}

bool copy_bytes(const Js& js, napi_value value, std::span<std::uint8_t> out, std::size_t& size) {
  std::span<std::uint8_t> bytes;
  if (!js.as_bytes(value, bytes) || bytes.size() > out.size()) return js.fail("key or mki is not a Uint8Array of a fit size");
  std::copy(bytes.begin(), bytes.end(), out.begin());
  size = bytes.size();
  return true;
}

/// Absent is plain RTP.
bool read_key(const Js& js, napi_value object, const char* name, io::KeyWords& out) {
  napi_value key, member;
  if (!js.has(object, name, key)) return true;
  char buffer[32];
  std::string_view text;
  if (!js.text(key, "suite", buffer, text)) return false;
  const auto suite = crypto::suite_named(text);
  if (!suite) return js.fail("suite is not known");
  out.suite = *suite;
  if (!js.has(key, "key", member) || !copy_bytes(js, member, out.master, out.master_size)) return js.fail("key is missing");
  if (js.has(key, "mki", member) && !copy_bytes(js, member, out.mki, out.mki_size)) return false;
  out.present = true;
  return true;
}

bool read_cname(const Js& js, napi_value object, relay::Side& out) {
  char buffer[relay::kCnameBytes + 1];
  std::string_view text;
  if (!js.text(object, "cname", buffer, text)) return false;
  std::copy(text.begin(), text.end(), out.cname.begin());
  out.cname_size = static_cast<std::uint8_t>(text.size());
  return true;
}

bool read_payload_types(const Js& js, napi_value object, relay::Side& out) {
  napi_value list;
  std::uint32_t length;
  if (!js.has(object, "payloadTypes", list) || napi_get_array_length(js.env(), list, &length) != napi_ok) return js.fail("payloadTypes");
  if (length > relay::kPayloadTypeLimit) return js.fail("payloadTypes: more than 32");
  for (std::uint32_t i = 0; i < length; ++i) {
    napi_value couple, from, to;
    std::int64_t numbers[2];
    if (napi_get_element(js.env(), list, i, &couple) != napi_ok || napi_get_element(js.env(), couple, 0, &from) != napi_ok ||
        napi_get_element(js.env(), couple, 1, &to) != napi_ok) {
      return js.fail("payloadTypes: not couples");
    }
    if (!js.as_number(from, 0, 127, numbers[0]) || !js.as_number(to, 0, 127, numbers[1])) return false;
    out.payload_types[i] = {static_cast<std::uint8_t>(numbers[0]), static_cast<std::uint8_t>(numbers[1])};
  }
  out.payload_type_count = static_cast<std::uint8_t>(length);
  return true;
}

bool read_remote(const Js& js, napi_value object, relay::Side& out) {
  napi_value remote;
  return !js.has(object, "remote", remote) || read_address(js, remote, out.remote);
}

bool read_latch_from(const Js& js, napi_value object, relay::Side& out) {
  napi_value from;
  return !js.has(object, "latchFrom", from) || read_ip(js, from, out.latch_from);
}

bool read_dscp(const Js& js, napi_value object, relay::Side& out) {
  std::int64_t dscp = 0;
  if (!js.number(object, "dscp", 0, 63, dscp)) return false;
  out.dscp = static_cast<std::uint8_t>(dscp);
  return true;
}

bool read_silence(const Js& js, napi_value object, relay::Side& out) {
  std::int64_t limit = 0;
  if (!js.number(object, "silenceLimitMs", 0, 86'400'000, limit)) return false;
  out.silence_limit_ms = static_cast<std::uint32_t>(limit);
  return true;
}

}  // namespace

bool read_side(const Js& js, napi_value object, io::SideWords& out) {
  napi_value local;
  if (!js.has(object, "local", local)) return js.fail("local is missing");
  relay::Side& side = out.side;
  return read_address(js, local, side.local) && read_remote(js, object, side) && read_latch(js, object, side.latch) &&
         read_latch_from(js, object, side) && read_key(js, object, "rx", out.rx) && read_key(js, object, "tx", out.tx) &&
         read_dscp(js, object, side) && js.boolean(object, "receive", side.receive) && js.boolean(object, "send", side.send) &&
         read_cname(js, object, side) && read_silence(js, object, side) && read_payload_types(js, object, side);
}

bool read_change(const Js& js, napi_value object, io::SideWords& out, std::uint32_t& bits) {
  relay::Side& side = out.side;
  bits = 0;
  // Present though undefined says something: no remote, plain RTP. So presence is asked, not the value.
  const auto carries = [&](const char* name, std::uint32_t bit) {
    const bool found = js.present(object, name);
    if (found) bits |= bit;
    return found;
  };
  if (carries("local", 0)) return js.fail("local cannot change: close the pair and open another");
  return (!carries("remote", relay::kChangeRemote) || read_remote(js, object, side)) &&
         (!carries("latch", relay::kChangeLatch) || read_latch(js, object, side.latch)) &&
         (!carries("latchFrom", relay::kChangeLatchFrom) || read_latch_from(js, object, side)) &&
         (!carries("rx", relay::kChangeRx) || read_key(js, object, "rx", out.rx)) &&
         (!carries("tx", relay::kChangeTx) || read_key(js, object, "tx", out.tx)) &&
         (!carries("dscp", relay::kChangeDscp) || read_dscp(js, object, side)) &&
         (!carries("receive", relay::kChangeReceive) || js.boolean(object, "receive", side.receive)) &&
         (!carries("send", relay::kChangeSend) || js.boolean(object, "send", side.send)) &&
         (!carries("cname", relay::kChangeCname) || read_cname(js, object, side)) &&
         (!carries("silenceLimitMs", relay::kChangeSilenceLimitMs) || read_silence(js, object, side)) &&
         (!carries("payloadTypes", relay::kChangePayloadTypes) || read_payload_types(js, object, side)) &&
         (carries("relatch", relay::kChangeRelatch) || true);
}

bool read_kind(const Js& js, napi_value value, relay::PairKind& out) {
  char buffer[16];
  std::string_view text;
  if (!js.as_text(value, buffer, text)) return js.fail("kind is not text");
  if (text == "audio") out = relay::PairKind::kAudio;
  else if (text == "video") out = relay::PairKind::kVideo;
  else if (text == "other") out = relay::PairKind::kOther;
  else return js.fail("kind is none of audio, video, other");
  return true;
}

}  // namespace sallyport::addon
