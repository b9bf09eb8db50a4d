// The EVP interface allocates a context for each use; this old one keeps it on the stack.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/hmac_sha1.h"

#include <openssl/sha.h>

#include <algorithm>

#include "crypto/secret_bytes.h"

namespace sallyport::crypto {
namespace {

constexpr std::size_t kBlockBytes = 64;

}  // namespace

std::array<std::uint8_t, 20> hmac_sha1(std::span<const std::uint8_t> key, std::span<const std::uint8_t> first,
                                       std::span<const std::uint8_t> rest) noexcept {
  std::uint8_t block[kBlockBytes] = {};
  if (key.size() > kBlockBytes) SHA1(key.data(), key.size(), block);
  else std::copy(key.begin(), key.end(), block);

  std::array<std::uint8_t, 20> made;
  SHA_CTX hash;
  for (std::uint8_t& byte : block) byte ^= 0x36;
  SHA1_Init(&hash);
  SHA1_Update(&hash, block, sizeof block);
  SHA1_Update(&hash, first.data(), first.size());
  SHA1_Update(&hash, rest.data(), rest.size());
  SHA1_Final(made.data(), &hash);
  for (std::uint8_t& byte : block) byte ^= 0x36 ^ 0x5c;
  SHA1_Init(&hash);
  SHA1_Update(&hash, block, sizeof block);
  SHA1_Update(&hash, made.data(), made.size());
  SHA1_Final(made.data(), &hash);
  wipe(block, sizeof block);
  wipe(&hash, sizeof hash);
  return made;
}

}  // namespace sallyport::crypto
