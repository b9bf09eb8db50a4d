/// The ciphers under SRTP, as arrays of jobs. Two machines implement it: each is the other's oracle.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "crypto/srtp.h"

namespace sallyport::crypto {

inline constexpr std::size_t kSha1Bytes = 20;
inline constexpr std::size_t kGcmTagBytes = 16;
inline constexpr std::size_t kGcmNonceBytes = 12;

/// What RFC 3711 §4.3.1 makes of a master key, for RTP or for RTCP.
struct SessionKeys {
  std::uint8_t cipher[32] = {};
  std::uint8_t auth[kSha1Bytes] = {};
  std::uint8_t salt[14] = {};

  SessionKeys() = default;
  SessionKeys(const SessionKeys&) = delete;
  SessionKeys& operator=(const SessionKeys&) = delete;
  ~SessionKeys();
};

struct HmacJob {
  const void* key;
  const std::uint8_t* data;
  std::uint32_t bytes;
  bool rtcp;
  bool made;                     ///< Out, here and below: the library did its work.
  std::uint8_t tag[kSha1Bytes];  ///< Out: at least the first twelve bytes.
};

struct CounterJob {
  const void* key;
  std::uint8_t* data;  ///< In place.
  std::uint32_t bytes;
  std::uint8_t key_bytes;
  bool rtcp;
  bool made;
  alignas(16) std::uint8_t iv[16];
};

struct AeadJob {
  const void* key;
  const std::uint8_t* aad;
  std::uint8_t* data;  ///< In place. When a tag is wrong the bytes are put back.
  std::uint32_t bytes;
  std::uint32_t aad_bytes;
  std::uint8_t key_bytes;
  bool rtcp;
  bool made;
  bool authentic;      ///< Out of `open`.
  std::uint8_t* tag;   ///< kGcmTagBytes: in of `open`, which leaves them as they are; out of `seal`.
  alignas(16) std::uint8_t nonce[16];  ///< The first kGcmNonceBytes count.
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual EngineKind kind() const noexcept = 0;
  virtual const char* description() const noexcept = 0;

  /// Room an expanded key takes, and how it is to be aligned (64 at most). RTCP is rare, so its key may be kept small.
  virtual std::size_t key_room(const SuiteFacts& suite, bool rtcp) const noexcept = 0;
  virtual std::size_t key_alignment(const SuiteFacts& suite, bool rtcp) const noexcept = 0;
  virtual bool expand(void* place, const SuiteFacts& suite, bool rtcp, const SessionKeys& keys) noexcept = 0;
  /// Gives back what `expand` holds outside of `place`; the caller wipes the place itself.
  using Release = void (*)(void* place);
  virtual Release release() const noexcept = 0;

  /// AES in counter mode over zeros, with a raw key: for key derivation and known answers.
  virtual bool keystream(std::span<const std::uint8_t> key, const std::uint8_t (&iv)[16],
                         std::span<std::uint8_t> out) noexcept = 0;

  virtual void hmac(std::span<HmacJob> jobs) noexcept = 0;
  virtual void counter(std::span<CounterJob> jobs) noexcept = 0;
  /// Has the memory bring what `seal` or `open` of a voice packet will look at of a key for RTP.
  virtual void ask_for(const void* key, std::size_t key_bytes) const noexcept = 0;
  /// These need no lanes: one after the other.
  virtual void seal(AeadJob& job) noexcept = 0;
  virtual void open(AeadJob& job) noexcept = 0;
};

/// Null when the build or the CPU lacks it.
std::unique_ptr<Backend> make_ipsec_mb_backend();
std::unique_ptr<Backend> make_openssl_backend();

}  // namespace sallyport::crypto
