/* What the generator's program and its process tell one another. */
#ifndef SALLYPORT_BENCH_BURST_H
#define SALLYPORT_BENCH_BURST_H

#include <linux/types.h>

#ifndef NULL
#define NULL ((void*)0)
#endif
#define BURST_FLOWS 16384
#define BURST_FRAME_BYTES 214 /* G.711, 20 ms: 14 + 20 + 8 + 12 + 160. */
#define BURST_HEADER_BYTES 54
#define BURST_LOST_AFTER_NS 50000000 /* No packet came out for so long: those in flight are given up. */

struct burst {
  __u64 sent;
  __u64 received;
  __u64 lost;
  __u64 last_received;
  __u64 last_news_ns;
  __u64 packets;
  __u64 window;
  __u32 flows;
  __u32 next_flow;
  __u32 sequence;
  __u32 source_port;
  __u32 interface;
  __u8 header[BURST_HEADER_BYTES + 2];
};

#endif
