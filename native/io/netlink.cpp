#include "netlink.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace sallyport::io {
namespace {

/// Room for the longest message of an answer: the kernel makes dumps in pieces of a page or two.
constexpr std::size_t kAnswerBytes = 32'768;
/// The kernel answers in microseconds; later, something is very wrong, and no thread may hang on it.
constexpr timeval kPatience{.tv_sec = 1, .tv_usec = 0};

}  // namespace

std::span<const std::uint8_t> NetlinkAttributes::find(std::uint16_t type) const noexcept {
  std::size_t at = 0;
  while (at + sizeof(nlattr) <= bytes_.size()) {
    nlattr head;
    std::memcpy(&head, &bytes_[at], sizeof head);
    if (head.nla_len < sizeof head || at + head.nla_len > bytes_.size()) return {};
    if ((head.nla_type & NLA_TYPE_MASK) == type) return bytes_.subspan(at + sizeof head, head.nla_len - sizeof head);
    at += NLA_ALIGN(head.nla_len);
  }
  return {};
}

Netlink::Netlink(int protocol, std::uint32_t groups) noexcept
    : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (groups != 0 ? SOCK_NONBLOCK : 0), protocol)) {
  if (fd_ < 0) return;
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  const int on = 1;
  // Strict: a question for one neighbour or route gets that one, not all.
  setsockopt(fd_, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  sockaddr_nl self{};
  self.nl_family = AF_NETLINK;
  self.nl_groups = groups;
  bind(fd_, reinterpret_cast<sockaddr*>(&self), sizeof self);
}

Netlink::~Netlink() {
  if (fd_ >= 0) close(fd_);
}

int Netlink::ask(NetlinkMessage& message, const std::function<void(const nlmsghdr&)>& with) {
  const std::uint32_t sequence = ++sequence_;
  const bool wants_ack = message.header().nlmsg_flags & NLM_F_ACK;
  const bool dump = (message.header().nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  const auto bytes = message.finish(sequence);
  if (fd_ < 0 || send(fd_, bytes.data(), bytes.size(), 0) < 0) return errno;
  alignas(nlmsghdr) std::uint8_t answer[kAnswerBytes];
  for (;;) {
    const ssize_t size = recv(fd_, answer, sizeof answer, 0);
    if (size < 0) return errno;
    auto left = static_cast<std::size_t>(size);
    for (auto* part = reinterpret_cast<nlmsghdr*>(answer); NLMSG_OK(part, left); part = NLMSG_NEXT(part, left)) {
      if (part->nlmsg_seq != sequence) continue;  // Of a question that was given up.
      if (part->nlmsg_type == NLMSG_DONE) return 0;
      if (part->nlmsg_type == NLMSG_ERROR) return -fixed_of<nlmsgerr>(*part).error;
      with(*part);
      if (!dump && !wants_ack) return 0;
    }
  }
}

bool Netlink::drain() noexcept {
  std::uint8_t answer[kAnswerBytes];
  bool any = false;
  while (recv(fd_, answer, sizeof answer, MSG_DONTWAIT) > 0 || errno == ENOBUFS) any = true;
  return any;
}

}  // namespace sallyport::io
