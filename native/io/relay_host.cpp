#include "relay_host.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <utility>

#include "address.h"
#include "settled.h"
#include "socket.h"

namespace sallyport::io {
namespace {

using crypto::SrtpContextPtr;

void close_context(crypto::SrtpContext* context) noexcept { SrtpContextPtr closed(context); }

std::uint32_t dice() noexcept {
  std::uint32_t made = 0;
  // Before the kernel has random numbers no certificate was made either, and there is no host.
  if (getrandom(&made, sizeof made, 0) != sizeof made) made = static_cast<std::uint32_t>(time(nullptr));
  return made;
}

/// Does the kernel keep everybody else off that core (isolcpus)? Then it is ours, and waiting may be busy.
bool is_isolated(int core) {
  FILE* const list = core < 0 ? nullptr : std::fopen("/sys/devices/system/cpu/isolated", "r");
  bool found = false;
  for (int first, last; list != nullptr && std::fscanf(list, "%d", &first) == 1;) {
    last = first;
    int next = std::fgetc(list);
    if (next == '-' && std::fscanf(list, "%d", &last) == 1) next = std::fgetc(list);
    found = found || (first <= core && core <= last);
    if (next != ',') break;
  }
  if (list != nullptr) std::fclose(list);
  return found;
}

}  // namespace

RelayHost::RelayHost(const HostOptions& options)
    : max_pairs_(options.max_pairs),
      notify_(options.notify),
      notify_data_(options.notify_data),
      engine_(crypto::SrtpEngine::create()),
      identity_(crypto::DtlsIdentity::create()),
      places_(options.max_pairs),
      held_(options.max_pairs) {
  raise_descriptor_limit();
  if (!identity_) problem_ = "no certificate could be made: the machine gives no random numbers";
  if (!options.kernel_addresses.empty() || !options.ring_addresses.empty()) {
    kernel_ = KernelPath::start(max_pairs_ * 2, options.kernel_addresses, kernel_problem_, options.ring_addresses);
  }
  std::vector<int> cores = options.cores;
  if (cores.empty()) cores.push_back(-1);
  if (identity_) handshakes_ = std::make_unique<HandshakeThread>(*identity_, cores.size(), places_);
  if (identity_ && problem_.empty()) problem_ = handshakes_->problem();
  if (!problem_.empty()) return;
  RingOptions rings = options.rings;
  if (kernel_ && !options.ring_addresses.empty()) rings.ground = kernel_.get();
  if (cores.size() != 1) rings.ground = nullptr;
  if (!options.late_sockets) late_problem_ = "not wanted";
  // Between rings and a flow's socket order is kept; a porter stands outside of it.
  else if (rings.ground != nullptr) late_problem_ = "packets come by AF_XDP";
  else porter_ = Porter::start(cores.size(), late_problem_);
  for (const int core : cores) {
    rings.busy_poll = options.rings.busy_poll || is_isolated(core);
    threads_.push_back(std::make_unique<PacketThread>(max_pairs_, core, options.port, rings, handshakes_->lane(threads_.size()),
                                                      options.counters, notify_, notify_data_, options.packet_limits, kernel_.get(),
                                                      std::make_unique<LateSockets>(porter_.get(), threads_.size(), max_pairs_ * relay::kFlowsPerPair)));
  }
  for (auto& thread : threads_) {
    if (!thread->started()) problem_ = "no packet port: io_uring is forbidden or lacks what is needed here";
  }
}

RelayHost::~RelayHost() { stop(); }

std::vector<QueueFacts> RelayHost::ring_queues() const {
  std::vector<QueueFacts> all;
  for (const auto& thread : threads_) {
    if (const RingPort* rings = thread->rings()) std::ranges::copy(rings->queues(), std::back_inserter(all));
  }
  return all;
}

std::uint64_t RelayHost::ring_counter(RingCounter which) const noexcept {
  std::uint64_t sum = 0;
  for (const auto& thread : threads_) {
    if (const RingPort* rings = thread->rings()) sum += rings->counter(which);
  }
  return sum;
}

std::vector<PathFact> RelayHost::kernel_facts() const {
  std::vector<PathFact> facts = kernel_ ? kernel_->facts() : std::vector<PathFact>{};
  const std::vector<QueueFacts> queues = ring_queues();
  for (PathFact& fact : facts) {
    if (!fact.rings) continue;
    fact.zero_copy = true;
    for (const QueueFacts& queue : queues) {
      if (queue.place.interface != fact.index) continue;
      fact.ring_queues += 1;
      fact.zero_copy = fact.zero_copy && queue.mode == XskMode::kZeroCopy;
    }
  }
  return facts;
}

void RelayHost::set_kernel_addresses(const std::vector<relay::Ip>& addresses, const std::vector<relay::Ip>& rings) {
  if (kernel_) kernel_->set_addresses(addresses, rings);
  else if (!(addresses.empty() && rings.empty()) && kernel_problem_.empty()) kernel_problem_ = "the program is loaded at the start, or not at all";
}

bool RelayHost::open(std::uint32_t pair, relay::PairKind kind, SideWords& caller, SideWords& callee, std::span<const std::uint8_t> resumes) {
  if (pair >= max_pairs_ || held_[pair].open || held_[pair].failed) {
    fail(pair, 0, pair >= max_pairs_ ? "pair number beyond maxPairs" : "pair number in use");
    return true;
  }
  const char* const misplaced = place(pair, caller, callee);
  if (!has_room(pair)) return false;
  Held& held = held_[pair];
  held.kind = kind;
  SideWords* const sides[2] = {&caller, &callee};
  std::unique_ptr<relay::PairState> state;
  const auto refuse = [&](std::uint8_t side, const char* reason) {
    close_sockets(held);
    for (SideWords* words : sides) close_contexts(words->side);
    held.failed = true;
    fail(pair, side, reason);
    return true;
  };
  for (std::uint8_t side = 0; side < 2; ++side) {
    const relay::BundleWords& bundle = sides[side]->side.bundle;
    held.bundled[side] = bundle.present;
    held.shares[side] = bundle.present && bundle.pair != pair;
    const char* reason = misplaced != nullptr ? misplaced : open_sockets(held, pair, *sides[side], side);
    if (reason == nullptr && held.shares[side] && sides[side]->dtls.present) reason = "the handshake is that of the line it is bundled with";
    if (reason == nullptr) reason = open_contexts(*sides[side], kind, bundle.present);
    // Without its state a key would be used twice.
    if (sides[side]->handed.components[0].present && (resumes.empty() || !sides[side]->dtls.present)) reason = "keys of a handshake come with their state";
    if (reason == nullptr) reason = open_handed(*sides[side], kind, bundle.present);
    if (reason == nullptr && side == 1 && !resumes.empty()) reason = resume(resumes, kind, pair, {&caller, &callee}, state);
    if (reason != nullptr) return refuse(side, reason);
  }
  std::uint8_t side_of_door = 0;
  if (const char* const reason = open_doors(held, pair, {&caller, &callee}, side_of_door)) return refuse(side_of_door, reason);
  for (std::uint8_t side = 0; side < 2; ++side) {
    held.ice[side] = sides[side]->side.ice.present;
    held.latch[side] = sides[side]->side.latch;
    if (sides[side]->dtls.present) link(held, pair, side, *sides[side], sides[side]->side.dtls);
  }
  Command command{.word = Command::Word::kOpen, .side = 0, .kind = kind, .pair = pair, .bits = 0, .fds = {}, .sides = {caller.side, callee.side}};
  std::copy_n(held.fds, relay::kFlowsPerPair, command.fds);
  if (state) command.dice = dice();
  command.state = state.release();
  held.open = thread_of(pair).post(command);  // There is room: it was asked for.
  return true;
}

bool RelayHost::save(std::uint32_t pair) {
  if (pair >= max_pairs_ || !held_[pair].open || held_[pair].closing) {
    own_events_.push_back({.kind = relay::EventKind::kExported, .pair = pair, .reason = "there is no such pair"});
    if (notify_) notify_(notify_data_);
    return true;
  }
  if (!thread_of(pair).has_room()) return false;
  auto state = std::make_unique<relay::PairState>();
  Command command{.word = Command::Word::kExport, .side = 0, .kind = {}, .pair = pair, .bits = 0, .fds = {}, .sides = {}};
  command.state = state.release();
  return thread_of(pair).post(command);
}

bool RelayHost::change(std::uint32_t pair, std::uint8_t side, std::uint32_t bits, SideWords& set) {
  if (pair >= max_pairs_ || !held_[pair].open || held_[pair].closing) return true;
  if (!has_room(pair)) return false;
  Held& held = held_[pair];
  const char* reason = open_contexts(set, held.kind, held.bundled[side]);
  if (set.handed.components[0].present) reason = "keys of a handshake come with their state";
  if (set.dtls.present && held.shares[side]) reason = "the handshake is that of the line it is bundled with";
  if (reason != nullptr) {
    close_contexts(set.side);
    fail(pair, side, reason);
    return true;
  }
  relink(held, pair, side, bits, set);
  Command command{.word = Command::Word::kChange, .side = side, .kind = {}, .pair = pair, .bits = bits, .fds = {}, .sides = {set.side, {}}};
  thread_of(pair).post(command);
  if (bits & relay::kChangeDscp) {
    for (int i = 0; i < 2; ++i) {
      const int fd = held.fds[side * 2 + i];
      if (fd >= 0) mark(fd, held.v4[side], set.side.dscp);
    }
  }
  return true;
}

bool RelayHost::digit(std::uint32_t pair, std::uint8_t side, const relay::Digit& digit) {
  if (pair >= max_pairs_ || !held_[pair].open || held_[pair].closing) return true;
  return thread_of(pair).post({.word = Command::Word::kDigit, .side = side, .kind = {}, .pair = pair, .bits = 0, .fds = {}, .sides = {}, .digit = digit});
}

bool RelayHost::close(std::uint32_t pair) {
  if (pair >= max_pairs_) return true;
  Held& held = held_[pair];
  if (held.failed) {
    held = Held{};
    own_events_.push_back({.kind = relay::EventKind::kClosed, .pair = pair});
    if (notify_) notify_(notify_data_);
    return true;
  }
  if (!held.open || held.closing) return true;
  if (held.association[0] != 0 || held.association[1] != 0) {
    // By way of the handshakes, so that what they say at the end goes out while the sockets are there.
    if (!handshakes_->has_room(1)) return false;
    HandshakeOrder order{};
    order.kind = HandshakeOrder::Kind::kClosePair;
    order.association = held.association[0];
    order.other = held.association[1];
    order.pair = pair;
    handshakes_->order(order);
    held.closing = true;
    return true;
  }
  const Command command{.word = Command::Word::kClose, .side = 0, .kind = {}, .pair = pair, .bits = 0, .fds = {}, .sides = {}};
  held.closing = thread_of(pair).post(command);
  return held.closing;
}

std::size_t RelayHost::events(std::span<HostEvent> events) {
  std::size_t count = std::min(events.size(), own_events_.size());
  std::copy_n(own_events_.begin(), count, events.begin());
  own_events_.erase(own_events_.begin(), own_events_.begin() + static_cast<std::ptrdiff_t>(count));
  for (auto& thread : threads_) {
    thread->noticed();
    relay::Event event;
    while (count < events.size() && thread->next_event(event)) {
      if (translate(event, events[count])) count += 1;
    }
  }
  return count;
}

void RelayHost::stop() noexcept {
  if (handshakes_) handshakes_->stop();
  for (auto& thread : threads_) {
    thread->stop();
    thread->drain_commands(
        [](const Command& command, void*) {
          std::unique_ptr<relay::PairState> given(command.state);
          if (command.word == Command::Word::kClose || command.word == Command::Word::kDigit || command.word == Command::Word::kExport) return;
          for (const relay::Side& side : command.sides) close_contexts(side);
        },
        nullptr);
    relay::Event event;
    while (thread->next_event(event)) {
      for (crypto::SrtpContext* context : event.contexts) close_context(context);
      std::unique_ptr<relay::PairState> given(event.state);
    }
  }
  porter_.reset();
  handshakes_.reset();  // With what lay in its lanes, now that nobody is at their other ends.
  for (Held& held : held_) close_sockets(held);
}

/// Chooses the packet thread: that of the lines it shares a transport with. Not null: why it can have none.
const char* RelayHost::place(std::uint32_t pair, const SideWords& caller, const SideWords& callee) noexcept {
  bool found = false;
  std::uint8_t at = static_cast<std::uint8_t>(pair % threads_.size());
  for (const std::uint8_t side : {std::uint8_t{0}, std::uint8_t{1}}) {
    const relay::BundleWords& bundle = (side == 0 ? caller : callee).side.bundle;
    if (!bundle.present || bundle.pair == pair) continue;
    if (bundle.pair >= max_pairs_ || !held_[bundle.pair].open || held_[bundle.pair].closing || !held_[bundle.pair].bundled[side]) {
      return "the line that it is bundled with is not there";
    }
    const std::uint8_t there = places_[bundle.pair];
    if (found && there != at) return "the lines that it is bundled with are at two packet threads";
    at = there;
    found = true;
  }
  places_[pair] = at;
  return nullptr;
}

const char* RelayHost::open_sockets(Held& held, std::uint32_t pair, const SideWords& words, std::uint8_t side) {
  const relay::MediaAddress& local = words.side.local;
  held.v4[side] = is_v4(local.ip.data());
  if (held.shares[side]) return nullptr;
  const std::uint16_t ports[2] = {local.rtp_port, local.rtcp_port};
  const std::uint32_t sockets = ports[0] == ports[1] ? 1 : 2;
  for (std::uint32_t i = 0; i < sockets; ++i) {
    const std::uint32_t number = side * 2u + i;
    if (porter_ && porter_->serves(local_of(words.side, i), places_[pair], pair * relay::kFlowsPerPair + number)) {
      held.fds[number] = kLateSocket;
      continue;
    }
    const bool bursts = i == 0 && held.kind != relay::PairKind::kAudio;
    const int fd = open_media_socket(local.ip, ports[i], words.side.dscp, bursts);
    if (fd < 0) return strerrordesc_np(-fd);
    held.fds[number] = fd;
  }
  return nullptr;
}

/// Of ports that wait for their sockets: from now on what comes there is kept for the packet thread. All or none.
const char* RelayHost::open_doors(const Held& held, std::uint32_t pair, const SideWords* const (&sides)[2], std::uint8_t& side) noexcept {
  for (std::uint32_t number = 0; number < relay::kFlowsPerPair; ++number) {
    if (held.fds[number] != kLateSocket) continue;
    const auto local = [&](std::uint32_t of) { return local_of(sides[of / 2]->side, of % 2); };
    if (porter_->open(local(number), places_[pair], pair * relay::kFlowsPerPair + number)) continue;
    side = static_cast<std::uint8_t>(number / 2);
    while (number-- > 0) {
      if (held.fds[number] == kLateSocket) porter_->close(local(number));
    }
    return strerrordesc_np(EADDRINUSE);
  }
  return nullptr;
}

void RelayHost::wake() noexcept {
  for (auto& thread : threads_) thread->wake();
}

/// A new association for that side. The order goes out before the command, so that nothing comes for an association that
/// is not there yet.
void RelayHost::link(Held& held, std::uint32_t pair, std::uint8_t side, const SideWords& given, relay::DtlsLink& out) {
  const crypto::DtlsWords& words = given.dtls;
  if (++last_association_ == 0) last_association_ = 1;
  held.association[side] = last_association_;
  held.dtls[side] = std::make_unique<Association>(words, given.identity);
  out.association = last_association_;
  out.active = words.active;
  HandshakeOrder order{};
  order.kind = HandshakeOrder::Kind::kOpen;
  order.association = last_association_;
  order.pair = pair;
  order.media = held.bundled[side] ? relay::PairKind::kOther : held.kind;
  order.words = {.association = last_association_, .first_flow = pair * relay::kFlowsPerPair + side * 2u,
                 .one_source = held.ice[side] || held.latch[side] == relay::LatchPolicy::kOff, .ice = held.ice[side], .words = words};
  order.words.words.data = held.kind == relay::PairKind::kUdptl;
  order.identity = given.identity;
  if (given.handed.done) {
    const bool muxed = given.side.local.rtp_port == given.side.local.rtcp_port;
    order.words.done = {true, muxed || given.handed.components[1].present};
  }
  handshakes_->order(order);
}

bool RelayHost::Association::is(const SideWords& other) const noexcept {
  if (words != other.dtls || (identity == nullptr) != (other.identity == nullptr)) return false;
  return identity == nullptr || identity->fingerprint == other.identity->fingerprint;
}

void RelayHost::unlink(Held& held, std::uint8_t side, bool quiet) {
  if (held.association[side] == 0) return;
  HandshakeOrder order{};
  order.kind = HandshakeOrder::Kind::kClose;
  order.association = held.association[side];
  order.quiet = quiet;
  handshakes_->order(order);
  held.association[side] = 0;
  held.dtls[side].reset();
}

/// RFC 8842 §4: the same words again are the same association, others are another one.
void RelayHost::relink(Held& held, std::uint32_t pair, std::uint8_t side, std::uint32_t& bits, SideWords& set) {
  const bool had_ice = held.ice[side];
  if (bits & relay::kChangeIce) held.ice[side] = set.side.ice.present;
  if (bits & relay::kChangeLatch) held.latch[side] = set.side.latch;
  if (!(bits & relay::kChangeDtls)) return;
  const bool same = held.dtls[side] && held.dtls[side]->is(set) && had_ice == held.ice[side];
  if (same) {
    bits &= ~std::uint32_t{relay::kChangeDtls};
    return;
  }
  unlink(held, side, set.dtls.present);
  if (set.dtls.present) link(held, pair, side, set, set.side.dtls);
}

void RelayHost::close_sockets(Held& held) noexcept {
  for (const int fd : held.fds) {
    if (fd >= 0) ::close(fd);
  }
  held = Held{};
}

void RelayHost::fail(std::uint32_t pair, std::uint8_t side, const char* reason) {
  own_events_.push_back({.kind = relay::EventKind::kFailed, .side = side, .pair = pair, .reason = reason});
  if (notify_) notify_(notify_data_);
}

/// Takes back what an event brings; false when nobody else need hear of it.
bool RelayHost::translate(const relay::Event& event, HostEvent& out) noexcept {
  for (crypto::SrtpContext* context : event.contexts) close_context(context);
  const std::unique_ptr<relay::PairState> state(event.state);
  if (event.kind == relay::EventKind::kRetired) return false;
  if (event.kind == relay::EventKind::kKept) {
    for (int& fd : held_[event.pair].fds) {
      if (fd >= 0 && descriptors_are_short(fd)) ::close(std::exchange(fd, -1));
    }
    return false;
  }
  if (event.kind == relay::EventKind::kClosed) close_sockets(held_[event.pair]);
  out = {.kind = event.kind, .side = event.side, .pair = event.pair, .source = event.source, .reason = event.reason, .suite = event.suite,
         .records = held_[event.pair].kind == relay::PairKind::kUdptl, .digit = event.digit, .duration_ms = event.duration_ms, .receiving = event.receiving, .packets_left = event.packets_left};
  if (event.kind == relay::EventKind::kExported && *event.reason == '\0') {
    out.state = relay::written(*state);
    const auto &caller = state->sides[0].keys, &callee = state->sides[1].keys;
    if (caller.components[0].present || callee.components[0].present) out.keys = std::make_shared<const std::array<relay::HandshakeKeys, 2>>(std::array{caller, callee});
  }
  return true;
}

}  // namespace sallyport::io
