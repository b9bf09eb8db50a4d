#include "af_xdp_port.h"

#include <errno.h>

#include <algorithm>
#include <array>
#include <mutex>

#include "af_xdp_flows.h"
#include "af_xdp_headers.h"
#include "af_xdp_parse.h"
#include "zero_table.h"

namespace sallyport::io {
namespace {

/// Limit: datagrams one turn takes from the rings beside those of the sockets.
constexpr std::uint32_t kRingBatch = kBatch;

bool same(const endpoint& a, const endpoint& b) noexcept { return std::memcmp(&a, &b, sizeof a) == 0; }

/// How often the kernel is asked what it lost.
constexpr std::uint64_t kMissedLookNs = 1'000'000'000;

/// How many packets ahead memory is asked for: thousands of flows do not fit the caches.
constexpr std::uint32_t kPacketsAhead = 6;

/// How packets that leave by a flow go on. All zeros is a good one, so that a table of them costs nothing until they are
/// used. Two cache lines, and of the second no more than the end of the longest header.
struct alignas(64) Way {
  endpoint to{};
  std::uint8_t dscp = 0;
  std::uint8_t queue_after = 0;  ///< Number + 1 of the queue that `header` sends by; 0: the socket.
  bool known = false;
  std::uint32_t hops_generation = 0;
  std::uint32_t socket_turn = 0;  ///< In which its socket was used last.
  std::uint64_t ring_position = 0;  ///< XskQueue::sent() after its last packet.
  HeaderTemplate header;
};
static_assert(sizeof(Way) == 128);

/// How packets come to a flow. Zeros, too.
struct Arrival {
  endpoint local{};
  bool ring_was_last = false;  ///< Its last packet came by a ring.
};

class AfXdpPort final : public RingPort {
 public:
  AfXdpPort(std::uint32_t flows, std::unique_ptr<PacketPort> inner, const RingOptions& options)
      : inner_(std::move(inner)), ground_(*options.ground), busy_poll_(options.busy_poll), index_(flows), ways_(flows), arrivals_(flows) {
    settle();
    removed.reserve(flows);
    batch_.reserve(kBatch + kRingBatch);
    late_.reserve(kBatch);
    held_.reserve(kRingBatch);
  }
  ~AfXdpPort() override {
    for (std::size_t number = 0; number < queues_.size(); ++number) close_queue(number);
  }

  PortKind kind() const noexcept override { return inner_->kind(); }
  bool add(std::uint32_t first, std::span<const int> fds) noexcept override { return inner_->add(first, fds); }
  void forget(std::uint32_t first, std::uint32_t count) noexcept override { inner_->forget(first, count); }
  void changed(std::uint32_t flow) noexcept override { inner_->changed(flow); }
  bool keep(std::uint32_t first, std::uint32_t count) noexcept override { return inner_->keep(first, count); }
  bool watch(int fd) noexcept override { return inner_->watch(fd); }
  void unwatch(int fd) noexcept override { inner_->unwatch(fd); }
  void wake() noexcept override { inner_->wake(); }

  void know(std::uint32_t flow, const endpoint& local, std::uint8_t dscp) noexcept override {
    inner_->know(flow, local, dscp);
    Way& way = ways_[flow];
    Arrival& arrival = arrivals_[flow];
    if (way.known && !same(arrival.local, local)) index_.remove(arrival.local, flow);
    arrival.local = local;
    way.dscp = dscp;
    way.known = true;
    way.to = {};  // The header is made anew.
    index_.put(local, flow);
    ground_.carry(flow, local);
  }
  void mark(std::uint32_t first, std::uint8_t dscp) noexcept override {
    inner_->mark(first, dscp);
    for (std::uint32_t flow = first; flow < first + 2; ++flow) {
      ways_[flow].dscp = dscp;
      ways_[flow].to = {};
    }
  }
  void remove(std::uint32_t flow) noexcept override {
    Way& way = ways_[flow];
    if (way.known) {
      index_.remove(arrivals_[flow].local, flow);
      ground_.drop(flow);
    }
    way = {};
    arrivals_[flow] = {};
    inner_->remove(flow);
  }

  std::span<relay::Datagram> receive(std::uint64_t now_ns, std::uint64_t timeout_ns) noexcept override;
  void send(const relay::Datagram& datagram) noexcept override;
  void send_all(std::span<const relay::Datagram> batch) noexcept override;

  std::vector<QueueFacts> queues() const override {
    const std::lock_guard lock(facts_mutex_);
    return facts_;
  }
  std::uint64_t counter(RingCounter which) const noexcept override { return counters_[which].load(std::memory_order_relaxed); }

