/* Does a packet of a known flow go on? The order is the relay's: source, header, numbers, policing, and only then state. */
#ifndef SALLYPORT_XDP_JUDGE_H
#define SALLYPORT_XDP_JUDGE_H

#include "frame.h"

/* RFC 3550 §A.1. A jump beyond, or a source that begins anew, is judged by the relay. */
#define MAX_DROPOUT 3000
#define MAX_MISORDER 100

enum judgement { JUDGED_UP, JUDGED_DROP, JUDGED_FORWARD };

static __always_inline int same_endpoint(const struct endpoint* a, const struct endpoint* b) {
  const word8* const x = (const word8*)a->ip;
  const word8* const y = (const word8*)b->ip;
  return x[0] == y[0] && x[1] == y[1] && *(const word2*)a->port == *(const word2*)b->port;
}

/* Version 2, no RTCP, and CSRCs, extension and padding lie inside: as native/relay/rtp.h says it. */
static __always_inline int rtp_fits(struct xdp_md* context, const struct packet* packet) {
  const __u32 rtp_at = packet->l4 + UDP_BYTES;
  const __u8 first = packet->rtp.first, second = packet->rtp.second;
  const __u32 size = packet->udp_size - UDP_BYTES;
  __u32 header = RTP_BYTES;
  if (first >> 6 != 2 || (second >= 192 && second <= 223)) return 0;
  if ((first & 0x3f) == 0) return 1; /* The usual case: neither padding, extension nor CSRCs. */
  header += (first & 0x0f) * 4;
  if (first & 0x10) {
    __u16 extension[2];
    if (header + 4 > size || bpf_xdp_load_bytes(context, rtp_at + header, extension, 4) != 0) return 0;
    header += 4 + bpf_ntohs(extension[1]) * 4;
  }
  if (header > size) return 0;
  if (first & 0x20) {
    __u8 padding;
    if (bpf_xdp_load_bytes(context, rtp_at + size - 1, &padding, 1) != 0) return 0;
    if (padding == 0 || header + padding > size) return 0;
  }
  return 1;
}

static __always_inline int within_rate(const struct flow_entry* entry, struct flow_state* state, __u64 now_ns) {
  const __u32 window = (__u32)(now_ns >> FLOW_WINDOW_SHIFT);
  if (entry->packets_per_window == 0) return 1;
  if (state->window != window) {
    state->window = window;
    state->window_packets = 0;
  }
  if (state->window_packets >= entry->packets_per_window) {
    state->policed += 1;
    return 0;
  }
  state->window_packets += 1;
  return 1;
}

/* RFC 3550 §6.4.1. */
static __always_inline void measure_jitter(const struct flow_entry* entry, struct flow_state* state, __u32 timestamp,
                                           __u64 now_ns) {
  const __u64 gap_ns = now_ns - state->last_ns;
  /* The first one after control seeded it, or after a pause so long that nobody's jitter buffer stood by. */
  if (entry->clock_scale != 0 && state->last_ns != 0 && gap_ns < 1000000000) {
    const __s32 clock_gap = (__s32)(gap_ns * entry->clock_scale >> 32);
    __s32 difference = clock_gap - (__s32)(timestamp - state->timestamp);
    if (difference < 0) difference = -difference;
    /* A new timestamp base is no jitter; a clock has less than 2^18 Hz. */
    if (difference >= 0 && difference < 1 << 17) state->jitter_q4 += difference - ((state->jitter_q4 + 8) >> 4);
  }
  state->timestamp = timestamp;
}

static __noinline int judge(struct xdp_md* context, const struct flow_entry* entry, struct flow_state* state,
                            const struct packet* packet) {
  if (!same_endpoint(&entry->source, &packet->sender)) {
    if (!(entry->flags & FLOW_DROP_STRANGERS)) return JUDGED_UP;
    state->strangers += 1;
    return JUDGED_DROP;
  }
  const __u16 ahead = bpf_ntohs(packet->rtp.sequence) - (__u16)state->highest;
  const int late = ahead > 0xffff - MAX_MISORDER;
  const int unusual = packet->udp_size > entry->largest + UDP_BYTES || packet->rtp.ssrc != entry->ssrc ||
                      !rtp_fits(context, packet) || (ahead >= MAX_DROPOUT && !late);
  const __u32 type = packet->rtp.second & 0x7f;
  const int watched = entry->up_types[type >> 6] >> (type & 63) & 1;
  if (unusual || watched) {
    state->up += 1;
    if (!unusual && !late) state->highest += ahead; /* It is seen above: no gap in what follows it. */
    return JUDGED_UP;
  }
  const __u64 now_ns = bpf_ktime_get_ns();
  if (!within_rate(entry, state, now_ns)) return JUDGED_DROP;
  if (!late) {
    state->highest += ahead;
    if (ahead > 1) state->bursts += 1;
    measure_jitter(entry, state, bpf_ntohl(packet->rtp.timestamp), now_ns);
  }
  state->last_ns = now_ns;
  state->packets += 1;
  state->bytes += packet->udp_size - UDP_BYTES;
  return JUDGED_FORWARD;
}

#endif
