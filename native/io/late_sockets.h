/// The packet thread's side of ports that wait for their sockets (porter.h): makes a flow's socket when its first datagram
/// comes or goes, and hands out what the porter got meanwhile.
///
/// Who opens and closes: `make` opens, `release` closes, the end closes what is left.
#pragma once

#include <sys/socket.h>

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "address.h"
#include "packet_port.h"
#include "porter.h"
#include "zero_table.h"

namespace sallyport::io {

/// Stands for a descriptor in a command: the flow's port is open, its socket is made when it is needed.
inline constexpr int kLateSocket = -2;

/// Where packets of a side's RTP (0) or RTCP (1) come to.
inline endpoint local_of(const relay::Side& side, std::uint32_t component) noexcept {
  const std::uint16_t port = component == 0 ? side.local.rtp_port : side.local.rtcp_port;
  endpoint local{};
  std::memcpy(local.ip, side.local.ip.data(), side.local.ip.size());
  local.port[0] = static_cast<std::uint8_t>(port >> 8);
  local.port[1] = static_cast<std::uint8_t>(port);
  return local;
}

class LateSockets {
 public:
  /// `porter`: null, and none comes late.
  LateSockets(Porter* porter, std::size_t thread, std::uint32_t flows);
  ~LateSockets();

  /// The porter's sockets: whoever waits, waits for these too.
  std::span<const int> watched() const noexcept { return watched_; }
  /// One of them has something.
  void readable(int fd) noexcept;

  /// Of a flow whose door control has opened.
  void expect(std::uint32_t flow, const endpoint& local, std::uint8_t dscp, bool bursts) noexcept;
  /// Both flows of a side, from `first` on.
  void mark(std::uint32_t first, std::uint8_t dscp) noexcept;
  bool is_waiting(std::uint32_t flow) noexcept { return porter_ != nullptr && late_[flow].state == State::kWaiting; }
  /// The socket of a flow that waits for it; negative errno, once, when it cannot be had.
  int make(std::uint32_t flow) noexcept;
  /// The descriptor closes; the port holds the socket (PacketPort::keep).
  void let_go(std::uint32_t flow) noexcept;
  /// Nothing comes for it any more, and no socket is made.
  void end(std::uint32_t flow) noexcept;
  /// Its socket closes, if it has one.
  void release(std::uint32_t flow) noexcept;

  /// What came to porters, for flows that live; usable until the next call. Oldest first, and older than anything that the
  /// flows' own sockets gave before the call: so order is kept by whoever takes all there is before he looks at that.
  std::span<relay::Datagram> receive(std::uint64_t now_ns) noexcept;
  /// `receive` took as much as it takes at once.
  bool has_more() const noexcept { return has_more_; }

 private:
  enum class State : std::uint8_t { kNone, kWaiting, kMade };
  struct Late {
    std::uint32_t local;  ///< Porter::word_of it.
    int fd;               ///< With kMade: -1, let go.
    std::uint8_t dscp;
    bool bursts;
    State state;
  };
  /// Of a flow whose door is open, and whose command we have not obeyed yet: it waits, with all behind it.
  struct Early {
    bool waits = false;
    endpoint to{}, sender{};
    std::uint32_t size = 0;
    std::array<std::uint8_t, kSlotBytes> bytes;
  };
  void take(int fd, Early& early) noexcept;
  bool give_out(const endpoint& to, const endpoint& sender, std::uint32_t size) noexcept;

  Porter* porter_;
  ZeroTable<Late> late_;
  std::uint32_t flows_;
  std::uint32_t waiting_ = 0;
  std::vector<int> watched_;
  std::vector<bool> ready_;
  std::vector<Early> early_;
  bool has_more_ = false;
  std::uint64_t looked_ns_ = 0;
  std::vector<std::uint8_t> slots_;
  std::vector<relay::Datagram> batch_;
};

}  // namespace sallyport::io
