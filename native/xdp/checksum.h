/* One's complement sums: RFC 1071, RFC 1624. A sum is kept in 32 bits or more and folded late. */
#ifndef SALLYPORT_XDP_CHECKSUM_H
#define SALLYPORT_XDP_CHECKSUM_H

#include "program.h"

static __always_inline __u16 folded(__u64 sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (__u16)sum;
}

/* A UDP checksum that comes out as 0 is sent as all ones; 0 says that there is none. RFC 768. */
static __always_inline __u16 udp_checksum_of(__u64 sum) {
  const __u16 checksum = (__u16)~folded(sum);
  return checksum == 0 ? 0xffff : checksum;
}

/* Limit: bytes of a UDP datagram summed up in full; longer ones pass up. A program may not loop without a bound. */
#define SUM_BYTES 2048

/* Sum of the `size` bytes from `offset` on. They are copied to the stack piece by piece, since the verifier lets us read no
 * packet at an offset it does not know. False: not all of it could be read. */
static __noinline int sum_of(struct xdp_md* context, __u32 offset, __u32 size, __u64* sum) {
  __u64 total = 0;
  if (size > SUM_BYTES) return 0;
  for (__u32 at = 0; at < SUM_BYTES && at < size; at += 64) {
    __u64 words[8] = {0};
    __u32 piece = size - at;
    if (piece > sizeof words) piece = sizeof words;
    if (piece == 0 || bpf_xdp_load_bytes(context, offset + at, words, piece) != 0) return 0;
    for (int i = 0; i < 8; ++i) total += (words[i] & 0xffffffff) + (words[i] >> 32);
  }
  *sum = total;
  return 1;
}

#endif
