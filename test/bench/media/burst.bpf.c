/* A generator that outruns an in-kernel relay: frames made by a program that BPF_PROG_TEST_RUN runs on live frames, and a
 * sink that counts what comes out. So many packets are in flight, never more. Bench only: the product carries none of it. */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "burst.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct burst);
} bursts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, BURST_FLOWS);
  __type(key, __u32);
  __type(value, __u16);
} ports SEC(".maps");

SEC("xdp")
int burst(struct xdp_md* context) {
  __u8* data = (__u8*)(long)context->data;
  const __u8* end = (const __u8*)(long)context->data_end;
  const __u32 zero = 0;
  struct burst* all = bpf_map_lookup_elem(&bursts, &zero);
  if (all == NULL || data + BURST_FRAME_BYTES > end || all->sent >= all->packets) return XDP_DROP;
  const __u64 received = *(volatile __u64*)&all->received;
  if (all->sent - all->lost - received >= all->window) {
    const __u64 now = bpf_ktime_get_ns();
    if (received != all->last_received) {
      all->last_received = received;
      all->last_news_ns = now;
    } else if (now - all->last_news_ns > BURST_LOST_AFTER_NS) {
      all->lost = all->sent - received;
      all->last_news_ns = now;
    }
    return XDP_DROP;
  }
  const __u32 flow = all->next_flow;
  const __u16* port = bpf_map_lookup_elem(&ports, &flow);
  if (port == NULL) return XDP_DROP;
  /* All of it, each time: what a frame was before, the relay has written over. */
  __builtin_memcpy(data, all->header, BURST_HEADER_BYTES);
  *(__u16*)(data + 34) = bpf_htons((__u16)(all->source_port + flow));
  *(__u16*)(data + 36) = bpf_htons(*port);
  *(__u16*)(data + 44) = bpf_htons((__u16)all->sequence);
  *(__u32*)(data + 46) = bpf_htonl(all->sequence * 160);
  *(__u32*)(data + 50) = bpf_htonl(0x1000 + flow);
  all->sent += 1;
  all->next_flow = flow + 1;
  if (all->next_flow >= all->flows) {
    all->next_flow = 0;
    all->sequence += 1;
  }
  return bpf_redirect(all->interface, 0);
}

SEC("xdp")
int sink(struct xdp_md* context) {
  const __u8* data = (const __u8*)(long)context->data;
  const __u8* end = (const __u8*)(long)context->data_end;
  const __u32 zero = 0;
  struct burst* all = bpf_map_lookup_elem(&bursts, &zero);
  if (all == NULL || data + BURST_FRAME_BYTES > end || data[23] != 17) return XDP_PASS;
  __sync_fetch_and_add(&all->received, 1);
  return XDP_DROP;
}

char licence[] SEC("license") = "Apache-2.0";
