/// DTLS-SRTP (RFC 5763, RFC 5764) without sockets and threads: datagrams and the time go in, datagrams and keys come out.
/// DTLS 1.2 (RFC 6347) alone: OpenSSL 3 has no DTLS 1.3, and older versions are refused.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "crypto/srtp.h"

namespace sallyport::crypto {

/// Limit: fingerprints a description may name, and suites of ours that RFC 5764 and RFC 7714 have numbers for.
inline constexpr std::size_t kFingerprintLimit = 8;
inline constexpr std::size_t kDtlsSuiteLimit = 4;
/// Limit: characters of a tls-id. RFC 8842 §4: 20 to 255.
inline constexpr std::size_t kTlsIdBytes = 255;

enum class FingerprintHash : std::uint8_t { kSha256, kSha384, kSha512 };

/// RFC 8122 §5.
struct Fingerprint {
  FingerprintHash hash = FingerprintHash::kSha256;
  std::array<std::uint8_t, 64> value{};  ///< With zeros behind.
  bool operator==(const Fingerprint&) const = default;
};
std::size_t size_of(FingerprintHash hash) noexcept;
/// Has the suite a number for `use_srtp`? RFC 5764 §4.1.2, RFC 7714 §14.2.
bool has_dtls_profile(Suite suite) noexcept;

/// What makes an association: another one of these is another association (RFC 8842 §4).
struct DtlsWords {
  bool present = false;
  bool active = false;  ///< We send the ClientHello.
  std::array<Fingerprint, kFingerprintLimit> fingerprints{};
  std::uint8_t fingerprint_count = 0;
  std::array<Suite, kDtlsSuiteLimit> suites{};
  std::uint8_t suite_count = 0;
  std::array<char, kTlsIdBytes> tls_id{};
  std::uint8_t tls_id_size = 0;
  bool operator==(const DtlsWords&) const = default;
};

/// Our key and certificate: ECDSA P-256, self-signed, another one each time the box starts.
class DtlsIdentity {
 public:
  /// Null when OpenSSL does not work here.
  static std::unique_ptr<DtlsIdentity> create();
  ~DtlsIdentity();
  DtlsIdentity(const DtlsIdentity&) = delete;
  DtlsIdentity& operator=(const DtlsIdentity&) = delete;

  const Fingerprint& fingerprint() const noexcept { return fingerprint_; }

 private:
  friend class DtlsAssociation;
  DtlsIdentity() = default;
  void* certificate_ = nullptr;  ///< X509, and the EVP_PKEY to it.
  void* key_ = nullptr;
  Fingerprint fingerprint_;
};

}  // namespace sallyport::crypto
