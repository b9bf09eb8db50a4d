/// The io_uring port's own table of sockets: who has a place in it, and what is said to sockets that have nothing else.
#include <sys/socket.h>

#include "settled.h"
#include "socket.h"
#include "uring_port.h"

namespace sallyport::io {
namespace {

/// Newer than Debian's header: linux/io_uring.h of Linux 6.7.
constexpr std::uint64_t kSetSocketOption = 3;

}  // namespace

/// Limit: sockets whose descriptors stay open take half of the table, where it is not large enough for all; the other
/// half is for those that would have no descriptor. What has no place goes by its descriptor.
std::uint32_t UringPort::place_of(int fd) noexcept {
  if (places_.empty()) return kNoPlace;
  const bool roomy = all_places_ >= flows_.size() * 2 || places_.size() > all_places_ / 2;
  if (!roomy && !descriptors_are_short(fd)) return kNoPlace;
  if (io_uring_register_files_update(&ring_, places_.back(), &fd, 1) != 1) return kNoPlace;
  const std::uint32_t place = places_.back();
  places_.pop_back();
  return place;
}

void UringPort::leave_place(std::uint32_t& place) noexcept {
  if (place == kNoPlace) return;
  const int none = -1;
  io_uring_register_files_update(&ring_, place, &none, 1);
  places_.push_back(place);
  place = kNoPlace;
}

bool UringPort::keep(std::uint32_t first, std::uint32_t count) noexcept {
  if (!words_) return false;
  bool any = false;
  for (std::uint32_t i = 0; i < count; ++i) {
    const UringFlow& flow = flows_[first + i];
    if (flow.fd < 0 || !descriptors_are_short(flow.fd)) continue;
    if (flow.place == kNoPlace) return false;
    any = true;
  }
  for (std::uint32_t i = 0; i < count && any; ++i) {
    UringFlow& flow = flows_[first + i];
    if (flow.fd < 0 || !descriptors_are_short(flow.fd)) continue;
    flow.kept = true;
    flow.never_settles = true;
  }
  return any;
}

void UringPort::know(std::uint32_t flow, const endpoint& local, std::uint8_t) noexcept { flows_[flow].v4 = is_v4(local.ip); }

/// Of sockets that control cannot mark, having no descriptor of them.
void UringPort::mark(std::uint32_t first, std::uint8_t dscp) noexcept {
  for (std::uint32_t i = 0; i < 2; ++i) {
    const UringFlow& flow = flows_[first + i];
    if (!flow.kept) continue;
    if (flow.v4) say(first + i, IPPROTO_IP, IP_TOS, dscp << 2);
    else say(first + i, IPPROTO_IPV6, IPV6_TCLASS, dscp << 2);
  }
}

/// setsockopt by way of the ring, in its order among the sends.
void UringPort::say(std::uint32_t number, int level, int option, int value) noexcept {
  if (said_count_ == said_.size()) enter(0, 0, 0);
  io_uring_sqe* sqe = submission();
  int& word = said_[said_count_++];
  word = value;
  io_uring_prep_rw(IORING_OP_URING_CMD, sqe, static_cast<int>(flows_[number].place), nullptr, 0, kSetSocketOption);
  sqe->addr = static_cast<std::uint32_t>(level) | std::uint64_t{static_cast<std::uint32_t>(option)} << 32;
  sqe->file_index = sizeof word;
  sqe->addr3 = reinterpret_cast<std::uint64_t>(&word);
  sqe->flags |= static_cast<std::uint8_t>(IOSQE_CQE_SKIP_SUCCESS | IOSQE_FIXED_FILE);
  sqe->user_data = tag(Op::kCancel, 0, number);
}

void UringPort::try_words(int fd) noexcept {
  if (flows_[0].place == kNoPlace) return;
  constexpr int kMark = 46 << 2;
  say(0, IPPROTO_IP, IP_TOS, kMark);
  enter(0, 0, 0);
  int found = 0;
  socklen_t size = sizeof found;
  words_ = getsockopt(fd, IPPROTO_IP, IP_TOS, &found, &size) == 0 && found == kMark;
}

}  // namespace sallyport::io
