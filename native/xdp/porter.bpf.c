/* Who gets a datagram for a media port that is open and has no socket yet: the porter of its packet thread. Asked by the
 * kernel whenever no connected socket wants a packet, so it is short for those that are none of ours.
 *
 * Connected sockets are found before it, and all others after it; it never drops anything. */
#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "../shared/porter.h"

#define FAMILY_IPV6 10

/* Number of a media address, which is written as in an endpoint. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, PORTER_ADDRESSES);
  __uint(key_size, 16);
  __uint(value_size, sizeof(__u32));
} porter_addresses SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, PORTER_ADDRESSES << 15);
  __type(key, __u32);
  __type(value, struct porter_doors);
} porter_ports SEC(".maps");

/* Of each packet thread: its porter for IPv4, and that for IPv6. */
struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, PORTER_THREADS * 2);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, sizeof(__u32));
} porter_sockets SEC(".maps");

SEC("sk_lookup")
int sallyport_porter(struct bpf_sk_lookup* context) {
  if (context->protocol != IPPROTO_UDP) return SK_PASS;
  const int six = context->family == FAMILY_IPV6;
  __u32 ip[4] = {0, 0, bpf_htonl(0xffff), context->local_ip4};
  if (six) {
    ip[0] = context->local_ip6[0];
    ip[1] = context->local_ip6[1];
    ip[2] = context->local_ip6[2];
    ip[3] = context->local_ip6[3];
  }
  const __u32* address = bpf_map_lookup_elem(&porter_addresses, ip);
  if (!address) return SK_PASS;
  const __u32 port = context->local_port; /* In the machine's byte order. */
  const __u32 at = *address << 15 | port >> 1;
  const volatile struct porter_doors* both = bpf_map_lookup_elem(&porter_ports, &at);
  if (!both) return SK_PASS;
  const __u32 door = port & 1 ? both->odd : both->even;
  if (door == 0 || door & DOOR_HAS_SOCKET) return SK_PASS;
  const __u32 porter = (door >> DOOR_THREAD_SHIFT) * 2 + (__u32)six;
  struct bpf_sock* socket = bpf_map_lookup_elem(&porter_sockets, &porter);
  if (!socket) return SK_PASS;
  bpf_sk_assign(context, socket, 0);
  bpf_sk_release(socket);
  return SK_PASS;
}

char licence[] SEC("license") = "Apache-2.0";
