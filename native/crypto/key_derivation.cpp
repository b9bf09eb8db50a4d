#include "crypto/key_derivation.h"

#include <algorithm>

#include "crypto/secret_bytes.h"

namespace sallyport::crypto {

SessionKeys::~SessionKeys() {
  wipe(cipher, sizeof cipher);
  wipe(auth, sizeof auth);
  wipe(salt, sizeof salt);
}

bool derive(Backend& backend, const SuiteFacts& suite, bool rtcp, std::span<const std::uint8_t> master,
            SessionKeys& keys) noexcept {
  const auto key = master.first(suite.master_key_bytes);
  const auto salt = master.subspan(suite.master_key_bytes, suite.master_salt_bytes);
  const std::uint8_t first = rtcp ? 3 : 0;
  return derive_one(backend, key, salt, first, {keys.cipher, suite.master_key_bytes}) &&
         (suite.aead || derive_one(backend, key, salt, first + 1, {keys.auth, sizeof keys.auth})) &&
         derive_one(backend, key, salt, first + 2, {keys.salt, suite.master_salt_bytes});
}

bool derive_one(Backend& backend, std::span<const std::uint8_t> master_key, std::span<const std::uint8_t> master_salt,
                std::uint8_t label, std::span<std::uint8_t> out) noexcept {
  constexpr std::size_t kLabelAt = 7;  // The label stands above 48 bits of index, which are zero.
  std::uint8_t iv[16] = {};            // A GCM salt of 96 bits is filled up with zeros: RFC 7714 §11.
  std::copy(master_salt.begin(), master_salt.end(), iv);
  iv[kLabelAt] ^= label;
  const bool made = backend.keystream(master_key, iv, out);
  wipe(iv, sizeof iv);
  return made;
}

}  // namespace sallyport::crypto
