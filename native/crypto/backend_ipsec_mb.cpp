/// Intel ipsec-mb: many HMAC-SHA1 at once in the lanes of the vector unit; AES-CTR and GCM with VAES.
#include "crypto/backend.h"

#ifndef SALLYPORT_HAVE_IPSEC_MB

namespace sallyport::crypto {
std::unique_ptr<Backend> make_ipsec_mb_backend() { return nullptr; }
}  // namespace sallyport::crypto

#else

#include <intel-ipsec-mb.h>

#include <cstdio>
#include <cstring>

#include "crypto/secret_bytes.h"

namespace sallyport::crypto {
namespace {

constexpr std::size_t kSha1BlockBytes = 64;
constexpr std::size_t kAes256Rounds = 15;
constexpr std::size_t kLibraryTagBytes = 12;  // The library truncates to 96 bits or not at all.

struct HmacPads {
  std::uint8_t inner[kSha1Bytes];
  std::uint8_t outer[kSha1Bytes];
};

/// HMAC's two hashed pads, then the AES round keys, as many as the key size has. The pads stand at the end of 48 bytes.
struct CmKey {
  alignas(16) std::uint8_t unused[8];
  HmacPads pads;
  std::uint8_t rounds[kAes256Rounds * 16];
};
static_assert(offsetof(CmKey, rounds) % 16 == 0);

std::size_t cm_key_bytes(std::size_t key_bytes) noexcept {
  const std::size_t rounds = key_bytes / 4 + 7;
  return offsetof(CmKey, rounds) + rounds * 16;
}

/// RTCP's: pads and round keys are made when it comes.
struct SmallCmKey {
  std::uint8_t auth[kSha1Bytes];
  std::uint8_t raw[32];
};

/// The tables of a GCM key take 1 KiB. RTCP comes every few seconds, so its tables are made when it comes.
struct SmallGcmKey {
  std::uint8_t raw[32];
};

IMB_KEY_SIZE_BYTES key_size(std::size_t bytes) noexcept {
  return bytes == 16 ? IMB_KEY_128_BYTES : bytes == 24 ? IMB_KEY_192_BYTES : IMB_KEY_256_BYTES;
}

class IpsecMb final : public Backend {
 public:
  explicit IpsecMb(IMB_MGR* manager, const char* arch) noexcept : manager_(manager) {
    std::snprintf(description_, sizeof description_, "ipsec-mb %s %s", imb_get_version_str(), arch);
    std::memset(static_cast<void*>(jobs_), 0, sizeof jobs_);
  }
  ~IpsecMb() override {
    wipe(static_cast<void*>(&gcm_key_), sizeof gcm_key_);
    wipe(rtcp_rounds_, sizeof rtcp_rounds_);
    wipe(rtcp_pads_, sizeof rtcp_pads_);
    free_mb_mgr(manager_);
  }

  EngineKind kind() const noexcept override { return EngineKind::kIpsecMb; }
  const char* description() const noexcept override { return description_; }

  std::size_t key_room(const SuiteFacts& suite, bool rtcp) const noexcept override {
    if (!suite.aead) return rtcp ? offsetof(SmallCmKey, raw) + suite.master_key_bytes : cm_key_bytes(suite.master_key_bytes);
    return rtcp ? sizeof(SmallGcmKey) : sizeof(gcm_key_data);
  }

  std::size_t key_alignment(const SuiteFacts& suite, bool rtcp) const noexcept override {
    return rtcp ? 1 : suite.aead ? 64 : alignof(CmKey);
  }

  bool expand(void* place, const SuiteFacts& suite, bool rtcp, const SessionKeys& keys) noexcept override {
    if (!suite.aead && rtcp) {
      auto* key = static_cast<SmallCmKey*>(place);
      std::memcpy(key->raw, keys.cipher, suite.master_key_bytes);
      std::memcpy(key->auth, keys.auth, sizeof keys.auth);
    } else if (!suite.aead) {
      auto* key = static_cast<CmKey*>(place);
      expand_aes(keys.cipher, suite.master_key_bytes, key->rounds);
      expand_hmac(keys.auth, key->pads);
    } else if (rtcp) {
      std::memcpy(static_cast<SmallGcmKey*>(place)->raw, keys.cipher, sizeof keys.cipher);
    } else {
      expand_gcm(keys.cipher, suite.master_key_bytes, *static_cast<gcm_key_data*>(place));
    }
    return true;
  }

  Release release() const noexcept override {
    return [](void*) {};
  }

  bool keystream(std::span<const std::uint8_t> key, const std::uint8_t (&iv)[16],
                 std::span<std::uint8_t> out) noexcept override {
    CmKey expanded;
    expand_aes(key.data(), key.size(), expanded.rounds);
    std::memset(out.data(), 0, out.size());
    CounterJob job{};
    job.key = &expanded;
    job.data = out.data();
    job.bytes = static_cast<std::uint32_t>(out.size());
    job.key_bytes = static_cast<std::uint8_t>(key.size());
    std::memcpy(job.iv, iv, sizeof job.iv);
    counter({&job, 1});
    wipe(&expanded, sizeof expanded);
    return true;
  }

