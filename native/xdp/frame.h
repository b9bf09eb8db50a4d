/* Frames as they lie in memory, and what is read from them. Offsets are constants of the variant (with a VLAN tag or
 * without, IPv4 or IPv6), for without CAP_PERFMON the verifier lets no number of the packet's become part of a pointer. */
#ifndef SALLYPORT_XDP_FRAME_H
#define SALLYPORT_XDP_FRAME_H

#include "program.h"

#define ETHERNET_BYTES 14
#define VLAN_BYTES 4
#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define UDP_BYTES 8
#define RTP_BYTES 12

#define TYPE_VLAN bpf_htons(0x8100)
#define TYPE_IPV4 bpf_htons(0x0800)
#define TYPE_IPV6 bpf_htons(0x86dd)
#define PROTOCOL_UDP 17
#define IPV4_FRAGMENT bpf_htons(0x3fff) /* More fragments, or an offset. */
#define IPV4_DONT_FRAGMENT bpf_htons(0x4000)

struct ethernet {
  __u8 destination[6];
  __u8 source[6];
  __u16 type;
};

struct vlan {
  __u16 tag;
  __u16 type;
};

struct ipv4 {
  __u8 version_and_words;
  __u8 tos;
  __u16 size;
  __u16 id;
  __u16 fragment;
  __u8 hop_limit;
  __u8 protocol;
  __u16 checksum;
  __u8 source[4];
  __u8 destination[4];
};

struct ipv6 {
  __u8 version_class_flow[4];
  __u16 payload_size;
  __u8 next_header;
  __u8 hop_limit;
  __u8 source[16];
  __u8 destination[16];
};

struct udp {
  __u16 source;
  __u16 destination;
  __u16 size;
  __u16 checksum;
};

struct rtp {
  __u8 first;  /* Version, padding, extension, count of CSRCs. */
  __u8 second; /* Marker, payload type. */
  __u16 sequence;
  __u32 timestamp;
  __u32 ssrc;
};

/* Copies by whole words, for bytes of unknown alignment would be moved one by one. All machines this runs on read words
 * where they like; the verifier knows, and asks for alignment on the stack alone. */
typedef __u64 __attribute__((may_alias)) word8;
typedef __u32 __attribute__((may_alias)) word4;
typedef __u16 __attribute__((may_alias)) word2;
static __always_inline void copy16(void* to, const void* from) {
  ((word8*)to)[0] = ((const word8*)from)[0];
  ((word8*)to)[1] = ((const word8*)from)[1];
}
static __always_inline void copy6(void* to, const void* from) {
  *(word4*)to = *(const word4*)from;
  ((word2*)to)[2] = ((const word2*)from)[2];
}
static __always_inline void copy4(void* to, const void* from) { *(word4*)to = *(const word4*)from; }
static __always_inline void copy2(void* to, const void* from) { *(word2*)to = *(const word2*)from; }

/* What was read of a packet: numbers only, for pointers end when its head moves. */
struct packet {
  struct flow_key key __attribute__((aligned(8))); /* Its port is 0: `port` has it. */
  struct endpoint sender __attribute__((aligned(8)));
  struct rtp rtp;
  __u16 port; /* As it stands in the packet. */
  __u16 udp_checksum;
  __u16 udp_size; /* Host byte order. */
  __u32 l4;       /* Where the UDP header stands. */
  __u32 frame_bytes;
};

static __always_inline void put_mapped(__u8* ip, const __u8* v4) {
  ((word8*)ip)[0] = 0;
  ((word4*)ip)[2] = bpf_htonl(0xffff);
  copy4(ip + 12, v4);
}

/* Reads the headers from `l3` on; false for all but a whole UDP datagram that may hold RTP. */
static __always_inline int read_variant(struct xdp_md* context, __u32 l3, int v6, struct packet* out) {
  const __u8* data = (const __u8*)(long)context->data;
  const __u8* end = (const __u8*)(long)context->data_end;
  const __u32 l4 = l3 + (v6 ? IPV6_BYTES : IPV4_BYTES);
  if (data + l4 + UDP_BYTES + RTP_BYTES > end) return 0;
  const struct udp* udp = (const struct udp*)(data + l4);
  out->udp_size = bpf_ntohs(udp->size);
  out->l4 = l4;
  out->frame_bytes = (__u32)bpf_xdp_get_buff_len(context);
  if (v6) {
    const struct ipv6* ip = (const struct ipv6*)(data + l3);
    if (ip->version_class_flow[0] >> 4 != 6 || ip->next_header != PROTOCOL_UDP) return 0;
    if (ip->payload_size != udp->size || udp->checksum == 0) return 0; /* RFC 8200 §8.1. */
    copy16(out->key.to.ip, ip->destination);
    copy16(out->sender.ip, ip->source);
  } else {
    const struct ipv4* ip = (const struct ipv4*)(data + l3);
    if (ip->version_and_words != 0x45 || ip->protocol != PROTOCOL_UDP || ip->fragment & IPV4_FRAGMENT) return 0;
    if (bpf_ntohs(ip->size) != out->udp_size + IPV4_BYTES) return 0;
    put_mapped(out->key.to.ip, ip->destination);
    put_mapped(out->sender.ip, ip->source);
  }
  if (out->udp_size < UDP_BYTES + RTP_BYTES || l4 + out->udp_size > out->frame_bytes) return 0;
  out->port = udp->destination;
  copy2(out->sender.port, &udp->source);
  out->rtp = *(const struct rtp*)(udp + 1);
  out->udp_checksum = udp->checksum;
  return 1;
}

/* A function each: in one, the compiler would join what they have in common, and offsets would be no constants. */
#define READ_VARIANT(name, l3, v6) \
  static __noinline int name(struct xdp_md* context, struct packet* out) { return read_variant(context, l3, v6, out); }
READ_VARIANT(read_plain_v4, ETHERNET_BYTES, 0)
READ_VARIANT(read_plain_v6, ETHERNET_BYTES, 1)
READ_VARIANT(read_tagged_v4, ETHERNET_BYTES + VLAN_BYTES, 0)
READ_VARIANT(read_tagged_v6, ETHERNET_BYTES + VLAN_BYTES, 1)

#endif
