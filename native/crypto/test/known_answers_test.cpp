/// Known answers: RFC 3711 appendix B, RFC 6188 §7, RFC 7714 §16 and §17, and the packets that libsrtp checks itself with.
#include "crypto/context.h"
#include "crypto/key_derivation.h"
#include "crypto/self_test.h"
#include "crypto/test/srtp_tools.h"
#include "crypto/test/vectors.h"

using namespace tools;
using harness::hex;

namespace {

template <typename Body>
void with_backends(Body body) {
  for (auto* make : {make_ipsec_mb_backend, make_openssl_backend}) {
    const auto backend = make();
#if defined(__x86_64__)
    EXPECT(backend != nullptr);
#endif
    if (backend) body(*backend);
  }
}

/// The long segment of RFC 3711 B.2: 65,282 blocks, of which the ends are printed.
void check_keystream(Backend& backend, const Bytes& key, const Bytes& first, const Bytes& last) {
  constexpr std::size_t kSegmentBytes = 1'044'512;
  const Bytes start = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000");
  std::uint8_t iv[16];
  std::memcpy(iv, start.data(), sizeof iv);
  Bytes out(kSegmentBytes);
  EXPECT(first.size() == 48 && last.size() == 48);
  EXPECT(backend.keystream(key, iv, out));
  EXPECT(std::equal(first.begin(), first.end(), out.begin()));
  EXPECT(std::equal(last.begin(), last.end(), out.end() - 48));
}

void check_derivation(Backend& backend, const Bytes& key, const Bytes& salt, const Bytes& cipher_key,
                      const Bytes& cipher_salt, const Bytes& auth_key) {
  EXPECT(!key.empty() && !cipher_key.empty() && cipher_salt.size() == 14 && auth_key.size() >= 20);
  for (const auto& [label, wanted] : {std::pair{0, cipher_key}, {1, auth_key}, {2, cipher_salt}}) {
    Bytes out(wanted.size());
    EXPECT(derive_one(backend, key, salt, static_cast<std::uint8_t>(label), out));
    EXPECT(out == wanted);
  }
}

void rfc3711_appendix_b() {
  with_backends([](Backend& backend) {
    check_keystream(backend, hex("2B7E151628AED2A6ABF7158809CF4F3C"),
                    hex("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0"),
                    hex("EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE 6A2CC3787889374FBEB4C81B17BA6C44"));
    check_derivation(backend, hex("E1F97A0D3E018BE0D64FA32C06DE4139"), hex("0EC675AD498AFEEBB6960B3AABE6"),
                     hex("C61E7A93744F39EE10734AFE3FF7A087"), hex("30CBBC08863D8C85D49DB34A9AE1"),
                     hex("CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE E049646C43D9327AD175578EF7227098"
                         "6371C10C9A369AC2F94A8C5FBCDDDC25 6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2"));
  });
}

/// Second column of the six printed rows of a keystream table.
Bytes keystream_rows(const std::string& text, const std::string& section, const char* counter) {
  Bytes all;
  const Bytes wanted = hex(counter);
  std::size_t at = text.find(section);
  for (int row = 0; row < 3 && at != std::string::npos; ++row) {
    char label[33];
    const unsigned low = wanted[14] << 8 | wanted[15];
    std::snprintf(label, sizeof label, "f0f1f2f3f4f5f6f7f8f9fafbfcfd%04x", (low + row) & 0xffff);
    at = text.find(std::string(label) + "   ", at);
    if (at == std::string::npos) break;
    const Bytes block = hex(text.substr(at + 35, 32));
    all.insert(all.end(), block.begin(), block.end());
  }
  return all;
}

void rfc6188_section_7() {
  const std::string text = vectors::read("rfc6188-section-7.txt");
  with_backends([&](Backend& backend) {
    for (const auto& [keystream, derivation, key_bytes] :
         {std::tuple{"7.1.  AES-256-CM", "7.2.  AES_256_CM_PRF", 32u}, {"7.3.  AES-192-CM", "7.4.  AES_192_CM_PRF", 24u}}) {
      Bytes key = vectors::after(text, keystream, "Session Key:");
      key.resize(key_bytes);
      check_keystream(backend, key, keystream_rows(text, keystream, "f0f1f2f3f4f5f6f7f8f9fafbfcfd0000"),
                      keystream_rows(text, keystream, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"));
      check_derivation(backend, vectors::after(text, derivation, "master key: "), vectors::after(text, derivation, "master salt: "),
                       vectors::after(text, derivation, "cipher key:"), vectors::after(text, derivation, "cipher salt:"),
                       vectors::after(text, derivation, "auth key:"));
    }
  });
}

/// RFC 7714 prints packets under session keys: 00 01 02…, salt "Quid pro quo".
struct GcmPair {
  SrtpContextPtr tx;
  SrtpContextPtr rx;
};
GcmPair gcm_pair(Backend& backend, Suite suite) {
  SessionKeys keys;
  for (std::uint8_t i = 0; i < 32; ++i) keys.cipher[i] = i;
  std::memcpy(keys.salt, "Quid pro quo", 12);
  Dice dice(1);
  const Bytes unused = master_for(suite, dice);
  SrtpKeying keying;
  keying.suite = suite;
  keying.master = unused;
  return {open_context(backend, Direction::kSend, keying, keys, keys), open_context(backend, Direction::kReceive, keying, keys, keys)};
}

void check_packet(SrtpEngine& engine, GcmPair& pair, const Bytes& plain, const Bytes& wire, bool is_rtcp) {
  EXPECT(plain.size() >= 8 && wire.size() > plain.size());
  Bytes packet = plain;
  EXPECT(protect(engine, *pair.tx, packet, is_rtcp) == Verdict::kGood);
  EXPECT(packet == wire);
  EXPECT(unprotect(engine, *pair.rx, packet, is_rtcp) == Verdict::kGood);
  EXPECT(packet == plain);
}

void rfc7714_section_16() {
  const std::string text = vectors::read("rfc7714-section-16-rtp.txt");
  with_backends([&](Backend& backend) {
    const auto engine = SrtpEngine::create(backend.kind());
    for (const auto& [suite, section] : {std::pair{Suite::kAeadAes128Gcm, "16.1.1."}, {Suite::kAeadAes256Gcm, "16.2.1."}}) {
      GcmPair pair = gcm_pair(backend, suite);
      check_packet(*engine, pair, vectors::after(text, section, "Encrypting the following packet:"),
                   vectors::after(text, section, "Encrypted and tagged packet:"), false);
    }
  });
}

void rfc7714_section_17() {
  const Bytes plain = hex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61"
                          "deadbeef deadbeef deadbeef deadbeef deadbeef");
  const std::pair<Suite, Bytes> cases[] = {
      {Suite::kAeadAes128Gcm, hex("81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d"
                                  "c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4")},
      {Suite::kAeadAes256Gcm, hex("81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50"
                                  "a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4")}};
  with_backends([&](Backend& backend) {
    const auto engine = SrtpEngine::create(backend.kind());
    for (const auto& [suite, wire] : cases) {
      GcmPair pair = gcm_pair(backend, suite);
      SrtpState state = state_of(*pair.tx);
      state.stream_count = 1;
      state.streams[0].ssrc = 0x4d617273;
      state.streams[0].has_rtcp = 1;
      state.streams[0].rtcp_highest = 0x5d3;  // The next one is the RFC's.
      renew_checksum(state);
      EXPECT(import_state(*pair.tx, state, {.rtp = 0, .rtcp = 0}));
      check_packet(*engine, pair, plain, wire, true);
    }
    // §17.3 only tags. We do not take SRTCP in the clear, good tag or not.
    GcmPair pair = gcm_pair(backend, Suite::kAeadAes128Gcm);
    Bytes tagged = plain;
    const Bytes tail = hex("841dd968 3dd78ec9 2ae58790 125f62b3 000005d4");
    tagged.insert(tagged.end(), tail.begin(), tail.end());
    EXPECT(unprotect(*engine, *pair.rx, tagged, true) == Verdict::kNotEncrypted);
  });
}

void libsrtp_packets() {
  const std::string keys = vectors::read("libsrtp-keys.json");
  const std::string packets = vectors::read("libsrtp-srtp_validate.json");
  Bytes master = vectors::json(keys, "test_key");
  EXPECT(master.size() >= 30);
  master.resize(30);
  with_engines([&](SrtpEngine& engine) {
    auto rx = open(engine, Direction::kReceive, Suite::kAesCm128HmacSha1_80, master);
    auto tx = open(engine, Direction::kSend, Suite::kAesCm128HmacSha1_80, master);
    const Bytes wire = vectors::json(packets, "srtp_ciphertext");
    const Bytes plain = vectors::json(packets, "srtp_plaintext_ref");
    Bytes packet = plain;
    EXPECT(protect(engine, *tx, packet) == Verdict::kGood && packet == wire);
    EXPECT(unprotect(engine, *rx, packet) == Verdict::kGood && packet == plain);

    packet = vectors::json(packets, "srtcp_ciphertext");
    EXPECT(unprotect(engine, *rx, packet, true) == Verdict::kGood);
    EXPECT(packet == vectors::json(packets, "rtcp_plaintext_ref"));
  });
}

void self_test_is_passed() {
  with_backends([](Backend& backend) { EXPECT(passes_known_answers(backend)); });
}

void names() {
  for (std::size_t s = 0; s < kSuiteCount; ++s) {
    EXPECT(suite_named(facts(static_cast<Suite>(s)).sdes_name) == static_cast<Suite>(s));
  }
  for (const char* refused : {"NULL_HMAC_SHA1_80", "NULL_HMAC_SHA1_32", "F8_128_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1", "", "aead_aes_128_gcm"}) {
    EXPECT(!suite_named(refused));
  }
}

}  // namespace

int main() {
  harness::test("RFC 3711 B.2 keystream and B.3 key derivation", rfc3711_appendix_b);
  harness::test("RFC 6188 §7: the same with 192 and 256 bits", rfc6188_section_7);
  harness::test("RFC 7714 §16: SRTP packets under GCM", rfc7714_section_16);
  harness::test("RFC 7714 §17: SRTCP packets under GCM, unencrypted ones refused", rfc7714_section_17);
  harness::test("libsrtp's own SRTP and SRTCP packets", libsrtp_packets);
  harness::test("both machines pass the test that picks them", self_test_is_passed);
  harness::test("suites by their SDES names; NULL and F8 are unknown", names);
  return harness::finish();
}
