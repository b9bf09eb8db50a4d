/// The only place with Node-API: a door of few words, typed in relay.d.ts.
#include <node_api.h>

#include "door.h"
#include "js.h"

namespace sallyport::addon {
namespace {

napi_value initialise(napi_env env, napi_value exports) {
  const Js js(env);
  // An addon built for a newer Node-API would call what an older Node does not have, and crash there.
  std::uint32_t version = 0;
  if (napi_get_version(env, &version) != napi_ok || version < NAPI_VERSION) {
    napi_throw_error(env, "ERR_NODE_API_VERSION", "this Node has an older Node-API than the addon was built for; run the pinned Node");
    return nullptr;
  }
  js.set(exports, "apiVersion", js.make_number(NAPI_VERSION));
  js.method(exports, "startRelay", start_relay, nullptr);
  js.method(exports, "openUdp", open_udp, nullptr);
  js.method(exports, "watchTurns", watch_turns, nullptr);
  return exports;
}

}  // namespace
}  // namespace sallyport::addon

extern "C" NAPI_MODULE_EXPORT napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  return sallyport::addon::initialise(env, exports);
}
extern "C" NAPI_MODULE_EXPORT int32_t node_api_module_get_api_version_v1(void) { return NAPI_VERSION; }
