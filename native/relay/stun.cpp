#include "stun.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "../crypto/hmac_sha1.h"
#include "../crypto/secret_bytes.h"
#include "rtp.h"

namespace sallyport::relay {
namespace {

constexpr std::size_t kHeaderBytes = 20;
constexpr std::uint32_t kCookie = 0x2112'a442;
constexpr std::uint32_t kFingerprintMask = 0x5354'554e;
constexpr std::size_t kIntegrityBytes = 24;    ///< With its head.
constexpr std::size_t kFingerprintBytes = 8;

/// RFC 8489 §18.3, RFC 8445 §16.1.
enum Attribute : std::uint16_t {
  kMappedAddress = 0x0001,
  kUsername = 0x0006,
  kMessageIntegrity = 0x0008,
  kErrorCode = 0x0009,
  kUnknownAttributes = 0x000a,
  kRealm = 0x0014,
  kNonce = 0x0015,
  kMessageIntegritySha256 = 0x001c,
  kPasswordAlgorithm = 0x001d,
  kUserhash = 0x001e,
  kXorMappedAddress = 0x0020,
  kPriority = 0x0024,
  kUseCandidate = 0x0025,
  kOptional = 0x8000,
  kFingerprint = 0x8028,
  kIceControlled = 0x8029,
  kIceControlling = 0x802a,
};

constexpr auto kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) rest = rest & 1 ? rest >> 1 ^ 0xedb8'8320 : rest >> 1;
    table[byte] = rest;
  }
  return table;
}();

/// The header as it was when what follows `size` bytes was not there yet.
std::array<std::uint8_t, kHeaderBytes> header_for(std::span<const std::uint8_t> message, std::size_t size) noexcept {
  std::array<std::uint8_t, kHeaderBytes> header;
  std::copy_n(message.begin(), kHeaderBytes, header.begin());
  write16(&header[2], static_cast<std::uint16_t>(size - kHeaderBytes));
  return header;
}

std::array<std::uint8_t, 20> integrity_of(std::span<const std::uint8_t> message, std::size_t at, std::string_view password) noexcept {
  const auto header = header_for(message, at + kIntegrityBytes);
  const std::span key(reinterpret_cast<const std::uint8_t*>(password.data()), password.size());
  return crypto::hmac_sha1(key, header, message.subspan(kHeaderBytes, at - kHeaderBytes));
}

bool understood(std::uint16_t type) noexcept {
  switch (type) {
    case kMappedAddress:
    case kUsername:
    case kErrorCode:
    case kUnknownAttributes:
    case kRealm:
    case kNonce:
    case kMessageIntegritySha256:
    case kPasswordAlgorithm:
    case kUserhash:
    case kXorMappedAddress:
    case kPriority:
    case kUseCandidate: return true;
    default: return type >= kOptional;
  }
}

/// False: an attribute whose size its kind does not have.
bool take(StunMessage& out, std::uint16_t type, std::span<const std::uint8_t> value) noexcept {
  switch (type) {
    case kUsername:
      if (out.username.data() == nullptr) out.username = {reinterpret_cast<const char*>(value.data()), value.size()};
      return true;
    case kPriority:
      if (value.size() != 4) return false;
      out.priority = read32(value.data());
      return true;
    case kUseCandidate: out.use_candidate = true; return true;
    case kIceControlled: out.controlled = true; return value.size() == 8;
    case kIceControlling: out.controlling = true; return value.size() == 8;
    default:
      if (!understood(type) && out.unknown_count < kUnknownLimit) out.unknown[out.unknown_count++] = type;
      return true;
  }
}

/// Writes a message from its head on.
class Answer {
 public:
  Answer(const StunMessage& request, std::uint16_t type, std::span<std::uint8_t, kStunAnswerBytes> out) noexcept : out_(out) {
    std::array<std::uint8_t, 12> transaction;  // `out` may be where the request stands.
    std::copy_n(request.bytes.begin() + 8, transaction.size(), transaction.begin());
    write16(&out_[0], type);
    write16(&out_[2], 0);
    write32(&out_[4], kCookie);
    std::copy(transaction.begin(), transaction.end(), out_.begin() + 8);
  }

  /// Room for `size` bytes of value, filled up to four.
  std::uint8_t* attribute(std::uint16_t type, std::size_t size) noexcept {
    std::uint8_t* const value = &out_[size_ + 4];
    const std::size_t padded = (size + 3) & ~std::size_t{3};
    write16(&out_[size_], type);
    write16(&out_[size_ + 2], static_cast<std::uint16_t>(size));
    std::memset(value, 0, padded);
    size_ += 4 + padded;
    write16(&out_[2], static_cast<std::uint16_t>(size_ - kHeaderBytes));
    return value;
  }