 private:
  struct Ring {
    std::uint32_t before_sockets = 0;  ///< Packets there before the sockets were asked.
    std::uint32_t asked_twice = 0;     ///< Of those it holds: what is still nobody's flow's is dropped.
  };
  void settle() noexcept;
  void open_queue(const XskPlace& place, std::size_t queues);
  std::unique_ptr<XskQueue> try_queue(const XskPlace& place, std::uint8_t number, std::size_t queues);
  void close_queue(std::size_t number) noexcept;
  void tell_facts();
  void kick(XskQueue& queue) noexcept;
  void turn_rings(std::uint64_t now_ns) noexcept;
  bool look() noexcept;
  bool anything() const noexcept;
  void free_held() noexcept;
  void take_ring(XskQueue& queue, Ring& ring, std::uint32_t limit) noexcept;
  enum class Taken : std::uint8_t { kYes, kLater, kNobodys };
  struct Parsed {
    bool ours;  ///< The descriptor is one of the store's.
    FrameFault fault;
    UdpFrame frame;
  };
  void parse(const XskQueue& queue, const xdp_desc& packet, Parsed& out) noexcept;
  Taken take_frame(XskQueue& queue, const xdp_desc& packet, const Parsed& parsed, bool may_begin) noexcept;
  void drop_frame(XskQueue& queue, const xdp_desc& packet, RingCounter why) noexcept;
  void find_way(Way& way, std::uint32_t flow, const endpoint& to) noexcept;
  bool leave_by_ring(Way& way, const relay::Datagram& datagram) noexcept;
  void leave_by_socket(Way& way, const relay::Datagram& datagram) noexcept;
  void count(RingCounter which, std::uint64_t so_many = 1) noexcept {
    counters_[which].store(counters_[which].load(std::memory_order_relaxed) + so_many, std::memory_order_relaxed);
  }

