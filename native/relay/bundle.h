/// Names of lines inside of packets: the header extension of RFC 9143 §15 among others (RFC 8285).
#pragma once

#include <string_view>

#include "relay.h"

namespace sallyport::relay {

/// The name that a plain packet, whose header fits, bears under `id`; empty: none.
std::string_view mid_in(const Datagram& datagram, std::uint8_t id) noexcept;

/// Takes the extension `id` out of a plain packet, and puts `mid` under `put_id` into it, unless that is 0. A packet without
/// room, or with an extension of another form, stays as it is.
void rename_line(Datagram& datagram, std::uint8_t id, std::uint8_t put_id, std::string_view mid) noexcept;

/// The line's own name, as the side is told it.
inline void put_mid(Datagram& datagram, const BundleWords& words) noexcept {
  if (words.mid_id != 0) rename_line(datagram, words.mid_id, words.mid_id, words.mid.view());
}

}  // namespace sallyport::relay