  std::size_t sealed(std::string_view password) noexcept {
    const std::size_t at = size_;
    std::uint8_t* const value = attribute(kMessageIntegrity, 20);
    const auto integrity = integrity_of({out_.data(), size_}, at, password);
    std::copy(integrity.begin(), integrity.end(), value);
    std::uint8_t* const fingerprint = attribute(kFingerprint, 4);
    write32(fingerprint, fingerprint_of({out_.data(), size_ - kFingerprintBytes}));
    return size_;
  }

 private:
  std::span<std::uint8_t, kStunAnswerBytes> out_;
  std::size_t size_ = kHeaderBytes;
};

}  // namespace

std::uint32_t fingerprint_of(std::span<const std::uint8_t> bytes) noexcept {
  std::uint32_t crc = 0xffff'ffff;
  for (const std::uint8_t byte : bytes) crc = crc >> 8 ^ kCrcTable[(crc ^ byte) & 0xff];
  return ~crc ^ kFingerprintMask;
}

bool parse_stun(std::span<const std::uint8_t> datagram, StunMessage& out) noexcept {
  if (datagram.size() < kHeaderBytes || datagram.size() % 4 != 0) return false;
  const std::uint16_t type = read16(datagram.data());
  if (type >> 14 != 0 || read16(&datagram[2]) != datagram.size() - kHeaderBytes || read32(&datagram[4]) != kCookie) return false;
  out = {};
  out.bytes = datagram;
  out.kind = static_cast<StunClass>((type >> 7 & 2) | (type >> 4 & 1));
  out.method = static_cast<std::uint16_t>((type & 0x000f) | (type >> 1 & 0x0070) | (type >> 2 & 0x0f80));

  for (std::size_t at = kHeaderBytes; at < datagram.size();) {
    if (out.fingerprint) return false;  // Nothing may stand behind it.
    const std::uint16_t attribute = read16(&datagram[at]);
    const std::size_t size = read16(&datagram[at + 2]);
    const std::size_t next = at + 4 + ((size + 3) & ~std::size_t{3});
    if (next > datagram.size()) return false;
    if (attribute == kFingerprint) {
      if (size != 4 || read32(&datagram[at + 4]) != fingerprint_of(datagram.first(at))) return false;
      out.fingerprint = true;
    } else if (out.integrity_at == 0) {
      if (attribute == kMessageIntegrity) {
        if (size != 20) return false;
        out.integrity_at = at;
      } else if (!take(out, attribute, datagram.subspan(at + 4, size))) {
        return false;
      }
    }
    at = next;
  }
  return true;
}

bool has_integrity(const StunMessage& message, std::string_view password) noexcept {
  if (message.integrity_at == 0) return false;
  const auto right = integrity_of(message.bytes, message.integrity_at, password);
  return crypto::same_secret(right.data(), &message.bytes[message.integrity_at + 4], right.size());
}

std::size_t answer_binding(const StunMessage& request, const endpoint& mapped, std::string_view password,
                           std::span<std::uint8_t, kStunAnswerBytes> out) noexcept {
  Answer answer(request, 0x0101, out);
  constexpr std::uint8_t kV4Prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool v4 = std::memcmp(mapped.ip, kV4Prefix, sizeof kV4Prefix) == 0;
  const std::size_t ip_bytes = v4 ? 4 : 16;
  std::uint8_t* const value = answer.attribute(kXorMappedAddress, 4 + ip_bytes);
  value[1] = v4 ? 1 : 2;
  // XORed with the cookie, and beyond it with the transaction: RFC 8489 §14.2.
  for (std::size_t i = 0; i < 2; ++i) value[2 + i] = mapped.port[i] ^ out[4 + i];
  for (std::size_t i = 0; i < ip_bytes; ++i) value[4 + i] = mapped.ip[16 - ip_bytes + i] ^ out[4 + i];
  return answer.sealed(password);
}

std::size_t refuse_binding(const StunMessage& request, int code, std::string_view password,
                           std::span<std::uint8_t, kStunAnswerBytes> out) noexcept {
  std::uint16_t unknown[kUnknownLimit];
  const std::size_t count = code == 420 ? request.unknown_count : 0;
  std::copy_n(request.unknown, count, unknown);
  Answer answer(request, 0x0111, out);
  const std::string_view reason = code == 420 ? "Unknown Attribute" : "Role Conflict";
  std::uint8_t* const value = answer.attribute(kErrorCode, 4 + reason.size());
  value[2] = static_cast<std::uint8_t>(code / 100);
  value[3] = static_cast<std::uint8_t>(code % 100);
  std::copy(reason.begin(), reason.end(), value + 4);
  if (count != 0) {
    std::uint8_t* const list = answer.attribute(kUnknownAttributes, 2 * count);
    for (std::size_t i = 0; i < count; ++i) write16(list + 2 * i, unknown[i]);
  }
  return answer.sealed(password);
}

}  // namespace sallyport::relay
