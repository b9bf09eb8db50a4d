/// What an open call costs: CPU to open it, keys included, and memory while it lives. One JSON object a line. A port has its
/// socket when it needs it (native/io/porter.h): `media.open` is calls in which nobody has spoken yet, `media.open.sockets` the
/// same with all four sockets of each.
///
///     calls_bench [CALLS] [RUNS]
///
/// Where descriptors are too few for so many calls, as many are opened as can be, and the CPU is told in proportion.
/// Each call has RTP and RTCP ports on both sides and SRTP on one (`media.memory`), or on both (`media.memory.both`).
#include <arpa/inet.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "../address.h"
#include "../relay_host.h"
#include "../socket.h"

using namespace sallyport;
using namespace sallyport::io;

namespace {

struct Cost {
  double open_seconds = 0;  ///< CPU of the process, packet thread included.
  double bytes_a_call = 0;  ///< Resident, beyond what the empty box takes.
  bool failed = true;
};

double cpu_seconds() {
  rusage used;
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6; };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double resident_bytes() {
  unsigned long all = 0, resident = 0;
  FILE* file = std::fopen("/proc/self/statm", "r");
  const bool read = file && std::fscanf(file, "%lu %lu", &all, &resident) == 2;
  if (file) std::fclose(file);
  return read ? static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) : 0;
}

KeyWords key(std::uint32_t call, std::uint8_t which) {
  KeyWords made;
  made.present = true;
  made.suite = crypto::Suite::kAesCm128HmacSha1_80;
  made.master_size = 30;
  std::memcpy(made.master.data(), &call, sizeof call);
  made.master[5] = which;
  return made;
}

SideWords side(std::uint32_t call, std::uint8_t side_number, bool secure) {
  SideWords words;
  const std::uint8_t ip[4] = {127, 9, side_number, static_cast<std::uint8_t>(1 + call / 25'000)};
  std::memcpy(words.side.local.ip.data(), kMappedPrefix, sizeof kMappedPrefix);
  std::memcpy(words.side.local.ip.data() + 12, ip, sizeof ip);
  const auto port = static_cast<std::uint16_t>(10'000 + call % 25'000 * 2);
  words.side.local.rtp_port = port;
  words.side.local.rtcp_port = static_cast<std::uint16_t>(port + 1);
  words.side.local.known = true;
  words.side.remote = words.side.local;
  words.side.remote.ip[15] = 250;
  words.side.dscp = 46;
  words.side.silence_limit_ms = 60'000;
  words.side.cname_size = 16;
  std::memset(words.side.cname.data(), 'c', 16);
  if (secure) words.rx = key(call, static_cast<std::uint8_t>(side_number * 2)), words.tx = key(call, static_cast<std::uint8_t>(side_number * 2 + 1));
  return words;
}

Cost measure(std::uint32_t calls, bool both, bool late) {
  Cost cost;
  std::vector<std::uint64_t> counters(std::size_t{calls} * 2 * relay::kCounterStride);
  HostOptions options;
  options.max_pairs = calls;
  options.counters = counters.data();
  options.late_sockets = late;
  RelayHost host(options);
  if (!host.problem().empty()) return std::fprintf(stderr, "%s\n", std::string(host.problem()).c_str()), cost;
  usleep(50'000);
  std::fill(counters.begin(), counters.end(), 1);  // They count as the calls'; the relay clears them as it opens each.
  const double empty = resident_bytes() - static_cast<double>(counters.size() * sizeof counters[0]);
  cost.failed = false;
  HostEvent events[64];
  const auto listen = [&] {
    while (const std::size_t count = host.events(events)) {
      for (std::size_t i = 0; i < count; ++i) {
        if (events[i].kind != relay::EventKind::kFailed || cost.failed) continue;
        cost.failed = true;
        std::fprintf(stderr, "call %u: %s\n", events[i].pair, events[i].reason);
      }
    }
  };
  const double before = cpu_seconds();
  for (std::uint32_t call = 0; call < calls; ++call) {
    for (;;) {
      SideWords caller = side(call, 0, true), callee = side(call, 1, both);
      if (host.open(call, relay::PairKind::kAudio, caller, callee)) break;
      host.wake();
      usleep(200);
    }
    // As in the product events are taken now and then: with them go descriptors that the ring no longer needs.
    if (call % 64 == 63) host.wake(), listen();
  }
  host.wake();
  // Obeyed when its first counter is cleared; a call that could not be opened never is.
  while (listen(), !cost.failed && counters[(std::size_t{calls} - 1) * 2 * relay::kCounterStride] != 0) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    usleep(1'000);
    host.wake();
  }
  cost.open_seconds = cpu_seconds() - before;
  malloc_trim(0);
  cost.bytes_a_call = (resident_bytes() - empty) / calls;
  return cost;
}

/// In a process of its own: what one run leaves in the allocator is not the next one's.
Cost apart(std::uint32_t calls, bool both, bool late) {
  int ends[2];
  Cost cost;
  if (pipe(ends) != 0) return cost;
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    cost = measure(calls, both, late);
    const bool told = write(ends[1], &cost, sizeof cost) == sizeof cost;
    _exit(told ? 0 : 1);
  }
  close(ends[1]);
  if (read(ends[0], &cost, sizeof cost) != sizeof cost) cost.failed = true;
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return cost;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Descriptors that are left to the rest of the process, and to the kernel's own rounding.
constexpr rlim_t kOtherDescriptors = 2'000;

/// Four sockets a call.
std::uint32_t calls_that_fit(std::uint32_t wanted) {
  raise_descriptor_limit();
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return std::max<std::uint32_t>(1, static_cast<std::uint32_t>(std::min<rlim_t>(wanted, (limit.rlim_cur - std::min(limit.rlim_cur, kOtherDescriptors)) / 4)));
}

}  // namespace

int main(int count, char** words) {
  const auto wanted = static_cast<std::uint32_t>(count > 1 ? std::max(1, std::atoi(words[1])) : 20'000);
  const std::uint32_t calls = calls_that_fit(wanted);
  const int runs = count > 2 ? std::max(1, std::atoi(words[2])) : 5;
  std::vector<double> open[2], memory[2];
  for (int run = 0; run < runs; ++run) {
    const Cost first = apart(calls, false, true), both = apart(calls, true, true), sockets = apart(calls, false, false);
    if (first.failed || both.failed || sockets.failed) return std::fprintf(stderr, "not all calls could be opened\n"), 1;
    memory[0].push_back(first.bytes_a_call);
    memory[1].push_back(both.bytes_a_call);
    open[0].push_back(first.open_seconds);
    open[1].push_back(sockets.open_seconds);
  }
  std::printf("{\"bench\":\"media.memory\",\"ours\":%.0f,\"unit\":\"bytes/call\",\"atMost\":4096,\"runs\":%d}\n", median(memory[0]), runs);
  std::printf("{\"bench\":\"media.memory.both\",\"ours\":%.0f,\"unit\":\"bytes/call\",\"atMost\":4096,\"runs\":%d}\n", median(memory[1]), runs);
  for (const bool sockets : {false, true}) {
    std::printf("{\"bench\":\"media.open%s\",\"ours\":%.3f,\"unit\":\"cpu-s/%u calls\",\"opened\":%u,\"atMost\":1,\"runs\":%d}\n",
                sockets ? ".sockets" : "", median(open[sockets]) * wanted / calls, wanted, calls, runs);
  }
  return 0;
}
