/// A peer's connectivity checks, byte by byte.
#pragma once

#include <string>

#include "../../crypto/hmac_sha1.h"
#include "world.h"

namespace sallyport::relay::test {

inline const std::string kBothUfrags = "box1:phon";
inline const std::string kOurPassword = "our password of the box";

template <std::size_t kLimit>
Text<kLimit> text(std::string_view from) {
  Text<kLimit> made;
  std::copy(from.begin(), from.end(), made.bytes.begin());
  made.size = static_cast<std::uint16_t>(from.size());
  return made;
}

inline IceWords ice_words() {
  return {.present = true, .local_ufrag = text<kLocalUfragBytes>("box1"), .local_password = text<kLocalPasswordBytes>(kOurPassword),
          .remote_ufrag = text<kRemoteUfragBytes>("phon")};
}

struct CheckWords {
  bool use_candidate = false;
  std::uint32_t priority = 0x6e0001ff;
  bool controlled = false;
  std::uint16_t unknown = 0;
  bool integrity = true;
  bool fingerprint = true;
  std::size_t filler = 0;
};

inline void put_attribute(Bytes& message, std::uint16_t type, const Bytes& value) {
  const std::size_t at = message.size();
  message.resize(at + 4 + ((value.size() + 3) & ~std::size_t{3}));
  write16(&message[at], type);
  write16(&message[at + 2], static_cast<std::uint16_t>(value.size()));
  std::copy(value.begin(), value.end(), message.begin() + static_cast<std::ptrdiff_t>(at) + 4);
  write16(&message[2], static_cast<std::uint16_t>(message.size() - 20));
}

inline std::uint32_t crc32(const Bytes& bytes, std::size_t size) {
  std::uint32_t crc = ~0u;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
  }
  return ~crc;
}

inline void fix_fingerprint(Bytes& message) { write32(&message[message.size() - 4], crc32(message, message.size() - 8) ^ 0x5354554eu); }

inline Bytes binding(const std::string& username, const std::string& password, const CheckWords& words) {
  Bytes made{0x00, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  put_attribute(made, 0x0006, Bytes(username.begin(), username.end()));
  put_attribute(made, words.controlled ? 0x8029 : 0x802a, Bytes(8, 0x33));
  Bytes priority(4);
  write32(priority.data(), words.priority);
  put_attribute(made, 0x0024, priority);
  if (words.use_candidate) put_attribute(made, 0x0025, {});
  if (words.unknown != 0) put_attribute(made, words.unknown, Bytes(3, 1));
  if (words.filler != 0) put_attribute(made, 0x8022, Bytes(words.filler, 'x'));
  if (words.integrity) {
    write16(&made[2], static_cast<std::uint16_t>(made.size() - 20 + 24));
    const auto mac = crypto::hmac_sha1({reinterpret_cast<const std::uint8_t*>(password.data()), password.size()}, made, {});
    put_attribute(made, 0x0008, Bytes(mac.begin(), mac.end()));
  }
  if (words.fingerprint) {
    put_attribute(made, 0x8028, Bytes(4));
    fix_fingerprint(made);
  }
  return made;
}

}  // namespace sallyport::relay::test
