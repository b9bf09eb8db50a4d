/// How long each turn of the event loop takes: from one look at the sockets to the next, less the time it slept. And how
/// much of that it worked: the rest of a long turn somebody else had the processor, in this machine or below it.
#include <node_api.h>
#include <time.h>

#include <bit>
#include <span>

#include "door.h"
#include "js.h"
#include "uv.h"

namespace sallyport::addon {
namespace {

/// Counts by length: a power of two of microseconds has kSteps bins. Then, in microseconds, the longest turn, and the most
/// that one worked.
constexpr std::uint32_t kStepBits = 3;
constexpr std::size_t kBins = (32 - kStepBits) << kStepBits;
constexpr std::size_t kLongest = kBins, kMostWork = kBins + 1;
constexpr std::size_t kWords = kBins + 2;

struct Turns {
  napi_env env;
  napi_ref keep;  // The counts, which are JavaScript's.
  std::span<std::int32_t> counts;
  uv_loop_s* loop;
  void* prepare;
  std::uint64_t at_ns, idle_ns, worked_ns;
};

/// By this thread; what a hypervisor takes away is no part of it where the kernel is told of that.
std::uint64_t worked_ns() noexcept {
  timespec worked;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &worked);
  return static_cast<std::uint64_t>(worked.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(worked.tv_nsec);
}

std::int32_t as_word(std::uint64_t micros) noexcept { return static_cast<std::int32_t>(micros < 0x7fff'ffff ? micros : 0x7fff'ffff); }

void keep_most(std::int32_t& most, std::int32_t found) noexcept {
  if (found > most) most = found;
}

/// Below 2^kStepBits each microsecond has a bin of its own.
constexpr std::size_t bin_of(std::uint32_t micros) noexcept {
  if (micros < 1u << kStepBits) return micros;
  const auto power = static_cast<std::uint32_t>(std::bit_width(micros)) - 1 - kStepBits;
  return (static_cast<std::size_t>(power) << kStepBits) + (micros >> power);
}
static_assert(bin_of(7) == 7 && bin_of(8) == 8 && bin_of(15) == 15 && bin_of(16) == 16 && bin_of(18) == 17);
static_assert(bin_of(0x7fff'ffff) == kBins - 1);

void turned(void* handle) {
  auto& turns = *static_cast<Turns*>(uv_handle_get_data(handle));
  const std::uint64_t now = uv_hrtime(), idle = uv_metrics_idle_time(turns.loop), worked = worked_ns();
  const std::uint64_t slept = idle - turns.idle_ns, passed = now - turns.at_ns;
  keep_most(turns.counts[kMostWork], as_word((worked - turns.worked_ns) / 1'000));
  turns.worked_ns = worked;
  turns.at_ns = now;
  turns.idle_ns = idle;
  const std::int32_t counted = as_word(passed > slept ? (passed - slept) / 1'000 : 0);
  turns.counts[bin_of(static_cast<std::uint32_t>(counted))] += 1;
  keep_most(turns.counts[kLongest], counted);
}

void end(Turns* turns) noexcept {
  if (turns->prepare == nullptr) return;
  free_handle(turns->prepare);
  turns->prepare = nullptr;
  napi_delete_reference(turns->env, turns->keep);
}

}  // namespace

napi_value watch_turns(napi_env env, napi_callback_info info) {
  const Js js(env);
  napi_value counts, stop;
  std::size_t count = 1;
  napi_get_cb_info(env, info, &count, &counts, nullptr, nullptr);
  std::span<std::uint8_t> bytes;
  if (!js.as_bytes(counts, bytes) || bytes.size() != kWords * sizeof(std::int32_t)) {
    js.fail("counts: an Int32Array of 234");
    return nullptr;
  }
  static_assert(kWords == 234);
  uv_loop_s* loop;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return nullptr;
  // Lives as long as the environment: it may be stopped twice.
  auto* const turns = new Turns{.env = env, .keep = nullptr, .counts = {reinterpret_cast<std::int32_t*>(bytes.data()), kWords}, .loop = loop,
                                .prepare = make_handle(UvHandle::kPrepare), .at_ns = uv_hrtime(), .idle_ns = uv_metrics_idle_time(loop),
                                .worked_ns = worked_ns()};
  napi_create_reference(env, counts, 1, &turns->keep);
  uv_prepare_init(loop, turns->prepare);
  uv_handle_set_data(turns->prepare, turns);
  uv_unref(turns->prepare);
  uv_prepare_start(turns->prepare, turned);
  napi_add_env_cleanup_hook(env, [](void* at) { end(static_cast<Turns*>(at)); }, turns);
  const auto call = [](napi_env of, napi_callback_info about) -> napi_value {
    void* data;
    std::size_t none = 0;
    napi_get_cb_info(of, about, &none, nullptr, nullptr, &data);
    end(static_cast<Turns*>(data));
    return nullptr;
  };
  napi_create_function(env, "stop", NAPI_AUTO_LENGTH, call, turns, &stop);
  return stop;
}

}  // namespace sallyport::addon
