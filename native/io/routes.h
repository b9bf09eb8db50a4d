/// What the kernel knows of links, addresses, routes and neighbours, in the words of media.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "../relay/relay.h"
#include "netlink.h"

namespace sallyport::io {

using Mac = std::array<std::uint8_t, 6>;

struct Link {
  unsigned index = 0;
  std::string name;
  Mac mac{};
  std::uint32_t mtu = 0;
  bool ethernet = false;
  bool loopback = false;
  bool up = false;
  bool veth = false;
  unsigned parent = 0;     ///< Of a VLAN: the interface that its frames come by.
  std::uint16_t vlan = 0;  ///< 0: it is none.
};

struct Route {
  unsigned interface = 0;
  relay::Ip gateway{};      ///< Or the destination itself, where it is a neighbour.
  std::uint32_t mtu = 0;    ///< 0: the link's.
  bool direct = false;      ///< To another machine: neither local nor broadcast, multicast or unreachable.
};

struct Neighbour {
  Mac mac{};
  bool known = false;  ///< `mac` may be used.
  bool fresh = false;  ///< And was proved lately, or is for ever.
};

/// Belongs to one thread.
class Routes {
 public:
  Routes() : route_(NETLINK_ROUTE), generic_(NETLINK_GENERIC) {}

  std::optional<Link> link(unsigned index);
  /// The interface that has this address.
  std::optional<Link> owner(const relay::Ip& ip);
  std::optional<Route> route(const relay::Ip& to, const relay::Ip& from);
  Neighbour neighbour(unsigned interface, const relay::Ip& ip);
  /// Makes the kernel prove that neighbour: nothing else would, since packets no longer go through its own paths.
  void use(unsigned interface, const relay::Ip& ip);
  /// May frames be sent to it from a program attached natively? Kernels before 6.3 do not say: then all drivers count as
  /// able but veth, which sends nothing unless its peer polls.
  bool takes_frames(const Link& link);

 private:
  Netlink route_, generic_;
  int family_ = -1;  ///< Number of the family `netdev`; 0: the kernel has none, -1: not asked yet.
};

}  // namespace sallyport::io
