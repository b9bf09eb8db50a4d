/// Reads JavaScript values with as few words as Node-API allows. Every reader throws a TypeError into JavaScript and
/// says false when the value is not what it must be; the caller then returns at once.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace sallyport::addon {

class Js {
 public:
  explicit Js(napi_env env) noexcept : env_(env) {}
  napi_env env() const noexcept { return env_; }

  bool fail(const char* why) const noexcept {
    bool pending = false;
    napi_is_exception_pending(env_, &pending);
    if (!pending) napi_throw_type_error(env_, nullptr, why);
    return false;
  }

  /// `undefined` counts as absent.
  bool has(napi_value object, const char* name, napi_value& value) const noexcept {
    napi_valuetype type;
    return napi_get_named_property(env_, object, name, &value) == napi_ok && napi_typeof(env_, value, &type) == napi_ok &&
           type != napi_undefined && type != napi_null;
  }
  bool is_given(napi_value value) const noexcept {
    napi_valuetype type;
    return napi_typeof(env_, value, &type) == napi_ok && type != napi_undefined && type != napi_null;
  }
  bool present(napi_value object, const char* name) const noexcept {
    bool found = false;
    return napi_has_named_property(env_, object, name, &found) == napi_ok && found;
  }

  bool number(napi_value object, const char* name, std::int64_t low, std::int64_t high, std::int64_t& out) const noexcept {
    napi_value value;
    return has(object, name, value) && as_number(value, low, high, out) ? true : fail(name);
  }
  bool as_number(napi_value value, std::int64_t low, std::int64_t high, std::int64_t& out) const noexcept {
    double number;
    if (napi_get_value_double(env_, value, &number) != napi_ok) return fail("not a number");
    if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high))) return fail("number out of range");
    out = static_cast<std::int64_t>(number);
    return true;
  }
  bool boolean(napi_value object, const char* name, bool& out) const noexcept {
    napi_value value;
    return has(object, name, value) && napi_get_value_bool(env_, value, &out) == napi_ok ? true : fail(name);
  }
  /// Into `buffer`; longer text is refused, never cut.
  bool text(napi_value object, const char* name, std::span<char> buffer, std::string_view& out) const noexcept {
    napi_value value;
    return has(object, name, value) && as_text(value, buffer, out) ? true : fail(name);
  }
  bool as_text(napi_value value, std::span<char> buffer, std::string_view& out) const noexcept {
    std::size_t size;
    if (napi_get_value_string_utf8(env_, value, nullptr, 0, &size) != napi_ok || size >= buffer.size()) return false;
    napi_get_value_string_utf8(env_, value, buffer.data(), buffer.size(), &size);
    out = {buffer.data(), size};
    return true;
  }
  /// The bytes stay JavaScript's.
  bool bytes(napi_value object, const char* name, std::span<std::uint8_t>& out) const noexcept {
    napi_value value;
    return has(object, name, value) && as_bytes(value, out) ? true : fail(name);
  }
  bool as_bytes(napi_value value, std::span<std::uint8_t>& out) const noexcept {
    bool typed = false;
    if (napi_is_typedarray(env_, value, &typed) != napi_ok || !typed) return false;
    napi_typedarray_type type;
    std::size_t length;
    void* data;
    if (napi_get_typedarray_info(env_, value, &type, &length, &data, nullptr, nullptr) != napi_ok) return false;
    const std::size_t width = type == napi_int32_array ? 4 : type == napi_uint8_array ? 1 : 0;
    out = {static_cast<std::uint8_t*>(data), length * width};
    return width != 0;
  }

  napi_value make_text(std::string_view text) const noexcept {
    napi_value value = nullptr;
    napi_create_string_latin1(env_, text.data(), text.size(), &value);
    return value;
  }
  napi_value make_number(double number) const noexcept {
    napi_value value = nullptr;
    napi_create_double(env_, number, &value);
    return value;
  }
  napi_value make_bytes(std::span<const std::uint8_t> bytes) const noexcept {
    napi_value memory = nullptr, value = nullptr;
    void* data = nullptr;
    if (napi_create_arraybuffer(env_, bytes.size(), &data, &memory) != napi_ok) return nullptr;
    for (std::size_t i = 0; i < bytes.size(); ++i) static_cast<std::uint8_t*>(data)[i] = bytes[i];
    napi_create_typedarray(env_, napi_uint8_array, bytes.size(), memory, 0, &value);
    return value;
  }
  napi_value make_boolean(bool truth) const noexcept {
    napi_value value = nullptr;
    napi_get_boolean(env_, truth, &value);
    return value;
  }
  void set(napi_value object, const char* name, napi_value value) const noexcept {
    napi_set_named_property(env_, object, name, value);
  }
  void method(napi_value object, const char* name, napi_callback call, void* data) const noexcept {
    napi_value function;
    if (napi_create_function(env_, name, NAPI_AUTO_LENGTH, call, data, &function) == napi_ok) set(object, name, function);
  }

 private:
  napi_env env_;
};

}  // namespace sallyport::addon
