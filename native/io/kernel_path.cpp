#include "kernel_path.h"

#include <algorithm>

#include "address.h"
#include "flow_words.h"

namespace sallyport::io {

using relay::Offered;

std::unique_ptr<KernelPath> KernelPath::start(std::uint32_t flows, const std::vector<relay::Ip>& addresses, std::string& why,
                                              const std::vector<relay::Ip>& rings) {
  auto program = XdpProgram::load(flows, why);
  if (!program) return nullptr;
  std::unique_ptr<KernelPath> made(new KernelPath(flows));
  made->program_ = std::move(program);
  made->ask_for(addresses, rings);
  made->hops_ = std::make_unique<NextHops>(
      [path = made.get()](Routes& routes, std::uint32_t number, const next_hop& hop) { path->publish(routes, number, hop); },
      [path = made.get()](Routes& routes) { path->settle(routes); });
  return made;
}

KernelPath::~KernelPath() { hops_.reset(); }

void KernelPath::set_addresses(const std::vector<relay::Ip>& addresses, const std::vector<relay::Ip>& rings) {
  ask_for(addresses, rings);
  hops_->look_again();
}

void KernelPath::ask_for(const std::vector<relay::Ip>& addresses, const std::vector<relay::Ip>& rings) {
  const std::lock_guard lock(mutex_);
  for (auto& [ip, place] : places_) place.forwards = place.rings = false;
  for (const relay::Ip& ip : addresses) places_[ip].forwards = true;
  for (const relay::Ip& ip : rings) places_[ip].rings = true;
  std::erase_if(places_, [](const auto& entry) { return !entry.second.forwards && !entry.second.rings; });
  places_generation_ += 1;
}

std::vector<PathFact> KernelPath::facts() const {
  const std::lock_guard lock(mutex_);
  std::vector<PathFact> facts;
  for (const auto& [ip, place] : places_) {
    PathFact fact{.ip = ip, .interface = "", .mode = PathFact::Mode::kNone, .reason = place.reason,
                  .index = place.interface, .forwards = place.forwards, .rings = place.rings};
    if (const auto nic = nics_.find(place.interface); nic != nics_.end()) {
      fact.interface = nic->second.name;
      fact.reason = nic->second.problem;
      const bool native = nic->second.mode == AttachMode::kNative;
      if (nic->second.attached) fact.mode = native ? PathFact::Mode::kNative : PathFact::Mode::kGeneric;
    }
    facts.push_back(fact);
  }
  return facts;
}

/// Links and addresses may have changed: finds the NICs of our addresses, and attaches to those that are new. A NIC that
/// went down keeps its program; one that is gone took it along, and comes back under another number.
void KernelPath::settle(Routes& routes) {
  std::vector<relay::Ip> addresses;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [ip, place] : places_) addresses.push_back(ip);
  }
  for (const relay::Ip& ip : addresses) {
    Place place = place_of(routes, ip);
    const std::lock_guard lock(mutex_);
    const auto known = places_.find(ip);
    if (known == places_.end()) continue;
    if (known->second.interface != place.interface || known->second.vlan != place.vlan) places_generation_ += 1;
    place.forwards = known->second.forwards;
    place.rings = known->second.rings;
    known->second = std::move(place);
  }
  std::vector<unsigned> gone;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [index, nic] : nics_) gone.push_back(index);
  }
  std::erase_if(gone, [&](unsigned index) { return routes.link(index).has_value(); });
  const std::lock_guard lock(mutex_);
  for (const unsigned index : gone) {
    program_->detach(index);
    nics_.erase(index);
    devices_.erase(index);
    places_generation_ += 1;
  }
}

KernelPath::Place KernelPath::place_of(Routes& routes, const relay::Ip& ip) {
  auto link = routes.owner(ip);
  if (!link) return {.reason = "no interface has this address"};
  const std::uint16_t vlan = link->vlan;
  if (vlan != 0) link = routes.link(link->parent);
  if (!link || link->loopback || !link->ethernet) return {.reason = "not an Ethernet interface"};
  bool known;
  {
    const std::lock_guard lock(mutex_);
    known = nics_.contains(link->index);
  }
  if (!known) attach(routes, *link);
  return {.interface = link->index, .vlan = vlan, .reason = ""};
}

