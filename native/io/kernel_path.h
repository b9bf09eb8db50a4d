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
#include "next_hops.h"
#include "xdp_program.h"

namespace sallyport::io {

/// What became of a media address.
struct PathFact {
  relay::Ip ip{};
  std::string interface;
  enum class Mode : std::uint8_t { kNone, kNative, kGeneric } mode = Mode::kNone;
  std::string reason;  ///< With kNone: why its flows stay with the sockets.
};

class KernelPath final : public relay::FlowSink {
 public:
  /// Attaches to the NICs that have `addresses` as far as it can. Null: the kernel does not take the program; `why`.
  /// Loopback addresses are passed over: nothing is gained there.
  static std::unique_ptr<KernelPath> start(std::uint32_t flows, const std::vector<relay::Ip>& addresses, std::string& why);
  ~KernelPath();

  /// Other addresses: attached soon to those that are new. A NIC once attached stays so, since taking a program away makes
  /// many a NIC pause.
  void set_addresses(const std::vector<relay::Ip>& addresses);
  std::vector<PathFact> facts() const;
  NextHops& next_hops() noexcept { return *hops_; }
  XdpProgram& program() noexcept { return *program_; }

  relay::Offered offer(relay::FlowNumber number, const relay::FlowWords& words) noexcept override;
  void withdraw(relay::FlowNumber number) noexcept override;
  relay::FlowTally tally(relay::FlowNumber number) noexcept override;
  void forget(relay::FlowNumber number) noexcept override;

 private:
  KernelPath() = default;
  struct Nic {
    std::string name;
    AttachMode mode = AttachMode::kNative;
    bool attached = false;
    std::string problem;
  };
  struct Place {
    unsigned interface = 0;  ///< That its frames come by; 0: none.
    std::uint16_t vlan = 0;
    std::string reason;
  };
  struct Flow {
    flow_key key{};
    std::uint32_t hop = 0;
    bool there = false;
  };
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
  std::atomic<std::uint32_t> generation_{0};
};

}  // namespace sallyport::io