  void hmac(std::span<HmacJob> jobs) noexcept override {
    std::uint32_t made_pads = 0;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      const HmacPads* pads;
      if (jobs[i].rtcp) {
        expand_hmac(static_cast<const SmallCmKey*>(jobs[i].key)->auth, rtcp_pads_[made_pads]);
        pads = &rtcp_pads_[made_pads++];
      } else {
        prefetch(jobs[i].key, sizeof(CmKey));  // The round keys too: they are next.
        pads = &static_cast<const CmKey*>(jobs[i].key)->pads;
      }
      IMB_JOB& job = jobs_[i];
      job.src = jobs[i].data;
      job.hash_start_src_offset_in_bytes = 0;
      job.msg_len_to_hash_in_bytes = jobs[i].bytes;
      job.auth_tag_output = jobs[i].tag;
      job.auth_tag_output_len_in_bytes = kLibraryTagBytes;
      job.u.HMAC._hashed_auth_key_xor_ipad = pads->inner;
      job.u.HMAC._hashed_auth_key_xor_opad = pads->outer;
      job.hash_alg = IMB_AUTH_HMAC_SHA_1;
      job.status = IMB_STATUS_BEING_PROCESSED;
    }
    IMB_SUBMIT_HASH_BURST_NOCHECK(manager_, jobs_, static_cast<std::uint32_t>(jobs.size()), IMB_AUTH_HMAC_SHA_1);
    for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].made = done(jobs_[i]);
  }

  void counter(std::span<CounterJob> jobs) noexcept override {
    // One burst has one key size; most boxes see one only.
    for (const std::size_t bytes : {std::size_t{16}, std::size_t{32}, std::size_t{24}}) {
      std::uint32_t count = 0;
      std::uint32_t made_keys = 0;
      for (auto& from : jobs) {
        if (from.key_bytes != bytes) continue;
        from.made = true;
        if (from.bytes == 0) continue;
        IMB_JOB& job = jobs_[count++];
        job.user_data = &from;
        if (from.rtcp) {
          expand_aes(static_cast<const SmallCmKey*>(from.key)->raw, bytes, rtcp_rounds_[made_keys]);
          job.enc_keys = rtcp_rounds_[made_keys++];
        } else {
          job.enc_keys = static_cast<const CmKey*>(from.key)->rounds;
        }
        job.dec_keys = job.enc_keys;
        job.key_len_in_bytes = bytes;
        job.src = from.data;
        job.dst = from.data;
        job.cipher_start_src_offset_in_bytes = 0;
        job.msg_len_to_cipher_in_bytes = from.bytes;
        job.iv = from.iv;
        job.iv_len_in_bytes = sizeof from.iv;
        job.cipher_mode = IMB_CIPHER_CNTR;
        job.cipher_direction = IMB_DIR_ENCRYPT;
        job.status = IMB_STATUS_BEING_PROCESSED;
      }
      if (count == 0) continue;
      IMB_SUBMIT_CIPHER_BURST_NOCHECK(manager_, jobs_, count, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT, key_size(bytes));
      for (std::uint32_t i = 0; i < count; ++i) static_cast<CounterJob*>(jobs_[i].user_data)->made = done(jobs_[i]);
    }
  }

  /// The round keys, and the low powers of the hash key, which stand at the end: all a voice packet needs.
  void ask_for(const void* key, std::size_t key_bytes) const noexcept override {
    constexpr std::size_t kLowPowersBytes = 240;  // From where a cache line begins to the end.
    static_assert((sizeof(gcm_key_data) - kLowPowersBytes) % 64 == 0);
    constexpr std::size_t kRoundsBytes = 11 * 16;  // Of AES-128.
    const auto* const rounds = static_cast<const std::uint8_t*>(key);
#pragma GCC unroll 4
    for (std::size_t at = 0; at < kRoundsBytes; at += 64) __builtin_prefetch(rounds + at);
    if (key_bytes == 32) __builtin_prefetch(rounds + 192);
#pragma GCC unroll 4
    for (std::size_t at = sizeof(gcm_key_data) - kLowPowersBytes; at < sizeof(gcm_key_data); at += 64) __builtin_prefetch(rounds + at);
  }

  void seal(AeadJob& job) noexcept override { gcm(job, /*encrypt=*/true, job.tag); }

  void open(AeadJob& job) noexcept override {
    alignas(16) std::uint8_t tag[kGcmTagBytes];
    gcm(job, /*encrypt=*/false, tag);
    job.authentic = same_secret(tag, job.tag, sizeof tag);
    // Counter mode undoes itself: a refused packet leaves as it came.
    if (!job.authentic) [[unlikely]] undo(job, tag);
  }

