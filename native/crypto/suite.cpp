#include <array>

#include "crypto/srtp.h"

namespace sallyport::crypto {
namespace {

constexpr std::array<SuiteFacts, kSuiteCount> kFacts{{
    {"AES_CM_128_HMAC_SHA1_80", 16, 14, 10, 10, false},
    {"AES_CM_128_HMAC_SHA1_32", 16, 14, 4, 10, false},
    {"AES_192_CM_HMAC_SHA1_80", 24, 14, 10, 10, false},
    {"AES_192_CM_HMAC_SHA1_32", 24, 14, 4, 10, false},
    {"AES_256_CM_HMAC_SHA1_80", 32, 14, 10, 10, false},
    {"AES_256_CM_HMAC_SHA1_32", 32, 14, 4, 10, false},
    {"AEAD_AES_128_GCM", 16, 12, 16, 16, true},
    {"AEAD_AES_256_GCM", 32, 12, 16, 16, true},
}};

constexpr std::array<const char*, kVerdictCount> kVerdictNames{
    "good",             "malformed",   "replayed",   "too old", "not authentic",   "not encrypted",
    "too many sources", "key expired", "index used", "no room", "wrong context", "cipher failed"};

}  // namespace

const SuiteFacts& facts(Suite suite) noexcept { return kFacts[static_cast<std::size_t>(suite)]; }

std::optional<Suite> suite_named(std::string_view sdes_name) noexcept {
  for (std::size_t i = 0; i < kSuiteCount; ++i) {
    if (kFacts[i].sdes_name == sdes_name) return static_cast<Suite>(i);
  }
  return std::nullopt;
}

const char* name(Verdict verdict) noexcept { return kVerdictNames[static_cast<std::size_t>(verdict)]; }

}  // namespace sallyport::crypto
