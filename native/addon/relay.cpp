/// The relay's words at the door: open, change, close, stop; counters in shared memory; events in batches.
#include <arpa/inet.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "../io/address.h"
#include "../io/relay_host.h"
#include "door.h"
#include "plain.h"
#include "words.h"

namespace sallyport::addon {
namespace {

/// Limit: events handed over in one callback; more come in the next.
constexpr std::size_t kEventBatch = 256;

/// Lives until Node's environment ends, so that late calls and callbacks find it.
struct Running {
  napi_threadsafe_function notify = nullptr;
  napi_ref counters = nullptr;
  napi_ref desk_memory = nullptr;
  PlainSide* desk = nullptr;  ///< Two.
  std::unique_ptr<io::RelayHost> host;
  bool stopped = false;
};

const char* name_of(relay::EventKind kind) {
  switch (kind) {
    case relay::EventKind::kLatched: return "latched";
    case relay::EventKind::kSecured: return "secured";
    case relay::EventKind::kExpired: return "expired";
    case relay::EventKind::kSilent: return "silent";
    case relay::EventKind::kHeard: return "heard";
    case relay::EventKind::kDigit: return "digit";
    case relay::EventKind::kKeyLifetime: return "keyLifetime";
    case relay::EventKind::kExported: return "exported";
    case relay::EventKind::kFailed: return "failed";
    default: return "closed";
  }
}

napi_value make_ip(const Js& js, const std::uint8_t* ip) {
  char text[INET6_ADDRSTRLEN] = "";
  const bool v4 = io::is_v4(ip);
  inet_ntop(v4 ? AF_INET : AF_INET6, ip + (v4 ? 12 : 0), text, sizeof text);
  return js.make_text(text);
}

napi_value keys_object(const Js& js, const crypto::DtlsKeys& keys) {
  napi_value object;
  napi_create_object(js.env(), &object);
  js.set(object, "suite", js.make_text(crypto::facts(keys.suite).sdes_name));
  js.set(object, "rx", js.make_bytes({keys.receive.bytes.data(), keys.receive.size}));
  js.set(object, "tx", js.make_bytes({keys.send.bytes.data(), keys.send.size}));
  return object;
}

napi_value keys_list(const Js& js, const std::array<relay::HandshakeKeys, 2>& sides) {
  napi_value list;
  napi_create_array_with_length(js.env(), 2, &list);
  for (std::uint32_t i = 0; i < 2; ++i) {
    const relay::HandshakeKeys& keys = sides[i];
    if (!keys.components[0].present) continue;
    napi_value object;
    napi_create_object(js.env(), &object);
    js.set(object, "done", js.make_boolean(keys.done));
    js.set(object, "rtp", keys_object(js, keys.components[0]));
    if (keys.components[1].present) js.set(object, "rtcp", keys_object(js, keys.components[1]));
    napi_set_element(js.env(), list, i, object);
  }
  return list;
}

napi_value event_object(const Js& js, const io::HostEvent& event) {
  napi_value object;
  napi_create_object(js.env(), &object);
  js.set(object, "event", js.make_text(name_of(event.kind)));
  js.set(object, "pair", js.make_number(event.pair));
  js.set(object, "side", js.make_number(event.side));
  if (event.kind == relay::EventKind::kLatched) {
    js.set(object, "ip", make_ip(js, event.source.ip));
    js.set(object, "port", js.make_number(event.source.port[0] << 8 | event.source.port[1]));
  }
  if (event.reason[0] != '\0') js.set(object, "reason", js.make_text(event.reason));
  if (event.kind == relay::EventKind::kSecured) js.set(object, "suite", js.make_text(event.records ? "DTLS" : crypto::facts(event.suite).sdes_name));
  if (event.kind == relay::EventKind::kDigit) {
    js.set(object, "digit", js.make_number(event.digit));
    js.set(object, "durationMs", js.make_number(event.duration_ms));
  }
  if (event.kind == relay::EventKind::kKeyLifetime) {
    js.set(object, "whose", js.make_text(event.receiving ? "theirs" : "ours"));
    js.set(object, "packetsLeft", js.make_number(static_cast<double>(event.packets_left)));
  }
  if (event.kind == relay::EventKind::kExported && !event.state.empty()) js.set(object, "state", js.make_bytes(event.state));
  if (event.keys) js.set(object, "keys", keys_list(js, *event.keys));
  return object;
}

void deliver(napi_env env, napi_value callback, void* context, void*) {
  auto& running = *static_cast<Running*>(context);
  if (env == nullptr || running.stopped) return;
  const Js js(env);
  io::HostEvent events[kEventBatch];
  while (!running.stopped) {
    const std::size_t count = running.host->events(events);
    if (count == 0) return;
    napi_handle_scope scope;
    napi_open_handle_scope(env, &scope);
    napi_value list, undefined;
    napi_create_array_with_length(env, count, &list);
    for (std::size_t i = 0; i < count; ++i) napi_set_element(env, list, static_cast<std::uint32_t>(i), event_object(js, events[i]));
    napi_get_undefined(env, &undefined);
    const napi_status called = napi_call_function(env, undefined, callback, 1, &list, nullptr);
    napi_close_handle_scope(env, scope);
    if (called != napi_ok) {  // It threw: Node reports that when we return, and the rest comes by another call.
      napi_call_threadsafe_function(running.notify, nullptr, napi_tsfn_nonblocking);
      return;
    }
  }
}

void stop_running(Running& running) {
  if (running.stopped) return;
  running.stopped = true;
  running.host->stop();
  napi_release_threadsafe_function(running.notify, napi_tsfn_abort);
}

/// Up to five arguments, and what the method was made with.
struct Call {
  Call(napi_env env, napi_callback_info info) : js(env) {
    void* data;
    napi_get_cb_info(env, info, &count, arguments, nullptr, &data);
    running = static_cast<Running*>(data);
  }
  bool pair(std::uint32_t& out) const {
    std::int64_t number;
    if (count < 1 || !js.as_number(arguments[0], 0, running->host->max_pairs() - std::int64_t{1}, number)) return js.fail("pair");
    out = static_cast<std::uint32_t>(number);
    return true;
  }
  Js js;
  Running* running;
  std::size_t count = 5;
  napi_value arguments[5];
};

napi_value open_pair(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  std::uint32_t pair;
  relay::PairKind kind;
  io::SideWords caller, callee;
  if (!call.pair(pair) || !read_kind(call.js, call.arguments[1], kind) || !read_side(call.js, call.arguments[2], caller) ||
      !read_side(call.js, call.arguments[3], callee)) {
    return nullptr;
  }
  std::span<std::uint8_t> resumes;
  if (call.count > 4 && call.js.is_given(call.arguments[4])) {
    // No bytes are no state: what is meant to go on must not begin.
    if (!call.js.as_bytes(call.arguments[4], resumes) || resumes.empty()) return call.js.fail("resumes"), nullptr;
  }
  return call.js.make_boolean(call.running->stopped || call.running->host->open(pair, kind, caller, callee, resumes));
}

napi_value open_plain(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  std::uint32_t pair;
  relay::PairKind kind;
  io::SideWords caller, callee;
  PlainSide desk[2];
  std::memcpy(desk, call.running->desk, sizeof desk);
  if (!call.pair(pair) || !read_plain_pair(call.js, desk, kind, caller, callee)) return nullptr;
  return call.js.make_boolean(call.running->stopped || call.running->host->open(pair, kind, caller, callee, {}));
}

napi_value change_plain(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  std::uint32_t pair;
  std::int64_t side;
  io::SideWords set;
  const PlainSide plain = *call.running->desk;
  if (!call.pair(pair) || !call.js.as_number(call.arguments[1], 0, 1, side) || !read_plain_change(call.js, plain, set)) return nullptr;
  return call.js.make_boolean(call.running->stopped ||
                              call.running->host->change(pair, static_cast<std::uint8_t>(side), plain.bits, set));
}

napi_value export_pair(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  std::uint32_t pair;
  if (!call.pair(pair)) return nullptr;
  return call.js.make_boolean(call.running->stopped || call.running->host->save(pair));
}

napi_value change_pair(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  std::uint32_t pair, bits;
  std::int64_t side;
  io::SideWords set;
  if (!call.pair(pair) || !call.js.as_number(call.arguments[1], 0, 1, side) ||
      !read_change(call.js, call.arguments[2], set, bits)) {
    return nullptr;
  }
  return call.js.make_boolean(call.running->stopped ||
                              call.running->host->change(pair, static_cast<std::uint8_t>(side), bits, set));
}

napi_value play_digit(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  std::uint32_t pair;
  std::int64_t side;
  relay::Digit digit;
  if (!call.pair(pair) || !call.js.as_number(call.arguments[1], 0, 1, side) || !read_digit(call.js, call.arguments[2], digit)) {
    return nullptr;
  }
  return call.js.make_boolean(call.running->stopped || call.running->host->digit(pair, static_cast<std::uint8_t>(side), digit));
}

napi_value close_pair(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  std::uint32_t pair;
  if (!call.pair(pair)) return nullptr;
  return call.js.make_boolean(call.running->stopped || call.running->host->close(pair));
}

napi_value wake_threads(napi_env env, napi_callback_info info) {
  Running& running = *Call(env, info).running;
  if (!running.stopped) running.host->wake();
  return nullptr;
}

napi_value stop_relay(napi_env env, napi_callback_info info) {
  stop_running(*Call(env, info).running);
  return nullptr;
}

/// Limit: media addresses of a box.
constexpr std::uint32_t kAddressLimit = 256;

bool read_addresses(const Js& js, napi_value list, std::vector<relay::Ip>& out) {
  std::uint32_t length;
  if (napi_get_array_length(js.env(), list, &length) != napi_ok || length > kAddressLimit) return js.fail("kernelAddresses");
  for (std::uint32_t i = 0; i < length; ++i) {
    napi_value ip;
    napi_get_element(js.env(), list, i, &ip);
    if (!read_ip(js, ip, out.emplace_back())) return false;
  }
  return true;
}

napi_value set_kernel_addresses(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  std::vector<relay::Ip> addresses, rings;
  if (call.count < 2 || !read_addresses(call.js, call.arguments[0], addresses) || !read_addresses(call.js, call.arguments[1], rings)) return nullptr;
  if (!call.running->stopped) call.running->host->set_kernel_addresses(addresses, rings);
  return nullptr;
}

napi_value kernel_paths(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const Js& js = call.js;
  napi_value list;
  napi_create_array(env, &list);
  if (call.running->stopped) return list;
  constexpr const char* kModes[] = {"none", "native", "generic"};
  std::uint32_t at = 0;
  for (const io::PathFact& fact : call.running->host->kernel_facts()) {
    napi_value object;
    napi_create_object(env, &object);
    js.set(object, "ip", make_ip(js, fact.ip.data()));
    js.set(object, "interface", js.make_text(fact.interface));
    js.set(object, "mode", js.make_text(kModes[static_cast<std::size_t>(fact.mode)]));
    js.set(object, "reason", js.make_text(fact.reason));
    js.set(object, "rings", js.make_number(fact.ring_queues));
    js.set(object, "zeroCopy", js.make_boolean(fact.rings && fact.zero_copy));
    napi_set_element(env, list, at++, object);
  }
  return list;
}

napi_value ring_counters(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  napi_value object;
  napi_create_object(env, &object);
  if (call.running->stopped) return object;
  const io::RelayHost& host = *call.running->host;
#define X(name) call.js.set(object, #name, call.js.make_number(static_cast<double>(host.ring_counter(io::kRing_##name))));
  SALLYPORT_RING_COUNTERS(X)
#undef X
  return object;
}

bool read_options(const Js& js, napi_value object, io::HostOptions& out) {
  napi_value cores;
  std::int64_t number;
  std::uint32_t length;
  if (!js.number(object, "maxPairs", 1, 1'000'000, number)) return false;
  out.max_pairs = static_cast<std::uint32_t>(number);
  if (!js.has(object, "cores", cores) || napi_get_array_length(js.env(), cores, &length) != napi_ok || length > 256) return js.fail("cores");
  for (std::uint32_t i = 0; i < length; ++i) {
    napi_value core;
    napi_get_element(js.env(), cores, i, &core);
    if (!js.as_number(core, 0, 1'023, number)) return false;
    out.cores.push_back(static_cast<int>(number));
  }
  napi_value kernel_addresses, ring_addresses, limits;
  if (js.has(object, "kernelAddresses", kernel_addresses) && !read_addresses(js, kernel_addresses, out.kernel_addresses)) return false;
  if (js.has(object, "ringAddresses", ring_addresses) && !read_addresses(js, ring_addresses, out.ring_addresses)) return false;
  if (js.has(object, "packetLimits", limits)) {
    std::int64_t audio, other;
    if (!js.number(limits, "audio", 0, 1'000'000, audio) || !js.number(limits, "other", 0, 1'000'000, other)) return false;
    out.packet_limits = {static_cast<std::uint32_t>(audio), static_cast<std::uint32_t>(other)};
  }
  char buffer[16];
  std::string_view port;
  if (!js.text(object, "port", buffer, port)) return false;
  out.port = port == "io_uring" ? io::PortChoice::kIoUring : port == "epoll" ? io::PortChoice::kEpoll : io::PortChoice::kAuto;
  return true;
}

napi_value fingerprint_object(const Js& js, const crypto::Fingerprint& fingerprint) {
  napi_value object, memory, value;
  void* bytes = nullptr;
  const std::size_t size = crypto::size_of(fingerprint.hash);
  napi_create_object(js.env(), &object);
  napi_create_arraybuffer(js.env(), size, &bytes, &memory);
  std::memcpy(bytes, fingerprint.value.data(), size);
  napi_create_typedarray(js.env(), napi_uint8_array, size, memory, 0, &value);
  js.set(object, "hash", js.make_text("sha-256"));
  js.set(object, "value", value);
  return object;
}

napi_value fresh_identity(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const auto made = call.running->stopped ? nullptr : call.running->host->fresh_identity();
  if (made == nullptr) return nullptr;
  napi_value object;
  napi_create_object(env, &object);
  call.js.set(object, "fingerprint", fingerprint_object(call.js, made->fingerprint));
  call.js.set(object, "certificate", call.js.make_bytes({made->certificate.data(), made->certificate_size}));
  call.js.set(object, "key", call.js.make_bytes({made->key.data(), made->key_size}));
  return object;
}

napi_value counter_names(const Js& js) {
  napi_value list;
  napi_create_array(js.env(), &list);
  const char* const names[] = {
#define X(name) #name,
      SALLYPORT_COUNTERS(X)
#undef X
  };
  std::uint32_t at = 0;
  for (const char* name : names) napi_set_element(js.env(), list, at++, js.make_text(name));
  while (at < relay::kCounterStride) napi_set_element(js.env(), list, at++, js.make_text(""));
  return list;
}

}  // namespace

napi_value start_relay(napi_env env, napi_callback_info info) {
  const Js js(env);
  napi_value options;
  std::size_t count = 1;
  napi_get_cb_info(env, info, &count, &options, nullptr, nullptr);
  io::HostOptions host;
  napi_value on_events, resource_name, counters, door;
  if (count != 1 || !read_options(js, options, host) || !js.has(options, "onEvents", on_events)) {
    js.fail("startRelay: options");
    return nullptr;
  }
  auto running = std::make_unique<Running>();
  const std::size_t bytes = std::size_t{host.max_pairs} * 2 * relay::kCounterStride * sizeof(std::uint64_t);
  // Its lines are to be the cache's: an array begins anywhere.
  constexpr std::size_t kLineBytes = 64;
  void* memory = nullptr;
  napi_value buffer;
  if (napi_create_arraybuffer(env, bytes + kLineBytes, &memory, &buffer) != napi_ok) return nullptr;
  const std::size_t skip = (kLineBytes - reinterpret_cast<std::uintptr_t>(memory) % kLineBytes) % kLineBytes;
  if (napi_create_typedarray(env, napi_uint32_array, bytes / sizeof(std::uint32_t), buffer, skip, &counters) != napi_ok) return nullptr;
  napi_create_reference(env, counters, 1, &running->counters);
  napi_value desk_memory, desk;
  void* desk_bytes = nullptr;
  if (napi_create_arraybuffer(env, 2 * sizeof(PlainSide), &desk_bytes, &desk_memory) != napi_ok) return nullptr;
  if (napi_create_typedarray(env, napi_uint8_array, 2 * sizeof(PlainSide), desk_memory, 0, &desk) != napi_ok) return nullptr;
  napi_create_reference(env, desk, 1, &running->desk_memory);
  running->desk = static_cast<PlainSide*>(desk_bytes);
  napi_create_string_utf8(env, "sallyport.relay", NAPI_AUTO_LENGTH, &resource_name);
  if (napi_create_threadsafe_function(env, on_events, nullptr, resource_name, 0, 1, nullptr, nullptr, running.get(), deliver,
                                      &running->notify) != napi_ok) {
    return nullptr;
  }
  host.counters = reinterpret_cast<std::uint64_t*>(static_cast<std::uint8_t*>(memory) + skip);
  host.notify_data = running->notify;
  host.notify = [](void* notify) {
    napi_call_threadsafe_function(static_cast<napi_threadsafe_function>(notify), nullptr, napi_tsfn_nonblocking);
  };
  running->host = std::make_unique<io::RelayHost>(host);
  if (!running->host->problem().empty()) {
    napi_throw_error(env, "EOPNOTSUPP", running->host->problem().c_str());
    stop_running(*running);
    static_cast<void>(running.release());  // A late callback may look at it; it holds nothing any more.
    return nullptr;
  }
  Running* data = running.release();
  napi_add_env_cleanup_hook(env, [](void* at) { stop_running(*static_cast<Running*>(at)); }, data);
  napi_create_object(env, &door);
  js.set(door, "port", js.make_text(data->host->port_kind() == io::PortKind::kIoUring ? "io_uring" : "epoll"));
  js.set(door, "fingerprint", fingerprint_object(js, data->host->fingerprint()));
  js.set(door, "socketsProblem", js.make_text(data->host->late_problem()));
  js.set(door, "kernelProblem", js.make_text(data->host->kernel_problem()));
  js.set(door, "counters", counters);
  js.set(door, "plainDesk", desk);
  js.set(door, "counterNames", counter_names(js));
  js.method(door, "open", open_pair, data);
  js.method(door, "openPlain", open_plain, data);
  js.method(door, "changePlain", change_plain, data);
  js.method(door, "export", export_pair, data);
  js.method(door, "change", change_pair, data);
  js.method(door, "digit", play_digit, data);
  js.method(door, "close", close_pair, data);
  js.method(door, "freshIdentity", fresh_identity, data);
  js.method(door, "setKernelAddresses", set_kernel_addresses, data);
  js.method(door, "kernelPaths", kernel_paths, data);
  js.method(door, "ringCounters", ring_counters, data);
  js.method(door, "wake", wake_threads, data);
  js.method(door, "stop", stop_relay, data);
  return door;
}

}  // namespace sallyport::addon
