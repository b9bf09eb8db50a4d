#pragma once

#include "crypto/backend.h"

namespace sallyport::crypto {

/// RFC 3711 §4.3.1 with a key derivation rate of zero: session keys are made once and stay.
/// The PRF is AES in counter mode with a key of the master key's size: RFC 6188 §3, RFC 7714 §11.
bool derive(Backend& backend, const SuiteFacts& suite, bool rtcp, std::span<const std::uint8_t> master,
            SessionKeys& keys) noexcept;

/// One labelled output. Labels 0 to 2 are RTP's key, authentication key and salt; 3 to 5 are RTCP's.
bool derive_one(Backend& backend, std::span<const std::uint8_t> master_key, std::span<const std::uint8_t> master_salt,
                std::uint8_t label, std::span<std::uint8_t> out) noexcept;

}  // namespace sallyport::crypto
