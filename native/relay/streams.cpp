/// One accepted packet by its kind: RTP, RTCP or UDPTL. What is counted of it, learnt from it and changed in it.
#include <cstring>

#include "pair.h"
#include "relay.h"
#include "rtcp.h"
#include "rtp.h"

namespace sallyport::relay {
namespace {

/// Limit: T.38 datagrams, in bytes, are never held to less. Many an endpoint says 72 or so, the size of one IFP packet,
/// and takes, and needs, those with redundancy.
constexpr std::uint32_t kLeastMaxDatagram = 512;

const EventType* event_type(const Digits& digits, std::uint8_t payload_type) noexcept {
  for (std::size_t i = 0; i < digits.event_count; ++i) {
    if (digits.events[i].payload_type == payload_type) return &digits.events[i];
  }
  return nullptr;
}

/// Of a plain packet that fits.
std::span<const std::uint8_t> payload_of(const Datagram& datagram) noexcept {
  const std::size_t header = rtp_header_bytes(datagram.data);
  const std::size_t padding = datagram.data[0] & 0x20 ? datagram.data[datagram.size - 1] : 0;
  return {datagram.data + header, datagram.size - header - padding};
}

void follow(LastOut& last, const Datagram& datagram, std::uint64_t now_ns) noexcept {
  const std::uint32_t ssrc = read32(datagram.data + 8);
  if (last.ssrc != ssrc) last.packets = last.octets = 0;
  last.ssrc = ssrc;
  last.timestamp = read32(datagram.data + 4);
  last.sent_ns = now_ns;
  last.packets += 1;
  last.octets += datagram.size - static_cast<std::uint32_t>(rtp_header_bytes(datagram.data));
}

}  // namespace

bool Relay::within_rate(RunningSide& side, PairKind kind, std::uint64_t now_ns) noexcept {
  const std::uint32_t limit = packet_limit(kind);
  if (limit == 0) return true;
  const std::uint32_t second = milliseconds(now_ns) / 1'000;
  if (side.second != second) side.second = second, side.in_second = 0;
  return ++side.in_second <= limit;
}

bool Relay::pass_rtp(Datagram& datagram, Pair& pair, std::uint32_t side_number, std::uint64_t now_ns) noexcept {
  RunningSide& side = pair.sides[side_number];
  RunningSide& other = pair.sides[side_number ^ 1];
  if (!within_rate(side, pair.kind, now_ns)) return drop(datagram, Verdict::kPoliced), false;
  const std::uint8_t payload_type = datagram.data[1] & 0x7f;
  const std::uint32_t ssrc = read32(datagram.data + 8), timestamp = read32(datagram.data + 4);
  const std::uint16_t sequence = read16(datagram.data + 2);
  const EventType* const events = side.digits.event_count == 0 ? nullptr : event_type(side.digits, payload_type);

  count(pair.number, side_number, k_packets, 1);
  count(pair.number, side_number, k_bytes, datagram.size);
  if (side.taken_ns == 0) put(pair.number, side_number, k_path, datagram.by_ring ? kPathRing : kPathSocket);
  if (events == nullptr) {
    const std::uint32_t clock_hz = pair.kind == PairKind::kVideo ? 90'000 : static_clock_hz(payload_type);
    const Reception& reception = side.receptions.packet(ssrc, sequence, timestamp, clock_hz, now_ns);
    put(pair.number, side_number, k_lost, side.receptions.lost());
    put(pair.number, side_number, k_jitterUs, reception.jitter_us());
  } else {
    side.receptions.of(ssrc, sequence, timestamp, now_ns).untimed(sequence, now_ns);
    look_for_digits(datagram, pair, side_number, now_ns);
  }
  if (!side.receive || !other.send) return drop(datagram, Verdict::kUnsent), false;
  const auto skip = [&] {  // A packet that is not passed on leaves no gap in the numbers of those that are.
    OutSources& sources = transport(pair, side_number ^ 1).out;
    OutSource* const source = sources.place(ssrc, milliseconds(now_ns), line_in(pair, side_number ^ 1));
    if (source != nullptr) sources.skip(*source);
    drop(datagram, Verdict::kTaken);
  };
  if (other.reports || other.digits.insert) {
    if (events == nullptr) follow(other.use_spare().last_out, datagram, now_ns);
    if (other.speaks) return skip(), false;
  }
  if (events != nullptr && side.digits.take && are_digits(payload_of(datagram))) return skip(), false;
  for (std::size_t i = 0; i < other.payload_type_count; ++i) {
    const PayloadType& renumbered = other.spare->payload_types[i];
    if (renumbered.from != payload_type) continue;
    datagram.data[1] = static_cast<std::uint8_t>((datagram.data[1] & 0x80) | renumbered.to);
    break;
  }
  return true;
}

void Relay::look_for_digits(const Datagram& datagram, Pair& pair, std::uint32_t side_number, std::uint64_t now_ns) noexcept {
  RunningSide& side = pair.sides[side_number];
  const EventType& events = *event_type(side.digits, datagram.data[1] & 0x7f);
  const ToldDigits told = side.use_spare().watch.packet(read32(datagram.data + 8), read32(datagram.data + 4), datagram.data[1] & 0x80,
                                            payload_of(datagram), events.clock_hz, now_ns);
  tell_digits(pair, side_number, told);
}

void Relay::tell_digits(const Pair& pair, std::uint32_t side_number, const ToldDigits& told) noexcept {
  for (std::size_t i = 0; i < told.count; ++i) {
    count(pair.number, side_number, k_digits, 1);
    events_.event({.kind = EventKind::kDigit, .side = static_cast<std::uint8_t>(side_number), .pair = pair.number,
                   .digit = told.digits[i].event, .duration_ms = told.digits[i].duration_ms});
  }
}

/// Rebuilds a report or feedback; where sources change their numbers on the way, so does what is said of them.
bool Relay::pass_rtcp(Datagram& datagram, Pair& pair, std::uint32_t side_number, std::uint64_t now_ns) noexcept {
  RunningSide& to = pair.sides[side_number ^ 1];
  count(pair.number, side_number, k_rtcpPackets, 1);
  hear_reports(datagram, pair, side_number, now_ns);

  std::uint8_t made[kRtcpBytes];
  const std::size_t size = rewrite_rtcp({datagram.data, datagram.size}, {to.cname.data(), to.cname_size}, made);
  if (size == 0 || size > datagram.room) return drop(datagram, Verdict::kUnsent), false;
  RunningSide& way = transport(pair, side_number ^ 1);
  const RunningSide& came = transport(pair, side_number);
  const std::uint8_t line = line_in(pair, side_number ^ 1);
  const std::uint32_t sender = read32(made + kRtcpSenderAt);
  const OutSources* const onward = way.tx || way.numbered ? &way.out : nullptr;
  const OutSources* const back = came.tx || came.numbered ? &came.out : nullptr;
  if (onward != nullptr && way.out.sender(sender, milliseconds(now_ns), sender_line(pair, side_number, sender)) == nullptr) {
    return drop(datagram, Verdict::kUnsent), false;
  }
  if ((onward && onward->changed()) || (back && back->changed())) rename_rtcp({made, size}, onward, back, line);
  std::memcpy(datagram.data, made, size);
  datagram.size = static_cast<std::uint32_t>(size);
  to.marks.sent({made, size}, now_ns);
  to.other_spoke_ns = now_ns;
  return true;
}

void Relay::hear_reports(const Datagram& datagram, Pair& pair, std::uint32_t side_number, std::uint64_t now_ns) noexcept {
  RunningSide& side = pair.sides[side_number];
  const Told told = read_reports({datagram.data, datagram.size}, side.marks, now_ns);
  if (told.round_trip_ns >= 0) put(pair.number, side_number, k_rttUs, static_cast<std::uint64_t>(told.round_trip_ns) / 1'000);
  if (told.mos_tenths != 0) put(pair.number, side_number, k_reportedMos, told.mos_tenths);
  if (told.blocks == 0) return;
  count(pair.number, side_number, k_reports, 1);
  put(pair.number, side_number, k_reportedLost, told.lost);
  const std::uint32_t clock_hz = pair.sides[side_number ^ 1].receptions.clock_of(told.jitter_source);
  if (clock_hz != 0) put(pair.number, side_number, k_reportedJitterUs, std::uint64_t{told.jitter} * 1'000'000 / clock_hz);
}

bool Relay::pass_udptl(Datagram& datagram, Pair& pair, std::uint32_t side_number) noexcept {
  const RunningSide& side = pair.sides[side_number];
  const RunningSide& other = pair.sides[side_number ^ 1];
  count(pair.number, side_number, k_packets, 1);
  count(pair.number, side_number, k_bytes, datagram.size);
  if (!side.receive || !other.send) return drop(datagram, Verdict::kUnsent), false;
  const std::uint32_t limit = other.max_datagram > kLeastMaxDatagram ? other.max_datagram : kLeastMaxDatagram;
  if (other.max_datagram != 0 && datagram.size > limit) return drop(datagram, Verdict::kMalformed), false;
  return true;
}

}  // namespace sallyport::relay
