#include "words.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "../io/address.h"

namespace sallyport::addon {
bool read_ip(const Js& js, napi_value value, relay::Ip& out) {
  char buffer[64];
  std::string_view text;
  if (!js.as_text(value, buffer, text)) return js.fail("ip is not text");
  if (inet_pton(AF_INET6, buffer, out.data()) == 1) return true;
  std::memcpy(out.data(), io::kMappedPrefix, sizeof io::kMappedPrefix);
  return inet_pton(AF_INET, buffer, out.data() + 12) == 1 ? true : js.fail("ip is not an address");
}

namespace {

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

/// The members of the array `name`, 1 to `limit`, each read by `one(value, index)`.
template <typename One>
bool read_list(const Js& js, napi_value object, const char* name, std::uint32_t limit, std::uint8_t& count, One one) {
  napi_value list;
  std::uint32_t length = 0;
  if (!js.has(object, name, list) || napi_get_array_length(js.env(), list, &length) != napi_ok || length == 0 || length > limit) return js.fail(name);
  for (std::uint32_t i = 0; i < length; ++i) {
    napi_value member;
    if (napi_get_element(js.env(), list, i, &member) != napi_ok || !one(member, i)) return js.fail(name);
  }
  count = static_cast<std::uint8_t>(length);
  return true;
}

bool read_key_bytes(const Js& js, napi_value object, io::KeyBytes& out) {
  napi_value member;
  if (!js.has(object, "key", member) || !copy_bytes(js, member, out.master, out.master_size)) return js.fail("key is missing");
  return !js.has(object, "mki", member) || copy_bytes(js, member, out.mki, out.mki_size);
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
  if (!read_key_bytes(js, key, out)) return false;
  if (js.has(key, "others", member)) {
    const auto other = [&](napi_value value, std::uint32_t) { return read_key_bytes(js, value, out.others.emplace_back()); };
    std::uint8_t count = 0;
    if (!read_list(js, key, "others", crypto::kMasterKeyLimit - 1, count, other)) return false;
  }
  std::int64_t lifetime;
  if (js.has(key, "lifetimePackets", member)) {
    if (!js.as_number(member, 0, std::int64_t{1} << 48, lifetime)) return false;
    out.lifetime_packets = static_cast<std::uint64_t>(lifetime);
  }
  if (js.has(key, "keepsRollover", member) && !js.boolean(key, "keepsRollover", out.keeps_rollover)) return false;
  out.present = true;
  return true;
}

template <std::size_t kLimit>
bool read_ice_text(const Js& js, napi_value object, const char* name, std::size_t least, relay::Text<kLimit>& out) {
  char buffer[kLimit + 1];
  std::string_view text;
  if (!js.text(object, name, buffer, text)) return false;
  if (text.size() < least) return js.fail("ice: a ufrag has 4 characters at least, a password 22");
  std::copy(text.begin(), text.end(), out.bytes.begin());
  out.size = static_cast<std::uint16_t>(text.size());
  return true;
}

bool read_ice(const Js& js, napi_value object, relay::IceWords& out) {
  napi_value ice;
  if (!js.has(object, "ice", ice)) return true;
  relay::Text<relay::kRemoteUfragBytes> remote_password;
  if (!read_ice_text(js, ice, "localUfrag", 4, out.local_ufrag) || !read_ice_text(js, ice, "localPassword", 22, out.local_password) ||
      !read_ice_text(js, ice, "remoteUfrag", 4, out.remote_ufrag) || !read_ice_text(js, ice, "remotePassword", 22, remote_password)) {
    return false;
  }
  out.present = true;
  return true;
}

bool read_fingerprint(const Js& js, napi_value object, crypto::Fingerprint& out) {
  char buffer[16];
  std::string_view hash;
  std::span<std::uint8_t> value;
  if (!js.text(object, "hash", buffer, hash) || !js.bytes(object, "value", value)) return false;
  if (hash == "sha-256") out.hash = crypto::FingerprintHash::kSha256;
  else if (hash == "sha-384") out.hash = crypto::FingerprintHash::kSha384;
  else if (hash == "sha-512") out.hash = crypto::FingerprintHash::kSha512;
  else return js.fail("fingerprint: hash is none of sha-256, sha-384, sha-512");
  if (value.size() != crypto::size_of(out.hash)) return js.fail("fingerprint: value has not the size of its hash");
  std::copy(value.begin(), value.end(), out.value.begin());
  return true;
}

/// Its fingerprint is what another one is known by.
bool read_identity(const Js& js, napi_value object, std::shared_ptr<const crypto::DtlsIdentityBytes>& out) {
  napi_value identity, fingerprint;
  if (!js.has(object, "identity", identity)) return true;
  auto bytes = std::make_shared<crypto::DtlsIdentityBytes>();
  std::span<std::uint8_t> certificate, key;
  if (!js.bytes(identity, "certificate", certificate) || !js.bytes(identity, "key", key)) return false;
  if (certificate.size() > bytes->certificate.size() || key.size() > bytes->key.size()) return js.fail("identity: too long");
  if (!js.has(identity, "fingerprint", fingerprint) || !read_fingerprint(js, fingerprint, bytes->fingerprint)) return js.fail("identity: fingerprint");
  std::ranges::copy(certificate, bytes->certificate.begin());
  std::ranges::copy(key, bytes->key.begin());
  bytes->certificate_size = static_cast<std::uint16_t>(certificate.size());
  bytes->key_size = static_cast<std::uint16_t>(key.size());
  out = std::move(bytes);
  return true;
}

bool read_master(const Js& js, napi_value object, const char* name, crypto::DtlsKeys& out) {
  napi_value keys, member;
  if (!js.has(object, name, keys)) return true;
  char buffer[32];
  std::string_view text;
  if (!js.text(keys, "suite", buffer, text)) return false;
  const auto suite = crypto::suite_named(text);
  if (!suite || !crypto::has_dtls_profile(*suite)) return js.fail("keys: DTLS has no such suite");
  out.suite = *suite;
  out.present = true;
  return js.has(keys, "rx", member) && copy_bytes(js, member, out.receive.bytes, out.receive.size) && js.has(keys, "tx", member) &&
                 copy_bytes(js, member, out.send.bytes, out.send.size)
             ? true
             : js.fail("keys: rx and tx");
}

/// What `exported` told.
bool read_handed(const Js& js, napi_value object, relay::HandshakeKeys& out) {
  napi_value keys;
  if (!js.has(object, "keys", keys)) return true;
  if (!read_master(js, keys, "rtp", out.components[0]) || !read_master(js, keys, "rtcp", out.components[1])) return false;
  return out.components[0].present ? js.boolean(keys, "done", out.done) : js.fail("keys: rtp is missing");
}

bool read_dtls(const Js& js, napi_value object, io::SideWords& words) {
  crypto::DtlsWords& out = words.dtls;
  napi_value dtls;
  if (!js.has(object, "dtls", dtls)) return true;
  char buffer[crypto::kTlsIdBytes + 1];
  std::string_view text;
  if (!js.text(dtls, "setup", buffer, text)) return false;
  if (text != "active" && text != "passive") return js.fail("setup is none of active, passive");
  out.active = text == "active";
  const auto fingerprint = [&](napi_value value, std::uint32_t i) { return read_fingerprint(js, value, out.fingerprints[i]); };
  const auto suite = [&](napi_value value, std::uint32_t i) {
    std::string_view name;
    const auto known = js.as_text(value, buffer, name) ? crypto::suite_named(name) : std::nullopt;
    if (!known || !crypto::has_dtls_profile(*known)) return js.fail("suites: DTLS has no such profile");
    out.suites[i] = *known;
    return true;
  };
  if (!read_list(js, dtls, "fingerprints", crypto::kFingerprintLimit, out.fingerprint_count, fingerprint) ||
      !read_list(js, dtls, "suites", crypto::kDtlsSuiteLimit, out.suite_count, suite)) {
    return false;
  }
  napi_value id;
  if (js.has(dtls, "tlsId", id)) {
    if (!js.as_text(id, buffer, text)) return js.fail("tlsId");
    std::copy(text.begin(), text.end(), out.tls_id.begin());
    out.tls_id_size = static_cast<std::uint8_t>(text.size());
  }
  if (!read_identity(js, dtls, words.identity) || !read_handed(js, dtls, words.handed)) return false;
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

bool read_event_types(const Js& js, napi_value list, relay::Digits& out) {
  std::uint32_t length;
  if (napi_get_array_length(js.env(), list, &length) != napi_ok || length > relay::kEventTypeLimit) return js.fail("digits.events: more than 4, or no list");
  for (std::uint32_t i = 0; i < length; ++i) {
    napi_value couple, type, clock;
    std::int64_t numbers[2];
    if (napi_get_element(js.env(), list, i, &couple) != napi_ok || napi_get_element(js.env(), couple, 0, &type) != napi_ok ||
        napi_get_element(js.env(), couple, 1, &clock) != napi_ok) {
      return js.fail("digits.events: not couples");
    }
    if (!js.as_number(type, 0, 127, numbers[0]) || !js.as_number(clock, 1'000, 1'000'000, numbers[1])) return false;
    out.events[i] = {static_cast<std::uint8_t>(numbers[0]), static_cast<std::uint32_t>(numbers[1])};
  }
  out.event_count = static_cast<std::uint8_t>(length);
  return true;
}

/// Absent: its digits are nobody's business.
bool read_digits(const Js& js, napi_value object, relay::Side& out) {
  napi_value digits, list;
  if (!js.has(object, "digits", digits)) return true;
  return js.has(digits, "events", list) ? read_event_types(js, list, out.digits) && js.boolean(digits, "take", out.digits.take) &&
                                              js.boolean(digits, "insert", out.digits.insert)
                                        : js.fail("digits.events is missing");
}

bool read_reports(const Js& js, napi_value object, relay::Side& out) {
  return !js.present(object, "reports") || js.boolean(object, "reports", out.reports);
}

/// Absent: its packets go by ways of their own.
bool read_bundle(const Js& js, napi_value object, relay::BundleWords& out) {
  napi_value bundle, list;
  if (!js.has(object, "bundle", bundle)) return true;
  std::int64_t number;
  if (!js.number(bundle, "pair", 0, 0xffff'ffff, number)) return false;
  out.pair = static_cast<std::uint32_t>(number);
  if (!js.number(bundle, "midId", 0, 14, number)) return false;
  out.mid_id = static_cast<std::uint8_t>(number);
  char buffer[relay::kMidBytes + 1];
  std::string_view text;
  if (!js.text(bundle, "mid", buffer, text)) return false;
  std::copy(text.begin(), text.end(), out.mid.bytes.begin());
  out.mid.size = static_cast<std::uint16_t>(text.size());
  if (out.mid_id != 0 && text.empty()) return js.fail("bundle: a name has 1 to 16 bytes");
  std::uint32_t length;
  if (!js.has(bundle, "payloadTypes", list) || napi_get_array_length(js.env(), list, &length) != napi_ok || length > 128) {
    return js.fail("bundle.payloadTypes: more than 128, or no list");
  }
  for (std::uint32_t i = 0; i < length; ++i) {
    napi_value type;
    if (napi_get_element(js.env(), list, i, &type) != napi_ok || !js.as_number(type, 0, 127, number)) return js.fail("bundle.payloadTypes");
    out.payload_types[static_cast<std::size_t>(number) >> 6] |= std::uint64_t{1} << (number & 63);
  }
  out.present = true;
  return true;
}

bool read_max_datagram(const Js& js, napi_value object, relay::Side& out) {
  std::int64_t bytes = 0;
  if (js.present(object, "maxDatagram") && !js.number(object, "maxDatagram", 0, 65'535, bytes)) return false;
  out.max_datagram = static_cast<std::uint16_t>(bytes);
  return true;
}

}  // namespace

bool read_side(const Js& js, napi_value object, io::SideWords& out) {
  napi_value local;
  if (!js.has(object, "local", local)) return js.fail("local is missing");
  relay::Side& side = out.side;
  return read_address(js, local, side.local) && read_remote(js, object, side) && read_latch(js, object, side.latch) &&
         read_latch_from(js, object, side) && read_key(js, object, "rx", out.rx) && read_key(js, object, "tx", out.tx) &&
         read_ice(js, object, side.ice) && read_dtls(js, object, out) && read_dscp(js, object, side) && js.boolean(object, "receive", side.receive) && js.boolean(object, "send", side.send) &&
         read_cname(js, object, side) && read_silence(js, object, side) && read_payload_types(js, object, side) && read_digits(js, object, side) &&
         read_reports(js, object, side) && read_max_datagram(js, object, side) && read_bundle(js, object, side.bundle);
}

bool read_digit(const Js& js, napi_value object, relay::Digit& out) {
  std::int64_t event, type, clock, duration;
  if (!js.number(object, "event", 0, 16, event) || !js.number(object, "payloadType", 0, 127, type) ||
      !js.number(object, "clockHz", 1'000, 1'000'000, clock) || !js.number(object, "durationMs", 0, 60'000, duration)) {
    return false;
  }
  out = {.event = static_cast<std::uint8_t>(event), .payload_type = static_cast<std::uint8_t>(type),
         .clock_hz = static_cast<std::uint32_t>(clock), .duration_ms = static_cast<std::uint32_t>(duration)};
  return true;
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
         (!carries("ice", relay::kChangeIce) || read_ice(js, object, side.ice)) &&
         (!carries("dtls", relay::kChangeDtls) || read_dtls(js, object, out)) &&
         (!carries("dscp", relay::kChangeDscp) || read_dscp(js, object, side)) &&
         (!carries("receive", relay::kChangeReceive) || js.boolean(object, "receive", side.receive)) &&
         (!carries("send", relay::kChangeSend) || js.boolean(object, "send", side.send)) &&
         (!carries("cname", relay::kChangeCname) || read_cname(js, object, side)) &&
         (!carries("silenceLimitMs", relay::kChangeSilenceLimitMs) || read_silence(js, object, side)) &&
         (!carries("payloadTypes", relay::kChangePayloadTypes) || read_payload_types(js, object, side)) &&
         (!carries("digits", relay::kChangeDigits) || read_digits(js, object, side)) &&
         (!carries("reports", relay::kChangeReports) || read_reports(js, object, side)) &&
         (!carries("maxDatagram", relay::kChangeMaxDatagram) || read_max_datagram(js, object, side)) &&
         (!carries("bundle", relay::kChangeBundle) || read_bundle(js, object, side.bundle)) &&
         (carries("relatch", relay::kChangeRelatch) || true);
}

bool read_kind(const Js& js, napi_value value, relay::PairKind& out) {
  char buffer[16];
  std::string_view text;
  if (!js.as_text(value, buffer, text)) return js.fail("kind is not text");
  if (text == "audio") out = relay::PairKind::kAudio;
  else if (text == "video") out = relay::PairKind::kVideo;
  else if (text == "other") out = relay::PairKind::kOther;
  else if (text == "udptl") out = relay::PairKind::kUdptl;
  else return js.fail("kind is none of audio, video, other, udptl");
  return true;
}

}  // namespace sallyport::addon
