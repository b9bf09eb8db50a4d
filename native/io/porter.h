/// Lets media ports be open without sockets: what comes first for one is handed to the porter of its packet thread, which
/// then makes the socket. Most ports of RTCP never hear a packet, and a call that is refused needs none at all; four
/// sockets a call are a tenth of what a call costs.
///
/// Who opens and closes: control makes it before the packet threads and ends it after them. Pinned nowhere: with the process
/// it is gone. Needs CAP_BPF and CAP_NET_ADMIN at the start; without it every port has its socket from the start.
#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <memory>
#include <string>
#include <vector>

#include "../relay/relay.h"
#include "../shared/porter.h"

struct bpf_object;

namespace sallyport::io {

class Porter {
 public:
  static constexpr std::uint32_t kNobody = ~0u;

  /// In the network namespace of the calling thread. Null: the kernel does not take it; `why`.
  static std::unique_ptr<Porter> start(std::size_t threads, std::string& why);
  ~Porter();
  Porter(const Porter&) = delete;
  Porter& operator=(const Porter&) = delete;

  /// Control asks: may this port wait for its socket? Not where others have bound the same port, or may be given it by the
  /// kernel as an ephemeral one, as of the start: then a socket must tell at once whether it is free, and keep it.
  bool serves(const endpoint& local, std::size_t thread, std::uint32_t flow) noexcept;
  /// Control. False: a flow lives there.
  bool open(const endpoint& local, std::size_t thread, std::uint32_t flow) noexcept;

  // From any thread.
  void close(const endpoint& local) noexcept;
  /// The flow has its own socket now, or shall have none: the kernel is as ever there.
  void step_aside(const endpoint& local) noexcept;
  std::uint32_t flow_at(const endpoint& local) const noexcept;
  /// An address that is served and a port as one word, a fifth as long; and back.
  std::uint32_t word_of(const endpoint& local) const noexcept;
  endpoint endpoint_of(std::uint32_t word) const noexcept;
  /// The porter's socket, -1 where there is none. What it brings tells where it was sent to by IP_ORIGDSTADDR.
  int socket_of(std::size_t thread, bool v4) const noexcept { return sockets_[thread * 2 + !v4]; }

 private:
  Porter() = default;
  bool attach(std::string& why);
  bool open_sockets(std::size_t threads, std::string& why);
  void note_taken_ports();
  void note_ephemeral_ports();
  std::uint32_t slot_of(const std::uint8_t* ip) const noexcept;
  bool add_address(const std::uint8_t* ip) noexcept;
  std::uint32_t* door(const endpoint& local) const noexcept;

  bpf_object* object_ = nullptr;
  int link_ = -1;
  int addresses_fd_ = -1;
  porter_doors* ports_ = nullptr;
  std::vector<int> sockets_;
  std::array<relay::Ip, PORTER_ADDRESSES> addresses_{};
  std::atomic<std::uint32_t> address_count_{0};
  std::bitset<65'536> taken_;
};

}  // namespace sallyport::io
