/// The relay's flows in the kernel: attaches the program to the NICs that carry media, and puts flows into it.
///
/// Who opens and closes: control makes it before the packet threads and ends it after them. With it the kernel forgets all.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../relay/flow_sink.h"
#include "af_xdp_port.h"
#include "next_hops.h"
#include "xdp_program.h"
#include "zero_table.h"

namespace sallyport::io {

/// What became of a media address.
struct PathFact {
  relay::Ip ip{};
  std::string interface;
  enum class Mode : std::uint8_t { kNone, kNative, kGeneric } mode = Mode::kNone;
  std::string reason;  ///< With kNone: why its flows stay with the sockets.
  unsigned index = 0;  ///< Of the interface.
  bool forwards = false, rings = false;  ///< What was asked for.
  unsigned ring_queues = 0;              ///< That have AF_XDP sockets.
  bool zero_copy = false;                ///< All of them.
};

class KernelPath final : public relay::FlowSink, public RingGround {
 public:
  /// Attaches to the NICs that have `addresses` as far as it can: the kernel forwards for them. Those of `rings` go by
  /// AF_XDP. Null: the kernel does not take the program; `why`. Loopback addresses are passed over: nothing is gained there.
  static std::unique_ptr<KernelPath> start(std::uint32_t flows, const std::vector<relay::Ip>& addresses, std::string& why,
                                           const std::vector<relay::Ip>& rings = {});
  ~KernelPath() override;

  /// Other addresses: attached soon to those that are new. A NIC once attached stays so, since taking a program away makes
  /// many a NIC pause.
  void set_addresses(const std::vector<relay::Ip>& addresses, const std::vector<relay::Ip>& rings = {});
  std::vector<PathFact> facts() const;
  NextHops& next_hops() noexcept { return *hops_; }
  XdpProgram& program() noexcept { return *program_; }

  relay::Offered offer(relay::FlowNumber number, const relay::FlowWords& words) noexcept override;
  void withdraw(relay::FlowNumber number) noexcept override;
  relay::FlowTally tally(relay::FlowNumber number) noexcept override;
  void forget(relay::FlowNumber number) noexcept override;

  // kernel_rings.cpp; its flows are sockets: pair · 4 and so on.
  std::uint32_t places_generation() const noexcept override { return places_generation_.load(std::memory_order_acquire); }
  std::vector<XskPlace> places() override;
  bool connect(const XskPlace& place, int socket) noexcept override;
  void disconnect(const XskPlace& place) noexcept override;
  void carry(std::uint32_t flow, const endpoint& local) noexcept override;
  void drop(std::uint32_t flow) noexcept override;
  std::uint32_t hops_generation() const noexcept override { return hops_->generation(); }
  next_hop next(std::uint32_t flow, const endpoint& from, const endpoint& to) noexcept override;

 private:
  explicit KernelPath(std::uint32_t flows) : flows_(flows), carried_(std::size_t{flows} * 2) {}
  struct Nic {
    std::uint32_t number = 0;  ///< Below FLOW_NICS: its place among the sockets of rings.
    std::string name;
    AttachMode mode = AttachMode::kNative;
    bool attached = false;
    std::string problem;
  };
  struct Place {
    unsigned interface = 0;  ///< That its frames come by; 0: none.
    std::uint16_t vlan = 0;
    std::string reason;
    bool forwards = false, rings = false;
  };
  struct Flow {
    flow_key key{};
    std::uint32_t hop = 0;
    bool there = false;
  };
  /// A flow whose packets go to AF_XDP sockets, but while they are forwarded.
  struct Carried {
    endpoint local;
    flow_key key;
    std::uint32_t hop;
    bool known;
    bool put;
    bool holds;  ///< `hop`.
  };
  bool put_carried(std::uint32_t flow) noexcept;
  bool forwarded(std::uint32_t flow) const noexcept;
  std::uint32_t free_number() const noexcept;
  void ask_for(const std::vector<relay::Ip>& addresses, const std::vector<relay::Ip>& rings);
  void settle(Routes& routes);
  Place place_of(Routes& routes, const relay::Ip& ip);
  void attach(Routes& routes, const Link& link);
  void publish(Routes& routes, std::uint32_t number, const next_hop& hop);

  std::unique_ptr<XdpProgram> program_;
  std::unique_ptr<NextHops> hops_;
  mutable std::mutex mutex_;  ///< For all below but `flows_`, each of which belongs to one packet thread.
  std::map<relay::Ip, Place> places_;
  std::map<unsigned, Nic> nics_;
  std::map<unsigned, bool> devices_;  ///< May frames be sent to it natively?
  std::vector<Flow> flows_;
  ZeroTable<Carried> carried_;  ///< By socket; each belongs to one packet thread.
  std::atomic<std::uint32_t> places_generation_{1};
  std::atomic<std::uint32_t> generation_{0};
};

}  // namespace sallyport::io
