/// OpenSSL EVP with contexts kept per key: for CPUs ipsec-mb does not serve, and as its oracle.
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstring>

#include "crypto/backend.h"

namespace sallyport::crypto {
namespace {

/// libcrypto keeps and wipes the keys; the block holds the handles.
struct EvpKey {
  EVP_CIPHER_CTX* cipher;
  EVP_MAC_CTX* mac;
};

EvpKey handles(const void* key) noexcept { return *static_cast<const EvpKey*>(key); }

const EVP_CIPHER* counter_cipher(std::size_t key_bytes) noexcept {
  return key_bytes == 16 ? EVP_aes_128_ctr() : key_bytes == 24 ? EVP_aes_192_ctr() : EVP_aes_256_ctr();
}

class OpenSsl final : public Backend {
 public:
  explicit OpenSsl(EVP_MAC* hmac) noexcept : hmac_(hmac) {}
  ~OpenSsl() override { EVP_MAC_free(hmac_); }

  EngineKind kind() const noexcept override { return EngineKind::kOpenSsl; }
  const char* description() const noexcept override { return OpenSSL_version(OPENSSL_VERSION); }
  std::size_t key_room(const SuiteFacts&, bool) const noexcept override { return sizeof(EvpKey); }
  std::size_t key_alignment(const SuiteFacts&, bool) const noexcept override { return alignof(EvpKey); }

  bool expand(void* place, const SuiteFacts& suite, bool, const SessionKeys& keys) noexcept override {
    EvpKey key{EVP_CIPHER_CTX_new(), nullptr};
    const EVP_CIPHER* cipher = !suite.aead                   ? counter_cipher(suite.master_key_bytes)
                               : suite.master_key_bytes == 16 ? EVP_aes_128_gcm()
                                                              : EVP_aes_256_gcm();
    bool made = key.cipher && EVP_EncryptInit_ex(key.cipher, cipher, nullptr, keys.cipher, nullptr) == 1;
    if (made && !suite.aead) {
      key.mac = EVP_MAC_CTX_new(hmac_);
      char digest[] = "SHA1";
      const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                   OSSL_PARAM_construct_end()};
      made = key.mac && EVP_MAC_init(key.mac, keys.auth, sizeof keys.auth, params) == 1;
    }
    *static_cast<EvpKey*>(place) = key;
    if (!made) release()(place);
    return made;
  }

  Release release() const noexcept override {
    return [](void* place) {
      const EvpKey key = handles(place);
      EVP_CIPHER_CTX_free(key.cipher);
      EVP_MAC_CTX_free(key.mac);
    };
  }

  bool keystream(std::span<const std::uint8_t> key, const std::uint8_t (&iv)[16],
                 std::span<std::uint8_t> out) noexcept override {
    EVP_CIPHER_CTX* cipher = EVP_CIPHER_CTX_new();
    if (!cipher) return false;
    std::memset(out.data(), 0, out.size());
    int written = 0;
    const bool made =
        EVP_EncryptInit_ex(cipher, counter_cipher(key.size()), nullptr, key.data(), iv) == 1 &&
        EVP_EncryptUpdate(cipher, out.data(), &written, out.data(), static_cast<int>(out.size())) == 1;
    EVP_CIPHER_CTX_free(cipher);
    return made;
  }

  void hmac(std::span<HmacJob> jobs) noexcept override {
    for (auto& job : jobs) {
      const EvpKey key = handles(job.key);
      std::size_t bytes = 0;
      job.made = EVP_MAC_init(key.mac, nullptr, 0, nullptr) == 1 &&
                 EVP_MAC_update(key.mac, job.data, job.bytes) == 1 &&
                 EVP_MAC_final(key.mac, job.tag, &bytes, sizeof job.tag) == 1;
    }
  }

  void counter(std::span<CounterJob> jobs) noexcept override {
    for (auto& job : jobs) {
      const EvpKey key = handles(job.key);
      int written = 0;
      job.made = EVP_EncryptInit_ex(key.cipher, nullptr, nullptr, nullptr, job.iv) == 1 &&
                 EVP_EncryptUpdate(key.cipher, job.data, &written, job.data, static_cast<int>(job.bytes)) == 1;
    }
  }

  void ask_for(const void*, std::size_t) const noexcept override {}  // Its keys are libcrypto's own.

  void seal(AeadJob& job) noexcept override { job.made = encrypt(job, job.tag); }

  void open(AeadJob& job) noexcept override {
    job.made = true;  // libcrypto does not tell a wrong tag from a failure: both are refused.
    job.authentic = decrypt(job);
    std::uint8_t unused[kGcmTagBytes];
    // Counter mode undoes itself: a refused packet leaves as it came.
    if (!job.authentic) encrypt(job, unused);
  }

 private:
  static bool encrypt(AeadJob& job, std::uint8_t* tag) noexcept {
    EVP_CIPHER_CTX* cipher = handles(job.key).cipher;
    int written = 0;
    return begin(job, 1) &&
           EVP_CipherUpdate(cipher, job.data, &written, job.data, static_cast<int>(job.bytes)) == 1 &&
           EVP_CipherFinal_ex(cipher, job.data, &written) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, kGcmTagBytes, tag) == 1;
  }

  static bool decrypt(AeadJob& job) noexcept {
    EVP_CIPHER_CTX* cipher = handles(job.key).cipher;
    int written = 0;
    return begin(job, 0) && EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, kGcmTagBytes, job.tag) == 1 &&
           EVP_CipherUpdate(cipher, job.data, &written, job.data, static_cast<int>(job.bytes)) == 1 &&
           EVP_CipherFinal_ex(cipher, job.data, &written) == 1;
  }

  static bool begin(AeadJob& job, int encrypt) noexcept {
    EVP_CIPHER_CTX* cipher = handles(job.key).cipher;
    int written = 0;
    return EVP_CipherInit_ex(cipher, nullptr, nullptr, nullptr, job.nonce, encrypt) == 1 &&
           EVP_CipherUpdate(cipher, nullptr, &written, job.aad, static_cast<int>(job.aad_bytes)) == 1;
  }

  EVP_MAC* hmac_;
};

}  // namespace

std::unique_ptr<Backend> make_openssl_backend() {
  EVP_MAC* hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  if (!hmac) return nullptr;
  return std::make_unique<OpenSsl>(hmac);
}

}  // namespace sallyport::crypto
