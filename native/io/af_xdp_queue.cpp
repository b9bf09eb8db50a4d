#include "af_xdp_queue.h"

#include <errno.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <string>

#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#define SO_BUSY_POLL_BUDGET 70
#endif

namespace sallyport::io {
namespace {

constexpr int kTransmitBudgetOption = 9;  // XDP_MAX_TX_SKB_BUDGET: Linux 6.18. Without it 32 packets a call.
constexpr std::uint32_t kTransmitBudget = 256;
/// Packets copied out wait in buffers charged to the socket until the other end has them.
constexpr int kSendBufferBytes = 8 * 1'024 * 1'024;
constexpr int kBusyPollUs = 20;
constexpr int kBusyPollBudget = 64;
constexpr unsigned kBindAttempts = 50;
constexpr long kBindPauseNs = 10'000'000;
/// Limit: calls one kick makes: a full ring by the kernel's least budget.
constexpr unsigned kKickCalls = kRingEntries / 32 + 1;

template <typename T>
bool set(int fd, int level, int name, const T& value) noexcept {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

/// What has a device behind it has a card that finishes checksums.
bool is_virtual(std::uint32_t interface) {
  char name[IF_NAMESIZE];
  if (if_indextoname(interface, name) == nullptr) return false;
  return access(("/sys/class/net/" + std::string(name) + "/device").c_str(), F_OK) != 0;
}

}  // namespace

std::unique_ptr<XskQueue> XskQueue::open(const Wish& wish, FrameStore& store, int& error) {
  std::unique_ptr<XskQueue> queue(new XskQueue(wish, store));
  error = queue->start(wish);
  if (error != 0) queue.reset();
  return queue;
}

XskQueue::~XskQueue() {
  store_.shared_by -= 1;
  for (const Mapping& mapping : mappings_) {
    if (mapping.at) munmap(mapping.at, mapping.bytes);
  }
  if (fd_ >= 0) close(fd_);
}

int XskQueue::start(const Wish& wish) {
  fd_ = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return errno;
  partial_checksums_ = is_virtual(place_.interface);
  if (wish.share_with < 0) {
    xdp_umem_reg region{};
    region.addr = reinterpret_cast<std::uint64_t>(store_.memory());
    region.len = store_.bytes();
    region.chunk_size = kFrameBytes;
    region.flags = store_.staggered() ? XDP_UMEM_UNALIGNED_CHUNK_FLAG : 0;
    if (!set(fd_, SOL_XDP, XDP_UMEM_REG, region)) return errno;
  }
  for (const int ring : {XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING, XDP_TX_RING}) {
    if (!set(fd_, SOL_XDP, ring, kRingEntries)) return errno;
  }
  if (const int error = map_rings()) return error;
  set(fd_, SOL_XDP, kTransmitBudgetOption, kTransmitBudget);
  if (!set(fd_, SOL_SOCKET, SO_SNDBUFFORCE, kSendBufferBytes)) set(fd_, SOL_SOCKET, SO_SNDBUF, kSendBufferBytes);
  if (wish.busy_poll) {
    busy_polls_ = set(fd_, SOL_SOCKET, SO_PREFER_BUSY_POLL, 1) && set(fd_, SOL_SOCKET, SO_BUSY_POLL, kBusyPollUs) &&
                  set(fd_, SOL_SOCKET, SO_BUSY_POLL_BUDGET, kBusyPollBudget);
  }
  refill();
  const std::uint16_t flags = wish.share_with >= 0             ? XDP_SHARED_UMEM
                              : wish.mode == XskMode::kZeroCopy ? XDP_ZEROCOPY | XDP_USE_NEED_WAKEUP
                                                                : XDP_COPY | XDP_USE_NEED_WAKEUP;
  if (const int error = bind_to(wish, flags)) return error;
  xdp_options options{};
  socklen_t size = sizeof options;
  if (getsockopt(fd_, SOL_XDP, XDP_OPTIONS, &options, &size) != 0) return errno;
  mode_ = options.flags & XDP_OPTIONS_ZEROCOPY ? XskMode::kZeroCopy : XskMode::kCopy;
  return 0;
}

int XskQueue::bind_to(const Wish& wish, std::uint16_t flags) {
  sockaddr_xdp address{};
  address.sxdp_family = AF_XDP;
  address.sxdp_flags = flags;
  address.sxdp_ifindex = wish.place.interface;
  address.sxdp_queue_id = wish.place.queue;
  if (wish.share_with >= 0) address.sxdp_shared_umem_fd = static_cast<std::uint32_t>(wish.share_with);
  for (unsigned attempt = 1;; ++attempt) {
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return 0;
    // The kernel lets go of a closed socket's queue a little later.
    if (errno != EBUSY || attempt == kBindAttempts) return errno;
    const timespec pause{0, kBindPauseNs};
    nanosleep(&pause, nullptr);
  }
}

template <typename Entry>
bool XskQueue::map_ring(const xdp_ring_offset& offset, std::uint64_t page, unsigned which, RingMemory<Entry>& out) {
  Mapping& mapping = mappings_[which];
  const std::size_t bytes = offset.desc + kRingEntries * sizeof(Entry);
  void* const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, static_cast<off_t>(page));
  if (at == MAP_FAILED) return false;
  mapping = {at, bytes};
  auto* const start = static_cast<std::uint8_t*>(at);
  out = {reinterpret_cast<std::uint32_t*>(start + offset.producer), reinterpret_cast<std::uint32_t*>(start + offset.consumer),
         reinterpret_cast<std::uint32_t*>(start + offset.flags), reinterpret_cast<Entry*>(start + offset.desc), kRingEntries};
  return true;
}

int XskQueue::map_rings() {
  xdp_mmap_offsets offsets{};
  socklen_t size = sizeof offsets;
  if (getsockopt(fd_, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size) != 0) return errno;
  if (size != sizeof offsets) return EPROTO;  // Before Linux 5.4: rings without flags.
  RingMemory<std::uint64_t> fill, completed;
  RingMemory<xdp_desc> received, transmit;
  if (!map_ring(offsets.fr, XDP_UMEM_PGOFF_FILL_RING, 0, fill) ||
      !map_ring(offsets.cr, XDP_UMEM_PGOFF_COMPLETION_RING, 1, completed) ||
      !map_ring(offsets.rx, XDP_PGOFF_RX_RING, 2, received) || !map_ring(offsets.tx, XDP_PGOFF_TX_RING, 3, transmit)) {
    return errno;
  }
  fill_ = ProducerRing(fill);
  completed_ = ConsumerRing(completed);
  received_ = ConsumerRing(received);
  transmit_ = ProducerRing(transmit);
  return 0;
}

bool XskQueue::send(std::uint32_t frame, const std::uint8_t* at, std::uint32_t size) noexcept {
  if (transmit_.vacant(1) == 0) return false;
  transmit_.next() = {.addr = store_.address(at), .len = size, .options = 0};
  store_.hand(frame, number_);
  sent_ += 1;
  unkicked_ = true;
  return true;
}

int XskQueue::kick() noexcept {
  transmit_.publish();
  if (!unkicked_) return 0;
  // Where the kernel copies, it sends inside our call; where it does not, the driver says when it wants to be woken.
  if (mode_ == XskMode::kZeroCopy && !transmit_.needs_wakeup()) {
    unkicked_ = false;
    return 0;
  }
  std::uint32_t before = transmit_.waiting();
  for (unsigned call = 0; call < kKickCalls; ++call) {
    const int error = sendto(fd_, nullptr, 0, MSG_DONTWAIT, nullptr, 0) >= 0 ? 0 : errno;
    const std::uint32_t waiting = transmit_.waiting();
    if (mode_ == XskMode::kZeroCopy || waiting == 0) unkicked_ = false;
    if (error == ENETDOWN || error == ENXIO || error == ENODEV || error == EBADF) return error;
    if (!unkicked_ || error == ENOBUFS) return 0;
    // EAGAIN: its budget for one call is used up, or it took none, since those before have not come back: the next turn asks
    // again. EBUSY: the device dropped one, which the ring does not show yet, and the next is due.
    if (error == EAGAIN && waiting == before) return 0;
    before = waiting;
  }
  return 0;
}

void XskQueue::reap() noexcept {
  const std::uint32_t count = completed_.available();
  if (count == 0) return;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t address = completed_.peek(i);
    if (store_.holds(address)) store_.give_back(store_.frame_of(address));
  }
  completed_.release(count);
}

void XskQueue::refill() noexcept {
  // By batches: the kernel's position lies in a cache line that it writes.
  constexpr std::uint32_t kRefillFrom = 64;
  std::uint32_t vacant = fill_.vacant(kRefillFrom);
  if (vacant < kRefillFrom) return;
  std::uint32_t frame;
  for (; vacant != 0 && store_.take(frame, number_); --vacant) fill_.next() = store_.address(store_.start(frame));
  fill_.publish();
  if (fill_.needs_wakeup()) recvfrom(fd_, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
}

std::uint64_t XskQueue::newly_missed() noexcept {
  xdp_statistics counts{};
  socklen_t size = sizeof counts;
  if (getsockopt(fd_, SOL_XDP, XDP_STATISTICS, &counts, &size) != 0) return 0;
  const std::uint64_t before = missed_;
  missed_ = counts.rx_ring_full + counts.rx_dropped;
  return missed_ - before;
}

}  // namespace sallyport::io
