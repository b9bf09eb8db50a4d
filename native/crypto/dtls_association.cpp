#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/srtp.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "crypto/dtls.h"
#include "crypto/secret_bytes.h"

namespace sallyport::crypto {
namespace {

/// Limit: bytes of a peer's certificates; more end the handshake.
constexpr long kCertificateBytes = 16'384;
/// Forward secrecy and AEAD alone: RFC 7525 §4.2, RFC 8827 §6.5.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr const char* kSignatures =
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512";
constexpr std::string_view kLabel = "EXTRACTOR-dtls_srtp";  // RFC 5764 §4.2.

struct Profile {
  Suite suite;
  unsigned long id;
  const char* name;
};
constexpr Profile kProfiles[] = {
    {Suite::kAesCm128HmacSha1_80, SRTP_AES128_CM_SHA1_80, "SRTP_AES128_CM_SHA1_80"},
    {Suite::kAesCm128HmacSha1_32, SRTP_AES128_CM_SHA1_32, "SRTP_AES128_CM_SHA1_32"},
    {Suite::kAeadAes128Gcm, SRTP_AEAD_AES_128_GCM, "SRTP_AEAD_AES_128_GCM"},
    {Suite::kAeadAes256Gcm, SRTP_AEAD_AES_256_GCM, "SRTP_AEAD_AES_256_GCM"},
};

std::string profiles_of(const DtlsWords& words) {
  std::string list;
  for (std::size_t i = 0; i < words.suite_count; ++i) {
    for (const Profile& profile : kProfiles) {
      if (profile.suite == words.suites[i]) list.append(list.empty() ? "" : ":").append(profile.name);
    }
  }
  return list;
}

/// OpenSSL asks in microseconds: what was before, what next.
unsigned int next_resend(SSL*, unsigned int before_us) {
  constexpr unsigned kFirst = kDtlsFirstResendNs / 1'000, kLongest = kDtlsLongestResendNs / 1'000;
  return before_us == 0 ? kFirst : std::min(before_us * 2, kLongest);
}

const EVP_MD* digest_of(FingerprintHash hash) noexcept {
  return hash == FingerprintHash::kSha256 ? EVP_sha256() : hash == FingerprintHash::kSha384 ? EVP_sha384() : EVP_sha512();
}

}  // namespace

/// A BIO whose one end is the datagram in hand and whose other is `send_`.
struct DtlsAssociation::Bio {
  static int write(BIO* bio, const char* bytes, int size) {
    const auto& self = *static_cast<DtlsAssociation*>(BIO_get_data(bio));
    if (size > 0) self.send_(self.user_, {reinterpret_cast<const std::uint8_t*>(bytes), static_cast<std::size_t>(size)});
    return size;
  }

  static int read(BIO* bio, char* bytes, int room) {
    auto& self = *static_cast<DtlsAssociation*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (self.arrived_.empty()) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const std::size_t size = std::min(self.arrived_.size(), static_cast<std::size_t>(room));
    std::memcpy(bytes, self.arrived_.data(), size);
    self.arrived_ = {};  // A datagram is taken whole, whatever of it found room.
    return static_cast<int>(size);
  }

  static long control(BIO*, int word, long number, void*) {
    switch (word) {
      case BIO_CTRL_FLUSH: return 1;
      case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT: return number;
      default: return 0;
    }
  }

  static BIO* make(DtlsAssociation* self) {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");
      if (made == nullptr) return made;
      BIO_meth_set_write(made, write);
      BIO_meth_set_read(made, read);
      BIO_meth_set_ctrl(made, control);
      return made;
    }();
    BIO* const bio = method == nullptr ? nullptr : BIO_new(method);
    if (bio == nullptr) return nullptr;
    BIO_set_data(bio, self);
    BIO_set_init(bio, 1);
    return bio;
  }
};

