/// What KernelPath is to AF_XDP rings: NICs and queues to bind to, flows whose packets the program hands over, next hops.
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "flow_words.h"
#include "kernel_path.h"

namespace sallyport::io {
namespace {

/// Receive queues in use; 1 where the driver does not tell.
std::uint32_t queues_of(const std::string& name) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 1;
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  ifreq request{};
  strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&channels);
  const bool told = ioctl(fd, SIOCETHTOOL, &request) == 0;
  close(fd);
  const std::uint32_t count = told ? channels.rx_count + channels.combined_count : 1;
  return std::clamp<std::uint32_t>(count, 1, FLOW_QUEUES_PER_NIC);
}

}  // namespace

std::uint32_t KernelPath::free_number() const noexcept {
  std::uint32_t number = 0;
  while (number < FLOW_NICS && std::ranges::any_of(nics_, [&](const auto& entry) { return entry.second.number == number; })) number += 1;
  return number;
}

/// Asked by the packet thread when the generation has moved: flows that it carries get their entries anew.
std::vector<XskPlace> KernelPath::places() {
  std::vector<XskPlace> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [index, nic] : nics_) {
      const bool wanted = std::ranges::any_of(places_, [&](const auto& entry) { return entry.second.rings && entry.second.interface == index; });
      if (!wanted || !nic.attached || nic.number == FLOW_NICS) continue;
      for (std::uint32_t queue = 0; queue < queues_of(nic.name); ++queue) all.push_back({index, queue});
    }
  }
  for (std::uint32_t flow = 0; flow < flows_.size() * 2; ++flow) {
    Carried& carried = carried_[flow];
    if (!carried.known) continue;
    const bool was_put = carried.put;
    if (!put_carried(flow) && was_put && !forwarded(flow)) program_->remove_flow(carried.key);
  }
  return all;
}

bool KernelPath::connect(const XskPlace& place, int socket) noexcept {
  const std::lock_guard lock(mutex_);
  const auto nic = nics_.find(place.interface);
  return nic != nics_.end() && nic->second.number < FLOW_NICS && place.queue < FLOW_QUEUES_PER_NIC &&
         program_->put_xsk(nic->second.number * FLOW_QUEUES_PER_NIC + place.queue, socket);
}

void KernelPath::disconnect(const XskPlace& place) noexcept {
  const std::lock_guard lock(mutex_);
  const auto nic = nics_.find(place.interface);
  if (nic != nics_.end()) program_->remove_xsk(nic->second.number * FLOW_QUEUES_PER_NIC + place.queue);
}

bool KernelPath::forwarded(std::uint32_t flow) const noexcept { return flow % 2 == 0 && flows_[flow / 2].there; }

/// False: it is not to go to rings, or cannot.
bool KernelPath::put_carried(std::uint32_t flow) noexcept {
  Carried& carried = carried_[flow];
  carried.put = false;
  if (!carried.known) return false;
  relay::Ip local;
  std::copy_n(carried.local.ip, local.size(), local.begin());
  flow_entry entry{};
  {
    const std::lock_guard lock(mutex_);
    const auto place = places_.find(local);
    if (place == places_.end() || !place->second.rings) return false;
    const auto nic = nics_.find(place->second.interface);
    if (nic == nics_.end() || !nic->second.attached || nic->second.number == FLOW_NICS) return false;
    carried.key = key_of(carried.local, place->second.vlan);
    entry.arrives_by = place->second.interface;
    entry.xsk = nic->second.number * FLOW_QUEUES_PER_NIC;
  }
  if (forwarded(flow)) return false;
  entry.action = FLOW_TO_XSK;
  entry.generation = generation_.fetch_add(1) + 1;
  carried.put = program_->put_flow(carried.key, entry);
  return carried.put;
}

void KernelPath::carry(std::uint32_t flow, const endpoint& local) noexcept {
  drop(flow);
  Carried& carried = carried_[flow];
  carried.local = local;
  carried.known = true;
  put_carried(flow);
}

void KernelPath::drop(std::uint32_t flow) noexcept {
  Carried& carried = carried_[flow];
  if (carried.put && !forwarded(flow)) program_->remove_flow(carried.key);
  if (carried.holds) hops_->release(carried.hop);
  carried = {};
}

next_hop KernelPath::next(std::uint32_t flow, const endpoint& from, const endpoint& to) noexcept {
  Carried& carried = carried_[flow];
  const NextHops::Found found = hops_->look_up(from, to);
  const bool holds = !found.never;
  if (holds) hops_->hold(found.number);
  if (carried.holds) hops_->release(carried.hop);
  carried.hop = found.number;
  carried.holds = holds;
  return found.never ? next_hop{} : found.hop;
}

}  // namespace sallyport::io
