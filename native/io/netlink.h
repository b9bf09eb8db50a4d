/// Questions to the kernel over netlink, one at a time, answered at once. Not for packet threads.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace sallyport::io {

/// One message being written: a header, a fixed part, attributes.
class NetlinkMessage {
 public:
  NetlinkMessage(std::uint16_t type, std::uint16_t flags) : bytes_(sizeof(nlmsghdr)) {
    header().nlmsg_type = type;
    header().nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  }
  template <typename Fixed>
  NetlinkMessage& fixed(const Fixed& part) {
    append(&part, sizeof part);
    return *this;
  }
  NetlinkMessage& attribute(std::uint16_t type, const void* data, std::size_t size) {
    const nlattr head{static_cast<std::uint16_t>(sizeof(nlattr) + size), type};
    append(&head, sizeof head);
    append(data, size);
    return *this;
  }
  template <typename Value>
  NetlinkMessage& attribute(std::uint16_t type, const Value& value) {
    return attribute(type, &value, sizeof value);
  }
  nlmsghdr& header() noexcept { return *reinterpret_cast<nlmsghdr*>(bytes_.data()); }
  std::span<std::uint8_t> finish(std::uint32_t sequence) noexcept {
    header().nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
    header().nlmsg_seq = sequence;
    return bytes_;
  }

 private:
  void append(const void* data, std::size_t size) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + NLMSG_ALIGN(size));
    if (size != 0) std::memcpy(&bytes_[at], data, size);
  }
  std::vector<std::uint8_t> bytes_;
};

/// Attributes as they follow one another; reads nothing beyond the bytes given.
class NetlinkAttributes {
 public:
  NetlinkAttributes(const void* data, std::size_t size) : bytes_(static_cast<const std::uint8_t*>(data), size) {}
  /// Empty: there is none of that type.
  std::span<const std::uint8_t> find(std::uint16_t type) const noexcept;
  template <typename Value>
  bool read(std::uint16_t type, Value& out) const noexcept {
    const auto found = find(type);
    if (found.size() < sizeof out) return false;
    std::memcpy(&out, found.data(), sizeof out);
    return true;
  }

 private:
  std::span<const std::uint8_t> bytes_;
};

class Netlink {
 public:
  /// `groups`: multicast groups to hear; such a socket asks nothing.
  explicit Netlink(int protocol, std::uint32_t groups = 0) noexcept;
  ~Netlink();
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;

  int fd() const noexcept { return fd_; }
  /// Calls `with` for every message of the answer. Returns 0, or the errno the kernel told.
  int ask(NetlinkMessage& message, const std::function<void(const nlmsghdr&)>& with);
  /// Reads what came by multicast and throws it away; false when nothing had come.
  bool drain() noexcept;

 private:
  int fd_ = -1;
  std::uint32_t sequence_ = 0;
};

/// What stands behind the fixed part of an answer.
template <typename Fixed>
NetlinkAttributes attributes_of(const nlmsghdr& message) noexcept {
  const std::size_t skip = NLMSG_LENGTH(NLMSG_ALIGN(sizeof(Fixed)));
  const auto* const start = reinterpret_cast<const std::uint8_t*>(&message);
  return {start + skip, message.nlmsg_len > skip ? message.nlmsg_len - skip : 0};
}
template <typename Fixed>
const Fixed& fixed_of(const nlmsghdr& message) noexcept {
  return *reinterpret_cast<const Fixed*>(reinterpret_cast<const std::uint8_t*>(&message) + NLMSG_HDRLEN);
}

}  // namespace sallyport::io