/// Native where the driver takes the program and would also send what it forwards; else generic, which every driver takes.
void KernelPath::attach(Routes& routes, const Link& link) {
  Nic nic{.number = FLOW_NICS, .name = link.name, .mode = AttachMode::kNative, .attached = false, .problem = ""};
  nic.problem = program_->attach(link.index, AttachMode::kNative);
  if (nic.problem.empty() && !routes.takes_frames(link)) {
    program_->detach(link.index);
    nic.problem = "its driver sends no forwarded frames";
  }
  if (!nic.problem.empty()) {
    nic.mode = AttachMode::kGeneric;
    nic.problem = program_->attach(link.index, AttachMode::kGeneric);
  }
  nic.attached = nic.problem.empty();
  const std::lock_guard lock(mutex_);
  nic.number = free_number();
  nics_[link.index] = nic;
  places_generation_ += 1;
}

void KernelPath::publish(Routes& routes, std::uint32_t number, const next_hop& hop) {
  bool known;
  {
    const std::lock_guard lock(mutex_);
    known = hop.interface == 0 || devices_.contains(hop.interface);
  }
  if (!known) {
    const auto link = routes.link(hop.interface);
    const bool takes = link && program_->add_device(hop.interface).empty() && routes.takes_frames(*link);
    const std::lock_guard lock(mutex_);
    devices_[hop.interface] = takes;
  }
  program_->put_hop(number, hop);
}

Offered KernelPath::offer(relay::FlowNumber number, const relay::FlowWords& words) noexcept {
  relay::Ip local, from;
  std::copy_n(words.local.ip, local.size(), local.begin());
  std::copy_n(words.from.ip, from.size(), from.begin());
  bool skb_mode;
  std::uint16_t vlan;
  const NextHops::Found found = hops_->look_up(words.from, words.to);
  {
    const std::lock_guard lock(mutex_);
    const auto place = places_.find(local);
    const auto way_out = places_.find(from);
    if (place == places_.end() || way_out == places_.end()) return Offered::kNever;
    if (!place->second.forwards || !way_out->second.forwards) return Offered::kNever;
    const auto nic = nics_.find(place->second.interface);
    if (nic == nics_.end() || !nic->second.attached) return Offered::kNever;
    skb_mode = nic->second.mode == AttachMode::kGeneric;
    vlan = place->second.vlan;
    if (found.never) return Offered::kNever;
    if (!found.hop.usable) return Offered::kLater;
    const auto device = devices_.find(found.hop.interface);
    if (device == devices_.end()) return Offered::kLater;
    if (!skb_mode && !device->second) return Offered::kNever;
  }
  withdraw(number);
  Flow& flow = flows_[number];
  flow.key = key_of(words.local, vlan);
  flow.hop = found.number;
  flow_entry entry = entry_of(words, skb_mode);
  entry.generation = generation_.fetch_add(1) + 1;
  entry.slot = number;
  entry.hop = found.number;
  flow_state& state = *program_->state(number);
  state.highest = words.highest;
  state.jitter_q4 = words.jitter_q4;
  state.last_ns = 0;
  if (!program_->put_flow(flow.key, entry)) return Offered::kNever;
  flow.there = true;
  hops_->hold(flow.hop);
  return Offered::kTaken;
}

void KernelPath::withdraw(relay::FlowNumber number) noexcept {
  Flow& flow = flows_[number];
  if (!flow.there) return;
  flow.there = false;
  if (!put_carried(number * 2)) program_->remove_flow(flow.key);
  hops_->release(flow.hop);
}

relay::FlowTally KernelPath::tally(relay::FlowNumber number) noexcept {
  const volatile flow_state& state = *program_->state(number);
  relay::FlowTally tally;
  tally.packets = state.packets;
  tally.bytes = state.bytes;
  tally.last_ns = state.last_ns;
  tally.highest = state.highest;
  tally.jitter_q4 = state.jitter_q4;
  tally.bursts = state.bursts;
  tally.strangers = state.strangers;
  tally.policed = state.policed;
  return tally;
}

void KernelPath::forget(relay::FlowNumber number) noexcept {
  withdraw(number);
  *program_->state(number) = flow_state{};
}

}  // namespace sallyport::io
