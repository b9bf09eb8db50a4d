#include "late_sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include <utility>

#include "socket.h"

namespace sallyport::io {
namespace {

/// Limit: datagrams of porters taken at once.
constexpr unsigned kPorterBatch = 32;
/// Under so much load that nobody waits, nobody is told that a porter has something: then it is looked for this often.
constexpr std::uint64_t kLookNs = 1'000'000;

/// Where a datagram was sent to, as the kernel tells beside it.
bool sent_to(msghdr& header, endpoint& out) noexcept {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    const bool v4 = part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_ORIGDSTADDR;
    if (!v4 && !(part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_ORIGDSTADDR)) continue;
    SocketAddress address{};
    std::memcpy(&address, CMSG_DATA(part), v4 ? sizeof address.v4 : sizeof address.v6);
    out = from_socket_address(address);
    return true;
  }
  return false;
}

}  // namespace

LateSockets::LateSockets(Porter* porter, std::size_t thread, std::uint32_t flows) : porter_(porter), late_(porter != nullptr ? flows : 0), flows_(flows) {
  if (porter_ == nullptr || thread >= PORTER_THREADS) return;
  for (const bool v4 : {true, false}) {
    const int fd = porter_->socket_of(thread, v4);
    if (fd >= 0) watched_.push_back(fd);
  }
  ready_.resize(watched_.size());
  early_.resize(watched_.size());
  slots_.resize(std::size_t{kPorterBatch} * kSlotBytes);
  batch_.reserve(kPorterBatch);
}

LateSockets::~LateSockets() {
  for (std::uint32_t flow = 0; porter_ != nullptr && flow < flows_; ++flow) release(flow);
}

void LateSockets::readable(int fd) noexcept {
  for (std::size_t i = 0; i < watched_.size(); ++i) {
    if (watched_[i] == fd) ready_[i] = true;
  }
}

void LateSockets::expect(std::uint32_t flow, const endpoint& local, std::uint8_t dscp, bool bursts) noexcept {
  late_[flow] = {.local = porter_->word_of(local), .fd = -1, .dscp = dscp, .bursts = bursts, .state = State::kWaiting};
  waiting_ += 1;
}

void LateSockets::mark(std::uint32_t first, std::uint8_t dscp) noexcept {
  for (std::uint32_t flow = first; porter_ != nullptr && flow < first + 2; ++flow) {
    Late& late = late_[flow];
    late.dscp = dscp;
    if (late.state == State::kMade && late.fd >= 0) io::mark(late.fd, is_v4(porter_->endpoint_of(late.local).ip), dscp);
  }
}

/// The door leads to the kernel again only when the socket is there to be found. What the porter holds by then is older
/// than what the socket gets.
int LateSockets::make(std::uint32_t flow) noexcept {
  Late& late = late_[flow];
  const endpoint local = porter_->endpoint_of(late.local);
  relay::Ip ip;
  std::memcpy(ip.data(), local.ip, ip.size());
  const int fd = open_media_socket(ip, static_cast<std::uint16_t>(local.port[0] << 8 | local.port[1]), late.dscp, late.bursts);
  porter_->step_aside(local);
  // In the next turn it is looked at again: a packet may just have found the door as it was.
  ready_.assign(ready_.size(), true);
  waiting_ -= 1;
  late.state = State::kMade;
  late.fd = fd < 0 ? -1 : fd;
  return fd;
}

void LateSockets::let_go(std::uint32_t flow) noexcept { ::close(std::exchange(late_[flow].fd, -1)); }

void LateSockets::end(std::uint32_t flow) noexcept {
  if (porter_ == nullptr || late_[flow].state == State::kNone) return;
  porter_->close(porter_->endpoint_of(late_[flow].local));
  if (late_[flow].state != State::kWaiting) return;
  waiting_ -= 1;
  late_[flow].state = State::kNone;
}

void LateSockets::release(std::uint32_t flow) noexcept {
  if (porter_ == nullptr) return;
  Late& late = late_[flow];
  if (late.state == State::kMade && late.fd >= 0) ::close(late.fd);
  if (late.state != State::kNone) late = {};
}

std::span<relay::Datagram> LateSockets::receive(std::uint64_t now_ns) noexcept {
  batch_.clear();
  has_more_ = false;
  const bool look = waiting_ != 0 && now_ns - looked_ns_ >= kLookNs;
  if (look) looked_ns_ = now_ns;
  for (std::size_t i = 0; i < watched_.size(); ++i) {
    if (!look && !ready_[i]) continue;
    ready_[i] = false;
    take(watched_[i], early_[i]);
  }
  return batch_;
}

/// What lies in the next slot. False: its flow is not expected yet.
bool LateSockets::give_out(const endpoint& to, const endpoint& sender, std::uint32_t size) noexcept {
  const std::uint32_t flow = porter_->flow_at(to);
  if (flow == Porter::kNobody) return true;
  if (late_[flow].state == State::kNone) return false;
  relay::Datagram& datagram = batch_.emplace_back();
  datagram.flow = flow;
  datagram.sender = sender;
  datagram.data = slots_.data() + (batch_.size() - 1) * kSlotBytes;
  datagram.room = kSlotBytes;
  datagram.size = size;
  return true;
}

/// A door opens before its command is posted, and both before the far end hears of the port: so what comes through it may
/// find us between two looks at the commands. It must not be lost, as it would not be by a socket of its own.
void LateSockets::take(int fd, Early& early) noexcept {
  if (early.waits && batch_.size() < kPorterBatch) {
    std::memcpy(slots_.data() + batch_.size() * kSlotBytes, early.bytes.data(), early.size);
    early.waits = !give_out(early.to, early.sender, early.size);
    if (early.waits) return readable(fd);
  }
  while (batch_.size() < kPorterBatch) {
    std::uint8_t* const slot = slots_.data() + batch_.size() * kSlotBytes;
    SocketAddress from;
    iovec piece{slot, kSlotBytes};
    alignas(cmsghdr) std::uint8_t control[CMSG_SPACE(sizeof(sockaddr_in6))];
    msghdr header{};
    header.msg_name = &from;
    header.msg_namelen = sizeof from;
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t bytes = recvmsg(fd, &header, MSG_DONTWAIT | MSG_TRUNC);
    if (bytes < 0) return;
    endpoint to;
    if (!sent_to(header, to)) continue;
    const endpoint sender = from_socket_address(from);
    // A cut datagram is no packet: with no bytes it is judged malformed.
    const std::uint32_t size = bytes > ssize_t{kSlotBytes} ? 0 : static_cast<std::uint32_t>(bytes);
    if (give_out(to, sender, size)) continue;
    early.waits = true;
    early.to = to;
    early.sender = sender;
    early.size = size;
    std::memcpy(early.bytes.data(), slot, size);
    return readable(fd);
  }
  has_more_ = true;
  readable(fd);
}

}  // namespace sallyport::io
