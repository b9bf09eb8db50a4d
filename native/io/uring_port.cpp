/// Packets through io_uring: one multishot receive a socket into a shared ring of buffers, and one system call a turn
/// that sends the last batch, waits, and brings the next. Needs Linux 6.1 (DEFER_TASKRUN); from 6.12 on a wait under
/// load lets a batch gather.
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "socket.h"
#include "uring_port.h"

namespace sallyport::io {
namespace {

constexpr unsigned kSubmissions = 512;
constexpr unsigned kCompletions = 8'192;
/// Limit: datagrams received and not yet judged; when all buffers are taken the kernel keeps the rest in the sockets.
constexpr unsigned kBuffers = 1'024;
constexpr int kBufferGroup = 0;
/// A batch may gather for this long (see gathering.h): far below what a jitter buffer notices, and below one turn of
/// rtpengine under the same load.
constexpr std::uint32_t kGatherUs = 200;
constexpr unsigned kGatherPackets = 64;
constexpr std::uint32_t kFeatureMinTimeout = 1u << 15;  // IORING_FEAT_MIN_TIMEOUT, newer than Debian's header.

/// What io_uring_enter takes with EXT_ARG, with the word that old headers call `pad`.
struct WaitArgument {
  std::uint64_t signal_mask;
  std::uint32_t signal_mask_size;
  std::uint32_t min_wait_us;
  std::uint64_t timespec;
};

/// By the calling thread since it began; while it sleeps it does not work.
std::uint64_t worked_ns() noexcept {
  timespec worked;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &worked);
  return static_cast<std::uint64_t>(worked.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(worked.tv_nsec);
}

void* map(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

UringPort::~UringPort() {
  for (const Settled& settled : settled_) {
    if (settled.fd >= 0) close(settled.fd);
  }
  if (ring_open_) io_uring_queue_exit(&ring_);
  if (wake_fd_ >= 0) close(wake_fd_);
  if (slots_) munmap(slots_, std::size_t{kBuffers} * kSlotBytes);
  if (buffers_) munmap(buffers_, kBuffers * sizeof(io_uring_buf));
}

bool UringPort::start(std::uint32_t flows) {
  io_uring_params params{};
  params.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  params.cq_entries = kCompletions;
  if (io_uring_queue_init_params(kSubmissions, &ring_, &params) < 0) return false;
  ring_open_ = true;
  can_gather_ = params.features & kFeatureMinTimeout;
  for (unsigned i = 0; i < kSubmissions; ++i) ring_.sq.array[i] = i;

  buffers_ = static_cast<io_uring_buf_ring*>(map(kBuffers * sizeof(io_uring_buf)));
  slots_ = static_cast<std::uint8_t*>(map(std::size_t{kBuffers} * kSlotBytes));
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (!buffers_ || !slots_ || wake_fd_ < 0) return false;
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(buffers_);
  registration.ring_entries = kBuffers;
  registration.bgid = kBufferGroup;
  if (io_uring_register_buf_ring(&ring_, &registration, 0) < 0) return false;
  io_uring_buf_ring_init(buffers_);
  for (unsigned i = 0; i < kBuffers; ++i) {
    io_uring_buf_ring_add(buffers_, slots_ + std::size_t{i} * kSlotBytes, kSlotBytes, static_cast<std::uint16_t>(i),
                          io_uring_buf_ring_mask(kBuffers), static_cast<int>(i));
  }
  io_uring_buf_ring_advance(buffers_, kBuffers);

  const std::uint32_t places = std::min<std::uint32_t>(flows * 2, descriptor_limit());  // The kernel's limit for the table, too.
  if (io_uring_register_files_sparse(&ring_, places) == 0) all_places_ = places;
  for (std::size_t i = all_places_; i > 0; --i) places_.push_back(static_cast<std::uint32_t>(i - 1));
  shape_.msg_namelen = sizeof(SocketAddress);
  flows_.resize(flows);
  // RTP flows alone settle as a rule: places for half of all.
  settled_.resize(flows / 2 + 1);
  drain_slots_.resize(kDrainSlots * kSlotBytes);
  for (std::uint32_t i = 0; i < settled_.size(); ++i) settled_free_.push_back(i);
  rearm_.reserve(flows);
  removed.reserve(flows);
  used_buffers_.reserve(kBuffers);
  batch_.reserve(kBatch);
  to_.resize(kBatch * 2);  // What came, and what was made or kept for it.
  arm_wake();
  return true;
}

bool UringPort::add(std::uint32_t first, std::span<const int> fds) noexcept {
  for (std::uint32_t i = 0; i < fds.size(); ++i) {
    if (fds[i] < 0) continue;
    UringFlow& flow = flows_[first + i];
    flow.fd = fds[i];
    flow.place = place_of(fds[i]);
    flow.kept = false;
    flow.generation += 1;
    flow.leaving = false;
    flow.fragments = false;
    flow.never_settles = false;
    flow.same = 0;
    arm(first + i);
  }
  return true;
}

void UringPort::forget(std::uint32_t first, std::uint32_t count) noexcept {
  for (std::uint32_t i = 0; i < count; ++i) {
    leave_place(flows_[first + i].place);
    flows_[first + i].kept = false;
  }
}

void UringPort::remove(std::uint32_t number) noexcept {
  UringFlow& flow = flows_[number];
  if (flow.fd < 0 || flow.leaving) return;
  flow.leaving = true;
  if (flow.armed) cancel(number, Op::kReceive);
  unsettle(number);
  end_if_through(number);
}

void UringPort::cancel(std::uint32_t number, Op op) noexcept {
  io_uring_sqe* sqe = submission();
  io_uring_prep_cancel64(sqe, tag(op, flows_[number].generation, number), 0);
  sqe->user_data = tag(Op::kCancel, flows_[number].generation, number);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

std::span<relay::Datagram> UringPort::receive(std::uint64_t now_ns, std::uint64_t timeout_ns) noexcept {
  const bool gather = gathers(now_ns) && timeout_ns != 0;
  for (const std::uint64_t ended : rearm_) {
    const auto number = static_cast<std::uint32_t>(ended);
    const UringFlow& flow = flows_[number];
    const auto op = static_cast<Op>(ended >> 56);
    if (flow.fd < 0 || flow.leaving || ended != tag(op, flow.generation, number)) continue;
    if (op == Op::kReceive && !flow.armed) arm(number);
    if (op == Op::kReceiveSettled && flow.settled != 0 && !settled_[flow.settled - 1].armed) arm(number, op);
  }
  rearm_.clear();
  const bool waiting = io_uring_cq_ready(&ring_) > 0;
  if (!waiting && timeout_ns != 0) arm_watches();
  enter(waiting ? 0 : gather ? kGatherPackets : 1, gather ? kGatherUs : 0, timeout_ns);
  to_count_ = 0;
  give_back_all();  // The sends of the last batch are through: see flush.

  batch_.clear();
  drained_ = 0;
  for (const std::uint32_t number : leaving_) {
    if (flows_[number].settled != 0) settled_ended(number);
    end_if_through(number);
  }
  leaving_.clear();
  unsigned head;
  unsigned seen = 0;
  io_uring_cqe* completion;
  io_uring_for_each_cqe(&ring_, head, completion) {
    if (batch_.size() == kBatch) break;
    seen += 1;
    take(*completion);
  }
  io_uring_cq_advance(&ring_, seen);
  packets_ += batch_.size();
  return batch_;
}

void UringPort::send(const relay::Datagram& datagram) noexcept {
  UringFlow& flow = flows_[datagram.out_flow];
  if (!can_leave(flow.fd >= 0, datagram.out_flow) || to_count_ == to_.size()) return;
  if (datagram.size > kUnfragmentedBytes && !flow.fragments) {
    if (!flow.kept) allow_fragments(flow.fd);
    else if (flow.v4) say(datagram.out_flow, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT);
    flow.fragments = true;
  }
  const std::uint32_t number = datagram.out_flow;
  const bool settled = settled_for(number, datagram.to);
  io_uring_sqe* sqe = submission();
  if (settled) {
    io_uring_prep_send(sqe, static_cast<int>(settled_[flow.settled - 1].place), datagram.data, datagram.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    sqe->flags |= static_cast<std::uint8_t>(IOSQE_CQE_SKIP_SUCCESS | IOSQE_FIXED_FILE);
    sqe->user_data = tag(Op::kSendSettled, flow.generation, number);
    return;
  }
  SocketAddress& to = to_[to_count_++];
  const socklen_t size = to_socket_address(datagram.to, to);
  const bool fixed = flow.place != kNoPlace;
  io_uring_prep_send(sqe, fixed ? static_cast<int>(flow.place) : flow.fd, datagram.data, datagram.size,
                     MSG_DONTWAIT | MSG_NOSIGNAL);
  sqe->addr2 = reinterpret_cast<std::uint64_t>(&to);
  sqe->addr_len = static_cast<std::uint16_t>(size);
  sqe->flags |= static_cast<std::uint8_t>(IOSQE_CQE_SKIP_SUCCESS | (fixed ? IOSQE_FIXED_FILE : 0u));
  sqe->user_data = tag(Op::kSend, 0, datagram.out_flow);
}

/// A UDP send with DONTWAIT is done, or refused, when the call returns.
void UringPort::flush() noexcept {
  enter(0, 0, 0);
  to_count_ = 0;
}

void UringPort::wake() noexcept {
  if (wake_pending_.exchange(true)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
}

bool UringPort::watch(int fd) noexcept {
  watched_.push_back({fd, false});
  return true;
}

void UringPort::unwatch(int fd) noexcept {
  std::erase_if(watched_, [fd](const Watched& watched) { return watched.fd == fd; });
  io_uring_sqe* sqe = submission();
  io_uring_prep_poll_remove(sqe, tag(Op::kWatch, 0, static_cast<std::uint32_t>(fd)));
  sqe->user_data = tag(Op::kCancel, 0, 0);
  enter(0, 0, 0);
}

/// Once each, and only before a wait: while packets come so fast that nobody waits it costs nothing.
void UringPort::arm_watches() noexcept {
  for (Watched& watched : watched_) {
    if (watched.armed) continue;
    io_uring_sqe* sqe = submission();
    io_uring_prep_poll_add(sqe, watched.fd, POLLIN);
    sqe->user_data = tag(Op::kWatch, 0, static_cast<std::uint32_t>(watched.fd));
    watched.armed = true;
  }
}

io_uring_sqe* UringPort::submission() noexcept {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {  // Limit: a full submission queue is submitted early.
    enter(0, 0, 0);
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

/// Shows the kernel what was queued; returns how much.
unsigned UringPort::publish() noexcept {
  const unsigned tail = ring_.sq.sqe_tail;
  ring_.sq.sqe_head = tail;
  std::atomic_ref(*ring_.sq.ktail).store(tail, std::memory_order_release);
  return tail - std::atomic_ref(*ring_.sq.khead).load(std::memory_order_acquire);
}

void UringPort::enter(unsigned wait_for, std::uint32_t gather_us, std::uint64_t timeout_ns) noexcept {
  const unsigned queued = publish();
  __kernel_timespec timeout{.tv_sec = static_cast<long long>(timeout_ns / 1'000'000'000),
                            .tv_nsec = static_cast<long long>(timeout_ns % 1'000'000'000)};
  WaitArgument argument{.signal_mask = 0, .signal_mask_size = 0, .min_wait_us = gather_us,
                        .timespec = reinterpret_cast<std::uint64_t>(&timeout)};
  io_uring_enter2(static_cast<unsigned>(ring_.ring_fd), queued, wait_for, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
                  reinterpret_cast<sigset_t*>(&argument), sizeof argument);
  said_count_ = 0;
}

void UringPort::arm(std::uint32_t number, Op op) noexcept {
  UringFlow& flow = flows_[number];
  io_uring_sqe* sqe = submission();
  const std::uint32_t place = op == Op::kReceive ? flow.place : settled_[flow.settled - 1].place;
  const bool fixed = place != kNoPlace;
  io_uring_prep_recvmsg_multishot(sqe, fixed ? static_cast<int>(place) : flow.fd, &shape_, MSG_TRUNC);
  sqe->flags |= static_cast<std::uint8_t>(IOSQE_BUFFER_SELECT | (fixed ? IOSQE_FIXED_FILE : 0u));
  sqe->buf_group = kBufferGroup;
  sqe->user_data = tag(op, flow.generation, number);
  (op == Op::kReceive ? flow.armed : settled_[flow.settled - 1].armed) = true;
}

void UringPort::arm_wake() noexcept {
  io_uring_sqe* sqe = submission();
  io_uring_prep_poll_multishot(sqe, wake_fd_, POLLIN);
  sqe->user_data = tag(Op::kWake, 0, 0);
}

void UringPort::take(const io_uring_cqe& completion) noexcept {
  const auto op = static_cast<Op>(completion.user_data >> 56);
  const auto number = static_cast<std::uint32_t>(completion.user_data);
  if (op == Op::kWake) {
    [[maybe_unused]] const ssize_t bytes = read(wake_fd_, &wake_value_, sizeof wake_value_);
    wake_pending_.store(false);
    if (!(completion.flags & IORING_CQE_F_MORE)) arm_wake();
    return;
  }
  if (op == Op::kWatch) {
    for (Watched& watched : watched_) watched.armed = watched.armed && watched.fd != static_cast<int>(number);
    if (completion.res >= 0) readable.push_back(static_cast<int>(number));
    return;
  }
  UringFlow& flow = flows_[number];
  const auto generation = static_cast<std::uint32_t>(completion.user_data >> 32) & 0xff'ffff;
  const bool current = generation == (flow.generation & 0xff'ffff) && flow.fd >= 0;
  if (op == Op::kSendSettled && current && completion.res != -EAGAIN && completion.res != -ENOBUFS) return distrust(number);
  // A send that failed is lost, as UDP may; a cancel that failed has an ended receive.
  if (op != Op::kReceive && op != Op::kReceiveSettled) return;

  if (completion.flags & IORING_CQE_F_BUFFER) {
    if (current && !flow.leaving && completion.res > 0) take_datagram(number, completion);
    else give_back(completion.flags >> IORING_CQE_BUFFER_SHIFT);
  }
  if (!current || completion.flags & IORING_CQE_F_MORE) return;
  if (op == Op::kReceive) {
    flow.armed = false;
    if (!flow.leaving) rearm_.push_back(completion.user_data);  // Buffers had run out: they are back by the next turn.
  } else if (flow.settled != 0) {
    Settled& settled = settled_[flow.settled - 1];
    settled.armed = false;
    if (settled.leaving) settled_ended(number);
    else if (completion.res < 0 && completion.res != -ENOBUFS) distrust(number);
    else rearm_.push_back(completion.user_data);
  }
  end_if_through(number);
}

void UringPort::take_datagram(std::uint32_t number, const io_uring_cqe& completion) noexcept {
  const unsigned buffer = completion.flags >> IORING_CQE_BUFFER_SHIFT;
  std::uint8_t* slot = slots_ + std::size_t{buffer} * kSlotBytes;
  auto* out = io_uring_recvmsg_validate(slot, completion.res, &shape_);
  if (out == nullptr || out->namelen == 0) return give_back(buffer);
  relay::Datagram& datagram = batch_.emplace_back();
  datagram.flow = number;
  SocketAddress from;
  std::memcpy(&from, io_uring_recvmsg_name(out), sizeof from);
  datagram.sender = from_socket_address(from);
  datagram.data = static_cast<std::uint8_t*>(io_uring_recvmsg_payload(out, &shape_));
  datagram.room = static_cast<std::uint32_t>(slot + kSlotBytes - datagram.data);
  // A cut datagram is no packet: with no bytes it is judged malformed.
  datagram.size = out->payloadlen > datagram.room ? 0 : out->payloadlen;
  used_buffers_.push_back(static_cast<std::uint16_t>(buffer));
}

bool UringPort::gathers(std::uint64_t now_ns) noexcept {
  if (can_gather_ && gathering_.due(now_ns)) gathering_.look(now_ns, worked_ns(), packets_);
  return gathering_.gathers();
}

void UringPort::end_if_through(std::uint32_t number) noexcept {
  UringFlow& flow = flows_[number];
  if (!flow.leaving || flow.fd < 0 || flow.armed || flow.settled != 0) return;
  flow.fd = -1;
  removed.push_back(number);
}

void UringPort::give_back(unsigned buffer) noexcept {
  io_uring_buf_ring_add(buffers_, slots_ + std::size_t{buffer} * kSlotBytes, kSlotBytes,
                        static_cast<std::uint16_t>(buffer), io_uring_buf_ring_mask(kBuffers), 0);
  io_uring_buf_ring_advance(buffers_, 1);
}

void UringPort::give_back_all() noexcept {
  int at = 0;
  for (const std::uint16_t buffer : used_buffers_) {
    io_uring_buf_ring_add(buffers_, slots_ + std::size_t{buffer} * kSlotBytes, kSlotBytes, buffer,
                          io_uring_buf_ring_mask(kBuffers), at++);
  }
  io_uring_buf_ring_advance(buffers_, at);
  used_buffers_.clear();
}

namespace {

/// A datagram to ourselves and back: says more than any list of features, under seccomp above all.
bool works(UringPort& port) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  SocketAddress self{};
  self.v4.sin_family = AF_INET;
  self.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof self;
  std::uint8_t word[4] = {'p', 'i', 'n', 'g'};
  bool heard = false;
  if (bind(fd, &self.any, sizeof self.v4) == 0 && getsockname(fd, &self.any, &size) == 0 && port.add(0, {&fd, 1})) {
    relay::Datagram ping;
    ping.data = word;
    ping.size = sizeof word;
    ping.to = from_socket_address(self);
    port.send(ping);
    for (int turn = 0; turn < 3 && !heard; ++turn) {
      for (const relay::Datagram& datagram : port.receive(0, 100'000'000)) {
        heard = heard || (datagram.size == sizeof word && std::memcmp(datagram.data, word, sizeof word) == 0);
      }
    }
    port.try_words(fd);
    port.remove(0);
    for (int turn = 0; turn < 3 && port.removed.empty(); ++turn) port.receive(0, 10'000'000);
    heard = heard && !port.removed.empty();
    port.removed.clear();
    port.forget(0, 1);
  }
  close(fd);
  return heard;
}

}  // namespace

std::unique_ptr<PacketPort> make_io_uring_port(std::uint32_t flows) {
  auto port = std::make_unique<UringPort>();
  if (!port->start(flows) || !works(*port)) return nullptr;
  return port;
}

}  // namespace sallyport::io
