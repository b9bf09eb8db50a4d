#include "beat.h"

#include <algorithm>

namespace sallyport::addon {
namespace {
thread_local Beat* of_thread = nullptr;
}

Beat::Beat(uv_loop_s* loop) : loop_(loop), timer_(make_handle(UvHandle::kTimer)) {
  uv_timer_init(loop, timer_);
  uv_handle_set_data(timer_, this);
}

Beat& Beat::enter(uv_loop_s* loop) {
  if (of_thread == nullptr) of_thread = new Beat(loop);
  of_thread->users_ += 1;
  return *of_thread;
}

/// Perhaps during a tick: the loop takes the memory when the turn is over.
void Beat::exit() noexcept {
  users_ -= 1;
  if (users_ > 0) return;
  of_thread = nullptr;
  uv_timer_stop(timer_);
  uv_close(timer_, [](void* handle) {
    delete static_cast<Beat*>(uv_handle_get_data(handle));
    ::operator delete(handle);
  });
}

void Beat::join(Door& door) {
  doors_.push_back(&door);
  if (doors_.size() == 1 && !ticking_) arm(false);
}

void Beat::leave(Door& door) noexcept {
  const auto found = std::ranges::find(doors_, &door);
  if (found == doors_.end()) return;
  *found = nullptr;
  if (ticking_) return;
  std::erase(doors_, nullptr);
  if (doors_.empty()) uv_timer_stop(timer_);
}

void Beat::tick() {
  ticking_ = true;
  bool more = false;
  for (std::size_t i = 0; i < doors_.size(); ++i) {
    Door* const door = doors_[i];
    if (door != nullptr && door->look()) more = true;
  }
  ticking_ = false;
  std::erase(doors_, nullptr);
  if (!doors_.empty()) arm(more);
}

/// Beats stand at multiples of their length, whatever the last one took.
void Beat::arm(bool at_once) {
  const std::uint64_t wait = at_once ? 0 : kMs - now_ms() % kMs;
  uv_timer_start(timer_, [](void* handle) { static_cast<Beat*>(uv_handle_get_data(handle))->tick(); }, wait, 0);
}

}  // namespace sallyport::addon
