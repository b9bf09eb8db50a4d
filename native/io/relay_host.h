/// Control's side of the relay: opens sockets and SRTP contexts, hands them to packet threads, takes them back and
/// closes them. One thread calls it; no call waits for a packet.
///
/// Who opens and closes: `open` opens, the `closed` event (or a `failed` open followed by `close`) closes, `stop`
/// closes whatever is left.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "../crypto/dtls.h"
#include "../relay/pair_state.h"
#include "handshake_thread.h"
#include "kernel_path.h"
#include "packet_thread.h"
#include "porter.h"

namespace sallyport::io {

struct KeyBytes {
  std::array<std::uint8_t, 64> master{};
  std::size_t master_size = 0;
  std::array<std::uint8_t, crypto::kMkiLimit> mki{};
  std::size_t mki_size = 0;
};

struct KeyWords : KeyBytes {
  bool present = false;
  bool keeps_rollover = false;
  crypto::Suite suite{};
  std::uint64_t lifetime_packets = crypto::kRtpLifetimePackets;
  std::vector<KeyBytes> others;  ///< Told apart by `mki`; seldom any.
};

/// A side as the door brings it: `rx`, `tx` and `dtls` of `side` are filled here.
struct SideWords {
  relay::Side side;
  KeyWords rx, tx;
  crypto::DtlsWords dtls;
  std::shared_ptr<const crypto::DtlsIdentityBytes> identity{};  ///< With `dtls`: what we show; null: the boot's certificate.
  relay::HandshakeKeys handed{};  ///< With `dtls` of a pair that resumes: what another host told with its state.
};

struct HostEvent {
  relay::EventKind kind;
  std::uint8_t side = 0;
  std::uint32_t pair = 0;
  endpoint source{};
  const char* reason = "";
  crypto::Suite suite{};
  bool records = false;  ///< With kSecured: of UDPTL, which has no suite of SRTP.
  std::uint8_t digit = 0;
  std::uint32_t duration_ms = 0;
  bool receiving = false;
  std::uint64_t packets_left = 0;
  std::vector<std::uint8_t> state{};  ///< With kExported; none: `reason` says why.
  std::shared_ptr<const std::array<relay::HandshakeKeys, 2>> keys{};  ///< With a state: of sides with DTLS. Wiped at its end.
};

struct HostOptions {
  std::vector<int> cores;
  std::uint32_t max_pairs = 20'000;
  PortChoice port = PortChoice::kAuto;
  /// Stands in for the kernel path in tests. Limit: rings need a lone packet thread, since a queue's packets may be any's.
  RingOptions rings;
  /// Media addresses whose flows may be forwarded by the kernel; none: none is, and nothing is loaded.
  std::vector<relay::Ip> kernel_addresses;
  /// Media addresses whose packets come and go by AF_XDP; none: none do.
  std::vector<relay::Ip> ring_addresses;
  relay::PacketLimits packet_limits;
  /// Sockets are made when a port hears or says its first word (porter.h), where the kernel allows it.
  bool late_sockets = true;
  /// kCounterStride words a side, two sides a pair, zeroed; must outlive the host.
  std::uint64_t* counters = nullptr;
  /// Called by packet threads when `events` has something; must not block. Null: `events` is asked unbidden.
  void (*notify)(void*) = nullptr;
  void* notify_data = nullptr;
};

class RelayHost {
 public:
  explicit RelayHost(const HostOptions& options);
  ~RelayHost();
  RelayHost(const RelayHost&) = delete;
  RelayHost& operator=(const RelayHost&) = delete;

  /// Empty: it runs. Else why not.
  const std::string& problem() const noexcept { return problem_; }
  const crypto::Fingerprint& fingerprint() const noexcept { return identity_->fingerprint(); }
  /// A certificate that nobody has seen, for an association that must not look like those before it. Null: none can be made.
  std::shared_ptr<const crypto::DtlsIdentityBytes> fresh_identity() { return handshakes_ ? handshakes_->fresh_identity() : nullptr; }
  PortKind port_kind() const noexcept { return threads_.front()->port_kind(); }
  /// Of all threads.
  std::vector<QueueFacts> ring_queues() const;
  std::uint64_t ring_counter(RingCounter which) const noexcept;

  /// Other addresses whose flows the kernel may forward.
  void set_kernel_addresses(const std::vector<relay::Ip>& addresses, const std::vector<relay::Ip>& rings);
  /// What became of each; empty and `kernel_problem` where the kernel takes no program of ours.
  std::vector<PathFact> kernel_facts() const;
  const std::string& kernel_problem() const noexcept { return kernel_problem_; }
  /// Empty: media ports get their sockets when they need them. Else why each gets them as it is opened.
  const std::string& late_problem() const noexcept { return late_problem_; }

