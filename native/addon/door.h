/// The parts of the addon's door.
#pragma once

#include <node_api.h>

namespace sallyport::addon {

napi_value start_relay(napi_env env, napi_callback_info info);
napi_value open_udp(napi_env env, napi_callback_info info);
napi_value watch_turns(napi_env env, napi_callback_info info);

}  // namespace sallyport::addon
