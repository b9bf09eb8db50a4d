/// Second sockets of the io_uring port: when one is made, used and given up. What they are for: settled.h.
#include <errno.h>
#include <unistd.h>

#include <cstring>

#include "settled.h"
#include "uring_port.h"

namespace sallyport::io {
namespace {

/// Tells addresses apart well enough to count.
std::uint32_t word_of(const endpoint& to) noexcept {
  std::uint32_t words[4];
  std::uint16_t port;
  std::memcpy(words, to.ip, sizeof words);
  std::memcpy(&port, to.port, sizeof port);
  return words[0] ^ words[1] * 3 ^ words[2] * 5 ^ words[3] * 7 ^ std::uint32_t{port} * 65'537u;
}

}  // namespace

void UringPort::changed(std::uint32_t number) noexcept {
  const UringFlow& flow = flows_[number];
  if (flow.fd >= 0 && !flow.kept && flow.settled != 0) copy_mark(flow.fd, settled_[flow.settled - 1].fd);
}

/// Has the flow a second socket that leads to `to`? It is made once enough went there.
bool UringPort::settled_for(std::uint32_t number, const endpoint& to) noexcept {
  UringFlow& flow = flows_[number];
  if (flow.settled != 0) {
    const Settled& settled = settled_[flow.settled - 1];
    if (settled.leaving) return false;
    if (std::memcmp(&settled.to, &to, sizeof to) == 0) return true;
    unsettle(number);
    flow.same = 0;
    return false;
  }
  if (flow.never_settles || flow.leaving) return false;
  const std::uint32_t word = word_of(to);
  flow.same = static_cast<std::uint8_t>(word == flow.to_word ? flow.same + 1 : 0);
  flow.to_word = word;
  if (flow.same >= kSettledSends) settle(number, to);
  return false;
}

void UringPort::settle(std::uint32_t number, const endpoint& to) noexcept {
  UringFlow& flow = flows_[number];
  flow.same = 0;
  flow.never_settles = true;  // Unless all goes well.
  if (flow.place == kNoPlace || flow.fragments) return;
  const int fd = open_settled_socket(flow.fd, to);
  if (fd < 0) return;
  const std::uint32_t place = descriptors_are_short(fd) || settled_free_.empty() ? kNoPlace : place_of(fd);
  if (place == kNoPlace) {
    close(fd);
    return;
  }
  flow.never_settles = false;
  flow.settled = settled_free_.back() + 1;
  settled_free_.pop_back();
  settled_[flow.settled - 1] = {.fd = fd, .place = place, .to = to};
  arm(number, Op::kReceiveSettled);
}

/// Begins to give the second socket up; the first does all again.
void UringPort::unsettle(std::uint32_t number) noexcept {
  UringFlow& flow = flows_[number];
  if (flow.settled == 0) return;
  Settled& settled = settled_[flow.settled - 1];
  if (settled.leaving) return;
  settled.leaving = true;
  if (settled.armed) cancel(number, Op::kReceiveSettled);
  else leaving_.push_back(number);  // At the next receive, where what it holds can be handed out.
}

/// What came while the receive was being cancelled. Limit: kDrainSlots datagrams a turn; more would be lost.
void UringPort::drain(std::uint32_t number, int fd) noexcept {
  while (drained_ < kDrainSlots && batch_.size() < batch_.capacity()) {
    std::uint8_t* const slot = drain_slots_.data() + drained_ * kSlotBytes;
    SocketAddress from;
    socklen_t size = sizeof from;
    const ssize_t bytes = recvfrom(fd, slot, kSlotBytes, MSG_DONTWAIT | MSG_TRUNC, &from.any, &size);
    if (bytes < 0) return;
    drained_ += 1;
    relay::Datagram& datagram = batch_.emplace_back();
    datagram.flow = number;
    datagram.sender = from_socket_address(from);
    datagram.data = slot;
    datagram.room = kSlotBytes;
    datagram.size = bytes > ssize_t{kSlotBytes} ? 0 : static_cast<std::uint32_t>(bytes);
  }
}

void UringPort::settled_ended(std::uint32_t number) noexcept {
  UringFlow& flow = flows_[number];
  Settled& settled = settled_[flow.settled - 1];
  if (!flow.leaving) drain(number, settled.fd);
  leave_place(settled.place);
  close(settled.fd);
  settled = Settled{};
  settled_free_.push_back(flow.settled - 1);
  flow.settled = 0;
}

/// A connected socket tells of every ICMP error, true or forged, by refusing a packet. One is enough.
void UringPort::distrust(std::uint32_t number) noexcept {
  flows_[number].never_settles = true;
  unsettle(number);
}

}  // namespace sallyport::io
