/* Gives a packet the headers under which it leaves. All but length, checksums and hops stand in the flow's entry. */
#ifndef SALLYPORT_XDP_REWRITE_H
#define SALLYPORT_XDP_REWRITE_H

#include "checksum.h"
#include "frame.h"

/* The UDP checksum it leaves with; -1: it cannot be told. `second`: RTP's second byte as it leaves. */
static __noinline int outgoing_checksum(struct xdp_md* context, const struct flow_entry* entry, const struct packet* packet,
                                        __u8 second) {
  const __u64 length = bpf_htons(packet->udp_size);
  const __u16 old = packet->udp_checksum;
  /* The byte is the second of its word; the first does not change. */
  const __u64 word_before = bpf_htons(packet->rtp.second), word_after = bpf_htons(second);
  const __u64 change = (__u64)entry->udp_change + word_after + (__u16)~word_before;
  const int partial = old != 0 && old == folded(entry->pseudo_in + length);
  const int out_v6 = entry->flags & FLOW_OUT_V6;
  if (old == 0 && !out_v6) return 0;
  if (old != 0 && !partial) return udp_checksum_of(change + (__u16)~old);

  /* None at all toward IPv6, which wants one (RFC 8200 §8.1); or, from a local sender, nothing but the sum of the
   * pseudo-header, the rest being left to a card that there is not. One in 65,536 true ones looks the same. */
  __u64 sum;
  if (!sum_of(context, packet->l4, packet->udp_size, &sum)) return -1;
  if (partial && entry->flags & FLOW_SKB_MODE) {
    /* Here the kernel still knows what is left to do, and does it: to it the field must stay unfinished. */
    const int finished = folded(sum + entry->pseudo_in + length) == 0xffff;
    return finished ? udp_checksum_of(change + (__u16)~old) : folded(entry->pseudo_out + length);
  }
  return udp_checksum_of(sum + (__u16)~old + entry->pseudo_in + length + change);
}

struct rewritten {
  __u16 udp_size; /* Network byte order, like all here. */
  __u16 udp_checksum;
  __u16 ip_size; /* Of IPv4. */
  __u8 second;
};

/* Writes everything in front of the RTP header's third byte; the room is there. */
static __always_inline int write_variant(struct xdp_md* context, const struct flow_entry* entry, const struct next_hop* hop,
                                         const struct rewritten* out, int tagged, int v6) {
  __u8* data = (__u8*)(long)context->data;
  const __u8* end = (const __u8*)(long)context->data_end;
  const __u32 l3 = ETHERNET_BYTES + (tagged ? VLAN_BYTES : 0);
  const __u32 l4 = l3 + (v6 ? IPV6_BYTES : IPV4_BYTES);
  if (data + l4 + UDP_BYTES + RTP_BYTES > end) return 0;

  const __u16 type = v6 ? TYPE_IPV6 : TYPE_IPV4;
  struct ethernet* ethernet = (struct ethernet*)data;
  copy6(ethernet->destination, hop->destination);
  copy6(ethernet->source, hop->source);
  ethernet->type = tagged ? TYPE_VLAN : type;
  if (tagged) {
    struct vlan* vlan = (struct vlan*)(data + ETHERNET_BYTES);
    copy2(&vlan->tag, hop->vlan);
    vlan->type = type;
  }
  if (v6) {
    struct ipv6* ip = (struct ipv6*)(data + l3);
    ip->version_class_flow[0] = 0x60 | entry->tos >> 4;
    ip->version_class_flow[1] = (__u8)(entry->tos << 4);
    ip->version_class_flow[2] = ip->version_class_flow[3] = 0;
    ip->payload_size = out->udp_size;
    ip->next_header = PROTOCOL_UDP;
    ip->hop_limit = entry->hop_limit;
    copy16(ip->source, entry->from.ip);
    copy16(ip->destination, entry->to.ip);
  } else {
    struct ipv4* ip = (struct ipv4*)(data + l3);
    ip->version_and_words = 0x45;
    ip->tos = entry->tos;
    ip->size = out->ip_size;
    ip->id = 0; /* As our sockets do it: never fragmented, so it needs no number (RFC 6864 §4.1). */
    ip->fragment = IPV4_DONT_FRAGMENT;
    ip->hop_limit = entry->hop_limit;
    ip->protocol = PROTOCOL_UDP;
    ip->checksum = (__u16)~folded((__u64)entry->ip_sum + out->ip_size);
    copy4(ip->source, entry->from.ip + 12);
    copy4(ip->destination, entry->to.ip + 12);
  }
  struct udp* udp = (struct udp*)(data + l4);
  copy2(&udp->source, entry->from.port);
  copy2(&udp->destination, entry->to.port);
  udp->size = out->udp_size;
  udp->checksum = out->udp_checksum;
  ((struct rtp*)(udp + 1))->second = out->second;
  return 1;
}

/* A function each: in one, the compiler would join what they have in common, and offsets would be no constants. */
#define WRITE_VARIANT(name, tagged, v6)                                                                                  \
  static __noinline int name(struct xdp_md* context, const struct flow_entry* entry, const struct next_hop* hop,         \
                             const struct rewritten* out) {                                                              \
    return write_variant(context, entry, hop, out, tagged, v6);                                                          \
  }
WRITE_VARIANT(write_plain_v4, 0, 0)
WRITE_VARIANT(write_plain_v6, 0, 1)
WRITE_VARIANT(write_tagged_v4, 1, 0)
WRITE_VARIANT(write_tagged_v6, 1, 1)

static __always_inline int write_headers(struct xdp_md* context, const struct flow_entry* entry, const struct next_hop* hop,
                                         const struct rewritten* out) {
  const int v6 = entry->flags & FLOW_OUT_V6;
  if (hop->vlan[0] | hop->vlan[1]) return v6 ? write_tagged_v6(context, entry, hop, out) : write_tagged_v4(context, entry, hop, out);
  return v6 ? write_plain_v6(context, entry, hop, out) : write_plain_v4(context, entry, hop, out);
}

#endif
