#include "handshake_thread.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "../relay/out_sources.h"

namespace sallyport::io {
namespace {

constexpr std::uint64_t kMillisecondNs = 1'000'000;
constexpr std::uint64_t kNever = ~std::uint64_t{0};

std::uint64_t monotonic_ns() noexcept {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

void close_context(crypto::SrtpContext* context) noexcept { crypto::SrtpContextPtr closed(context); }

std::shared_ptr<const crypto::DtlsIdentityBytes> made_identity() {
  const auto identity = crypto::DtlsIdentity::create();
  auto bytes = std::make_shared<crypto::DtlsIdentityBytes>();
  return identity && identity->write(*bytes) ? bytes : nullptr;
}

}  // namespace

SourcePlaces places_for(relay::PairKind kind, bool receive) noexcept {
  const bool audio = kind == relay::PairKind::kAudio;
  if (receive) return audio ? SourcePlaces{1, 10} : SourcePlaces{relay::kOtherSources, crypto::kRetiredLimit};
  return audio ? SourcePlaces{1, relay::kAudioSources - 1} : SourcePlaces{relay::kOtherSources, 0};
}

Bell::Bell() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
Bell::~Bell() {
  if (fd_ >= 0) close(fd_);
}

void Bell::ring() noexcept {
  if (rung_.exchange(true)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof one);
}

void Bell::wait(std::uint64_t timeout_ns) noexcept {
  pollfd wanted{fd_, POLLIN, 0};
  const std::uint64_t timeout_ms = timeout_ns == kNever ? kNever : (timeout_ns + kMillisecondNs - 1) / kMillisecondNs;
  poll(&wanted, 1, timeout_ms > 3'600'000 ? -1 : static_cast<int>(timeout_ms));
  std::uint64_t value;
  [[maybe_unused]] const ssize_t bytes = read(fd_, &value, sizeof value);
  rung_.exchange(false);  // Takes over what was queued before a ring that found it rung.
}

HandshakeThread::HandshakeThread(const crypto::DtlsIdentity& identity, std::size_t lanes, const std::vector<std::atomic<std::uint8_t>>& places)
    : places_(places), factory_(crypto::DtlsFactory::create(identity)), engine_(crypto::SrtpEngine::create()) {
  for (std::size_t i = 0; i < lanes; ++i) {
    lanes_.push_back(std::make_unique<HandshakeLane>());
    lanes_.back()->bell = &bell_;
  }
  if (!factory_) return;
  handshakes_ = std::make_unique<relay::Handshakes>(*factory_, static_cast<relay::HandshakeSink&>(*this));
  thread_ = std::thread([this] { run(); });
}

HandshakeThread::~HandshakeThread() {
  stop();
  for (const auto& lane : lanes_) {
    HandshakeResult result;
    while (lane->results.pop(result)) {
      if (result.kind == HandshakeResult::Kind::kSecured) close_context(result.rx), close_context(result.tx);
    }
  }
  for (const HandshakeResult& result : waiting_) {
    if (result.kind == HandshakeResult::Kind::kSecured) close_context(result.rx), close_context(result.tx);
  }
}

void HandshakeThread::stop() noexcept {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  bell_.ring();
  thread_.join();
}

void HandshakeThread::order(const HandshakeOrder& order) noexcept {
  orders_.push(order);
  bell_.ring();
}

std::shared_ptr<const crypto::DtlsIdentityBytes> HandshakeThread::fresh_identity() {
  if (const auto ready = ready_.front()) {
    const auto taken = std::move(*ready);
    ready_.release();
    bell_.ring();
    return taken;
  }
  return made_identity();
}

/// False: enough lie ready, or none can be made.
bool HandshakeThread::make_ready() {
  if (ready_.size() == ready_.capacity()) return false;
  auto made = made_identity();
  return made != nullptr && ready_.push(made);
}

void HandshakeThread::run() noexcept {
  pthread_setname_np(pthread_self(), "sallyport-dtls");
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);  // Signals are Node's.

