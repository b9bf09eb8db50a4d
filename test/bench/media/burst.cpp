/// Runs the generator of burst.bpf.c: `burst OBJECT OUT IN MAC FROM TO PACKETS WINDOW`, ports to send to on stdin, one flow
/// each; SEQUENCE= the first number. Prints "sent received seconds".
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "burst.h"

namespace {

constexpr double kAtMostSeconds = 30;
constexpr int kRunsAtOnce = 1'000'000;

double seconds_now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void put16(unsigned char* at, unsigned value) {
  at[0] = static_cast<unsigned char>(value >> 8);
  at[1] = static_cast<unsigned char>(value);
}

void write_header(unsigned char* header, const char* mac, const char* from, const char* to) {
  memcpy(header, ether_aton(mac), 6);
  header[6] = 2;
  put16(header + 12, ETHERTYPE_IP);
  unsigned char* const ip = header + 14;
  ip[0] = 0x45;
  put16(ip + 2, BURST_FRAME_BYTES - 14);
  ip[8] = 64;
  ip[9] = 17;
  inet_pton(AF_INET, from, ip + 12);
  inet_pton(AF_INET, to, ip + 16);
  unsigned sum = 0;
  for (int i = 0; i < 20; i += 2) sum += static_cast<unsigned>(ip[i] << 8 | ip[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  put16(ip + 10, ~sum);
  put16(ip + 24, BURST_FRAME_BYTES - 34);  // UDP; its checksum 0 is none.
  header[42] = 0x80;
}

}  // namespace

int main(int count, char** words) {
  if (count != 9) return fprintf(stderr, "burst OBJECT OUT IN MAC FROM TO PACKETS WINDOW\n"), 2;
  bpf_object* object = bpf_object__open_file(words[1], nullptr);
  if (object == nullptr || bpf_object__load(object) != 0) return perror("load"), 1;
  const int map = bpf_object__find_map_fd_by_name(object, "bursts");
  auto* all = static_cast<burst*>(mmap(nullptr, sizeof(burst), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0));
  if (all == MAP_FAILED) return perror("mmap"), 1;
  all->interface = if_nametoindex(words[2]);
  write_header(all->header, words[4], words[5], words[6]);
  all->packets = strtoull(words[7], nullptr, 10);
  all->window = strtoull(words[8], nullptr, 10);
  all->source_port = 40'000;
  all->sequence = getenv("SEQUENCE") ? static_cast<unsigned>(atoi(getenv("SEQUENCE"))) : 0;
  const int ports = bpf_object__find_map_fd_by_name(object, "ports");
  for (unsigned port; all->flows < BURST_FLOWS && scanf("%u", &port) == 1; ++all->flows) {
    const auto word = static_cast<unsigned short>(port);
    bpf_map_update_elem(ports, &all->flows, &word, BPF_ANY);
  }
  LIBBPF_OPTS(bpf_link_create_opts, native, .flags = XDP_FLAGS_DRV_MODE);
  const int sink = bpf_program__fd(bpf_object__find_program_by_name(object, "sink"));
  if (bpf_link_create(sink, static_cast<int>(if_nametoindex(words[3])), BPF_XDP, &native) < 0) return perror("sink"), 1;

  unsigned char frame[BURST_FRAME_BYTES];
  memset(frame, 0x55, sizeof frame);
  xdp_md context{};
  context.data_end = sizeof frame;
  const int generator = bpf_program__fd(bpf_object__find_program_by_name(object, "burst"));
  const double start = seconds_now();
  while (all->sent < all->packets && seconds_now() < start + kAtMostSeconds) {
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof frame, .ctx_in = &context, .ctx_size_in = sizeof context,
                .repeat = kRunsAtOnce, .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 64);
    if (bpf_prog_test_run_opts(generator, &run) != 0 && errno != EINTR) return perror("run"), 1;
  }
  const double end = seconds_now();
  usleep(100'000);
  printf("%llu %llu %.6f\n", all->sent, static_cast<unsigned long long>(all->received), end - start);
  return 0;
}
