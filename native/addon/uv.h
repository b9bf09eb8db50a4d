/// libuv as Node exports it: its binary interface is fixed within version 1, its headers are not ours to ship.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {
struct uv_loop_s;
std::size_t uv_handle_size(int type);
void uv_handle_set_data(void* handle, void* data);
void* uv_handle_get_data(const void* handle);
void uv_close(void* handle, void (*closed)(void* handle));
int uv_poll_init(uv_loop_s* loop, void* handle, int fd);
int uv_poll_start(void* handle, int events, void (*callback)(void* handle, int status, int events));
int uv_poll_stop(void* handle);
int uv_timer_init(uv_loop_s* loop, void* handle);
int uv_timer_start(void* handle, void (*callback)(void* handle), std::uint64_t timeout_ms, std::uint64_t repeat_ms);
int uv_timer_stop(void* handle);
int uv_prepare_init(uv_loop_s* loop, void* handle);
int uv_prepare_start(void* handle, void (*callback)(void* handle));
void uv_unref(void* handle);
std::uint64_t uv_now(const uv_loop_s* loop);
std::uint64_t uv_hrtime();
std::uint64_t uv_metrics_idle_time(uv_loop_s* loop);
}

namespace sallyport::addon {

/// uv_handle_type.
enum class UvHandle { kPoll = 8, kPrepare = 9, kTimer = 13 };

/// Memory for a handle, which `free_handle` takes away once the loop has let go of it.
inline void* make_handle(UvHandle type) { return ::operator new(uv_handle_size(static_cast<int>(type))); }
inline void free_handle(void* handle) {
  uv_close(handle, [](void* closed) { ::operator delete(closed); });
}

}  // namespace sallyport::addon
