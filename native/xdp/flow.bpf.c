/* The in-kernel media path: parse, find, judge, rewrite, send. It runs on every packet of the NICs it is attached to, before
 * the network stack; what is not a packet of a flow that control has put in charge of it passes up untouched.
 *
 * It needs CAP_BPF and CAP_NET_ADMIN to load, and neither CAP_PERFMON nor CAP_SYS_ADMIN: see frame.h. */
#include "judge.h"
#include "rewrite.h"

/* Functions of their own, though each is called once: together they would need more registers than there are, and a spilled
 * pointer that is overwritten in part is what an unprivileged verifier does not forgive. */
static __noinline int forward(struct xdp_md* context, __u32 slot, const struct packet* packet) {
  const struct flow_entry* entry = bpf_map_lookup_elem(&entries, &slot);
  struct flow_state* state = bpf_map_lookup_elem(&states, &slot);
  if (entry == NULL || state == NULL) return XDP_PASS;
  const __u32 generation = *(const volatile __u32*)&entry->generation;
  const __u32 hop_number = entry->hop;
  const struct next_hop* hop = bpf_map_lookup_elem(&hops, &hop_number);
  /* The door may have been another's when we came through it. */
  if (hop == NULL || generation == 0 || *(const word2*)entry->port != packet->port) return XDP_PASS;
  const __u32 ip_header = entry->flags & FLOW_OUT_V6 ? IPV6_BYTES : IPV4_BYTES;
  if (!hop->usable || packet->udp_size + ip_header > hop->mtu) return XDP_PASS;

  const int judgement = judge(context, entry, state, packet);
  if (judgement != JUDGED_FORWARD) return judgement == JUDGED_DROP ? XDP_DROP : XDP_PASS;

  struct rewritten out = {
      .udp_size = bpf_htons(packet->udp_size),
      .ip_size = bpf_htons((__u16)(packet->udp_size + IPV4_BYTES)),
      .second = packet->rtp.second,
  };
  if (entry->flags & FLOW_RENUMBERS) {
    out.second = (out.second & 0x80) | (entry->payload_types[out.second & 0x7f] & 0x7f);
  }
  const int checksum = outgoing_checksum(context, entry, packet, out.second);
  if (checksum < 0) return XDP_PASS;
  out.udp_checksum = (__u16)checksum;

  /* What the wire added to a short frame is no part of the datagram, and none of the other side's business. */
  const int surplus = (int)packet->frame_bytes - (int)(packet->l4 + packet->udp_size);
  if (surplus > 0 && bpf_xdp_adjust_tail(context, -surplus) != 0) return XDP_DROP;
  const int shrink = (int)packet->l4 - ETHERNET_BYTES - (hop->vlan[0] | hop->vlan[1] ? VLAN_BYTES : 0) - (int)ip_header;
  if (shrink != 0 && bpf_xdp_adjust_head(context, shrink) != 0) return XDP_DROP;
  if (!write_headers(context, entry, hop, &out)) return XDP_DROP;
  if (generation != *(const volatile __u32*)&entry->generation) return XDP_DROP;

  const __u32 interface = hop->interface;
  return interface == context->ingress_ifindex ? XDP_TX : (int)bpf_redirect_map(&devices, interface, 0);
}

static __noinline int find(struct xdp_md* context, const struct packet* packet) {
  const __u32* row = bpf_map_lookup_elem(&addresses, &packet->key);
  if (row == NULL) return XDP_PASS;
  const __u32 port = bpf_ntohs(packet->port);
  const __u32 at = *row << 15 | port >> 1;
  const volatile struct flow_doors* both = bpf_map_lookup_elem(&doors, &at);
  if (both == NULL) return XDP_PASS;
  const __u32 leads_to = port & 1 ? both->odd : both->even;
  if (leads_to == 0) return XDP_PASS;
  if (!(leads_to & DOOR_TO_XSK)) return forward(context, leads_to - 1, packet);
  const __u32 nic = leads_to & ~DOOR_TO_XSK;
  const __u32* interface = bpf_map_lookup_elem(&nics, &nic);
  if (interface == NULL || *interface != context->ingress_ifindex) return XDP_PASS;
  if (context->rx_queue_index >= FLOW_QUEUES_PER_NIC) return XDP_PASS;
  /* No socket on this queue: it passes up. */
  return (int)bpf_redirect_map(&xsks, nic * FLOW_QUEUES_PER_NIC + context->rx_queue_index, XDP_PASS);
}

SEC("xdp")
int sallyport_flows(struct xdp_md* context) {
  const __u8* data = (const __u8*)(long)context->data;
  const __u8* end = (const __u8*)(long)context->data_end;
  const struct ethernet* ethernet = (const struct ethernet*)data;
  if (data + ETHERNET_BYTES + VLAN_BYTES > end) return XDP_PASS;
  struct packet packet = {};
  int whole = 0;
  if (ethernet->type == TYPE_IPV4) {
    whole = read_plain_v4(context, &packet);
  } else if (ethernet->type == TYPE_IPV6) {
    whole = read_plain_v6(context, &packet);
  } else if (ethernet->type == TYPE_VLAN) {
    const struct vlan* vlan = (const struct vlan*)(data + ETHERNET_BYTES);
    *(word2*)packet.key.vlan = vlan->tag & bpf_htons(0x0fff);
    if (vlan->type == TYPE_IPV4) whole = read_tagged_v4(context, &packet);
    else if (vlan->type == TYPE_IPV6) whole = read_tagged_v6(context, &packet);
  }
  return whole ? find(context, &packet) : XDP_PASS; /* Two tags, too: nobody's media. */
}

char licence[] SEC("license") = "Apache-2.0";
