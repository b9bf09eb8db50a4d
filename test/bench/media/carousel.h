/* What the carousel's programs and its process tell one another. */
#ifndef SALLYPORT_BENCH_CAROUSEL_H
#define SALLYPORT_BENCH_CAROUSEL_H

#include <linux/types.h>

#ifndef NULL
#define NULL ((void*)0)
#endif
#define CAROUSEL_FLOWS 16384
#define CAROUSEL_HEADER_BYTES 54 /* Ethernet, IPv4, UDP, RTP. */
#define CAROUSEL_MOST_BYTES 256  /* Room for such a frame as SRTP. */

struct carousel {
  __u64 sent;
  __u64 received;
  __u64 packets; /* To be sent in all. */
  __u64 first_ns;
  __u64 last_ns; /* When the last one so far came out. */
  __u32 flows;
  __u32 next_flow;
  __u32 sequence;
  __u32 source_port;
  __u32 interface;   /* That they leave by. */
  __u32 frame_bytes;
  __u32 secured; /* Frames made beforehand are sent, not the header with a number. */
  __u8 header[CAROUSEL_HEADER_BYTES + 2];
};

#endif