  /// False: the queue to the packet thread is full and nothing was done; try again.
  /// `resumes`: what `save` of another box's host gave, who is silent from now on; empty: the pair begins. A state that is not
  /// whole, too old, or of other keys is refused with the whole pair, by `failed`.
  bool open(std::uint32_t pair, relay::PairKind kind, SideWords& caller, SideWords& callee, std::span<const std::uint8_t> resumes = {});
  /// Tells the pair's state by `exported`: see relay/pair_state.h. The pair lives on.
  bool save(std::uint32_t pair);
  bool change(std::uint32_t pair, std::uint8_t side, std::uint32_t bits, SideWords& set);
  bool digit(std::uint32_t pair, std::uint8_t side, const relay::Digit& digit);
  bool close(std::uint32_t pair);
  /// Makes the packet threads obey what was said since: once after many words, since it costs a wake-up.
  void wake() noexcept;

  /// Fills `events`; returns how many. Call until it returns 0.
  std::size_t events(std::span<HostEvent> events);
  void stop() noexcept;
  std::uint32_t max_pairs() const noexcept { return max_pairs_; }

 private:
  struct Association {
    crypto::DtlsWords words;
    std::shared_ptr<const crypto::DtlsIdentityBytes> identity;
    bool is(const SideWords& other) const noexcept;
  };
  struct Held {
    int fds[relay::kFlowsPerPair] = {-1, -1, -1, -1};  ///< As in a Command.
    bool v4[2] = {true, true};
    relay::PairKind kind{};
    bool open = false;     ///< Known to a packet thread.
    bool failed = false;   ///< Could not be opened; waits for its `close`.
    bool closing = false;
    bool ice[2] = {false, false};
    relay::LatchPolicy latch[2] = {};
    bool bundled[2] = {false, false};
    bool shares[2] = {false, false};  ///< Its packets go by the sockets of another pair.
    std::uint32_t association[2] = {0, 0};
    std::unique_ptr<Association> dtls[2];  ///< To know another one.
  };
  bool has_room(std::uint32_t pair) noexcept { return handshakes_->has_room(4) && thread_of(pair).has_room(); }
  void link(Held& held, std::uint32_t pair, std::uint8_t side, const SideWords& words, relay::DtlsLink& out);
  void unlink(Held& held, std::uint8_t side, bool quiet);
  void relink(Held& held, std::uint32_t pair, std::uint8_t side, std::uint32_t& bits, SideWords& set);
  const char* open_sockets(Held& held, std::uint32_t pair, const SideWords& words, std::uint8_t side);
  const char* open_doors(const Held& held, std::uint32_t pair, const SideWords* const (&sides)[2], std::uint8_t& side) noexcept;
  const char* open_contexts(SideWords& words, relay::PairKind kind, bool bundled);
  const char* open_handed(SideWords& words, relay::PairKind kind, bool bundled);
  const char* resume(std::span<const std::uint8_t> bytes, relay::PairKind kind, std::uint32_t pair, const SideWords* const (&sides)[2],
                     std::unique_ptr<relay::PairState>& state);
  void close_sockets(Held& held) noexcept;
  static void close_contexts(const relay::Side& side) noexcept;
  void fail(std::uint32_t pair, std::uint8_t side, const char* reason);
  PacketThread& thread_of(std::uint32_t pair) noexcept { return *threads_[places_[pair]]; }
  const char* place(std::uint32_t pair, const SideWords& caller, const SideWords& callee) noexcept;
  bool translate(const relay::Event& event, HostEvent& out) noexcept;

  std::uint32_t max_pairs_;
  void (*notify_)(void*);
  void* notify_data_;
  std::string problem_;
  std::unique_ptr<crypto::SrtpEngine> engine_;
  std::unique_ptr<crypto::DtlsIdentity> identity_;
  /// Which packet thread a pair is at: lines that share a transport are at one.
  std::vector<std::atomic<std::uint8_t>> places_;
  std::unique_ptr<HandshakeThread> handshakes_;
  std::uint32_t last_association_ = 0;
  std::string kernel_problem_;
  std::string late_problem_;
  std::unique_ptr<Porter> porter_;      ///< Ends after the threads that use it.
  std::unique_ptr<KernelPath> kernel_;  ///< Ends after the threads that use it.
  std::vector<std::unique_ptr<PacketThread>> threads_;
  std::vector<Held> held_;
  std::vector<HostEvent> own_events_;
};

}  // namespace sallyport::io
