#include "crypto/self_test.h"

#include <array>
#include <cstring>
#include <memory>

namespace sallyport::crypto {
namespace {

/// An expanded key on the stack, given back at the end.
class TestKey {
 public:
  TestKey(Backend& backend, Suite suite, const SessionKeys& keys) noexcept
      : release_(backend.release()),
        made_(backend.key_room(facts(suite), false) <= sizeof place_ &&
              backend.expand(place_, facts(suite), false, keys)) {}
  ~TestKey() {
    if (made_) release_(place_);
  }
  TestKey(const TestKey&) = delete;
  TestKey& operator=(const TestKey&) = delete;

  explicit operator bool() const noexcept { return made_; }
  const void* get() const noexcept { return place_; }

 private:
  alignas(64) std::uint8_t place_[2048] = {};
  Backend::Release release_;
  bool made_;
};

bool counter_mode_holds(Backend& backend) noexcept {
  constexpr std::uint8_t kKey[] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                                   0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
  constexpr std::uint8_t kIv[16] = {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd};
  constexpr std::uint8_t kStream[] = {0xe0, 0x3e, 0xad, 0x09, 0x35, 0xc9, 0x5e, 0x80, 0xe1, 0x66, 0xb1,
                                      0x6d, 0xd9, 0x2b, 0x4e, 0xb4, 0xd2, 0x35, 0x13, 0x16, 0x2b, 0x02};
  std::uint8_t out[sizeof kStream];
  return backend.keystream(kKey, kIv, out) && std::memcmp(out, kStream, sizeof out) == 0;
}

bool hmac_holds(Backend& backend) noexcept {
  constexpr std::uint8_t kData[] = {'H', 'i', ' ', 'T', 'h', 'e', 'r', 'e'};
  constexpr std::uint8_t kTag[] = {0xb6, 0x17, 0x31, 0x86, 0x55, 0x05, 0x72, 0x64, 0xe2, 0x8b};
  SessionKeys keys;
  std::memset(keys.auth, 0x0b, sizeof keys.auth);
  const TestKey key(backend, Suite::kAesCm128HmacSha1_80, keys);
  if (!key) return false;

  std::array<HmacJob, 17> jobs{};  // One more than the widest vector unit has lanes.
  for (auto& job : jobs) {
    job.key = key.get();
    job.data = kData;
    job.bytes = sizeof kData;
  }
  backend.hmac(jobs);
  for (const auto& job : jobs) {
    if (!job.made || std::memcmp(job.tag, kTag, sizeof kTag) != 0) return false;
  }
  return true;
}

bool gcm_holds(Backend& backend) noexcept {
  constexpr std::uint8_t kAad[] = {0x80, 0x40, 0xf1, 0x7b, 0x80, 0x41, 0xf8, 0xd3, 0x55, 0x01, 0xa0, 0xb2};
  constexpr std::uint8_t kNonce[] = {0x51, 0x75, 0x3c, 0x65, 0x80, 0xc2, 0x72, 0x6f, 0x20, 0x71, 0x84, 0x14};
  constexpr std::uint8_t kTag[] = {0x89, 0x9d, 0x7f, 0x27, 0xbe, 0xb1, 0x6a, 0x91,
                                   0x52, 0xcf, 0x76, 0x5e, 0xe4, 0x39, 0x0c, 0xce};
  constexpr char kText[] = "Gallia est omnis divisa in partes tres";
  constexpr std::size_t kBytes = sizeof kText - 1;
  SessionKeys keys;
  for (std::uint8_t i = 0; i < 16; ++i) keys.cipher[i] = i;
  const TestKey key(backend, Suite::kAeadAes128Gcm, keys);
  if (!key) return false;

  std::uint8_t data[kBytes];
  std::memcpy(data, kText, kBytes);
  std::uint8_t tag[kGcmTagBytes];
  AeadJob job{};
  job.tag = tag;
  job.key = key.get();
  job.aad = kAad;
  job.aad_bytes = sizeof kAad;
  job.data = data;
  job.bytes = kBytes;
  job.key_bytes = 16;
  std::memcpy(job.nonce, kNonce, sizeof kNonce);
  backend.seal(job);
  if (!job.made || std::memcmp(tag, kTag, sizeof kTag) != 0) return false;

  tag[0] ^= 1;
  backend.open(job);
  if (job.authentic) return false;
  tag[0] ^= 1;
  backend.open(job);
  return job.authentic && std::memcmp(data, kText, kBytes) == 0;
}

}  // namespace

bool passes_known_answers(Backend& backend) noexcept {
  return counter_mode_holds(backend) && hmac_holds(backend) && gcm_holds(backend);
}

}  // namespace sallyport::crypto
