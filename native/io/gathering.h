/// When a packet thread lets packets gather before it works on them, so that many share a system call: only when it would be
/// short of time otherwise. With time to spare it forwards each packet at once, though that costs a little more a packet.
#pragma once

#include <cstdint>

namespace sallyport::io {

/// How long the share of its time that the thread works is looked at.
inline constexpr std::uint64_t kGatherLookNs = 10'000'000;
/// Parts in a hundred of its time: from there on it gathers.
inline constexpr std::uint64_t kGatherFromPercent = 40;
/// Below so much, in so many looks one after the other, it gathers no more. Gathering takes away up to half of the work, so
/// that one look alone would let it swing.
inline constexpr std::uint64_t kGatherDownToPercent = 25;
inline constexpr unsigned kGatherCalmLooks = 10;
/// With fewer there is not much to gather: what the thread works on then is something else (AF_XDP's packets, handshakes).
inline constexpr std::uint64_t kGatherPacketsPerSecond = 10'000;

class Gathering {
 public:
  /// Is a look due? Seldom enough that the thread's clock of work may be dear to read.
  bool due(std::uint64_t now_ns) const noexcept { return now_ns - looked_ns_ >= kGatherLookNs; }

  /// `worked_ns`: how much the thread has worked in all. `packets`: that came in all.
  void look(std::uint64_t now_ns, std::uint64_t worked_ns, std::uint64_t packets) noexcept {
    const std::uint64_t passed_ns = now_ns - looked_ns_;
    const std::uint64_t percent = (worked_ns - worked_ns_) * 100 / passed_ns;
    const bool many = (packets - packets_) * 1'000'000'000 >= kGatherPacketsPerSecond * passed_ns;
    const bool busy = many && percent >= (gathers() ? kGatherDownToPercent : kGatherFromPercent);
    if (busy) left_ = kGatherCalmLooks;
    else if (left_ > 0) left_ -= 1;
    looked_ns_ = now_ns;
    worked_ns_ = worked_ns;
    packets_ = packets;
  }

  bool gathers() const noexcept { return left_ > 0; }

 private:
  std::uint64_t looked_ns_ = 0;
  std::uint64_t worked_ns_ = 0;
  std::uint64_t packets_ = 0;
  unsigned left_ = 0;  ///< Looks without work after which it gathers no more; 0: it does not.
};

}  // namespace sallyport::io
