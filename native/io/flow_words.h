/// The relay's words about a flow as the kernel program reads them.
#pragma once

#include "../relay/flow_sink.h"
#include "../shared/flow.h"

namespace sallyport::io {

/// Limit: bytes of a datagram that the kernel forwards; what fills a page of Ethernet and no more.
inline constexpr std::uint16_t kLargestForwarded = 1'472;
/// The box is an end to both sides: what routers before it took off is none of the other side's business.
inline constexpr std::uint8_t kHopLimit = 64;

/// `vlan`: the tag its frames bear on arrival, 0: none.
flow_key key_of(const endpoint& local, std::uint16_t vlan) noexcept;
/// A whole entry but for what its place gives it: `generation`, `slot`, `hop`.
flow_entry entry_of(const relay::FlowWords& words, bool skb_mode) noexcept;

}  // namespace sallyport::io
