/// DTLS-SRTP (RFC 5763, RFC 5764) without sockets and threads: datagrams and the time go in, datagrams and keys come out.
/// Also UDPTL over DTLS (RFC 7345): there the datagrams of others go in records, and no keys come out.
/// DTLS 1.2 (RFC 6347) alone: OpenSSL 3 has no DTLS 1.3, and older versions are refused.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "crypto/srtp.h"

struct ssl_st;
struct ssl_ctx_st;
struct x509_st;
struct x509_store_ctx_st;
struct evp_pkey_st;

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
  bool data = false;    ///< No SRTP: the suites mean nothing, and what is to be secured goes in records.
  std::array<Fingerprint, kFingerprintLimit> fingerprints{};
  std::uint8_t fingerprint_count = 0;
  std::array<Suite, kDtlsSuiteLimit> suites{};
  std::uint8_t suite_count = 0;
  std::array<char, kTlsIdBytes> tls_id{};
  std::uint8_t tls_id_size = 0;
  bool operator==(const DtlsWords&) const = default;
};

/// Limit: bytes of a certificate of ours and of its key, in DER. Both are far smaller as we make them; others are refused.
inline constexpr std::size_t kOwnCertificateBytes = 512;
inline constexpr std::size_t kOwnKeyBytes = 160;

/// A certificate of ours with its key, to be handed over by value. Wiped at its end.
struct DtlsIdentityBytes {
  std::array<std::uint8_t, kOwnCertificateBytes> certificate{};
  std::array<std::uint8_t, kOwnKeyBytes> key{};
  std::uint16_t certificate_size = 0;
  std::uint16_t key_size = 0;
  Fingerprint fingerprint;  ///< Of the certificate.

  DtlsIdentityBytes() = default;
  DtlsIdentityBytes(const DtlsIdentityBytes&) = default;
  DtlsIdentityBytes& operator=(const DtlsIdentityBytes&) = default;
  ~DtlsIdentityBytes();
};

/// A key and a certificate of ours: ECDSA P-256, self-signed. The box makes one each time it starts, and further ones for
/// associations that must not look like those before them.
class DtlsIdentity {
 public:
  /// Null when OpenSSL does not work here.
  static std::unique_ptr<DtlsIdentity> create();
  /// Null unless the bytes are a certificate and its key.
  static std::unique_ptr<DtlsIdentity> read(const DtlsIdentityBytes& bytes);
  bool write(DtlsIdentityBytes& out) const;
  ~DtlsIdentity();
  DtlsIdentity(const DtlsIdentity&) = delete;
  DtlsIdentity& operator=(const DtlsIdentity&) = delete;

  const Fingerprint& fingerprint() const noexcept { return fingerprint_; }
  x509_st* certificate() const noexcept { return certificate_; }
  evp_pkey_st* key() const noexcept { return key_; }

 private:
  DtlsIdentity() = default;
  x509_st* certificate_ = nullptr;
  evp_pkey_st* key_ = nullptr;
  Fingerprint fingerprint_;
};

/// What all associations of one thread share. Must outlive them; the identity must outlive it.
class DtlsFactory {
 public:
  static std::unique_ptr<DtlsFactory> create(const DtlsIdentity& identity);
  ~DtlsFactory();
  DtlsFactory(const DtlsFactory&) = delete;
  DtlsFactory& operator=(const DtlsFactory&) = delete;
  ssl_ctx_st* context() const noexcept { return context_; }

 private:
  explicit DtlsFactory(ssl_ctx_st* context) noexcept : context_(context) {}
  ssl_ctx_st* context_;
};

/// Limit: bytes of a datagram of a handshake we send (the payload of UDP), at first and once two of ours had no answer:
/// RFC 6347 §4.1.1.1. A VPN or a tunnel rarely carries less than the latter.
inline constexpr std::size_t kDtlsDatagramBytes = 1'200;
inline constexpr std::size_t kDtlsSmallDatagramBytes = 540;
/// Limit: bytes of a datagram that carries a record of data: what a packet of 1,500 bytes has left over IPv4.
inline constexpr std::size_t kDtlsRecordBytes = 1'500 - 20 - 8;
/// Limit: bytes of data that we put in one record, which has a head, the nonce and the tag of AES-GCM besides (RFC 6347
/// §4.1, RFC 5288 §3); and that we take out of a peer's, which ChaCha20 spares the nonce (RFC 7905 §2).
inline constexpr std::size_t kDtlsDataBytes = kDtlsRecordBytes - 13 - 8 - 16;
inline constexpr std::size_t kDtlsOpenedBytes = kDtlsRecordBytes - 13 - 16;
/// The first retransmission, and the longest time between two. RFC 6347 §4.2.4.1 has one second and a minute: somebody
/// waits for this call to be heard.
inline constexpr std::uint64_t kDtlsFirstResendNs = 400'000'000;
inline constexpr std::uint64_t kDtlsLongestResendNs = 4'000'000'000;

