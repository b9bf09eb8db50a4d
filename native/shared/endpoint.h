/* Where a packet comes from or goes to. C, because the kernel program reads it too. */
#ifndef SALLYPORT_SHARED_ENDPOINT_H
#define SALLYPORT_SHARED_ENDPOINT_H

#include <linux/types.h>

#if defined(__cplusplus)
#define LAYOUT_CHECK(holds, why) static_assert(holds, why)
#else
#define LAYOUT_CHECK(holds, why) _Static_assert(holds, why)
#endif

/* As it stands in the packet: network byte order, IPv4 as ::ffff:a.b.c.d. Never swapped. */
struct endpoint {
  __u8 ip[16];
  __u8 port[2];
};

/* Two compilers read this file: the layout is a contract, so it is checked. */
LAYOUT_CHECK(sizeof(struct endpoint) == 18, "endpoint is compared and copied byte by byte");

#endif
