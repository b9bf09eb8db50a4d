/// All handshakes of the box: who is shaking hands with whom, what is retransmitted when, what ends at a limit. No sockets,
/// no threads, no clock. Unlike Relay it allocates, so it lives on a thread of its own; who may send what to it Relay has
/// judged before.
#pragma once

#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "../crypto/dtls.h"
#include "relay.h"

namespace sallyport::relay {

/// Limit: how long a peer may take to shake hands, from the moment that its fingerprint is known. Then `failed`.
inline constexpr std::uint64_t kHandshakeLimitNs = 30'000'000'000;
/// How long a finished handshake answers retransmissions of the peer's last flight. Then its memory is given back; only
/// the close_notify it will once say is kept.
inline constexpr std::uint64_t kLingerNs = 10'000'000'000;
/// Limit: peers that shake hands on one port at a time, where several may be the right one (latching). A further one
/// takes the place of the one that has been quiet for longest, if that has been so for kQuietNs.
inline constexpr std::size_t kAttemptLimit = 4;
inline constexpr std::uint64_t kQuietNs = 1'000'000'000;
/// Limit: handshakes broken off by one peer before the side fails; and how long we wait before we begin again.
inline constexpr unsigned kBrokenLimit = 3;
inline constexpr std::uint64_t kBeginAgainNs = 500'000'000;
/// Limit: associations in the box; one more fails at once.
inline constexpr std::size_t kAssociationLimit = 100'000;

struct HandshakeWords {
  std::uint32_t association = 0;
  std::uint32_t first_flow = 0;  ///< The side's RTP flow; RTCP's is the next one.
  bool one_source = false;       ///< No second peer can be the right one: ICE, or no latching.
  bool ice = false;              ///< The association is the same whatever the address.
  crypto::DtlsWords words;
  /// RTP's and RTCP's: another box has shaken these hands. Nothing begins, nothing is waited for, no good-bye is said.
  std::array<bool, 2> done{};
  std::shared_ptr<const crypto::DtlsIdentity> identity{};  ///< Shown in place of the factory's.
};

class HandshakeSink {
 public:
  virtual void send(std::uint32_t association, std::uint32_t flow, const endpoint& to, std::span<const std::uint8_t> datagram) noexcept = 0;
  virtual void secured(std::uint32_t association, std::uint32_t flow, const endpoint& peer, crypto::Suite suite,
                       const crypto::DtlsMaster& receive, const crypto::DtlsMaster& send) noexcept = 0;
  /// What the peer of an association without SRTP has sent in a record.
  virtual void data(std::uint32_t association, std::uint32_t flow, const endpoint& peer, std::span<const std::uint8_t> datagram) noexcept = 0;
  /// `reason`: static text.
  virtual void failed(std::uint32_t association, std::uint32_t flow, const char* reason) noexcept = 0;

 protected:
  ~HandshakeSink() = default;
};

class Handshakes {
 public:
  Handshakes(const crypto::DtlsFactory& factory, HandshakeSink& sink);
  ~Handshakes();
  Handshakes(const Handshakes&) = delete;

  void open(const HandshakeWords& words, std::uint64_t now_ns);
  /// `quiet`: another association takes its place, so close_notify would be taken for the end of that one.
  void close(std::uint32_t association, bool quiet, std::uint64_t now_ns);
  /// HandshakeDoor's words.
  void arrived(std::uint32_t association, std::uint32_t flow, const endpoint& sender, std::span<const std::uint8_t> datagram,
               std::uint64_t now_ns);
  void reached(std::uint32_t association, std::uint32_t flow, const endpoint& to, std::uint64_t now_ns);
  void leaves(std::uint32_t association, std::uint32_t flow, std::span<const std::uint8_t> datagram, std::uint64_t now_ns);

  void handle_time(std::uint64_t now_ns);
  /// All ones: never.
  std::uint64_t deadline_ns() const noexcept;
  std::size_t size() const noexcept { return table_.size(); }
  /// Handshakes that hold memory for their records: those under way and those that linger.
  std::size_t live() const noexcept { return live_; }

 private:
  struct Attempt;
  struct Component;
  struct Handshake;
  struct Due {
    std::uint64_t at_ns;
    std::uint32_t association;
    std::uint32_t component;
  };
  Attempt* attempt_for(Handshake& handshake, std::uint32_t component, const endpoint& peer, std::uint64_t now_ns);
  Attempt* make(Handshake& handshake, std::uint32_t component, const endpoint& peer, std::uint64_t now_ns);
  bool look(Handshake& handshake, std::uint32_t component, Attempt& attempt, std::uint64_t now_ns);
  bool keep(Handshake& handshake, std::uint32_t component, Attempt& attempt, std::uint64_t now_ns);
  bool broken(Handshake& handshake, std::uint32_t component, Attempt& attempt, std::uint64_t now_ns);
  void fail(Handshake& handshake, const char* reason);
  void drop(Component& component, Attempt& attempt);
  void finish_linger(const Due& due, std::uint64_t now_ns);
  void erase(std::uint32_t association);

  const crypto::DtlsFactory& factory_;
  HandshakeSink& sink_;
  std::unordered_map<std::uint32_t, std::unique_ptr<Handshake>> table_;
  /// Numbers of those with an attempt under way, for their timers.
  std::vector<std::uint32_t> running_;
  /// In order of time, since each waits equally long.
  std::deque<Due> limits_;
  std::deque<Due> lingering_;
  std::size_t live_ = 0;
};

}  // namespace sallyport::relay
