#include "flow_words.h"

#include <arpa/inet.h>

#include <span>

#include "address.h"

namespace sallyport::io {
namespace {

constexpr std::uint16_t kUdp = 17;

/// One's complement sum of words as they lie in memory. RFC 1071.
class Sum {
 public:
  Sum& add(std::span<const std::uint8_t> bytes) noexcept {
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
      std::uint16_t word;
      std::memcpy(&word, &bytes[i], sizeof word);
      add(word);
    }
    return *this;
  }
  Sum& add(std::uint16_t word) noexcept {
    sum_ += word;
    sum_ = (sum_ & 0xffff) + (sum_ >> 16);
    return *this;
  }
  Sum& less(std::uint16_t word) noexcept { return add(static_cast<std::uint16_t>(~word)); }
  std::uint16_t value() const noexcept { return static_cast<std::uint16_t>(sum_); }

 private:
  std::uint32_t sum_ = 0;
};

std::span<const std::uint8_t> address_bytes(const endpoint& of) noexcept {
  return is_v4(of.ip) ? std::span(of.ip).subspan(12) : std::span(of.ip);
}

std::uint16_t pseudo_header(const endpoint& from, const endpoint& to) noexcept {
  return Sum().add(address_bytes(from)).add(address_bytes(to)).add(htons(kUdp)).value();
}

std::uint16_t ipv4_header(const endpoint& from, const endpoint& to, std::uint8_t tos) noexcept {
  const std::uint8_t fixed[] = {0x45, tos, 0, 0, 0, 0, 0x40, 0, kHopLimit, kUdp};
  return Sum().add(fixed).add(address_bytes(from)).add(address_bytes(to)).value();
}

}  // namespace

flow_key key_of(const endpoint& local, std::uint16_t vlan) noexcept {
  return {.to = local, .vlan = {static_cast<std::uint8_t>(vlan >> 8 & 0x0f), static_cast<std::uint8_t>(vlan)}};
}

flow_entry entry_of(const relay::FlowWords& words, bool skb_mode) noexcept {
  flow_entry entry{};
  const bool out_v4 = is_v4(words.from.ip);
  entry.action = FLOW_FORWARD;
  entry.flags = FLOW_DROP_STRANGERS;
  if (!out_v4) entry.flags |= FLOW_OUT_V6;
  if (skb_mode) entry.flags |= FLOW_SKB_MODE;
  entry.tos = static_cast<std::uint8_t>(words.dscp << 2);  // The two low bits are ECN's: RFC 3168 §5.
  entry.hop_limit = kHopLimit;
  entry.ssrc = htonl(words.ssrc);
  constexpr std::uint64_t kSecondNs = 1'000'000'000;
  entry.packets_per_window = static_cast<std::uint32_t>((std::uint64_t{words.packets_per_second} << FLOW_WINDOW_SHIFT) / kSecondNs);
  entry.clock_scale = static_cast<std::uint32_t>((std::uint64_t{words.clock_hz} << 32) / kSecondNs);
  entry.largest = kLargestForwarded;
  entry.pseudo_in = pseudo_header(words.source, words.local);
  entry.pseudo_out = pseudo_header(words.from, words.to);
  entry.udp_change = Sum()
                         .add(entry.pseudo_out).add(words.from.port).add(words.to.port)
                         .less(entry.pseudo_in).less(Sum().add(words.source.port).value()).less(Sum().add(words.local.port).value())
                         .value();
  if (out_v4) entry.ip_sum = ipv4_header(words.from, words.to, entry.tos);
  entry.source = words.source;
  entry.from = words.from;
  entry.to = words.to;
  entry.up_types[0] = words.up_types[0];
  entry.up_types[1] = words.up_types[1];
  if (words.renumber != nullptr) {
    entry.flags |= FLOW_RENUMBERS;
    std::memcpy(entry.payload_types, words.renumber->data(), words.renumber->size());
  }
  return entry;
}

}  // namespace sallyport::io