  std::unique_ptr<PacketPort> inner_;
  RingGround& ground_;
  const bool busy_poll_;
  FlowIndex index_;
  ZeroTable<Way> ways_;
  ZeroTable<Arrival> arrivals_;
  std::vector<std::unique_ptr<FrameStore>> stores_;
  std::vector<std::unique_ptr<XskQueue>> queues_;  ///< Null: gone. After the stores, since they go first.
  std::vector<Ring> rings_;                        ///< As many.
  std::vector<std::uint8_t> gone_;                 ///< Numbers of queues to be closed when the turn is over.
  std::uint32_t places_generation_ = 0;
  mutable std::mutex facts_mutex_;
  std::vector<QueueFacts> facts_;
  std::uint64_t asked_missed_ns_ = 0;
  std::size_t first_queue_ = 0;  ///< Whose turn it is to be first.
  std::uint32_t turn_ = 1;
  std::uint32_t by_sockets_ = 0;  ///< In this turn.
  std::vector<relay::Datagram> batch_;
  std::vector<relay::Datagram> late_;
  std::array<Parsed, kRingBatch> parsed_;
  struct Frame {
    FrameStore* store;
    std::uint32_t number;
  };
  std::vector<Frame> held_;  ///< Of the batch the caller works on, and sends from.
  std::atomic<std::uint64_t> counters_[kRingCounterCount] = {};
};

/// Other queues are to be had, or some are gone.
void AfXdpPort::settle() noexcept {
  const std::uint32_t generation = ground_.places_generation();
  if (places_generation_ == generation) return;
  places_generation_ = generation;
  try {
    const std::vector<XskPlace> wanted = ground_.places();
    for (std::size_t number = 0; number < queues_.size(); ++number) {
      if (queues_[number] && std::ranges::find(wanted, queues_[number]->place()) == wanted.end()) close_queue(number);
    }
    for (const XskPlace& place : wanted) {
      const bool have = std::ranges::any_of(queues_, [&](const auto& queue) { return queue && queue->place() == place; });
      if (!have) open_queue(place, wanted.size());
    }
    tell_facts();
  } catch (const std::bad_alloc&) {
    count(kRing_refused);  // Memory for rings: the sockets do without.
  }
}

void AfXdpPort::open_queue(const XskPlace& place, std::size_t queues) {
  std::size_t number = 0;
  while (number < queues_.size() && queues_[number]) number += 1;
  if (number == kQueueLimit) return count(kRing_refused);
  auto queue = try_queue(place, static_cast<std::uint8_t>(number), queues);
  if (!queue || !ground_.connect(place, queue->fd())) return count(kRing_refused);
  inner_->watch(queue->fd());
  if (number == queues_.size()) {
    queues_.emplace_back();
    rings_.emplace_back();
  }
  queues_[number] = std::move(queue);
  rings_[number] = {};
  for (Way& way : ways_) {
    if (way.known) way.to = {};  // Flows that took their sockets for want of it ask again.
  }
}

/// Without a copy is tried first. All queues share one memory where the kernel lets them, so that a packet may leave by
/// another NIC without a copy; one that wants another mode than the first gets a memory of its own, for all that are like
/// it: `queues` at most.
std::unique_ptr<XskQueue> AfXdpPort::try_queue(const XskPlace& place, std::uint8_t number, std::size_t queues) {
  std::unique_ptr<XskQueue> queue;
  int error = 0;
  for (const auto& other : queues_) {
    if (!other || other->store().shared_by == other->store().share_limit()) continue;
    queue = XskQueue::open({.place = place, .number = number, .share_with = other->fd(), .busy_poll = busy_poll_}, other->store(), error);
    if (queue) return queue;
  }
  for (const XskMode mode : {XskMode::kZeroCopy, XskMode::kCopy}) {
    const auto layout = mode == XskMode::kZeroCopy ? FrameStore::Layout::kAligned : FrameStore::Layout::kStaggered;
    auto store = std::make_unique<FrameStore>(static_cast<std::uint32_t>(queues), layout);
    queue = XskQueue::open({.place = place, .number = number, .mode = mode, .busy_poll = busy_poll_}, *store, error);
    if (queue) return stores_.push_back(std::move(store)), std::move(queue);
  }
  return nullptr;
}

void AfXdpPort::close_queue(std::size_t number) noexcept {
  std::unique_ptr<XskQueue>& queue = queues_[number];
  if (!queue) return;
  FrameStore& store = queue->store();
  ground_.disconnect(queue->place());
  inner_->unwatch(queue->fd());
  queue.reset();
  store.reclaim(static_cast<std::uint8_t>(number));
  for (Way& way : ways_) {
    if (way.queue_after == number + 1) way.queue_after = 0, way.to = {};
  }
}

void AfXdpPort::tell_facts() {
  const std::lock_guard lock(facts_mutex_);
  facts_.clear();
  for (const auto& queue : queues_) {
    if (queue) facts_.push_back({queue->place(), queue->mode(), queue->busy_polls()});
  }
}

void AfXdpPort::kick(XskQueue& queue) noexcept {
  const int error = queue.kick();
  if (error == 0) return;
  count(kRing_nicDown);
  if (error != ENETDOWN) gone_.push_back(queue.number());
}

/// Notes how much each ring holds before the sockets are asked; is there anything?
bool AfXdpPort::look() noexcept {
  bool any = false;
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    rings_[i].before_sockets = queues_[i] ? queues_[i]->received().available() : 0;
    any = any || rings_[i].before_sockets != 0;
  }
  return any;
}

bool AfXdpPort::anything() const noexcept {
  return std::ranges::any_of(queues_, [](const auto& queue) { return queue && queue->received().available() != 0; });
}

/// What was put on the rings leaves; frames come back, and are handed over for packets to come.
void AfXdpPort::turn_rings(std::uint64_t now_ns) noexcept {
  settle();
  const bool ask = now_ns - asked_missed_ns_ >= kMissedLookNs;
  if (ask) asked_missed_ns_ = now_ns;
  for (const auto& queue : queues_) {
    if (!queue) continue;
    kick(*queue);
    queue->reap();
    queue->refill();
    if (ask) count(kRing_missed, queue->newly_missed());
  }
  if (gone_.empty()) return;
  for (const std::uint8_t number : gone_) close_queue(number);
  gone_.clear();
}

void AfXdpPort::free_held() noexcept {
  for (const Frame& frame : held_) {
    if (frame.store->holder(frame.number) == FrameStore::kOurs) frame.store->give_back(frame.number);
  }
  held_.clear();
}

std::span<relay::Datagram> AfXdpPort::receive(std::uint64_t now_ns, std::uint64_t timeout_ns) noexcept {
  turn_ += 1;
  by_sockets_ = 0;
  turn_rings(now_ns);
  const bool ready = look();
  const auto from_sockets = inner_->receive(now_ns, ready ? 0 : timeout_ns);
  free_held();  // What was to leave by sockets has left.
  removed.insert(removed.end(), inner_->removed.begin(), inner_->removed.end());
  inner_->removed.clear();
  inner_->readable.clear();  // Rings: they are looked at anyway.
  if (!ready && !anything()) {
    for (const relay::Datagram& datagram : from_sockets) arrivals_[datagram.flow].ring_was_last = false;
    return from_sockets;
  }
  batch_.clear();
  late_.clear();
  // Of a flow whose last packet came by a ring what its socket brings is younger than what the rings still hold; of any
  // other flow it is older.
  for (const relay::Datagram& datagram : from_sockets) {
    (arrivals_[datagram.flow].ring_was_last ? late_ : batch_).push_back(datagram);
  }
  const auto share = static_cast<std::uint32_t>(kRingBatch / queues_.size());
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    const std::size_t at = (first_queue_ + i) % queues_.size();
    if (queues_[at]) take_ring(*queues_[at], rings_[at], share);
  }
  first_queue_ += 1;
  for (const relay::Datagram& datagram : late_) arrivals_[datagram.flow].ring_was_last = false;
  batch_.insert(batch_.end(), late_.begin(), late_.end());
  return batch_;
}

