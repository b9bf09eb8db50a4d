/* A generator that is its own sink: each packet that comes out of the relay is made the next one to go in, where it arrives, and
 * the first few are put in by BPF_PROG_TEST_RUN on live frames. So many packets are in flight, never more, and nobody turns
 * in circles to see whether another may leave. To the relay they come as frames in pages, as from a NIC: of packets that
 * a process sends a cable makes such frames first, at the receiver's cost. Bench only: the product carries none of it. */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "carousel.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct carousel);
} carousels SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, CAROUSEL_FLOWS);
  __type(key, __u32);
  __type(value, __u16);
} ports SEC(".maps");

struct secured {
  __u8 bytes[CAROUSEL_MOST_BYTES];
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* The process says how many. */
  __type(key, __u32);
  __type(value, struct secured);
} frames SEC(".maps");

/* Makes the next packet of this frame, and sends it. */
static __always_inline int leave(struct xdp_md* context, struct carousel* all) {
  if (all->sent >= all->packets) return XDP_DROP;
  long bytes = (long)context->data_end - (long)context->data;
  barrier_var(bytes); /* Pointers are subtracted as 64 bits, or not at all. */
  if (bpf_xdp_adjust_head(context, (int)(bytes - (long)all->frame_bytes)) != 0) return XDP_ABORTED;
  __u8* data = (__u8*)(long)context->data;
  const __u8* end = (const __u8*)(long)context->data_end;
  if (data + CAROUSEL_HEADER_BYTES > end) return XDP_ABORTED;
  const __u32 flow = all->next_flow;
  const __u16* port = bpf_map_lookup_elem(&ports, &flow);
  if (port == NULL) return XDP_ABORTED;
  if (all->secured) {
    const __u32 number = (__u32)all->sent;
    struct secured* frame = bpf_map_lookup_elem(&frames, &number);
    const __u32 bytes = all->frame_bytes;
    if (frame == NULL || bytes == 0 || bytes > CAROUSEL_MOST_BYTES) return XDP_ABORTED;
    if (bpf_xdp_store_bytes(context, 0, frame, bytes) != 0) return XDP_ABORTED;
  } else {
    /* All of the headers, each time: what they were before, the relay has written over. */
    __builtin_memcpy(data, all->header, CAROUSEL_HEADER_BYTES);
    *(__u16*)(data + 34) = bpf_htons((__u16)(all->source_port + flow));
    *(__u16*)(data + 36) = *port;
    *(__u16*)(data + 44) = bpf_htons((__u16)all->sequence);
    *(__u32*)(data + 46) = bpf_htonl(all->sequence * 160);
    *(__u32*)(data + 50) = bpf_htonl(0x1000 + flow);
  }
  all->sent += 1;
  all->next_flow = flow + 1;
  if (all->next_flow >= all->flows) {
    all->next_flow = 0;
    all->sequence += 1;
  }
  return bpf_redirect(all->interface, 0);
}

/* On the frames that are put in. */
SEC("xdp")
int enter(struct xdp_md* context) {
  const __u32 zero = 0;
  struct carousel* all = bpf_map_lookup_elem(&carousels, &zero);
  if (all == NULL) return XDP_ABORTED;
  if (all->first_ns == 0) all->first_ns = bpf_ktime_get_ns();
  return leave(context, all);
}

/* Where packets come out. */
SEC("xdp")
int again(struct xdp_md* context) {
  const __u8* data = (const __u8*)(long)context->data;
  const __u8* end = (const __u8*)(long)context->data_end;
  const __u32 zero = 0;
  struct carousel* all = bpf_map_lookup_elem(&carousels, &zero);
  if (all == NULL || data + CAROUSEL_HEADER_BYTES > end || data[23] != 17) return XDP_PASS;
  all->received += 1;
  if (all->sent >= all->packets) all->last_ns = bpf_ktime_get_ns();
  return leave(context, all);
}

char licence[] SEC("license") = "Apache-2.0";
