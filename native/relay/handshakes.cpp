#include "handshakes.h"

#include <algorithm>
#include <cstring>

namespace sallyport::relay {
namespace {

constexpr std::uint64_t kNever = ~std::uint64_t{0};

bool same(const endpoint& a, const endpoint& b) noexcept { return std::memcmp(&a, &b, sizeof a) == 0; }

}  // namespace

/// One peer on one port. Its address in memory stays, since the association sends through it.
struct Handshakes::Attempt {
  HandshakeSink* sink = nullptr;
  std::uint32_t association = 0;
  std::uint32_t flow = 0;
  endpoint peer{};
  std::uint64_t heard_ns = 0;
  std::uint64_t deadline_ns = kNever;
  std::vector<std::uint8_t>* catches = nullptr;  ///< What is sent goes there instead.
  std::unique_ptr<crypto::DtlsAssociation> dtls;

  static void send(void* self, std::span<const std::uint8_t> datagram) {
    auto& attempt = *static_cast<Attempt*>(self);
    if (attempt.catches != nullptr) attempt.catches->assign(datagram.begin(), datagram.end());
    else attempt.sink->send(attempt.association, attempt.flow, attempt.peer, datagram);
  }
  static void take(void* self, std::span<const std::uint8_t> datagram) {
    auto& attempt = *static_cast<Attempt*>(self);
    attempt.sink->data(attempt.association, attempt.flow, attempt.peer, datagram);
  }
};

struct Handshakes::Component {
  std::vector<std::unique_ptr<Attempt>> attempts;  ///< Under way; or the one that came through, while it lingers.
  bool secured = false;
  unsigned broken = 0;
  std::uint64_t again_ns = kNever;  ///< When we begin again.
  bool reached = false;
  endpoint peer{};                     ///< Where it is said to be; once secured, where it was.
  std::vector<std::uint8_t> farewell;  ///< The close_notify of one that does not linger any more.
};

struct Handshakes::Handshake {
  HandshakeWords words;
  Component components[2];
  const char* reason = "no handshake came through in time";
  bool running = false;  ///< It stands in `running_`.
};

Handshakes::Handshakes(const crypto::DtlsFactory& factory, HandshakeSink& sink) : factory_(factory), sink_(sink) {}
Handshakes::~Handshakes() = default;

void Handshakes::open(const HandshakeWords& words, std::uint64_t now_ns) {
  if (table_.size() >= kAssociationLimit) return sink_.failed(words.association, words.first_flow, "too many associations");
  auto& place = table_[words.association];
  place = std::make_unique<Handshake>();
  place->words = words;
  for (std::size_t i = 0; i < words.done.size(); ++i) place->components[i].secured = words.done[i];
  limits_.push_back({now_ns + kHandshakeLimitNs, words.association, 0});
}

void Handshakes::close(std::uint32_t association, bool quiet, std::uint64_t now_ns) {
  const auto found = table_.find(association);
  if (found == table_.end()) return;
  for (Component& component : found->second->components) {
    if (quiet || !component.secured) continue;
    if (!component.attempts.empty()) component.attempts.front()->dtls->close(now_ns);
    else if (!component.farewell.empty()) {
      const std::uint32_t flow = found->second->words.first_flow + static_cast<std::uint32_t>(&component - found->second->components);
      sink_.send(association, flow, component.peer, component.farewell);
    }
  }
  erase(association);
}

void Handshakes::arrived(std::uint32_t association, std::uint32_t flow, const endpoint& sender,
                         std::span<const std::uint8_t> datagram, std::uint64_t now_ns) {
  const auto found = table_.find(association);
  if (found == table_.end()) return;
  Handshake& handshake = *found->second;
  const std::uint32_t component = flow & 1;
  Attempt* const attempt = attempt_for(handshake, component, sender, now_ns);
  if (attempt == nullptr) return;
  attempt->heard_ns = now_ns;
  if (handshake.words.ice && !handshake.components[component].reached) attempt->peer = sender;
  attempt->dtls->handle(datagram, now_ns);
  look(handshake, component, *attempt, now_ns);
}

void Handshakes::reached(std::uint32_t association, std::uint32_t flow, const endpoint& to, std::uint64_t now_ns) {
  const auto found = table_.find(association);
  if (found == table_.end()) return;
  Handshake& handshake = *found->second;
  Component& component = handshake.components[flow & 1];
  const bool moved = !component.reached || !same(component.peer, to);
  component.reached = true;
  component.peer = to;
  if (handshake.words.ice) {
    for (auto& attempt : component.attempts) attempt->peer = to;
  } else if (moved && handshake.words.words.active && !component.secured) {
    // Elsewhere, so with somebody else: what was begun there is of no use here.
    while (!component.attempts.empty()) drop(component, *component.attempts.back());
  }
  if (!handshake.words.words.active || component.secured || !component.attempts.empty()) return;
  Attempt* const attempt = make(handshake, flow & 1, to, now_ns);
  if (attempt == nullptr) return;
  attempt->dtls->start(now_ns);
  look(handshake, flow & 1, *attempt, now_ns);
}

void Handshakes::leaves(std::uint32_t association, std::uint32_t flow, std::span<const std::uint8_t> datagram, std::uint64_t now_ns) {
  const auto found = table_.find(association);
  if (found == table_.end()) return;
  const Component& component = found->second->components[flow & 1];
  if (component.secured && !component.attempts.empty()) component.attempts.front()->dtls->write(datagram, now_ns);
}

Handshakes::Attempt* Handshakes::attempt_for(Handshake& handshake, std::uint32_t number, const endpoint& peer, std::uint64_t now_ns) {
  Component& component = handshake.components[number];
  auto& attempts = component.attempts;
  for (auto& attempt : attempts) {
    if (handshake.words.ice || same(attempt->peer, peer)) return attempt.get();
  }
  // Who is active has begun where the peer is; an answer from elsewhere is none.
  if (handshake.words.words.active || component.secured) return nullptr;
  const std::size_t limit = handshake.words.one_source ? 1 : kAttemptLimit;
  if (attempts.size() >= limit) {
    const auto quietest = std::min_element(attempts.begin(), attempts.end(), [](const auto& a, const auto& b) { return a->heard_ns < b->heard_ns; });
    if (now_ns - (*quietest)->heard_ns < kQuietNs) return nullptr;
    drop(component, **quietest);
  }
  return make(handshake, number, peer, now_ns);
}

Handshakes::Attempt* Handshakes::make(Handshake& handshake, std::uint32_t component, const endpoint& peer, std::uint64_t now_ns) {
  auto made = std::make_unique<Attempt>();
  made->sink = &sink_;
  made->association = handshake.words.association;
  made->flow = handshake.words.first_flow + component;
  made->peer = peer;
  made->heard_ns = now_ns;
  made->dtls = crypto::DtlsAssociation::create(factory_, handshake.words.words, Attempt::send, made.get(),
                                             handshake.words.identity.get());
  if (made->dtls == nullptr) return nullptr;
  if (handshake.words.words.data) made->dtls->set_taker(Attempt::take);
  live_ += 1;
  if (!handshake.running) running_.push_back(handshake.words.association);
  handshake.running = true;
  return handshake.components[component].attempts.emplace_back(std::move(made)).get();
}

/// What has become of an attempt. False: the handshake is gone, or the attempt is.
bool Handshakes::look(Handshake& handshake, std::uint32_t number, Attempt& attempt, std::uint64_t now_ns) {
  Component& component = handshake.components[number];
  switch (attempt.dtls->state()) {
    case crypto::DtlsState::kShaking: attempt.deadline_ns = attempt.dtls->deadline_ns(now_ns); return true;
    case crypto::DtlsState::kSecured:
      attempt.deadline_ns = kNever;
      return component.secured || keep(handshake, number, attempt, now_ns);
    case crypto::DtlsState::kClosed:
      // The peer has said good-bye. The call ends by its signalling; the keys serve until then.
      drop(component, attempt);
      return false;
    case crypto::DtlsState::kFailed: return broken(handshake, number, attempt, now_ns);
  }
  return true;
}

bool Handshakes::keep(Handshake& handshake, std::uint32_t number, Attempt& attempt, std::uint64_t now_ns) {
  Component& component = handshake.components[number];
  crypto::DtlsMaster receive, send;
  const bool data = handshake.words.words.data;
  if (!data && !attempt.dtls->keys(receive, send)) {
    fail(handshake, "the handshake gave no keys");
    return false;
  }
  component.secured = true;
  component.peer = attempt.peer;
  for (std::size_t i = component.attempts.size(); i-- > 0;) {
    if (component.attempts[i].get() != &attempt) drop(component, *component.attempts[i]);
  }
  // One that carries data itself lives as long as its side.
  if (!data) lingering_.push_back({now_ns + kLingerNs, handshake.words.association, number});
  sink_.secured(handshake.words.association, attempt.flow, attempt.peer, attempt.dtls->suite(), receive, send);
  return true;
}

bool Handshakes::broken(Handshake& handshake, std::uint32_t number, Attempt& attempt, std::uint64_t now_ns) {
  Component& component = handshake.components[number];
  const HandshakeWords& words = handshake.words;
  const bool only = words.one_source || words.words.active;
  handshake.reason = attempt.dtls->reason();
  component.broken += 1;
  // Where others may come, one who broke it may be nobody.
  if (only && (attempt.dtls->wrong_peer() || component.broken >= kBrokenLimit)) {
    fail(handshake, handshake.reason);
    return false;
  }
  if (words.words.active) component.again_ns = now_ns + kBeginAgainNs;
  drop(component, attempt);
  return false;
}

void Handshakes::fail(Handshake& handshake, const char* reason) {
  const std::uint32_t association = handshake.words.association;
  sink_.failed(association, handshake.words.first_flow, reason);
  erase(association);
}

void Handshakes::drop(Component& component, Attempt& attempt) {
  const auto found = std::find_if(component.attempts.begin(), component.attempts.end(), [&](const auto& one) { return one.get() == &attempt; });
  component.attempts.erase(found);
  live_ -= 1;
}

void Handshakes::erase(std::uint32_t association) {
  const auto found = table_.find(association);
  for (const Component& component : found->second->components) live_ -= component.attempts.size();
  table_.erase(found);
}

void Handshakes::handle_time(std::uint64_t now_ns) {
  while (!limits_.empty() && limits_.front().at_ns <= now_ns) {
    const auto found = table_.find(limits_.front().association);
    limits_.pop_front();
    if (found == table_.end()) continue;
    Handshake& handshake = *found->second;
    if (!handshake.components[0].secured) {
      fail(handshake, handshake.reason);
      continue;
    }
    // RTCP that has not shaken hands is left without: RTP goes on.
    Component& rtcp = handshake.components[1];
    while (!rtcp.secured && !rtcp.attempts.empty()) drop(rtcp, *rtcp.attempts.back());
    rtcp.again_ns = kNever;
  }
  for (; !lingering_.empty() && lingering_.front().at_ns <= now_ns; lingering_.pop_front()) finish_linger(lingering_.front(), now_ns);

  for (std::size_t i = 0; i < running_.size();) {
    const std::uint32_t association = running_[i];
    auto found = table_.find(association);
    bool runs = false;
    for (std::uint32_t number = 0; number < 2 && found != table_.end(); ++number) {
      Component& component = found->second->components[number];
      if (component.again_ns <= now_ns) {
        component.again_ns = kNever;
        reached(association, found->second->words.first_flow + number, component.peer, now_ns);
      }
      for (std::size_t at = 0; (found = table_.find(association)) != table_.end() && at < component.attempts.size();) {
        Attempt& attempt = *component.attempts[at];
        runs |= !component.secured;
        if (attempt.deadline_ns <= now_ns) {
          attempt.dtls->handle_time(now_ns);
          if (!look(*found->second, number, attempt, now_ns)) continue;
        }
        at += 1;
      }
      if (found != table_.end()) runs |= component.again_ns != kNever;
    }
    if (runs && found != table_.end()) {
      i += 1;
      continue;
    }
    if (found != table_.end()) found->second->running = false;
    running_[i] = running_.back();
    running_.pop_back();
  }
}

void Handshakes::finish_linger(const Due& due, std::uint64_t now_ns) {
  const auto found = table_.find(due.association);
  if (found == table_.end()) return;
  Component& component = found->second->components[due.component];
  if (component.attempts.empty()) return;
  Attempt& attempt = *component.attempts.front();
  attempt.catches = &component.farewell;
  attempt.dtls->close(now_ns);
  component.peer = attempt.peer;
  component.farewell.shrink_to_fit();
  drop(component, attempt);
}

std::uint64_t Handshakes::deadline_ns() const noexcept {
  std::uint64_t next = kNever;
  if (!limits_.empty()) next = std::min(next, limits_.front().at_ns);
  if (!lingering_.empty()) next = std::min(next, lingering_.front().at_ns);
  for (const std::uint32_t association : running_) {
    const auto found = table_.find(association);
    if (found == table_.end()) continue;
    for (const Component& component : found->second->components) {
      next = std::min(next, component.again_ns);
      for (const auto& attempt : component.attempts) next = std::min(next, attempt->deadline_ns);
    }
  }
  return next;
}

}  // namespace sallyport::relay
