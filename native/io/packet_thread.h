/// One thread that moves packets: a port, a relay, and two queues to control.
///
/// Who opens and closes: control makes the thread and ends it; sockets and SRTP contexts come in by commands and go
/// back by events.
#pragma once

#include <atomic>
#include <thread>

#include "af_xdp_port.h"
#include "handshake_thread.h"
#include "late_sockets.h"
#include "packet_port.h"
#include "spsc_queue.h"

namespace sallyport::io {

struct Command {
  enum class Word : std::uint8_t { kOpen, kChange, kClose, kDigit, kExport } word;
  std::uint8_t side;
  relay::PairKind kind;
  std::uint32_t pair;
  std::uint32_t bits;
  int fds[relay::kFlowsPerPair];  ///< -1: none. kLateSocket: made when it is needed.
  relay::Side sides[2];           ///< A change uses the first.
  relay::Digit digit{};           ///< With kDigit.
  relay::PairState* state = nullptr;  ///< With kExport: to be filled; with kOpen: to go on from, or null. It comes back by an event.
  std::uint32_t dice = 0;             ///< With a state: see Relay::resume.
};

enum class PortChoice : std::uint8_t { kAuto, kIoUring, kEpoll };

class PacketThread final : private relay::EventSink, private relay::HandshakeDoor, private SocketMaker {
 public:
  /// `core`: -1, or where the thread is pinned. `notify` is called by the packet thread when events wait; it must not
  /// block. `counters` as in relay::Relay.
  /// `lane`: to the handshakes; must outlive the thread.
  /// `rings`: with places, the thread's datagrams also come and go by AF_XDP.
  /// `sink`: a faster path for flows that need no more than headers; null: none. It outlives the thread.
  /// `late`: of this thread; it makes the sockets that commands leave to be made.
  PacketThread(std::uint32_t max_pairs, int core, PortChoice choice, RingOptions rings, HandshakeLane& lane, std::uint64_t* counters,
               void (*notify)(void*), void* notify_data, relay::PacketLimits limits = {}, relay::FlowSink* sink = nullptr,
               std::unique_ptr<LateSockets> late = nullptr);
  ~PacketThread();

  /// Waits until the thread has its port; false when the chosen one is not to be had here.
  bool started();
  PortKind port_kind() const noexcept { return kind_; }
  /// Null: it has none. Once it has started and until it is stopped.
  const RingPort* rings() const noexcept { return rings_; }

  /// Control's end. False: full, try again. It is obeyed after the next `wake` at the latest.
  bool post(const Command& command) noexcept;
  /// True: the next `post` does not fail.
  bool has_room() const noexcept { return port_ && commands_.size() < commands_.capacity(); }
  void wake() noexcept;
  bool next_event(relay::Event& event) noexcept;
  /// The sink was asked; control will look at the events now.
  void noticed() noexcept { notified_.store(false); }
  void stop() noexcept;
  /// After `stop`: contexts that live pairs hold, once each.
  void drain_commands(void (*with)(const Command&, void*), void* data) noexcept;

 private:
  void run() noexcept;
  bool prepare() noexcept;
  std::uint64_t patience_ns(std::uint64_t now_ns) const noexcept;
  void take_commands(std::uint64_t now_ns) noexcept;
  void take_results(std::uint64_t now_ns) noexcept;
  void close_pair(std::uint32_t pair) noexcept;
  void arrived(std::uint32_t association, const relay::Datagram& datagram) noexcept override;
  bool leaves(std::uint32_t association, std::uint32_t flow, const relay::Datagram& datagram) noexcept override;
  bool post(HandshakeMail::Kind kind, std::uint32_t association, std::uint32_t flow, const relay::Datagram& datagram) noexcept;
  void reached(std::uint32_t association, std::uint32_t flow, const endpoint& to) noexcept override;
  void obey(const Command& command, std::uint64_t now_ns) noexcept;
  void take_first_datagrams(std::uint64_t now_ns) noexcept;
  bool make_socket(std::uint32_t flow) noexcept override;
  void tell_port(std::uint32_t first, const relay::Side& side) noexcept;
  void finish_removed() noexcept;
  void event(const relay::Event& event) noexcept override;

  std::uint32_t max_pairs_;
  int core_;
  PortChoice choice_;
  RingOptions ring_options_;
  std::uint64_t* counters_;
  void (*notify_)(void*);
  void* notify_data_;
  relay::PacketLimits limits_;
  relay::FlowSink* sink_;
  SpscQueue<Command> commands_;
  SpscQueue<relay::Event> events_;
  std::atomic<bool> notified_{false};
  bool events_pending_ = false;
  std::atomic<bool> stopping_{false};
  std::atomic<int> state_{0};  ///< 0: starting, 1: runs, 2: could not.
  PortKind kind_ = PortKind::kEpoll;
  std::unique_ptr<crypto::SrtpEngine> engine_;
  std::unique_ptr<PacketPort> port_;
  RingPort* rings_ = nullptr;  ///< The same, when it has rings.
  std::unique_ptr<relay::Relay> relay_;
  std::unique_ptr<LateSockets> late_;
  HandshakeLane& lane_;
  /// What handshakes sent in this turn; a port reads it until its next `receive`.
  std::vector<std::array<std::uint8_t, crypto::kDtlsRecordBytes + crypto::kTailroomBytes>> letters_;
  bool mailed_ = false;
  std::vector<std::uint8_t> sockets_left_;  ///< A pair: sockets still read.
  std::thread thread_;
};

}  // namespace sallyport::io
