#pragma once

#include "crypto/backend.h"

namespace sallyport::crypto {

/// Known answers, so that a broken build or CPU is found before it says something wrong: AES-CM by
/// RFC 3711 B.2, HMAC-SHA1 by RFC 2202 case 1 (through more lanes than one), GCM by RFC 7714 §16.1.1.
bool passes_known_answers(Backend& backend) noexcept;

}  // namespace sallyport::crypto
