/// The thread on which hands are shaken, so that no packet waits for a signature. It has a lane to each packet thread, and
/// its orders from control; every queue is bounded.
///
/// Who opens and closes: RelayHost makes it before the packet threads and ends it before them. SRTP contexts that it
/// makes belong to the packet thread from the lane on.
#pragma once

#include <atomic>
#include <thread>
#include <vector>

#include "../relay/handshakes.h"
#include "packet_port.h"
#include "spsc_queue.h"

namespace sallyport::io {

/// Limit: datagrams on their way to or from handshakes, a packet thread. What comes beyond is lost, as UDP may; the last
/// places are kept for what must not be.
inline constexpr std::size_t kLaneLetters = 512;
inline constexpr std::size_t kLaneReserve = 64;
/// Limit: certificates that lie ready, made while nothing else is to do. Whoever finds none makes one himself.
inline constexpr std::size_t kReadyIdentities = 8;
/// Limit: orders of control that wait; control is told to try again.
inline constexpr std::size_t kHandshakeOrders = 1'024;

/// Wakes a thread that sleeps in poll.
class Bell {
 public:
  Bell();
  ~Bell();
  Bell(const Bell&) = delete;
  void ring() noexcept;
  /// Until it rings, or `timeout_ns` have passed.
  void wait(std::uint64_t timeout_ns) noexcept;

 private:
  int fd_;
  std::atomic<bool> rung_{false};
};

/// From a packet thread to the handshakes.
struct HandshakeMail {
  enum class Kind : std::uint8_t { kArrived, kReached, kLeaves } kind;  ///< Reached: no datagram, but where the peer is.
  std::uint32_t association;
  std::uint32_t flow;
  std::uint32_t size;
  endpoint peer;
  std::uint8_t bytes[kSlotBytes];
};

/// From the handshakes to a packet thread.
struct HandshakeResult {
  enum class Kind : std::uint8_t { kSend, kData, kSecured, kFailed, kClosePair } kind;
  std::uint32_t association;
  std::uint32_t flow;
  std::uint32_t pair;
  std::uint32_t size;
  endpoint peer;
  crypto::Suite suite;
  crypto::SrtpContext* rx;
  crypto::SrtpContext* tx;
  crypto::DtlsMaster receive;  ///< With kSecured. Wiped by whoever takes it.
  crypto::DtlsMaster send;
  const char* reason;
  std::uint8_t bytes[crypto::kDtlsRecordBytes];
};

struct HandshakeOrder {
  enum class Kind : std::uint8_t { kOpen, kClose, kClosePair } kind;
  bool quiet;
  std::uint32_t association;  ///< With kClosePair: of side 0; 0: none.
  std::uint32_t other;        ///< With kClosePair: of side 1.
  std::uint32_t pair;
  relay::PairKind media;
  relay::HandshakeWords words;
  std::shared_ptr<const crypto::DtlsIdentityBytes> identity;  ///< With kOpen: to be shown; null: the boot's is.
};

struct HandshakeLane {
  SpscQueue<HandshakeMail> mail{kLaneLetters};
  SpscQueue<HandshakeResult> results{kLaneLetters};
  Bell* bell = nullptr;                      ///< Of the handshakes.
  std::atomic<PacketPort*> port{nullptr};  ///< Of the packet thread, to wake it; null before it runs.
};

/// Places for sources, as few as do: a context is the greater part of what a call takes. What is sent has few SSRCs (see
/// relay::OutSources), and none beyond is ever needed; of what is heard, the most recent ones are followed exactly.
struct SourcePlaces {
  std::size_t streams, retired;
};
/// A bundle counts as kOther.
SourcePlaces places_for(relay::PairKind kind, bool receive) noexcept;

class HandshakeThread final : private relay::HandshakeSink {
 public:
  /// `problem` says why it cannot work, if it cannot. `identity` must outlive it.
  /// `places`: the lane of each pair; both outlive it.
  HandshakeThread(const crypto::DtlsIdentity& identity, std::size_t lanes, const std::vector<std::atomic<std::uint8_t>>& places);
  ~HandshakeThread();
  const char* problem() const noexcept { return factory_ ? "" : "OpenSSL takes none of the ciphers we want"; }
  HandshakeLane& lane(std::size_t number) noexcept { return *lanes_[number]; }

  /// Control's end. With room for an order `order` does not fail.
  bool has_room(std::size_t count) const noexcept { return orders_.size() + count <= orders_.capacity(); }
  void order(const HandshakeOrder& order) noexcept;
  /// A certificate that nobody has seen. Null when none can be made.
  std::shared_ptr<const crypto::DtlsIdentityBytes> fresh_identity();
  void stop() noexcept;

 private:
  void run() noexcept;
  void take_orders(std::uint64_t now_ns);
  void open(const HandshakeOrder& order, std::uint64_t now_ns);
  bool make_ready();
  void take_mail(HandshakeLane& lane, std::size_t count, std::uint64_t now_ns);
  HandshakeLane& lane_of(std::uint32_t pair) noexcept { return *lanes_[places_[pair]]; }
  void deliver(const HandshakeResult& result) noexcept;
  void deliver_waiting() noexcept;
  void send(std::uint32_t association, std::uint32_t flow, const endpoint& to, std::span<const std::uint8_t> datagram) noexcept override;
  void secured(std::uint32_t association, std::uint32_t flow, const endpoint& peer, crypto::Suite suite,
               const crypto::DtlsMaster& receive, const crypto::DtlsMaster& send) noexcept override;
  void data(std::uint32_t association, std::uint32_t flow, const endpoint& peer, std::span<const std::uint8_t> datagram) noexcept override;
  void failed(std::uint32_t association, std::uint32_t flow, const char* reason) noexcept override;
  void post(HandshakeResult::Kind kind, std::uint32_t association, std::uint32_t flow, const endpoint& peer, std::span<const std::uint8_t> datagram) noexcept;

  const std::vector<std::atomic<std::uint8_t>>& places_;
  std::unique_ptr<crypto::DtlsFactory> factory_;
  std::unique_ptr<crypto::SrtpEngine> engine_;
  std::unique_ptr<relay::Handshakes> handshakes_;
  Bell bell_;
  std::vector<std::unique_ptr<HandshakeLane>> lanes_;
  SpscQueue<HandshakeOrder> orders_{kHandshakeOrders};
  SpscQueue<std::shared_ptr<const crypto::DtlsIdentityBytes>> ready_{kReadyIdentities};
  /// What found its lane full and must not be lost. Limit: two a side of each open pair.
  std::vector<HandshakeResult> waiting_;
  /// Kinds of open sides, since a video context has more sources; by association.
  std::unordered_map<std::uint32_t, relay::PairKind> media_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace sallyport::io