std::unique_ptr<DtlsFactory> DtlsFactory::create(const DtlsIdentity& identity) {
  SSL_CTX* const context = SSL_CTX_new(DTLS_method());
  if (context == nullptr) return nullptr;
  std::unique_ptr<DtlsFactory> made(new DtlsFactory(context));
  SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_max_send_fragment(context, kDtlsDatagramBytes);  // The size of the buffer that each association keeps.
  SSL_CTX_set_max_cert_list(context, kCertificateBytes);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(context, DtlsAssociation::verify, nullptr);
  const bool willing = SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) == 1 && SSL_CTX_set_cipher_list(context, kCiphers) == 1 &&
                       SSL_CTX_set1_groups_list(context, kGroups) == 1 && SSL_CTX_set1_sigalgs_list(context, kSignatures) == 1 &&
                       SSL_CTX_use_certificate(context, identity.certificate()) == 1 && SSL_CTX_use_PrivateKey(context, identity.key()) == 1;
  return willing ? std::move(made) : nullptr;
}

DtlsFactory::~DtlsFactory() { SSL_CTX_free(context_); }

DtlsMaster::~DtlsMaster() { wipe(bytes.data(), bytes.size()); }

std::unique_ptr<DtlsAssociation> DtlsAssociation::create(const DtlsFactory& factory, const DtlsWords& words, Send send, void* user,
                                                         const DtlsIdentity* identity) {
  std::unique_ptr<DtlsAssociation> made(new DtlsAssociation);
  made->words_ = words;
  made->send_ = send;
  made->user_ = user;
  SSL* const ssl = SSL_new(factory.context());
  made->ssl_ = ssl;
  BIO* const bio = ssl == nullptr ? nullptr : Bio::make(made.get());
  if (bio == nullptr) return nullptr;
  SSL_set_bio(ssl, bio, bio);
  if (identity != nullptr && (SSL_use_certificate(ssl, identity->certificate()) != 1 || SSL_use_PrivateKey(ssl, identity->key()) != 1)) return nullptr;
  SSL_set_app_data(ssl, made.get());
  SSL_set_mtu(ssl, kDtlsDatagramBytes);  // Of the handshake's flights alone.
  if (words.data) SSL_set_max_send_fragment(ssl, kDtlsDataBytes);
  DTLS_set_timer_cb(ssl, next_resend);
  words.active ? SSL_set_connect_state(ssl) : SSL_set_accept_state(ssl);
  return words.data || SSL_set_tlsext_use_srtp(ssl, profiles_of(words).c_str()) == 0 ? std::move(made) : nullptr;
}

DtlsAssociation::~DtlsAssociation() { SSL_free(ssl_); }

void DtlsAssociation::start(std::uint64_t now_ns) noexcept {
  const DtlsClock clock(now_ns);
  if (words_.active && state_ == DtlsState::kShaking) advance();
}

void DtlsAssociation::handle(std::span<const std::uint8_t> datagram, std::uint64_t now_ns) noexcept {
  const DtlsClock clock(now_ns);
  if (state_ != DtlsState::kShaking && state_ != DtlsState::kSecured) return;
  arrived_ = datagram;
  advance();
  arrived_ = {};
}

void DtlsAssociation::handle_time(std::uint64_t now_ns) noexcept {
  const DtlsClock clock(now_ns);
  if (state_ != DtlsState::kShaking) return;
  ERR_clear_error();
  const long resent = DTLSv1_handle_timeout(ssl_);
  if (resent < 0) return fail("the handshake had no answer");
  // Whatever is lost again and again may have been too long for the way.
  if (resent > 0 && ++resends_ == 2) SSL_set_mtu(ssl_, kDtlsSmallDatagramBytes);
}

