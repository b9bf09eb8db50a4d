#include "af_xdp_port.h"

#include <errno.h>

#include <algorithm>

#include "af_xdp_flows.h"
#include "af_xdp_headers.h"
#include "af_xdp_parse.h"

namespace sallyport::io {
namespace {

/// A flow that a ring brought packets of so lately is one of the ring's: what its socket brings is younger.
constexpr std::uint64_t kByRingNs = 50'000'000;
/// Limit: datagrams one turn takes from the rings beside those of the sockets.
constexpr std::uint32_t kRingBatch = kBatch;

bool same(const endpoint& a, const endpoint& b) noexcept { return std::memcmp(&a, &b, sizeof a) == 0; }

/// One flow as this port sees it: where its packets come to, and how those that leave by it go on. All zeros is a good
/// one, so that a table of them costs nothing until they are used.
struct Way {
  endpoint local{};
  endpoint to{};
  std::uint8_t dscp = 0;
  std::uint8_t queue_after = 0;  ///< Number + 1 of the queue that `header` sends by; 0: the socket.
  bool known = false;
  std::uint32_t hops_generation = 0;
  std::uint32_t socket_turn = 0;  ///< In which its socket was used last.
  std::uint64_t ring_position = 0;  ///< XskQueue::sent() after its last packet.
  std::uint64_t ring_heard_ns = 0;
  HeaderTemplate header;
};

class AfXdpPort final : public RingPort {
 public:
  AfXdpPort(std::uint32_t flows, std::unique_ptr<PacketPort> inner, const RingOptions& options)
      : inner_(std::move(inner)), hops_(options.hops), index_(flows), ways_(flows) {
    open_queues(options);
    removed.reserve(flows);
    batch_.reserve(kBatch + kRingBatch);
    late_.reserve(kBatch);
    held_.reserve(kRingBatch);
  }
  ~AfXdpPort() override {
    for (const auto& queue : queues_) inner_->unwatch(queue->fd());
  }

  PortKind kind() const noexcept override { return inner_->kind(); }
  bool add(std::uint32_t first, std::span<const int> fds) noexcept override { return inner_->add(first, fds); }
  void forget(std::uint32_t first, std::uint32_t count) noexcept override { inner_->forget(first, count); }
  void changed(std::uint32_t flow) noexcept override { inner_->changed(flow); }
  bool watch(int fd) noexcept override { return inner_->watch(fd); }
  void unwatch(int fd) noexcept override { inner_->unwatch(fd); }
  void wake() noexcept override { inner_->wake(); }

  void know(std::uint32_t flow, const endpoint& local, std::uint8_t dscp) noexcept override {
    Way& way = ways_[flow];
    if (way.known && !same(way.local, local)) index_.remove(way.local, flow);
    way.local = local;
    way.dscp = dscp;
    way.known = true;
    way.to = {};  // The header is made anew.
    index_.put(local, flow);
  }
  void mark(std::uint32_t first, std::uint8_t dscp) noexcept override {
    for (std::uint32_t flow = first; flow < first + 2; ++flow) {
      ways_[flow].dscp = dscp;
      ways_[flow].to = {};
    }
  }
  void remove(std::uint32_t flow) noexcept override {
    Way& way = ways_[flow];
    if (way.known) index_.remove(way.local, flow);
    way = {};
    inner_->remove(flow);
  }

  std::span<relay::Datagram> receive(std::uint64_t now_ns, std::uint64_t timeout_ns) noexcept override;
  void send(const relay::Datagram& datagram) noexcept override;

  std::vector<QueueFacts> queues() const override {
    std::vector<QueueFacts> facts;
    for (const auto& queue : queues_) facts.push_back({queue->place(), queue->fd(), queue->mode(), queue->busy_polls()});
    return facts;
  }
  std::uint64_t counter(RingCounter which) const noexcept override { return counters_[which].load(std::memory_order_relaxed); }