  std::vector<std::size_t> counts(lanes_.size());
  bool more_to_make = true;
  while (!stopping_.load(std::memory_order_relaxed)) {
    const std::uint64_t before_ns = monotonic_ns(), next_ns = handshakes_->deadline_ns();
    const std::uint64_t patience_ns = !waiting_.empty() ? kMillisecondNs : next_ns == kNever ? kNever : next_ns <= before_ns ? 0 : next_ns - before_ns;
    bell_.wait(more_to_make ? 0 : patience_ns);
    const std::uint64_t now_ns = monotonic_ns();
    // An order was given before the mail it makes possible: what is counted now finds its association open.
    for (std::size_t i = 0; i < lanes_.size(); ++i) counts[i] = lanes_[i]->mail.size();
    try {
      take_orders(now_ns);
      for (std::size_t i = 0; i < lanes_.size(); ++i) take_mail(*lanes_[i], counts[i], now_ns);
      handshakes_->handle_time(now_ns);
      more_to_make = make_ready();  // One a turn: a handshake waits for no more than that.
    } catch (const std::bad_alloc&) {
      // One datagram or order is lost; its handshake ends at its limit.
    }
    deliver_waiting();
    for (const auto& lane : lanes_) {
      PacketPort* const port = lane->port.load(std::memory_order_acquire);
      if (lane->results.size() != 0 && port != nullptr) port->wake();
    }
  }
}

void HandshakeThread::take_orders(std::uint64_t now_ns) {
  while (HandshakeOrder* const order = orders_.front()) {
    switch (order->kind) {
      case HandshakeOrder::Kind::kOpen:
        open(*order, now_ns);
        break;
      case HandshakeOrder::Kind::kClose:
        handshakes_->close(order->association, order->quiet, now_ns);
        media_.erase(order->association);
        break;
      case HandshakeOrder::Kind::kClosePair: {
        for (const std::uint32_t association : {order->association, order->other}) {
          handshakes_->close(association, false, now_ns);
          media_.erase(association);
        }
        // Behind the good-byes, in the same lane.
        HandshakeResult result{};
        result.kind = HandshakeResult::Kind::kClosePair;
        result.pair = order->pair;
        deliver(result);
        break;
      }
    }
    order->identity.reset();
    orders_.release();
  }
}

void HandshakeThread::open(const HandshakeOrder& order, std::uint64_t now_ns) {
  relay::HandshakeWords words = order.words;
  if (order.identity != nullptr) {
    words.identity = crypto::DtlsIdentity::read(*order.identity);
    if (words.identity == nullptr) return failed(words.association, words.first_flow, "the certificate that was to be shown is none");
  }
  media_[order.association] = order.media;
  handshakes_->open(words, now_ns);
}

void HandshakeThread::take_mail(HandshakeLane& lane, std::size_t count, std::uint64_t now_ns) {
  for (; count > 0; --count) {
    const HandshakeMail* const mail = lane.mail.front();
    switch (mail->kind) {
      case HandshakeMail::Kind::kReached: handshakes_->reached(mail->association, mail->flow, mail->peer, now_ns); break;
      case HandshakeMail::Kind::kArrived: handshakes_->arrived(mail->association, mail->flow, mail->peer, {mail->bytes, mail->size}, now_ns); break;
      case HandshakeMail::Kind::kLeaves: handshakes_->leaves(mail->association, mail->flow, {mail->bytes, mail->size}, now_ns); break;
    }
    lane.mail.release();
  }
}

void HandshakeThread::send(std::uint32_t association, std::uint32_t flow, const endpoint& to, std::span<const std::uint8_t> datagram) noexcept {
  post(HandshakeResult::Kind::kSend, association, flow, to, datagram);
}

void HandshakeThread::data(std::uint32_t association, std::uint32_t flow, const endpoint& peer, std::span<const std::uint8_t> datagram) noexcept {
  // A longer one has no room as a whole, but what is left of it is still too long for Relay, which drops and counts it.
  static_assert(sizeof HandshakeResult::bytes > crypto::kDtlsOpenedBytes);
  post(HandshakeResult::Kind::kData, association, flow, peer, datagram.first(std::min(datagram.size(), sizeof HandshakeResult::bytes)));
}

/// What may be lost, as UDP may.
void HandshakeThread::post(HandshakeResult::Kind kind, std::uint32_t association, std::uint32_t flow, const endpoint& peer,
                           std::span<const std::uint8_t> datagram) noexcept {
  HandshakeLane& lane = lane_of(flow / relay::kFlowsPerPair);
  HandshakeResult* const result = lane.results.size() + kLaneReserve > lane.results.capacity() ? nullptr : lane.results.vacant();
  if (result == nullptr || datagram.size() > sizeof result->bytes) return;
  result->kind = kind;
  result->association = association;
  result->flow = flow;
  result->peer = peer;
  result->size = static_cast<std::uint32_t>(datagram.size());
  std::memcpy(result->bytes, datagram.data(), datagram.size());
  lane.results.publish();
}

void HandshakeThread::secured(std::uint32_t association, std::uint32_t flow, const endpoint& peer, crypto::Suite suite,
                              const crypto::DtlsMaster& receive, const crypto::DtlsMaster& send) noexcept {
  const auto media = media_.find(association);
  const relay::PairKind kind = media == media_.end() ? relay::PairKind::kAudio : media->second;
  const SourcePlaces heard = places_for(kind, true), sent = places_for(kind, false);
  crypto::SrtpContextPtr rx, tx;
  if (engine_ && kind != relay::PairKind::kUdptl) {
    rx = engine_->open(crypto::Direction::kReceive, {.suite = suite, .master = {receive.bytes.data(), receive.size}, .streams = heard.streams, .retired = heard.retired});
    tx = engine_->open(crypto::Direction::kSend, {.suite = suite, .master = {send.bytes.data(), send.size}, .streams = sent.streams, .retired = sent.retired});
  }
  if (kind != relay::PairKind::kUdptl && (!rx || !tx)) return failed(association, flow, "the key was not taken: no cipher machine on this CPU, or no memory");
  HandshakeResult result{};
  result.kind = HandshakeResult::Kind::kSecured;
  result.association = association;
  result.flow = flow;
  result.pair = flow / relay::kFlowsPerPair;
  result.peer = peer;
  result.suite = suite;
  result.rx = rx.release();
  result.tx = tx.release();
  result.receive = receive;
  result.send = send;
  deliver(result);
}

void HandshakeThread::failed(std::uint32_t association, std::uint32_t flow, const char* reason) noexcept {
  HandshakeResult result{};
  result.kind = HandshakeResult::Kind::kFailed;
  result.association = association;
  result.flow = flow;
  result.pair = flow / relay::kFlowsPerPair;
  result.reason = reason;
  deliver(result);
}

/// In order with what went before it for that packet thread.
void HandshakeThread::deliver(const HandshakeResult& result) noexcept {
  if (waiting_.empty() && lane_of(result.pair).results.push(result)) return;
  waiting_.push_back(result);
}

void HandshakeThread::deliver_waiting() noexcept {
  std::erase_if(waiting_, [this](const HandshakeResult& result) { return lane_of(result.pair).results.push(result); });
}

}  // namespace sallyport::io
