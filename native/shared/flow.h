/* What the kernel program is told of flows, and what it tells of them. C, read by clang for BPF and by g++ for control.
 *
 * A flow is one direction of one media stream, found by where its packets arrive: the address leads to a row of doors, one a
 * port, and the door to the flow's entry, so that ten thousand flows cost few cache lines each and nothing is hashed but an
 * address. Control (native/io/xdp_program.h) writes doors, entries and next hops; the program only reads those. What it
 * counts stands in a map of its own that control reads without a call. */
#ifndef SALLYPORT_SHARED_FLOW_H
#define SALLYPORT_SHARED_FLOW_H

#include "endpoint.h"

/* Limit: receive queues of one NIC that have an AF_XDP socket; packets of queues beyond pass up. */
#define FLOW_QUEUES_PER_NIC 64
/* Limit: NICs at once; control attaches to no more. */
#define FLOW_NICS 16
/* Limit: media addresses (with their VLAN) that have flows at once; flows of more stay with the sockets. */
#define FLOW_ADDRESSES 16
/* Limit: next hops at once, one a destination; flows to more stay with the sockets. */
#define FLOW_HOPS 65536
/* Policing counts packets in windows of 2^30 ns, a little over a second. */
#define FLOW_WINDOW_SHIFT 30

/* Where packets of a flow arrive. With port 0 it is the key of the map of addresses. */
struct flow_key {
  struct endpoint to; /* Our media address and port. */
  __u8 vlan[2];       /* Of the 802.1Q tag the frame bears: its twelve bits, network byte order; 0: no tag. */
};

/* What stands in a door: 0, and its packets pass up; the number of a flow's entry + 1; or this bit and the number of the NIC
 * whose sockets get them. */
#define DOOR_TO_XSK 0x80000000u

/* Of two ports, for a map's values are padded to eight bytes. */
struct flow_doors {
  __u32 even, odd;
};

enum flow_action {
  FLOW_UP = 0,      /* To the sockets. So does every packet that has no entry. */
  FLOW_TO_XSK = 1,  /* To the AF_XDP socket of the queue it arrived on: `xsk`, `arrives_by`. Nothing else is asked. */
  FLOW_FORWARD = 2, /* Judged, rewritten and sent by the kernel program; whatever is unexpected goes up. */
};

enum flow_flag {
  FLOW_OUT_V6 = 1 << 0,       /* `from` and `to` are IPv6. */
  FLOW_RENUMBERS = 1 << 1,    /* `payload_types` holds. */
  FLOW_SKB_MODE = 1 << 2,     /* Attached as generic XDP: a checksum left to the card must stay left to it. */
  FLOW_DROP_STRANGERS = 1 << 3, /* Packets from elsewhere die here, counted. Without it they pass up. */
};

/* Control fills it and hands it over whole; the program never writes it. All sums are one's complement sums of words as
 * they lie in the packet (RFC 1071 §2: byte order does not matter as long as it is one). */
struct flow_entry {
  /* Another one with every entry handed over, and 0 while it is written. Read before and after use: an entry may become
   * another flow's while a program still looks at it, and then a packet would go where that one goes. */
  __u32 generation;
  __u8 action; /* enum flow_action. */
  __u8 flags;  /* enum flow_flag. */
  __u8 tos;    /* DSCP << 2. */
  __u8 hop_limit;
  __u32 slot;       /* Its place, and that of its flow_state. */
  __u32 hop;        /* Of its next_hop. */
  __u32 ssrc;       /* The one source that is forwarded, network byte order; others pass up. */
  __u32 xsk;        /* FLOW_TO_XSK: place of its NIC's queue 0 in the map of sockets: the NIC's number · FLOW_QUEUES_PER_NIC. */
  __u32 arrives_by; /* FLOW_TO_XSK: index of that NIC; packets that come by another one pass up. */
  __u32 packets_per_window; /* Policing: more in one window are dropped; 0: any number. */
  __u32 clock_scale; /* RTP clock in Hz · 2^32 / 10^9; 0: not known, and no jitter is measured. */
  __u16 largest;     /* Policing: bytes of a datagram; longer ones pass up. */
  __u16 pseudo_in;   /* Sum of source, destination and protocol of the pseudo-header on arrival (RFC 768). */
  __u16 pseudo_out;  /* The same when it leaves. */
  __u16 udp_change;  /* What addresses and ports that leave sum to, less those that arrive. RFC 1624. */
  __u16 ip_sum;      /* Of an outgoing IPv4 header whose length and checksum are 0. */
  __u8 port[2];      /* Of its door. Set with it. */
  struct endpoint source; /* Who may send. */
  struct endpoint from;   /* As whom it leaves. */
  struct endpoint to;
  __u64 up_types[2];      /* One bit a payload type as it arrives: those that somebody above wants to see. */
  __u8 payload_types[128]; /* Behind the two cache lines that every packet needs. */
  __u64 unused;
} __attribute__((aligned(64)));

/* Where packets of one destination go next. Control rewrites it when routes or neighbours change. */
struct next_hop {
  __u8 destination[6];
  __u8 source[6];
  __u8 vlan[2];   /* Tag to write, network byte order; 0: none. */
  __u8 usable;    /* 0: pass up, and the kernel will resolve it. */
  __u8 spare;
  __u32 interface; /* Its index. */
  __u32 mtu;       /* Of IP packets. */
};

/* Written by the program alone: a flow arrives on one queue, so one CPU at a time. Control zeroes and seeds it before
 * the entry is there. Counters never go back while a pair lives. */
struct flow_state {
  __u64 packets; /* Forwarded. */
  __u64 bytes;   /* Of their datagrams' payload: RTP. */
  __u64 last_ns; /* Monotonic clock at the last one. */
  __u32 highest; /* Extended sequence number. RFC 3550 §A.1. */
  __u32 timestamp;  /* RTP's, of the last one; host byte order. */
  __u32 jitter_q4; /* RFC 3550 §A.8. */
  __u32 window;    /* Which policing window. */
  __u32 window_packets;
  __u32 strangers; /* Dropped, like the next. */
  __u32 policed;
  __u32 up;        /* Of a right source, but passed up. */
  __u32 bursts;    /* Gaps in the sequence numbers: losses that follow one another are one. */
} __attribute__((aligned(64)));

/* Two compilers read this file: the layout is a contract, so it is checked. */
LAYOUT_CHECK(sizeof(struct flow_key) == 20, "a key has no holes: holes would be part of it");
LAYOUT_CHECK(__builtin_offsetof(struct flow_entry, source) == 48 && __builtin_offsetof(struct flow_entry, payload_types) <= 128 && sizeof(struct flow_entry) == 256, "flow_entry");
LAYOUT_CHECK(sizeof(struct next_hop) == 24, "next_hop");
LAYOUT_CHECK(sizeof(struct flow_state) == 64, "one state, one cache line");

#endif