/// Master key and salt of one direction.
struct DtlsMaster {
  std::array<std::uint8_t, 48> bytes{};
  std::size_t size = 0;
  ~DtlsMaster();
};

/// What an association agreed on.
struct DtlsKeys {
  bool present = false;
  Suite suite{};
  DtlsMaster receive;  ///< What the peer writes under.
  DtlsMaster send;
};

enum class DtlsState : std::uint8_t { kShaking, kSecured, kClosed, kFailed };

/// One association with one peer. Whose datagrams it gets is the caller's to judge.
class DtlsAssociation {
 public:
  /// Takes each datagram at once; it may be lost.
  using Send = void (*)(void* user, std::span<const std::uint8_t> datagram);
  /// Null when memory is short. Nothing is sent before `start`.
  /// `identity`: shown in place of the factory's; it need not outlive the call.
  static std::unique_ptr<DtlsAssociation> create(const DtlsFactory& factory, const DtlsWords& words, Send send, void* user,
                                                 const DtlsIdentity* identity = nullptr);
  ~DtlsAssociation();
  DtlsAssociation(const DtlsAssociation&) = delete;
  DtlsAssociation& operator=(const DtlsAssociation&) = delete;

  /// With `data`: takes what came in the peer's records, each at once.
  void set_taker(Send take) noexcept { take_ = take; }
  /// With `data`, once secured: sends it in a record. False: it is too long, or there is no association any more.
  bool write(std::span<const std::uint8_t> datagram, std::uint64_t now_ns) noexcept;

  /// Active: sends the ClientHello.
  void start(std::uint64_t now_ns) noexcept;
  void handle(std::span<const std::uint8_t> datagram, std::uint64_t now_ns) noexcept;
  /// Retransmits what is due.
  void handle_time(std::uint64_t now_ns) noexcept;
  /// When `handle_time` has something to do; the largest number: never.
  std::uint64_t deadline_ns(std::uint64_t now_ns) const noexcept;
  /// Says close_notify if the handshake is through.
  void close(std::uint64_t now_ns) noexcept;

  DtlsState state() const noexcept { return state_; }
  /// With kFailed: why. Static text.
  const char* reason() const noexcept { return reason_; }
  /// The peer's certificate is not the one that was signalled: no retransmission helps.
  bool wrong_peer() const noexcept { return wrong_peer_; }
  /// With kSecured: of the suite. RFC 5764 §4.2: `receive` is what the peer writes under.
  Suite suite() const noexcept { return suite_; }
  bool keys(DtlsMaster& receive, DtlsMaster& send) const noexcept;

 private:
  DtlsAssociation() = default;
  struct Bio;
  friend struct Bio;
  friend class DtlsFactory;
  static int verify(x509_store_ctx_st* store, void*);
  void advance() noexcept;
  void finish() noexcept;
  void fail(const char* reason) noexcept;
  bool fits(x509_st* certificate) const noexcept;

  ssl_st* ssl_ = nullptr;
  Send send_ = nullptr;
  Send take_ = nullptr;
  void* user_ = nullptr;
  DtlsWords words_;
  std::span<const std::uint8_t> arrived_;
  DtlsState state_ = DtlsState::kShaking;
  const char* reason_ = "";
  Suite suite_{};
  unsigned resends_ = 0;
  bool wrong_peer_ = false;
};

/// OpenSSL reads a wall clock for its timers. Linked with --wrap=gettimeofday it reads, inside these calls, what the
/// caller gave as the time; else the machine's clock.
class DtlsClock {
 public:
  explicit DtlsClock(std::uint64_t now_ns) noexcept;
  ~DtlsClock();
};

}  // namespace sallyport::crypto
