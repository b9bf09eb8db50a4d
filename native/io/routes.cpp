#include "routes.h"

#include <linux/genetlink.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <algorithm>

#include "address.h"

namespace sallyport::io {
namespace {

/// Newer than Debian 12's headers: linux/netdev.h.
constexpr std::uint8_t kNetdevDevGet = 1;
constexpr std::uint16_t kNetdevIfindex = 1;
constexpr std::uint16_t kNetdevXdpFeatures = 3;
constexpr std::uint64_t kXdpNdoXmit = 1 << 2;

struct FamilyAddress {
  std::uint8_t family;
  const std::uint8_t* bytes;
  std::size_t size;
};

FamilyAddress family_address(const relay::Ip& ip) {
  return is_v4(ip.data()) ? FamilyAddress{AF_INET, ip.data() + 12, 4} : FamilyAddress{AF_INET6, ip.data(), 16};
}

bool read_ip(std::span<const std::uint8_t> bytes, relay::Ip& out) {
  if (bytes.size() == 4) {
    std::copy_n(kMappedPrefix, sizeof kMappedPrefix, out.begin());
    std::copy_n(bytes.begin(), 4, out.begin() + 12);
    return true;
  }
  if (bytes.size() != 16) return false;
  std::copy_n(bytes.begin(), 16, out.begin());
  return true;
}

std::string text_of(std::span<const std::uint8_t> bytes) {
  std::string text(bytes.begin(), bytes.end());
  return text.substr(0, text.find('\0'));
}

Link read_link(const nlmsghdr& message) {
  const auto& info = fixed_of<ifinfomsg>(message);
  const auto attributes = attributes_of<ifinfomsg>(message);
  Link link;
  link.index = static_cast<unsigned>(info.ifi_index);
  link.name = text_of(attributes.find(IFLA_IFNAME));
  link.ethernet = info.ifi_type == ARPHRD_ETHER;
  link.loopback = info.ifi_flags & IFF_LOOPBACK;
  link.up = (info.ifi_flags & IFF_UP) && (info.ifi_flags & IFF_RUNNING);
  attributes.read(IFLA_MTU, link.mtu);
  attributes.read(IFLA_ADDRESS, link.mac);
  const auto kind_bytes = attributes.find(IFLA_LINKINFO);
  const NetlinkAttributes kind(kind_bytes.data(), kind_bytes.size());
  const std::string name = text_of(kind.find(IFLA_INFO_KIND));
  link.veth = name == "veth";
  if (name == "vlan") {
    const auto data_bytes = kind.find(IFLA_INFO_DATA);
    NetlinkAttributes(data_bytes.data(), data_bytes.size()).read(IFLA_VLAN_ID, link.vlan);
    attributes.read(IFLA_LINK, link.parent);
  }
  return link;
}

}  // namespace

std::optional<Link> Routes::link(unsigned index) {
  std::optional<Link> found;
  ifinfomsg what{};
  what.ifi_index = static_cast<int>(index);
  NetlinkMessage message(RTM_GETLINK, 0);
  route_.ask(message.fixed(what), [&](const nlmsghdr& part) { found = read_link(part); });
  return found;
}

std::optional<Link> Routes::owner(const relay::Ip& ip) {
  unsigned index = 0;
  ifaddrmsg what{};
  const FamilyAddress wanted = family_address(ip);
  what.ifa_family = wanted.family;
  NetlinkMessage message(RTM_GETADDR, NLM_F_DUMP);
  route_.ask(message.fixed(what), [&](const nlmsghdr& part) {
    const auto attributes = attributes_of<ifaddrmsg>(part);
    auto bytes = attributes.find(IFA_LOCAL);
    if (bytes.empty()) bytes = attributes.find(IFA_ADDRESS);
    relay::Ip found;
    if (read_ip(bytes, found) && found == ip) index = fixed_of<ifaddrmsg>(part).ifa_index;
  });
  return index == 0 ? std::nullopt : link(index);
}

std::optional<Route> Routes::route(const relay::Ip& to, const relay::Ip& from) {
  const FamilyAddress target = family_address(to), source = family_address(from);
  if (target.family != source.family) return std::nullopt;
  rtmsg what{};
  what.rtm_family = target.family;
  what.rtm_dst_len = what.rtm_src_len = static_cast<std::uint8_t>(target.size * 8);
  std::optional<Route> found;
  NetlinkMessage message(RTM_GETROUTE, 0);
  message.fixed(what).attribute(RTA_DST, target.bytes, target.size).attribute(RTA_SRC, source.bytes, source.size);
  route_.ask(message, [&](const nlmsghdr& part) {
    const auto attributes = attributes_of<rtmsg>(part);
    Route route;
    route.direct = fixed_of<rtmsg>(part).rtm_type == RTN_UNICAST;
    attributes.read(RTA_OIF, route.interface);
    const auto via = attributes.find(RTA_VIA);  // An IPv6 gateway for IPv4: a family, then the address.
    if (!read_ip(attributes.find(RTA_GATEWAY), route.gateway) && !(via.size() > 2 && read_ip(via.subspan(2), route.gateway))) {
      route.gateway = to;
    }
    const auto metrics = attributes.find(RTA_METRICS);
    NetlinkAttributes(metrics.data(), metrics.size()).read(RTAX_MTU, route.mtu);
    found = route;
  });
  return found;
}

Neighbour Routes::neighbour(unsigned interface, const relay::Ip& ip) {
  const FamilyAddress wanted = family_address(ip);
  ndmsg what{};
  what.ndm_family = wanted.family;
  what.ndm_ifindex = static_cast<int>(interface);
  Neighbour found;
  NetlinkMessage message(RTM_GETNEIGH, 0);
  message.fixed(what).attribute(NDA_DST, wanted.bytes, wanted.size);
  route_.ask(message, [&](const nlmsghdr& part) {
    const auto state = fixed_of<ndmsg>(part).ndm_state;
    found.known = attributes_of<ndmsg>(part).read(NDA_LLADDR, found.mac) &&
                  (state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP));
    found.fresh = found.known && (state & (NUD_REACHABLE | NUD_PERMANENT | NUD_NOARP));
  });
  return found;
}

