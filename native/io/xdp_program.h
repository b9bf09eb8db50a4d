/// The kernel program and its maps, loaded and attached.
///
/// Who opens and closes: whoever holds this object; with it go program, maps and attachments. They are pinned nowhere:
/// they hang on descriptors of this process, so when it dies, of whatever, the kernel takes them all back.
/// Every call may fail for want of privileges (CAP_BPF, CAP_NET_ADMIN): then the sockets carry the packets.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../shared/flow.h"

struct bpf_object;

namespace sallyport::io {

enum class AttachMode : std::uint8_t { kNative, kGeneric };

class XdpProgram {
 public:
  /// `flows`: most flows forwarded at once; entries and states are numbered 0 to flows - 1. Null, and `why` says what the kernel
  /// said.
  static std::unique_ptr<XdpProgram> load(std::uint32_t flows, std::string& why);
  ~XdpProgram();
  XdpProgram(const XdpProgram&) = delete;
  XdpProgram& operator=(const XdpProgram&) = delete;

  /// Empty: it runs there now. Else why not (another program may hold the place).
  std::string attach(unsigned interface, AttachMode mode);
  void detach(unsigned interface) noexcept;
  /// Empty: packets may be sent to it by FLOW_FORWARD.
  std::string add_device(unsigned interface);

  /// All these may be called from any thread. False: the map is full, or has no such key. One slot is one thread's.
  bool put_flow(const flow_key& key, const flow_entry& entry) noexcept;
  bool remove_flow(const flow_key& key) noexcept;
  bool put_hop(std::uint32_t number, const next_hop& hop) noexcept;
  /// `place`: NIC · FLOW_QUEUES_PER_NIC + queue.
  bool put_xsk(std::uint32_t place, int socket) noexcept;
  bool remove_xsk(std::uint32_t place) noexcept;
  /// Mapped memory. The kernel program writes it.
  flow_state* state(std::uint32_t slot) noexcept { return states_ + slot; }
  std::uint32_t flow_limit() const noexcept { return flow_limit_; }
  /// For BPF_PROG_TEST_RUN.
  int program_fd() const noexcept { return program_fd_; }

 private:
  XdpProgram() = default;
  struct Attachment {
    unsigned interface;
    int link;
  };
  /// An address that has doors. It keeps its row until another one needs it, so that no packet on its way through the program
  /// meets the doors of somebody else.
  struct Row {
    flow_key address{};
    std::uint32_t open = 0;  ///< Doors.
  };
  bool row_of(const flow_key& key, bool make, std::uint32_t& row) noexcept;
  std::uint32_t& door(std::uint32_t row, const flow_key& key) noexcept;
  void write_entry(const flow_key& key, const flow_entry& entry) noexcept;

  bpf_object* object_ = nullptr;
  int program_fd_ = -1, addresses_fd_ = -1, nics_fd_ = -1, hops_fd_ = -1, devices_fd_ = -1, xsks_fd_ = -1;
  flow_state* states_ = nullptr;
  flow_doors* doors_ = nullptr;
  flow_entry* entries_ = nullptr;
  std::uint32_t flow_limit_ = 0;
  std::mutex doors_mutex_;  ///< For the rows, the doors and the NICs.
  std::vector<Row> rows_;
  std::uint32_t nics_[FLOW_NICS] = {};
  std::vector<Attachment> attachments_;
};

}  // namespace sallyport::io
