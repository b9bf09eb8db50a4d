/// Reads the door's objects into the relay's words. Types stand in relay.d.ts.
#pragma once

#include <cstdint>

#include "../io/relay_host.h"
#include "js.h"

namespace sallyport::addon {

bool read_ip(const Js& js, napi_value value, relay::Ip& out);
/// A whole side. False: thrown.
bool read_side(const Js& js, napi_value object, io::SideWords& out);
/// A part of one; `bits` says which (relay::ChangeBits).
bool read_change(const Js& js, napi_value object, io::SideWords& out, std::uint32_t& bits);
/// A digit to play.
bool read_digit(const Js& js, napi_value object, relay::Digit& out);
bool read_kind(const Js& js, napi_value value, relay::PairKind& out);

}  // namespace sallyport::addon
