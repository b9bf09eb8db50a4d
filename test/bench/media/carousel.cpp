/// Runs the generator of carousel.bpf.c: `carousel OBJECT OUT IN MAC FROM TO PACKETS WINDOW`, ports to send to on stdin, one
/// flow each. In the environment: SEQUENCE, of each flow's first packet; SRTP, a suite, as flood.cpp has it. Prints
/// "sent received seconds", the time from the first packet that left to the last that came.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/mman.h>
#include <unistd.h>

#include "carousel.h"
#include "frames.h"

namespace {

constexpr double kAtMostSeconds = 30;
/// No packet came out for so long: those in flight are lost.
constexpr double kLostAfterSeconds = 0.2;
constexpr useconds_t kLookUs = 2'000;
/// Limit: packets in flight: what one call puts in, and a cable's queue (256) holds.
constexpr unsigned kWindowLimit = 256;

int map_of(bpf_object* object, const char* name) { return bpf_object__find_map_fd_by_name(object, name); }
int program_of(bpf_object* object, const char* name) { return bpf_program__fd(bpf_object__find_program_by_name(object, name)); }

void write_secured(int map, const std::vector<SecuredFrame>& made) {
  const std::size_t bytes = made.size() * CAROUSEL_MOST_BYTES;
  auto* at = static_cast<unsigned char*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, map, 0));
  if (at == MAP_FAILED) perror("frames"), exit(1);
  for (const SecuredFrame& frame : made) {
    memcpy(at, frame.bytes.data(), frame.size);
    at += CAROUSEL_MOST_BYTES;
  }
}

/// So many at once.
bool put_in(int program, unsigned frame_bytes, unsigned packets) {
  unsigned char frame[CAROUSEL_MOST_BYTES];
  memset(frame, 0x55, sizeof frame);
  xdp_md context{};
  context.data_end = frame_bytes;
  LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = frame_bytes, .ctx_in = &context, .ctx_size_in = sizeof context,
              .repeat = static_cast<int>(packets), .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = packets);
  return bpf_prog_test_run_opts(program, &run) == 0;
}

/// Until the last packet has come out, or no more do.
void wait_for(const carousel& all) {
  const auto word = [](const __u64& at) { return __atomic_load_n(&at, __ATOMIC_RELAXED); };
  const double start = seconds_now();
  double news = start, now = start;
  for (unsigned long long before = 0; now < start + kAtMostSeconds && now < news + kLostAfterSeconds; now = seconds_now()) {
    const unsigned long long received = word(all.received);
    if (received >= all.packets) return;
    if (received != before) before = received, news = now;
    usleep(kLookUs);
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 9) return fprintf(stderr, "carousel OBJECT OUT IN MAC FROM TO PACKETS WINDOW\n"), 2;
  const std::vector<Frame> flows = flows_of(words + 4);
  const unsigned long long packets = strtoull(words[7], nullptr, 10);
  const auto window = static_cast<unsigned>(atoi(words[8]));
  if (window == 0 || window > kWindowLimit || flows.empty() || flows.size() > CAROUSEL_FLOWS) return fprintf(stderr, "carousel: too much\n"), 2;
  const char* const suite = getenv("SRTP");
  const unsigned sequence = getenv("SEQUENCE") ? static_cast<unsigned>(atoi(getenv("SEQUENCE"))) : 0;
  std::vector<SecuredFrame> made;
  if (suite != nullptr) made = secure(suite, flows, packets, sequence);

  bpf_object* object = bpf_object__open_file(words[1], nullptr);
  if (object == nullptr) return perror("open"), 1;
  if (!made.empty()) bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "frames"), static_cast<unsigned>(made.size()));
  if (bpf_object__load(object) != 0) return perror("load"), 1;
  if (!made.empty()) write_secured(map_of(object, "frames"), made);
  auto* all = static_cast<carousel*>(mmap(nullptr, sizeof(carousel), PROT_READ | PROT_WRITE, MAP_SHARED, map_of(object, "carousels"), 0));
  if (all == MAP_FAILED) return perror("mmap"), 1;
  all->interface = if_nametoindex(words[2]);
  all->packets = packets;
  all->source_port = 40'000;
  all->sequence = sequence;
  all->secured = !made.empty();
  all->frame_bytes = static_cast<unsigned>(made.empty() ? kFrameBytes : made[0].size);
  memcpy(all->header, flows[0].data(), CAROUSEL_HEADER_BYTES);
  for (; all->flows < flows.size(); ++all->flows) {
    bpf_map_update_elem(map_of(object, "ports"), &all->flows, port_of(flows[all->flows]), BPF_ANY);
  }
  // For as long as this process lives.
  LIBBPF_OPTS(bpf_link_create_opts, native, .flags = XDP_FLAGS_DRV_MODE);
  if (bpf_link_create(program_of(object, "again"), static_cast<int>(if_nametoindex(words[3])), BPF_XDP, &native) < 0) return perror("again"), 1;
  if (!put_in(program_of(object, "enter"), all->frame_bytes, window)) return perror("enter"), 1;
  wait_for(*all);
  const unsigned long long last = all->last_ns == 0 ? all->first_ns + 1 : all->last_ns;
  printf("%llu %llu %.6f\n", static_cast<unsigned long long>(all->sent), static_cast<unsigned long long>(all->received),
         static_cast<double>(last - all->first_ns) * 1e-9);
  return 0;
}