void Routes::use(unsigned interface, const relay::Ip& ip) {
  const FamilyAddress wanted = family_address(ip);
  ndmsg what{};
  what.ndm_family = wanted.family;
  what.ndm_ifindex = static_cast<int>(interface);
  what.ndm_flags = NTF_USE;
  NetlinkMessage message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK);
  message.fixed(what).attribute(NDA_DST, wanted.bytes, wanted.size);
  route_.ask(message, [](const nlmsghdr&) {});
}

bool Routes::takes_frames(const Link& link) {
  constexpr char kFamilyName[] = "netdev";
  if (family_ < 0) {
    family_ = 0;
    genlmsghdr what{CTRL_CMD_GETFAMILY, 1, 0};
    NetlinkMessage message(GENL_ID_CTRL, 0);
    message.fixed(what).attribute(CTRL_ATTR_FAMILY_NAME, kFamilyName, sizeof kFamilyName);
    generic_.ask(message, [&](const nlmsghdr& part) {
      std::uint16_t number = 0;
      if (attributes_of<genlmsghdr>(part).read(CTRL_ATTR_FAMILY_ID, number)) family_ = number;
    });
  }
  if (family_ == 0) return !link.veth;
  std::uint64_t features = 0;
  genlmsghdr what{kNetdevDevGet, 1, 0};
  NetlinkMessage message(static_cast<std::uint16_t>(family_), 0);
  message.fixed(what).attribute(kNetdevIfindex, link.index);
  generic_.ask(message, [&](const nlmsghdr& part) { attributes_of<genlmsghdr>(part).read(kNetdevXdpFeatures, features); });
  return features & kXdpNdoXmit;
}

}  // namespace sallyport::io
