/* What every part of the kernel program needs: the kernel's words, ours, and the maps.
 *
 * The licence of a program decides which helpers it may call. Ours is the product's, so those for GPL programs alone
 * (bpf_fib_lookup among them) are out of reach: next hops are resolved by control, which also spares the packet a look-up. */
#ifndef SALLYPORT_XDP_PROGRAM_H
#define SALLYPORT_XDP_PROGRAM_H

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "../shared/flow.h"

#ifndef NULL
#define NULL ((void*)0)
#endif

/* Sizes of maps are set by control before it loads: here stand the least ones. */
/* Row of doors of an address: keyed by a flow_key without port. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, FLOW_ADDRESSES);
  __type(key, struct flow_key);
  __type(value, __u32);
} addresses SEC(".maps");

/* (Row · 65536 + port) / 2. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, FLOW_ADDRESSES << 15);
  __type(key, __u32);
  __type(value, struct flow_doors);
} doors SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct flow_entry);
} entries SEC(".maps");

/* Index of the NIC of that number: the one whose sockets may get its packets. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, FLOW_NICS);
  __type(key, __u32);
  __type(value, __u32);
} nics SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct flow_state);
} states SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, FLOW_HOPS);
  __type(key, __u32);
  __type(value, struct next_hop);
} hops SEC(".maps");

/* Keyed by the interface's index, so that entries need not know of places in it. */
struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, __u32);
} devices SEC(".maps");

/* Control puts sockets of queue q of NIC n at n · FLOW_QUEUES_PER_NIC + q. */
struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, FLOW_NICS * FLOW_QUEUES_PER_NIC);
  __type(key, __u32);
  __type(value, __u32);
} xsks SEC(".maps");

#endif