 private:
  struct Ring {
    std::uint32_t before_sockets = 0;  ///< Packets there before the sockets were asked.
    std::uint32_t asked_twice = 0;     ///< Of those it holds: what is still nobody's flow's is dropped.
  };
  void open_queues(const RingOptions& options);
  void kick(XskQueue& queue) noexcept;
  bool look() noexcept;
  bool anything() const noexcept;
  void free_held() noexcept;
  void take_sockets(std::span<const relay::Datagram> from_sockets, std::uint64_t now_ns) noexcept;
  void take_ring(XskQueue& queue, Ring& ring, std::uint32_t limit, std::uint64_t now_ns) noexcept;
  enum class Taken : std::uint8_t { kYes, kLater, kNobodys };
  Taken take_frame(XskQueue& queue, const xdp_desc& packet, bool may_begin, std::uint64_t now_ns) noexcept;
  void drop_frame(XskQueue& queue, const xdp_desc& packet, RingCounter why) noexcept;
  bool by_ring(const Way& way, std::uint64_t now_ns) const noexcept {
    return way.ring_heard_ns != 0 && now_ns - way.ring_heard_ns < kByRingNs;
  }
  void find_way(Way& way, std::uint32_t flow, const endpoint& to) noexcept;
  bool leave_by_ring(Way& way, const relay::Datagram& datagram) noexcept;
  void leave_by_socket(Way& way, const relay::Datagram& datagram) noexcept;
  void count(RingCounter which) noexcept {
    counters_[which].store(counters_[which].load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  std::unique_ptr<PacketPort> inner_;
  HopFinder* hops_;
  FlowIndex index_;
  std::vector<Way> ways_;
  std::vector<std::unique_ptr<FrameStore>> stores_;
  std::vector<std::unique_ptr<XskQueue>> queues_;  // After the stores: they go first.
  std::vector<Ring> rings_;
  std::size_t first_queue_ = 0;  ///< Whose turn it is to be first.
  std::uint32_t turn_ = 1;
  std::vector<relay::Datagram> batch_;
  std::vector<relay::Datagram> late_;
  struct Frame {
    FrameStore* store;
    std::uint32_t number;
  };
  std::vector<Frame> held_;  ///< Of the batch the caller works on, and sends from.
  std::atomic<std::uint64_t> counters_[kRingCounterCount] = {};
};

/// Without a copy is tried first. All queues share one memory where the kernel lets them, so that a packet may leave by
/// another NIC without a copy; one that wants another mode than the first gets a memory of its own.
void AfXdpPort::open_queues(const RingOptions& options) {
  const auto frames = static_cast<std::uint32_t>(options.places.size() * kFramesPerQueue);
  for (const XskPlace& place : options.places) {
    if (queues_.size() == kQueueLimit) return;
    const auto number = static_cast<std::uint8_t>(queues_.size());
    std::unique_ptr<XskQueue> queue;
    int error = 0;
    for (const auto& other : queues_) {
      queue = XskQueue::open({.place = place, .number = number, .share_with = other->fd(), .busy_poll = options.busy_poll}, other->store(), error);
      if (queue || error == EBUSY) break;
    }
    for (const XskMode mode : {XskMode::kZeroCopy, XskMode::kCopy}) {
      if (queue || error == EBUSY) break;
      auto store = std::make_unique<FrameStore>(frames);
      queue = XskQueue::open({.place = place, .number = number, .mode = mode, .busy_poll = options.busy_poll}, *store, error);
      if (queue) stores_.push_back(std::move(store));
    }
    if (!queue) continue;
    inner_->watch(queue->fd());
    queues_.push_back(std::move(queue));
  }
  rings_.resize(queues_.size());
}

void AfXdpPort::kick(XskQueue& queue) noexcept {
  if (queue.kick() != 0) count(kRing_nicDown);
}

/// Notes how much each ring holds before the sockets are asked; is there anything?
bool AfXdpPort::look() noexcept {
  bool any = false;
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    rings_[i].before_sockets = queues_[i]->received().available();
    any = any || rings_[i].before_sockets != 0;
  }
  return any;
}

bool AfXdpPort::anything() const noexcept {
  for (const auto& queue : queues_) {
    if (queue->received().available() != 0) return true;
  }
  return false;
}

void AfXdpPort::free_held() noexcept {
  for (const Frame& frame : held_) {
    if (frame.store->holder(frame.number) == FrameStore::kOurs) frame.store->give_back(frame.number);
  }
  held_.clear();
}

std::span<relay::Datagram> AfXdpPort::receive(std::uint64_t now_ns, std::uint64_t timeout_ns) noexcept {
  turn_ += 1;
  for (const auto& queue : queues_) {
    kick(*queue);
    queue->reap();
    queue->refill();
  }
  const bool ready = look();
  const auto from_sockets = inner_->receive(now_ns, ready ? 0 : timeout_ns);
  free_held();  // What was to leave by sockets has left.
  removed.insert(removed.end(), inner_->removed.begin(), inner_->removed.end());
  inner_->removed.clear();
  if (!ready && !anything()) return from_sockets;

  batch_.clear();
  late_.clear();
  take_sockets(from_sockets, now_ns);
  const auto share = static_cast<std::uint32_t>(kRingBatch / queues_.size());
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    const std::size_t at = (first_queue_ + i) % queues_.size();
    take_ring(*queues_[at], rings_[at], share, now_ns);
  }
  first_queue_ += 1;
  batch_.insert(batch_.end(), late_.begin(), late_.end());
  return batch_;
}

void AfXdpPort::take_sockets(std::span<const relay::Datagram> from_sockets, std::uint64_t now_ns) noexcept {
  for (const relay::Datagram& datagram : from_sockets) {
    (by_ring(ways_[datagram.flow], now_ns) ? late_ : batch_).push_back(datagram);
  }
}

/// A packet of no flow we know stays once, with all behind it: the command that opens the flow may have been given before
/// the packet came, and is obeyed between two turns.
void AfXdpPort::take_ring(XskQueue& queue, Ring& ring, std::uint32_t limit, std::uint64_t now_ns) noexcept {
  ConsumerRing<xdp_desc>& received = queue.received();
  const std::uint32_t available = received.available();
  const std::uint32_t count = std::min(available, limit);
  std::uint32_t at = 0;
  for (; at < count; ++at) {
    const xdp_desc& packet = received.peek(at);
    const Taken taken = take_frame(queue, packet, at < ring.before_sockets, now_ns);
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
  const std::uint32_t frame = FrameStore::frame_of(packet.addr);
  queue.store().hand(frame, FrameStore::kOurs);
  queue.store().give_back(frame);
  count(why);
}

/// Later: it is the first of its flow that a ring brings, and its socket was asked before it came.
AfXdpPort::Taken AfXdpPort::take_frame(XskQueue& queue, const xdp_desc& packet, bool may_begin, std::uint64_t now_ns) noexcept {
  FrameStore& store = queue.store();
  if (!store.holds(packet.addr) || packet.addr % kFrameBytes + packet.len > kFrameBytes) return Taken::kYes;
  std::uint8_t* const bytes = store.memory() + packet.addr;
  UdpFrame parsed;
  const FrameFault fault = parse_frame(bytes, packet.len, queue.partial_checksums(), parsed);
  if (fault != FrameFault::kNone) {
    drop_frame(queue, packet, fault == FrameFault::kChecksum ? kRing_badChecksum : kRing_malformed);
    return Taken::kYes;
  }
  const std::uint32_t flow = index_.find(parsed.to);
  if (flow == FlowIndex::kNone) return Taken::kNobodys;
  Way& way = ways_[flow];
  if (!may_begin && !by_ring(way, now_ns)) return Taken::kLater;
  way.ring_heard_ns = now_ns;
  const std::uint32_t frame = FrameStore::frame_of(packet.addr);
  store.hand(frame, FrameStore::kOurs);
  held_.push_back({&store, frame});
  relay::Datagram& datagram = batch_.emplace_back();
  datagram.flow = flow;
  datagram.sender = parsed.from;
  datagram.data = bytes + parsed.payload_at;
  datagram.size = parsed.payload_size;
  datagram.room = static_cast<std::uint32_t>(store.start(frame) + kFrameBytes - datagram.data);
  count(kRing_received);
  return Taken::kYes;
}

void AfXdpPort::send(const relay::Datagram& datagram) noexcept {
  Way& way = ways_[datagram.out_flow];
  if (queues_.empty() || hops_ == nullptr || !way.known) return inner_->send(datagram);
  if (way.hops_generation != hops_->generation() || !same(way.to, datagram.to)) find_way(way, datagram.out_flow, datagram.to);
  const bool fits = way.queue_after != 0 && way.socket_turn != turn_ && datagram.size <= way.header.payload_limit();
  if (!fits || !leave_by_ring(way, datagram)) leave_by_socket(way, datagram);
}

void AfXdpPort::find_way(Way& way, std::uint32_t flow, const endpoint& to) noexcept {
  way.hops_generation = hops_->generation();
  way.to = to;
  const next_hop hop = hops_->find(way.local, to);
  // One queue a flow, or it would overtake itself.
  std::uint32_t queues = 0;
  for (const auto& queue : queues_) queues += queue->place().interface == hop.interface;
  std::uint8_t found = 0;
  std::uint32_t skip = queues == 0 ? 0 : flow % queues;
  for (const auto& queue : queues_) {
    if (!hop.usable || queue->place().interface != hop.interface) continue;
    if (skip-- != 0) continue;
    found = static_cast<std::uint8_t>(queue->number() + 1);
    break;
  }
  if (found != way.queue_after) {
    if (way.queue_after != 0) kick(*queues_[way.queue_after - 1u]);
    way.ring_position = 0;
  }
  way.queue_after = found;
  if (found != 0) way.header.set(hop, way.local, to, way.dscp);
}

bool AfXdpPort::leave_by_ring(Way& way, const relay::Datagram& datagram) noexcept {
  XskQueue& queue = *queues_[way.queue_after - 1u];
  FrameStore& store = queue.store();
  std::uint8_t* payload = datagram.data;
  std::uint32_t frame = 0;
  const bool here = store.owns(payload) && (payload - store.start(store.frame_of(payload))) >= static_cast<std::ptrdiff_t>(way.header.size());
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
  way.socket_turn = turn_;
  count(kRing_bySocket);
  inner_->send(datagram);
}

}  // namespace

std::unique_ptr<RingPort> make_ring_port(std::uint32_t flows, std::unique_ptr<PacketPort> inner, const RingOptions& options) {
  return std::make_unique<AfXdpPort>(flows, std::move(inner), options);
}

}  // namespace sallyport::io