/// A packet of no flow we know stays once, with all behind it: the command that opens the flow may have been given before
/// the packet came, and is obeyed between two turns.
void AfXdpPort::take_ring(XskQueue& queue, Ring& ring, std::uint32_t limit) noexcept {
  ConsumerRing<xdp_desc>& received = queue.received();
  const std::uint32_t available = received.available();
  const std::uint32_t count = std::min(available, limit);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (i + kPacketsAhead < count) queue.store().ask_for(received.peek(i + kPacketsAhead).addr);
    parse(queue, received.peek(i), parsed_[i]);
  }
  std::uint32_t at = 0;
  for (; at < count; ++at) {
    const xdp_desc& packet = received.peek(at);
    const Taken taken = take_frame(queue, packet, parsed_[at], at < ring.before_sockets);
    if (taken == Taken::kLater) break;
    if (taken == Taken::kYes) continue;
    if (at >= ring.asked_twice) {
      ring.asked_twice = available;
      break;
    }
    drop_frame(queue, packet, kRing_unknownFlow);
  }
  if (at == 0) return;
  received.release(at);
  ring.asked_twice -= std::min(ring.asked_twice, at);
}

void AfXdpPort::drop_frame(XskQueue& queue, const xdp_desc& packet, RingCounter why) noexcept {
  const std::uint32_t frame = queue.store().frame_of(FrameStore::plain(packet.addr));
  queue.store().hand(frame, FrameStore::kOurs);
  queue.store().give_back(frame);
  count(why);
}

void AfXdpPort::parse(const XskQueue& queue, const xdp_desc& packet, Parsed& out) noexcept {
  const FrameStore& store = queue.store();
  const std::uint64_t address = FrameStore::plain(packet.addr);
  out.ours = store.holds(address, packet.len);
  if (!out.ours) return;
  out.fault = parse_frame(store.memory() + address, packet.len, queue.partial_checksums(), out.frame);
  if (out.fault == FrameFault::kNone) index_.ask_for(out.frame.to);
}

/// Later: the packet before it came by its socket, which was asked before this one came and may hold more.
AfXdpPort::Taken AfXdpPort::take_frame(XskQueue& queue, const xdp_desc& packet, const Parsed& parsed, bool may_begin) noexcept {
  FrameStore& store = queue.store();
  if (!parsed.ours) return Taken::kYes;
  if (parsed.fault != FrameFault::kNone) {
    drop_frame(queue, packet, parsed.fault == FrameFault::kChecksum ? kRing_badChecksum : kRing_malformed);
    return Taken::kYes;
  }
  const std::uint32_t flow = index_.find(parsed.frame.to);
  if (flow == FlowIndex::kNone) return Taken::kNobodys;
  Arrival& arrival = arrivals_[flow];
  if (!may_begin && !arrival.ring_was_last) return Taken::kLater;
  arrival.ring_was_last = true;
  const std::uint64_t address = FrameStore::plain(packet.addr);
  const std::uint32_t frame = store.frame_of(address);
  store.hand(frame, FrameStore::kOurs);
  held_.push_back({&store, frame});
  relay::Datagram& datagram = batch_.emplace_back();
  datagram.flow = flow;
  datagram.sender = parsed.frame.from;
  datagram.data = store.memory() + address + parsed.frame.payload_at;
  datagram.size = parsed.frame.payload_size;
  datagram.room = static_cast<std::uint32_t>(store.start(frame) + kFrameBytes - datagram.data);
  datagram.by_ring = true;
  count(kRing_received);
  return Taken::kYes;
}

