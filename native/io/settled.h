/// A second socket for a flow that has found its peer: same local address, connected. The kernel keeps the route of a
/// connected socket, out and in, which spares two look-ups a packet. The first socket stays as it is and gets whatever
/// comes from anybody else, so strangers are seen and counted as before.
#pragma once

#include "../shared/endpoint.h"

namespace sallyport::io {

/// Sends in a row to one address, after which a flow counts as settled: a second of voice.
inline constexpr unsigned kSettledSends = 50;

/// Bound where `fd` is bound, marked as it is, connected to `to`. Negative errno when it cannot be had. Between bind and
/// connect it may take a stranger's packet: read it like the first.
int open_settled_socket(int fd, const endpoint& to) noexcept;
/// Control has marked `from` anew.
void copy_mark(int from, int to) noexcept;
/// Descriptors are for calls first: beyond half the limit there are no second sockets.
bool descriptors_are_short(int fd) noexcept;

}  // namespace sallyport::io
