/// Packets through epoll, recvfrom and sendto: for kernels and containers that forbid io_uring. Twice the cost.
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>

#include "address.h"
#include "packet_port.h"
#include "socket.h"

namespace sallyport::io {
namespace {

/// Limit: datagrams taken from one socket before the next one has its turn.
constexpr unsigned kTurn = 4;
constexpr std::uint32_t kWakeFlow = 0xffff'ffff;
constexpr std::uint32_t kWatchFlow = 0xffff'fffe;  // The descriptor stands above it.

class EpollPort final : public PacketPort {
 public:
  ~EpollPort() override {
    if (epoll_fd_ >= 0) close(epoll_fd_);
    if (wake_fd_ >= 0) close(wake_fd_);
  }

  bool start(std::uint32_t flows) {
    epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
    wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (epoll_fd_ < 0 || wake_fd_ < 0) return false;
    fds_.assign(flows, -1);
    removed.reserve(flows);
    slots_.resize(std::size_t{kBatch} * kSlotBytes);
    batch_.reserve(kBatch);
    epoll_event wanted{.events = EPOLLIN, .data = {.u32 = kWakeFlow}};
    return epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &wanted) == 0;
  }

  PortKind kind() const noexcept override { return PortKind::kEpoll; }

  bool add(std::uint32_t first, std::span<const int> fds) noexcept override {
    for (std::uint32_t i = 0; i < fds.size(); ++i) {
      if (fds[i] < 0) continue;
      epoll_event wanted{.events = EPOLLIN, .data = {.u32 = first + i}};
      if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fds[i], &wanted) != 0) {
        while (i-- > 0) drop(first + i);
        return false;
      }
      fds_[first + i] = fds[i];
    }
    return true;
  }

  void remove(std::uint32_t flow) noexcept override {
    if (drop(flow)) removed.push_back(flow);
  }

  void forget(std::uint32_t, std::uint32_t) noexcept override {}

  std::span<relay::Datagram> receive(std::uint64_t, std::uint64_t timeout_ns) noexcept override {
    batch_.clear();
    epoll_event ready[kBatch / kTurn];
    const auto timeout_ms = static_cast<int>((timeout_ns + 999'999) / 1'000'000);
    const int count = epoll_wait(epoll_fd_, ready, kBatch / kTurn, timeout_ms);
    for (int i = 0; i < count; ++i) {
      const std::uint32_t flow = ready[i].data.u32;
      if (flow == kWakeFlow) woken();
      else if (flow == kWatchFlow) readable.push_back(static_cast<int>(ready[i].data.u64 >> 32));
      else take(flow);
    }
    return batch_;
  }

  void send(const relay::Datagram& datagram) noexcept override {
    if (!can_leave(fds_[datagram.out_flow] >= 0, datagram.out_flow)) return;
    SocketAddress to;
    const socklen_t size = to_socket_address(datagram.to, to);
    // What the kernel does not take is lost, as UDP may.
    const auto leave = [&] {
      return sendto(fds_[datagram.out_flow], datagram.data, datagram.size, MSG_DONTWAIT | MSG_NOSIGNAL, &to.any, size) >= 0;
    };
    if (leave() || errno != EMSGSIZE) return;
    allow_fragments(fds_[datagram.out_flow]);
    leave();
  }

  bool watch(int fd) noexcept override {
    epoll_event wanted{.events = EPOLLIN, .data = {.u64 = std::uint64_t{static_cast<std::uint32_t>(fd)} << 32 | kWatchFlow}};
    return epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &wanted) == 0;
  }

  void unwatch(int fd) noexcept override { epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr); }

  void wake() noexcept override {
    if (wake_pending_.exchange(true)) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
  }

 private:
  bool drop(std::uint32_t flow) noexcept {
    if (fds_[flow] < 0) return false;
    epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fds_[flow], nullptr);
    fds_[flow] = -1;
    return true;
  }

  void woken() noexcept {
    std::uint64_t value;
    [[maybe_unused]] const ssize_t bytes = read(wake_fd_, &value, sizeof value);
    wake_pending_.store(false);
  }

  void take(std::uint32_t flow) noexcept {
    if (fds_[flow] < 0) return;
    for (unsigned i = 0; i < kTurn && batch_.size() < kBatch; ++i) {
      std::uint8_t* slot = &slots_[batch_.size() * kSlotBytes];
      SocketAddress from;
      socklen_t size = sizeof from;
      const ssize_t bytes = recvfrom(fds_[flow], slot, kSlotBytes, MSG_DONTWAIT | MSG_TRUNC, &from.any, &size);
      if (bytes < 0) return;
      relay::Datagram& datagram = batch_.emplace_back();
      datagram.flow = flow;
      datagram.sender = from_socket_address(from);
      datagram.data = slot;
      datagram.room = kSlotBytes;
      datagram.size = bytes > ssize_t{kSlotBytes} ? 0 : static_cast<std::uint32_t>(bytes);
    }
  }

  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  std::atomic<bool> wake_pending_{false};
  std::vector<int> fds_;
  std::vector<std::uint8_t> slots_;
  std::vector<relay::Datagram> batch_;
};

}  // namespace

std::unique_ptr<PacketPort> make_epoll_port(std::uint32_t flows) {
  auto port = std::make_unique<EpollPort>();
  return port->start(flows) ? std::move(port) : nullptr;
}

}  // namespace sallyport::io
