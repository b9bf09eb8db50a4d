/// STUN as far as a lite agent speaks it: RFC 8489, RFC 8445 §7.3. Total and bounded: one walk over the attributes, which
/// must fill the datagram exactly; nothing is kept but places inside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "../shared/endpoint.h"

namespace sallyport::relay {

enum class StunClass : std::uint8_t { kRequest, kIndication, kSuccess, kError };

/// Limit: unknown attributes named in a 420; there may be more.
inline constexpr std::size_t kUnknownLimit = 8;
/// Limit: bytes of an answer.
inline constexpr std::size_t kStunAnswerBytes = 128;

/// What a datagram says. Views point into it. Of an attribute that comes twice the first counts (RFC 8489 §14), and of
/// those behind MESSAGE-INTEGRITY only FINGERPRINT.
struct StunMessage {
  std::span<const std::uint8_t> bytes;
  StunClass kind = StunClass::kRequest;
  std::uint16_t method = 0;
  std::string_view username;
  std::uint32_t priority = 0;
  bool use_candidate = false;
  bool controlling = false;  ///< ICE-CONTROLLING stands in it.
  bool controlled = false;
  std::size_t integrity_at = 0;  ///< Where MESSAGE-INTEGRITY begins; 0: none.
  bool fingerprint = false;      ///< There, and right.
  std::uint16_t unknown[kUnknownLimit] = {};  ///< Comprehension-required ones that we do not know.
  std::size_t unknown_count = 0;
};
inline constexpr std::uint16_t kStunBinding = 1;

/// False: not STUN, or lengths that lie, or a FINGERPRINT that is wrong or not the last.
bool parse_stun(std::span<const std::uint8_t> datagram, StunMessage& out) noexcept;
/// Does MESSAGE-INTEGRITY stand in it and was it made with `password`? In constant time.
bool has_integrity(const StunMessage& message, std::string_view password) noexcept;

/// Answers to a request, with MESSAGE-INTEGRITY and FINGERPRINT, into `out`. Return the size. `out` may lie over the
/// request, whose transaction is read first.
std::size_t answer_binding(const StunMessage& request, const endpoint& mapped, std::string_view password,
                           std::span<std::uint8_t, kStunAnswerBytes> out) noexcept;
/// `code`: 420 (with the unknown attributes) or 487.
std::size_t refuse_binding(const StunMessage& request, int code, std::string_view password,
                           std::span<std::uint8_t, kStunAnswerBytes> out) noexcept;

/// FINGERPRINT of RFC 8489 §14.7; as good a checksum for other bytes.
std::uint32_t fingerprint_of(std::span<const std::uint8_t> bytes) noexcept;

}  // namespace sallyport::relay