void AfXdpPort::send(const relay::Datagram& datagram) noexcept {
  Way& way = ways_[datagram.out_flow];
  if (queues_.empty() || !way.known) return inner_->send(datagram);
  if (way.hops_generation != ground_.hops_generation() || !same(way.to, datagram.to)) find_way(way, datagram.out_flow, datagram.to);
  const bool fits = way.queue_after != 0 && way.socket_turn != turn_ && datagram.size <= way.header.payload_limit();
  if (!fits || !leave_by_ring(way, datagram)) leave_by_socket(way, datagram);
}

void AfXdpPort::send_all(std::span<const relay::Datagram> batch) noexcept {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (i + kPacketsAhead < batch.size()) {
      const auto* const way = reinterpret_cast<const std::uint8_t*>(&ways_[batch[i + kPacketsAhead].out_flow]);
      __builtin_prefetch(way, 1);
      __builtin_prefetch(way + 64);
    }
    if (batch[i].verdict == relay::Verdict::kForward) send(batch[i]);
  }
}

void AfXdpPort::find_way(Way& way, std::uint32_t flow, const endpoint& to) noexcept {
  way.hops_generation = ground_.hops_generation();
  way.to = to;
  const next_hop hop = ground_.next(flow, arrivals_[flow].local, to);
  const auto leads = [&](const auto& queue) { return queue && hop.usable && queue->place().interface == hop.interface; };
  // One queue a flow, or it would overtake itself.
  const auto choice = static_cast<std::uint32_t>(std::ranges::count_if(queues_, leads));
  std::uint32_t skip = choice == 0 ? 0 : flow % choice;
  std::uint8_t found = 0;
  for (const auto& queue : queues_) {
    if (!leads(queue) || skip-- != 0) continue;
    found = static_cast<std::uint8_t>(queue->number() + 1);
    break;
  }
  if (found != way.queue_after) {
    if (way.queue_after != 0) kick(*queues_[way.queue_after - 1u]);  // What it put there leaves before what follows.
    way.ring_position = 0;
  }
  way.queue_after = found;
  if (found != 0) way.header.set(hop, arrivals_[flow].local, to, way.dscp);
}

bool AfXdpPort::leave_by_ring(Way& way, const relay::Datagram& datagram) noexcept {
  XskQueue& queue = *queues_[way.queue_after - 1u];
  FrameStore& store = queue.store();
  std::uint8_t* payload = datagram.data;
  std::uint32_t frame = 0;
  const bool here = store.owns(payload) && payload - store.start(store.frame_of(payload)) >= static_cast<std::ptrdiff_t>(HeaderTemplate::kMost);
  if (here) {
    frame = store.frame_of(payload);
  } else {
    if (datagram.size > kFrameBytes - HeaderTemplate::kMost) return false;
    if (!store.take(frame, FrameStore::kOurs)) {
      count(kRing_noFrame);
      return false;
    }
    payload = store.start(frame) + HeaderTemplate::kMost;
    std::memcpy(payload, datagram.data, datagram.size);
    count(kRing_copied);
  }
  way.header.write(payload, datagram.size);
  const std::uint8_t* const start = payload - way.header.size();
  const std::uint32_t size = datagram.size + way.header.size();
  bool sent = queue.send(frame, start, size);
  if (!sent) {
    kick(queue);
    sent = queue.send(frame, start, size);
  }
  if (sent) {
    way.ring_position = queue.sent();
    count(kRing_sent);
  } else if (!here) {
    store.give_back(frame);
  }
  return sent;
}

void AfXdpPort::leave_by_socket(Way& way, const relay::Datagram& datagram) noexcept {
  if (way.queue_after != 0 && way.ring_position != 0) {
    XskQueue& queue = *queues_[way.queue_after - 1u];
    if (queue.taken() < way.ring_position) kick(queue);
    if (queue.taken() < way.ring_position) return count(kRing_heldBack);
  }
  if (by_sockets_ == kBatch) return count(kRing_heldBack);  // More the sockets do not take in one turn.
  by_sockets_ += 1;
  way.socket_turn = turn_;
  count(kRing_bySocket);
  inner_->send(datagram);
}

}  // namespace

std::unique_ptr<RingPort> make_ring_port(std::uint32_t flows, std::unique_ptr<PacketPort> inner, const RingOptions& options) {
  return std::make_unique<AfXdpPort>(flows, std::move(inner), options);
}

}  // namespace sallyport::io
