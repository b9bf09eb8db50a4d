#include "packet_thread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "../relay/pair_state.h"

namespace sallyport::io {
namespace {

/// Limit: commands waiting for a packet thread; control is told to try again.
constexpr std::size_t kCommandQueue = 1'024;
/// Limit: commands obeyed between two batches of packets, so that a burst of calls delays no packet by long.
constexpr unsigned kCommandsPerTurn = 16;
/// Limit: results of handshakes taken between two batches of packets.
constexpr std::size_t kResultsPerTurn = 32;
/// Limit: events waiting for control, a pair. `closed` and retired contexts always find room: a pair makes at most
/// these many before control has read them; news beyond three quarters of the queue is dropped.
constexpr std::size_t kEventsPerPair = 4;
constexpr std::size_t kLeastEvents = 8'192;
/// Limit: times porters are asked between two batches of packets: all that their sockets can hold, unless more comes meanwhile.
constexpr unsigned kPorterRounds = 64;
constexpr std::uint64_t kIdleNs = 1'000'000'000;
constexpr std::uint64_t kBusyNs = 20'000'000;

std::uint64_t unix_ns() noexcept {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t monotonic_ns() noexcept {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

PacketThread::PacketThread(std::uint32_t max_pairs, int core, PortChoice choice, RingOptions rings, HandshakeLane& lane, std::uint64_t* counters,
                           void (*notify)(void*), void* notify_data, relay::PacketLimits limits, relay::FlowSink* sink, std::unique_ptr<LateSockets> late)
    : max_pairs_(max_pairs),
      core_(core),
      choice_(choice),
      ring_options_(std::move(rings)),
      counters_(counters),
      notify_(notify),
      notify_data_(notify_data),
      limits_(limits),
      sink_(sink),
      commands_(kCommandQueue),
      events_(max_pairs * kEventsPerPair > kLeastEvents ? max_pairs * kEventsPerPair : kLeastEvents),
      late_(late ? std::move(late) : std::make_unique<LateSockets>(nullptr, 0, 0)),
      lane_(lane),
      letters_(kResultsPerTurn),
      sockets_left_(max_pairs) {
  thread_ = std::thread([this] { run(); });
}

PacketThread::~PacketThread() { stop(); }

bool PacketThread::started() {
  state_.wait(0);
  return state_.load() == 1;
}

bool PacketThread::post(const Command& command) noexcept {
  return port_ && commands_.push(command);
}

void PacketThread::wake() noexcept {
  if (port_ && commands_.size() != 0) port_->wake();
}

bool PacketThread::next_event(relay::Event& event) noexcept { return events_.pop(event); }

void PacketThread::stop() noexcept {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  state_.wait(0);
  if (state_.load() == 1) port_->wake();
  thread_.join();
  late_.reset();
  port_.reset();  // Not by the thread itself: `wake` above may still have been on its way through the port.
}

void PacketThread::drain_commands(void (*with)(const Command&, void*), void* data) noexcept {
  while (const Command* command = commands_.front()) {
    with(*command, data);
    commands_.release();
  }
}

bool PacketThread::prepare() noexcept {
  pthread_setname_np(pthread_self(), "sallyport-rtp");
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);  // Signals are Node's.
  if (core_ >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(core_), &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
  }
  try {
    const std::uint32_t flows = max_pairs_ * relay::kFlowsPerPair;
    if (choice_ != PortChoice::kEpoll) port_ = make_io_uring_port(flows);
    if (!port_ && choice_ != PortChoice::kIoUring) port_ = make_epoll_port(flows);
    if (!port_) return false;
    kind_ = port_->kind();
    if (ring_options_.ground != nullptr) {
      auto rings = make_ring_port(flows, std::move(port_), ring_options_);
      rings_ = rings.get();
      port_ = std::move(rings);
    }
    engine_ = crypto::SrtpEngine::create();
    relay_ = std::make_unique<relay::Relay>(max_pairs_, engine_.get(), counters_, static_cast<relay::EventSink&>(*this));
    relay_->set_packet_limits(limits_);
    relay_->set_sink(sink_);
    relay_->set_wall(unix_ns() - monotonic_ns());
    relay_->set_handshakes(this);
    port_->set_maker(this);
    for (const int fd : late_->watched()) port_->watch(fd);
    lane_.port.store(port_.get(), std::memory_order_release);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void PacketThread::run() noexcept {
  const bool ready = prepare();
  state_.store(ready ? 1 : 2);
  state_.notify_all();
  if (!ready) return;

  while (!stopping_.load(std::memory_order_relaxed)) {
    const std::uint64_t before_ns = monotonic_ns();
    finish_removed();
    if (events_pending_) {
      events_pending_ = false;
      if (!notified_.exchange(true) && notify_) notify_(notify_data_);
    }
    const bool more = commands_.front() != nullptr || lane_.results.front() != nullptr;
    const auto batch = port_->receive(before_ns, more ? 0 : relay_->idle() ? kIdleNs : patience_ns(before_ns));
    const std::uint64_t now_ns = monotonic_ns();
    // First, since an answer that went out after the command may have caused these packets.
    take_commands(now_ns);
    take_results(now_ns);
    take_first_datagrams(now_ns);
    relay_->handle(batch, now_ns);
    port_->send_all(batch);
    relay_->tick(now_ns);
    if (mailed_) lane_.bell->ring();
    mailed_ = false;
    port_->send_all(relay_->made(now_ns));
  }
  // Pairs still open give their contexts back; control closes the sockets once we are joined.
  for (std::uint32_t pair = 0; pair < max_pairs_; ++pair) relay_->close(pair);
}

/// How long nothing needs to be done, when nothing arrives.
std::uint64_t PacketThread::patience_ns(std::uint64_t now_ns) const noexcept {
  const std::uint64_t next_ns = relay_->next_made_ns();
  return next_ns <= now_ns ? 0 : std::min(kBusyNs, next_ns - now_ns);
}

void PacketThread::take_commands(std::uint64_t now_ns) noexcept {
  for (unsigned i = 0; i < kCommandsPerTurn; ++i) {
    const Command* command = commands_.front();
    if (command == nullptr) return;
    obey(*command, now_ns);
    commands_.release();
  }
}

/// What porters got, for flows without sockets of their own, which get them now. Not while commands are waiting: one of
/// them may open the flow, or change it before the datagram came.
void PacketThread::take_first_datagrams(std::uint64_t now_ns) noexcept {
  for (const int fd : port_->readable) late_->readable(fd);
  port_->readable.clear();
  if (commands_.front() != nullptr) return;
  for (unsigned round = 0; round < kPorterRounds; ++round) {
    const auto batch = late_->receive(now_ns);
    for (const relay::Datagram& datagram : batch) make_socket(datagram.flow);
    relay_->handle(batch, now_ns);
    port_->send_all(batch);
    if (!late_->has_more()) return;
    port_->flush();
  }
}

/// A port that another program has taken since we looked fails its pair, as it would have at the start.
bool PacketThread::make_socket(std::uint32_t flow) noexcept {
  if (!late_->is_waiting(flow)) return false;
  const std::uint32_t pair = flow / relay::kFlowsPerPair;
  const auto side = static_cast<std::uint8_t>(flow % relay::kFlowsPerPair / 2);
  const int fd = late_->make(flow);
  if (fd < 0 || !port_->add(flow, {&fd, 1})) {
    event({.kind = relay::EventKind::kFailed, .side = side, .pair = pair,
           .reason = fd < 0 ? strerrordesc_np(-fd) : "the packet port did not take the socket"});
    return false;
  }
  sockets_left_[pair] += 1;
  if (port_->keep(flow, 1)) late_->let_go(flow);
  return true;
}

void PacketThread::obey(const Command& command, std::uint64_t now_ns) noexcept {
  const std::uint32_t first = command.pair * relay::kFlowsPerPair;
  switch (command.word) {
    case Command::Word::kOpen:
      relay_->open(command.pair, command.kind, command.sides[0], command.sides[1], now_ns);
      if (command.state != nullptr) {
        relay_->resume(command.pair, *command.state, command.dice, now_ns);
        event({.kind = relay::EventKind::kRetired, .pair = command.pair, .state = command.state});
      }
      for (std::uint32_t side = 0; side < 2; ++side) {
        const relay::BundleWords& bundle = command.sides[side].bundle;
        if (!bundle.present || bundle.pair == command.pair) tell_port(first + side * 2, command.sides[side]);
      }
      sockets_left_[command.pair] = 0;
      for (std::uint32_t i = 0; i < relay::kFlowsPerPair; ++i) {
        if (command.fds[i] != kLateSocket) continue;
        const relay::Side& side = command.sides[i / 2];
        late_->expect(first + i, local_of(side, i % 2), side.dscp, i % 2 == 0 && command.kind != relay::PairKind::kAudio);
      }
      if (port_->add(first, command.fds)) {
        for (const int fd : command.fds) sockets_left_[command.pair] += fd >= 0;
        if (port_->keep(first, relay::kFlowsPerPair)) event({.kind = relay::EventKind::kKept, .pair = command.pair});
      } else {
        event({.kind = relay::EventKind::kFailed, .pair = command.pair, .reason = "the packet port did not take the socket"});
      }
      return;
    case Command::Word::kChange:
      relay_->change(command.pair, command.side, command.bits, command.sides[0], now_ns);
      if (command.bits & relay::kChangeDscp) {
        late_->mark(first + command.side * 2u, command.sides[0].dscp);
        port_->mark(first + command.side * 2u, command.sides[0].dscp);
        for (std::uint32_t i = 0; i < 2; ++i) port_->changed(first + command.side * 2u + i);
      }
      return;
    case Command::Word::kDigit:
      relay_->play(command.pair, command.side, command.digit, now_ns);
      return;
    case Command::Word::kExport: {
      const char* const why_not = relay_->save(command.pair, *command.state, now_ns);
      command.state->made_unix_ns = unix_ns();
      event({.kind = relay::EventKind::kExported, .pair = command.pair, .reason = why_not == nullptr ? "" : why_not, .state = command.state});
      return;
    }
    case Command::Word::kClose:
      close_pair(command.pair);
      return;
  }
}

void PacketThread::close_pair(std::uint32_t pair) noexcept {
  const std::uint32_t first = pair * relay::kFlowsPerPair;
  for (std::uint32_t i = 0; i < relay::kFlowsPerPair; ++i) {
    late_->end(first + i);
    port_->remove(first + i);
  }
  if (sockets_left_[pair] == 0) relay_->close(pair);
}

/// What handshakes have brought: datagrams to send, keys, failures, and pairs whose good-byes are said.
void PacketThread::take_results(std::uint64_t now_ns) noexcept {
  using Kind = HandshakeResult::Kind;
  for (std::size_t i = 0; i < kResultsPerTurn; ++i) {
    HandshakeResult* const result = lane_.results.front();
    if (result == nullptr) return;
    switch (result->kind) {
      case Kind::kSend: {
        if (!relay_->speaks_for(result->association, result->flow)) break;
        std::memcpy(letters_[i].data(), result->bytes, result->size);
        port_->send({.flow = result->flow, .data = letters_[i].data(), .size = result->size, .room = result->size,
                     .verdict = relay::Verdict::kForward, .out_flow = result->flow, .to = result->peer});
        break;
      }
      case Kind::kData: {
        std::memcpy(letters_[i].data(), result->bytes, result->size);
        relay::Datagram opened{.flow = result->flow, .sender = result->peer, .data = letters_[i].data(), .size = result->size,
                               .room = static_cast<std::uint32_t>(letters_[i].size())};
        relay_->opened(result->association, opened, now_ns);
        if (opened.verdict == relay::Verdict::kForward) port_->send(opened);
        break;
      }
      case Kind::kSecured:
        relay_->secured({.association = result->association, .flow = result->flow, .peer = result->peer, .rx = result->rx,
                         .tx = result->tx, .suite = result->suite, .receive = result->receive, .send = result->send}, now_ns);
        result->receive = result->send = {};
        break;
      case Kind::kFailed: relay_->handshake_failed(result->association, result->flow, result->reason); break;
      case Kind::kClosePair: close_pair(result->pair); break;
    }
    lane_.results.release();
  }
}

void PacketThread::arrived(std::uint32_t association, const relay::Datagram& datagram) noexcept {
  post(HandshakeMail::Kind::kArrived, association, datagram.flow, datagram);
}

bool PacketThread::leaves(std::uint32_t association, std::uint32_t flow, const relay::Datagram& datagram) noexcept {
  return post(HandshakeMail::Kind::kLeaves, association, flow, datagram);
}

bool PacketThread::post(HandshakeMail::Kind kind, std::uint32_t association, std::uint32_t flow, const relay::Datagram& datagram) noexcept {
  HandshakeMail* const mail = lane_.mail.size() + kLaneReserve > lane_.mail.capacity() ? nullptr : lane_.mail.vacant();
  if (mail == nullptr || datagram.size > sizeof mail->bytes) return false;
  mail->kind = kind;
  mail->association = association;
  mail->flow = flow;
  mail->size = datagram.size;
  mail->peer = datagram.sender;
  std::memcpy(mail->bytes, datagram.data, datagram.size);
  lane_.mail.publish();
  mailed_ = true;
  return true;
}

void PacketThread::reached(std::uint32_t association, std::uint32_t flow, const endpoint& to) noexcept {
  HandshakeMail* const mail = lane_.mail.vacant();
  if (mail == nullptr) return;  // The handshake then ends at its limit.
  mail->kind = HandshakeMail::Kind::kReached;
  mail->association = association;
  mail->flow = flow;
  mail->size = 0;
  mail->peer = to;
  lane_.mail.publish();
  mailed_ = true;
}

void PacketThread::tell_port(std::uint32_t first, const relay::Side& side) noexcept {
  const std::uint32_t count = side.local.rtp_port == side.local.rtcp_port ? 1 : 2;
  for (std::uint32_t i = 0; i < count; ++i) port_->know(first + i, local_of(side, i), side.dscp);
}

void PacketThread::finish_removed() noexcept {
  for (const std::uint32_t flow : port_->removed) {
    const std::uint32_t pair = flow / relay::kFlowsPerPair;
    if (--sockets_left_[pair] != 0) continue;
    port_->forget(pair * relay::kFlowsPerPair, relay::kFlowsPerPair);
    for (std::uint32_t i = 0; i < relay::kFlowsPerPair; ++i) late_->release(pair * relay::kFlowsPerPair + i);
    relay_->close(pair);
  }
  port_->removed.clear();
}

void PacketThread::event(const relay::Event& event) noexcept {
  const bool news = event.kind == relay::EventKind::kLatched || event.kind == relay::EventKind::kSilent ||
                    event.kind == relay::EventKind::kHeard || event.kind == relay::EventKind::kExpired ||
                    event.kind == relay::EventKind::kDigit || event.kind == relay::EventKind::kKeyLifetime ||
                    event.kind == relay::EventKind::kKept;
  if (news && events_.size() > events_.capacity() / 4 * 3) return;
  events_.push(event);
  events_pending_ = true;
}

}  // namespace sallyport::io
