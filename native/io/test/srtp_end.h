/// The other end of SRTP, by libsrtp: a reading of the standard that is not ours.
#pragma once

#include <srtp2/srtp.h>

#include <vector>

#include "../../shared/check.h"
#include "../relay_host.h"

namespace srtp_end {

using Bytes = std::vector<std::uint8_t>;
using sallyport::crypto::Suite;
using sallyport::io::KeyWords;

/// Another key for another `seed`.
inline KeyWords key_words(Suite suite, std::uint8_t seed) {
  KeyWords key;
  const auto& about = sallyport::crypto::facts(suite);
  key.present = true;
  key.suite = suite;
  key.master_size = std::size_t{about.master_key_bytes} + about.master_salt_bytes;
  for (std::size_t i = 0; i < key.master_size; ++i) key.master[i] = static_cast<std::uint8_t>(i * seed + 3);
  return key;
}

struct SuitePolicy {
  Suite suite;
  void (*rtp)(srtp_crypto_policy_t*);
  void (*rtcp)(srtp_crypto_policy_t*);
};
/// Every suite that the box speaks.
inline constexpr SuitePolicy kSuites[] = {
    {Suite::kAesCm128HmacSha1_80, srtp_crypto_policy_set_rtp_default, srtp_crypto_policy_set_rtcp_default},
    {Suite::kAesCm128HmacSha1_32, srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32, srtp_crypto_policy_set_rtcp_default},
    {Suite::kAesCm256HmacSha1_80, srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80, srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80},
    {Suite::kAeadAes128Gcm, srtp_crypto_policy_set_aes_gcm_128_16_auth, srtp_crypto_policy_set_aes_gcm_128_16_auth},
    {Suite::kAeadAes256Gcm, srtp_crypto_policy_set_aes_gcm_256_16_auth, srtp_crypto_policy_set_aes_gcm_256_16_auth},
};

/// One direction.
class Libsrtp {
 public:
  Libsrtp(const KeyWords& words, bool sends) : key_(words) {
    static const bool begun = srtp_init() == srtp_err_status_ok;
    srtp_policy_t policy{};
    for (const SuitePolicy& each : kSuites) {
      if (each.suite == key_.suite) each.rtp(&policy.rtp), each.rtcp(&policy.rtcp);
    }
    policy.ssrc.type = sends ? ssrc_any_outbound : ssrc_any_inbound;
    policy.key = key_.master.data();
    policy.window_size = 1'024;
    EXPECT(begun && srtp_create(&session_, &policy) == srtp_err_status_ok);
  }
  ~Libsrtp() { srtp_dealloc(session_); }
  Libsrtp(const Libsrtp&) = delete;

  /// Empty: libsrtp refused it.
  Bytes with(srtp_err_status_t (*what)(srtp_t, void*, int*), Bytes packet) {
    int size = static_cast<int>(packet.size());
    packet.resize(packet.size() + SRTP_MAX_TRAILER_LEN);
    if (what(session_, packet.data(), &size) != srtp_err_status_ok) return {};
    packet.resize(static_cast<std::size_t>(size));
    return packet;
  }

 private:
  KeyWords key_;
  srtp_t session_ = nullptr;
};

}  // namespace srtp_end
