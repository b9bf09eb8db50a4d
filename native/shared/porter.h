/* Media ports that are open and have no socket of their own: what the kernel program and control know of them. C, read by
 * clang for BPF and by g++ for control.
 *
 * Each port has a door for each media address. While a door leads to a flow that has no socket, the program gives what comes
 * there to the porter, a socket of that flow's packet thread; once the flow has its own, the kernel finds that as ever. */
#ifndef SALLYPORT_SHARED_PORTER_H
#define SALLYPORT_SHARED_PORTER_H

#include "endpoint.h"

/* Limit: media addresses whose ports may be without sockets; ports of others have theirs from the start. */
#define PORTER_ADDRESSES 8
/* Limit: packet threads that have porters; flows of others have sockets from the start. */
#define PORTER_THREADS 64
/* Limit: number of a flow behind a door; flows beyond have sockets from the start. */
#define PORTER_FLOWS ((1u << 24) - 1)

/* A door: 0, nobody lives there; else the flow's number + 1, its packet thread above that, and whether it has a socket. */
#define DOOR_FLOW_MASK 0xffffffu
#define DOOR_THREAD_SHIFT 24
#define DOOR_HAS_SOCKET 0x80000000u

/* Of two ports, for a map's values are padded to eight bytes. (Number of the address · 65536 + port) / 2 is their place. */
struct porter_doors {
  __u32 even, odd;
};

#endif
