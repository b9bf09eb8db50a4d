/// The certificate we show. Nobody verifies its names or dates, only its fingerprint (RFC 5763 §5), and nothing in it
/// tells of the box or its calls.
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "crypto/dtls.h"
#include "crypto/secret_bytes.h"

namespace sallyport::crypto {
namespace {

constexpr long kDay = 24 * 60 * 60;
/// A box may run for years; phones with a wrong clock shall not refuse it either.
constexpr long kValidDays = 3'650;

bool name_and_date(X509* certificate) noexcept {
  std::uint8_t serial[8];
  if (RAND_bytes(serial, sizeof serial) != 1) return false;
  serial[0] &= 0x7f;
  serial[0] |= 0x01;  // Positive and not zero: RFC 5280 §4.1.2.2.
  ASN1_INTEGER* const number = X509_get_serialNumber(certificate);
  std::uint64_t value = 0;
  for (const std::uint8_t byte : serial) value = value << 8 | byte;
  X509_NAME* const name = X509_get_subject_name(certificate);
  const auto* const common = reinterpret_cast<const unsigned char*>("media");
  return X509_set_version(certificate, X509_VERSION_3) == 1 && ASN1_INTEGER_set_uint64(number, value) == 1 &&
         X509_gmtime_adj(X509_getm_notBefore(certificate), -kDay) != nullptr &&
         X509_gmtime_adj(X509_getm_notAfter(certificate), kValidDays * kDay) != nullptr &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common, -1, -1, 0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1;
}

bool digest(const X509* certificate, Fingerprint& out) noexcept {
  unsigned int size = 0;
  return X509_digest(certificate, EVP_sha256(), out.value.data(), &size) == 1;
}

}  // namespace

std::size_t size_of(FingerprintHash hash) noexcept {
  return hash == FingerprintHash::kSha256 ? 32 : hash == FingerprintHash::kSha384 ? 48 : 64;
}

bool has_dtls_profile(Suite suite) noexcept {
  return suite == Suite::kAesCm128HmacSha1_80 || suite == Suite::kAesCm128HmacSha1_32 || suite == Suite::kAeadAes128Gcm ||
         suite == Suite::kAeadAes256Gcm;
}

std::unique_ptr<DtlsIdentity> DtlsIdentity::create() {
  std::unique_ptr<DtlsIdentity> made(new DtlsIdentity);
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  made->key_ = key;
  made->certificate_ = certificate;
  const bool signed_well = key && certificate && name_and_date(certificate) && X509_set_pubkey(certificate, key) == 1 &&
                           X509_sign(certificate, key, EVP_sha256()) > 0 &&
                           digest(certificate, made->fingerprint_);
  return signed_well ? std::move(made) : nullptr;
}

std::unique_ptr<DtlsIdentity> DtlsIdentity::read(const DtlsIdentityBytes& bytes) {
  std::unique_ptr<DtlsIdentity> made(new DtlsIdentity);
  const std::uint8_t* at = bytes.certificate.data();
  made->certificate_ = d2i_X509(nullptr, &at, bytes.certificate_size);
  const bool whole = made->certificate_ != nullptr && at == bytes.certificate.data() + bytes.certificate_size;
  at = bytes.key.data();
  made->key_ = whole ? d2i_PrivateKey(EVP_PKEY_EC, nullptr, &at, bytes.key_size) : nullptr;
  const bool fits = made->key_ != nullptr && at == bytes.key.data() + bytes.key_size && X509_check_private_key(made->certificate_, made->key_) == 1;
  return fits && digest(made->certificate_, made->fingerprint_) ? std::move(made) : nullptr;
}

bool DtlsIdentity::write(DtlsIdentityBytes& out) const {
  const int certificate_size = i2d_X509(certificate_, nullptr), key_size = i2d_PrivateKey(key_, nullptr);
  if (certificate_size <= 0 || static_cast<std::size_t>(certificate_size) > out.certificate.size()) return false;
  if (key_size <= 0 || static_cast<std::size_t>(key_size) > out.key.size()) return false;
  std::uint8_t* at = out.certificate.data();
  out.certificate_size = static_cast<std::uint16_t>(i2d_X509(certificate_, &at));
  at = out.key.data();
  out.key_size = static_cast<std::uint16_t>(i2d_PrivateKey(key_, &at));
  out.fingerprint = fingerprint_;
  return true;
}

DtlsIdentityBytes::~DtlsIdentityBytes() { wipe(key.data(), key.size()); }

DtlsIdentity::~DtlsIdentity() {
  X509_free(certificate_);
  EVP_PKEY_free(key_);
}

}  // namespace sallyport::crypto