 private:
  static bool done(const IMB_JOB& job) noexcept { return job.status >= IMB_STATUS_COMPLETED_CIPHER && job.status <= IMB_STATUS_COMPLETED; }

  static void prefetch(const void* from, std::size_t bytes) noexcept {
    for (std::size_t at = 0; at < bytes; at += 64) __builtin_prefetch(static_cast<const std::uint8_t*>(from) + at);
  }

  void expand_aes(const std::uint8_t* key, std::size_t key_bytes, std::uint8_t* rounds) noexcept {
    alignas(16) std::uint8_t unused[kAes256Rounds * 16];  // Counter mode only ever encrypts.
    alignas(16) std::uint8_t all[kAes256Rounds * 16];
    if (key_bytes == 16) IMB_AES_KEYEXP_128(manager_, key, all, unused);
    if (key_bytes == 24) IMB_AES_KEYEXP_192(manager_, key, all, unused);
    if (key_bytes == 32) IMB_AES_KEYEXP_256(manager_, key, all, unused);
    std::memcpy(rounds, all, (key_bytes / 4 + 7) * 16);
    wipe(unused, sizeof unused);
    wipe(all, sizeof all);
  }

  void expand_hmac(const std::uint8_t (&auth)[kSha1Bytes], HmacPads& pads) noexcept {
    alignas(16) std::uint8_t digest[kSha1Bytes];
    std::uint8_t block[kSha1BlockBytes];
    std::memset(block, 0x36, sizeof block);
    for (std::size_t i = 0; i < sizeof auth; ++i) block[i] ^= auth[i];
    IMB_SHA1_ONE_BLOCK(manager_, block, digest);
    std::memcpy(pads.inner, digest, sizeof digest);
    for (auto& byte : block) byte ^= 0x36 ^ 0x5c;
    IMB_SHA1_ONE_BLOCK(manager_, block, digest);
    std::memcpy(pads.outer, digest, sizeof digest);
    wipe(digest, sizeof digest);
    wipe(block, sizeof block);
  }

  void expand_gcm(const std::uint8_t* raw, std::size_t key_bytes, gcm_key_data& key) noexcept {
    if (key_bytes == 16) IMB_AES128_GCM_PRE(manager_, raw, &key);
    if (key_bytes == 32) IMB_AES256_GCM_PRE(manager_, raw, &key);
  }

  [[gnu::noinline, gnu::cold]] void undo(AeadJob& job, std::uint8_t* unused_tag) noexcept { gcm(job, /*encrypt=*/true, unused_tag); }

  /// Of RTCP.
  [[gnu::noinline, gnu::cold]] const gcm_key_data* made_key(const AeadJob& job) noexcept {
    expand_gcm(static_cast<const SmallGcmKey*>(job.key)->raw, job.key_bytes, gcm_key_);
    return &gcm_key_;
  }

  void gcm(AeadJob& job, bool encrypt, std::uint8_t* tag) noexcept {
    const auto* const key = job.rtcp ? made_key(job) : static_cast<const gcm_key_data*>(job.key);
    gcm_context_data context;
    const auto run = job.key_bytes == 16 ? (encrypt ? manager_->gcm128_enc : manager_->gcm128_dec)
                                         : (encrypt ? manager_->gcm256_enc : manager_->gcm256_dec);
    job.made = true;
    run(key, &context, job.data, job.data, job.bytes, job.nonce, job.aad, job.aad_bytes, tag, kGcmTagBytes);
  }

  IMB_MGR* manager_;
  gcm_key_data gcm_key_;
  alignas(16) std::uint8_t rtcp_rounds_[kBatchLimit][kAes256Rounds * 16];
  HmacPads rtcp_pads_[kBatchLimit];
  IMB_JOB jobs_[kBatchLimit];
  char description_[48];
};

}  // namespace

std::unique_ptr<Backend> make_ipsec_mb_backend() {
  IMB_MGR* manager = alloc_mb_mgr(0);
  if (!manager) return nullptr;
  IMB_ARCH arch = IMB_ARCH_NONE;
  init_mb_mgr_auto(manager, &arch);
  // Without AES instructions the library emulates them, which OpenSSL does better.
  constexpr std::uint64_t kWanted = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
  const bool fit = imb_get_errno(manager) == 0 && (manager->features & kWanted) == kWanted &&
                   (manager->features & IMB_FEATURE_SELF_TEST_PASS) != 0;
  const char* name = arch == IMB_ARCH_AVX512 ? "avx512" : arch == IMB_ARCH_AVX2 ? "avx2" : arch == IMB_ARCH_AVX ? "avx" : "sse";
  if (!fit || arch == IMB_ARCH_NONE || arch == IMB_ARCH_NOAESNI) {
    free_mb_mgr(manager);
    return nullptr;
  }
  return std::make_unique<IpsecMb>(manager, name);
}

}  // namespace sallyport::crypto

#endif