std::uint64_t DtlsAssociation::deadline_ns(std::uint64_t now_ns) const noexcept {
  constexpr std::uint64_t kNever = ~std::uint64_t{0};
  const DtlsClock clock(now_ns);
  timeval left{};
  if (state_ != DtlsState::kShaking || DTLSv1_get_timeout(ssl_, &left) != 1) return kNever;
  return now_ns + static_cast<std::uint64_t>(left.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(left.tv_usec) * 1'000;
}

void DtlsAssociation::close(std::uint64_t now_ns) noexcept {
  const DtlsClock clock(now_ns);
  ERR_clear_error();
  if (state_ == DtlsState::kSecured) SSL_shutdown(ssl_);
  if (state_ != DtlsState::kFailed) state_ = DtlsState::kClosed;
}

/// Goes on until the datagram in hand is used up: it may hold several records.
void DtlsAssociation::advance() noexcept {
  while (state_ == DtlsState::kShaking || state_ == DtlsState::kSecured) {
    ERR_clear_error();
    std::uint8_t data[2'048];  // With SRTP nobody talks through DTLS itself; what comes is read and forgotten.
    const bool shaking = state_ == DtlsState::kShaking;
    const int result = shaking ? SSL_do_handshake(ssl_) : SSL_read(ssl_, data, sizeof data);
    if (result > 0) {
      if (shaking) finish();
      else if (take_ != nullptr) take_(user_, {data, static_cast<std::size_t>(result)});
      continue;
    }
    switch (SSL_get_error(ssl_, result)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE: return;
      case SSL_ERROR_ZERO_RETURN: state_ = DtlsState::kClosed; return;
      default:
        // Once secured the keys stand; the call ends by its own signalling, not by what somebody put between.
        if (!shaking) state_ = DtlsState::kClosed;
        else fail(wrong_peer_ ? "the certificate is not the one that was signalled" : "the handshake was refused or broken");
        return;
    }
  }
}

bool DtlsAssociation::write(std::span<const std::uint8_t> datagram, std::uint64_t now_ns) noexcept {
  const DtlsClock clock(now_ns);
  if (!words_.data || state_ != DtlsState::kSecured || datagram.empty() || datagram.size() > kDtlsDataBytes) return false;
  ERR_clear_error();
  return SSL_write(ssl_, datagram.data(), static_cast<int>(datagram.size())) > 0;
}

void DtlsAssociation::finish() noexcept {
  if (words_.data) {
    state_ = DtlsState::kSecured;
    return;
  }
  const SRTP_PROTECTION_PROFILE* const chosen = SSL_get_selected_srtp_profile(ssl_);
  for (const Profile& profile : kProfiles) {
    if (chosen == nullptr || chosen->id != profile.id) continue;
    suite_ = profile.suite;
    state_ = DtlsState::kSecured;
    return;
  }
  SSL_shutdown(ssl_);
  fail("the peer takes none of our SRTP profiles");
}

void DtlsAssociation::fail(const char* reason) noexcept {
  state_ = DtlsState::kFailed;
  reason_ = reason;
}

bool DtlsAssociation::keys(DtlsMaster& receive, DtlsMaster& send) const noexcept {
  const SuiteFacts& about = facts(suite_);
  const std::size_t key = about.master_key_bytes, salt = about.master_salt_bytes;
  std::uint8_t material[2 * 48];
  if (words_.data || state_ != DtlsState::kSecured || SSL_export_keying_material(ssl_, material, 2 * (key + salt), kLabel.data(), kLabel.size(), nullptr, 0, 0) != 1) {
    return false;
  }
  // Client's key, server's key, client's salt, server's salt.
  for (const bool client : {true, false}) {
    DtlsMaster& master = client == words_.active ? send : receive;
    std::copy_n(material + (client ? 0 : key), key, master.bytes.begin());
    std::copy_n(material + 2 * key + (client ? 0 : salt), salt, master.bytes.begin() + static_cast<std::ptrdiff_t>(key));
    master.size = key + salt;
  }
  wipe(material, sizeof material);
  return true;
}

int DtlsAssociation::verify(X509_STORE_CTX* store, void*) {
  auto* const ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* const self = static_cast<DtlsAssociation*>(SSL_get_app_data(ssl));
  X509* const certificate = X509_STORE_CTX_get0_cert(store);
  if (certificate != nullptr && self->fits(certificate)) return 1;
  self->wrong_peer_ = true;
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

/// One of the fingerprints under the strongest hash that was named must be the certificate's: RFC 8122 §6.2. All of them
/// are looked at, each in constant time.
bool DtlsAssociation::fits(X509* certificate) const noexcept {
  const std::span<const Fingerprint> named(words_.fingerprints.data(), words_.fingerprint_count);
  FingerprintHash strongest = FingerprintHash::kSha256;
  for (const Fingerprint& fingerprint : named) strongest = std::max(strongest, fingerprint.hash);
  std::uint8_t digest[EVP_MAX_MD_SIZE] = {};
  unsigned int size = 0;
  if (X509_digest(certificate, digest_of(strongest), digest, &size) != 1 || size != size_of(strongest)) return false;
  bool found = false;
  for (const Fingerprint& fingerprint : named) {
    if (fingerprint.hash == strongest) found |= same_secret(digest, fingerprint.value.data(), size);
  }
  return found;
}

}  // namespace sallyport::crypto
