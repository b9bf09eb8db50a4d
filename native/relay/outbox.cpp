/// What the relay says of its own: RTCP for ends that hear none, and digits. RFC 3550 §6.2, RFC 4733 §2.5.1.
#include "outbox.h"

#include <algorithm>
#include <cstring>

#include "pair.h"
#include "relay.h"
#include "rtp.h"

namespace sallyport::relay {
namespace {

/// RFC 3550 §6.2: 5 s are the least, and of two members with 5 % of a telephone's bandwidth always more than what that
/// would ask for. Half of it before the first.
constexpr std::uint64_t kReportNs = 5'000 * kMillisecondNs;
/// RFC 3550 §6.3.1: what makes up for the reconsideration of timers, e - 3/2.
constexpr double kCompensation = 1.21828;
/// RFC 3550 §6.3.5: who has said nothing for five intervals is gone.
constexpr std::uint64_t kGoneNs = 5 * kReportNs;
constexpr std::size_t kEventPacketBytes = kRtpHeaderBytes + 4;

/// Half to one and a half of `interval_ns`, all equally likely.
std::uint64_t drawn(RunningSide& side, std::uint64_t interval_ns) noexcept {
  side.dice ^= side.dice << 13, side.dice ^= side.dice >> 17, side.dice ^= side.dice << 5;  // xorshift32.
  const double share = 0.5 + static_cast<double>(side.dice) / 4'294'967'296.0;
  return static_cast<std::uint64_t>(static_cast<double>(interval_ns) * share / kCompensation);
}

/// Of a source of ours, where the far end has sent nothing. RFC 3550 §8: never that of an end.
std::uint32_t own_ssrc(const RunningSide& side) noexcept {
  std::uint32_t ssrc = side.dice_of_birth;
  for (std::uint32_t i = 0; i < side.receptions.count; ++i) ssrc += side.receptions.at(i).ssrc == ssrc;
  return ssrc;
}

/// A telephone's timestamps go on with the time while nothing is sent.
std::uint32_t timestamp_at(const LastOut& last, std::uint32_t clock_hz, std::uint64_t now_ns) noexcept {
  return last.timestamp + static_cast<std::uint32_t>((now_ns - last.sent_ns) / 1'000 * clock_hz / 1'000'000);
}

bool same_way(const Playing& one, const Playing& other) noexcept { return one.pair == other.pair && one.side == other.side; }

/// Takes out the digits for which `gone` holds; the others keep their order.
template <typename Gone>
void sweep(Outbox& outbox, Gone gone) noexcept {
  const auto end = outbox.playing.begin() + static_cast<std::ptrdiff_t>(outbox.playing_count);
  outbox.playing_count = static_cast<std::size_t>(std::remove_if(outbox.playing.begin(), end, gone) - outbox.playing.begin());
}

}  // namespace

void forget_playing(Outbox& outbox, std::uint32_t pair) noexcept {
  if (outbox.playing_count != 0) sweep(outbox, [pair](const Playing& playing) { return playing.pair == pair; });
}

/// A packet toward that side, still empty; null: nobody is there, or there is no room before the next look.
Datagram* Relay::letter(const Pair& pair, std::uint32_t side_number, bool rtcp) noexcept {
  const RunningSide& side = transport(pair, side_number);
  const Path& path = side.paths[rtcp && !side.peer_mux];
  Outbox& outbox = *outbox_;
  if (!path.reachable || outbox.letter_count == kLetters) return nullptr;
  const std::uint32_t out_flow = carrier(pair, side_number) * kFlowsPerPair + side_number * 2 + (rtcp && !side.mux);
  if (side.dtls && sending(out_flow) == nullptr) return nullptr;
  const std::size_t at = outbox.letter_count++;
  Datagram& made = outbox.letters[at] = Datagram{};
  made.flow = pair.number * kFlowsPerPair + (side_number ^ 1) * 2;
  made.out_flow = out_flow;
  made.out_pair = pair.number;
  made.to = path.to;
  made.data = outbox.memory[at].data();
  made.room = kLetterBytes;
  made.rtcp = rtcp;
  made.verdict = Verdict::kForward;
  return &made;
}

/// What time brings to an open pair.
void Relay::watch_pair(Pair& pair, std::uint64_t now_ns) noexcept {
  for (std::uint32_t side_number = 0; side_number < 2; ++side_number) {
    RunningSide& side = pair.sides[side_number];
    const std::uint32_t bursts = side.receptions.bursts();
    if (bursts != 0) put(pair.number, side_number, k_lossBursts, bursts);
    if (side.uses_spare && side.spare->watch.waits()) tell_digits(pair, side_number, side.spare->watch.expire(now_ns));
    if (side.reports && pair.kind != PairKind::kUdptl) report(pair, side_number, now_ns);
  }
}

/// A report toward that side, when it is due and the other end makes none.
void Relay::report(Pair& pair, std::uint32_t side_number, std::uint64_t now_ns) noexcept {
  RunningSide& side = pair.sides[side_number];
  const RunningSide& other = pair.sides[side_number ^ 1];
  Reception* const heard = side.receptions.latest();
  if (heard == nullptr && side.last_out().sent_ns == 0) return;  // Nothing to speak of yet.
  if (side.other_spoke_ns != 0 && now_ns - side.other_spoke_ns < kGoneNs) {
    side.report_due_ns = 0;  // It speaks for itself.
    return;
  }
  if (side.report_due_ns == 0) side.report_due_ns = now_ns + drawn(side, kReportNs / 2);
  if (now_ns < side.report_due_ns) return;

  const LastOut last = side.last_out();
  const std::uint32_t clock_hz = other.receptions.clock_of(last.ssrc);
  RunningSide& way = transport(pair, side_number);
  const std::uint8_t line = line_in(pair, side_number);
  Sender sender{.ssrc = last.sent_ns == 0 ? own_ssrc(side) : way.out.out_of(last.ssrc, line)};
  // RFC 3550 §6.4: a sender report is made by who has sent since the last two reports.
  sender.sends = last.sent_ns != 0 && clock_hz != 0 && now_ns - last.sent_ns < 2 * kReportNs;
  sender.unix_ns = now_ns + wall_ns_;
  sender.timestamp = timestamp_at(last, clock_hz, now_ns);
  sender.packets = last.packets;
  sender.octets = last.octets;
  if (sender.ssrc == 0) return;
  if ((way.tx || way.numbered) && way.out.place(last.sent_ns == 0 ? sender.ssrc : last.ssrc, milliseconds(now_ns), line) == nullptr) return;
  Datagram* const made = letter(pair, side_number, true);
  if (made == nullptr) return;
  side.report_due_ns = now_ns + drawn(side, kReportNs);
  made->size = static_cast<std::uint32_t>(write_report(sender, heard, side.marks, {side.cname.data(), side.cname_size}, now_ns,
                                                       std::span<std::uint8_t, kReportBytes>(made->data, kReportBytes)));
  side.marks.sent({made->data, made->size}, now_ns);
}

void Relay::play(std::uint32_t number, std::uint8_t side_number, const Digit& digit, std::uint64_t now_ns) noexcept {
  if (number >= max_pairs_ || !pairs_[number].open || pairs_[number].kind == PairKind::kUdptl) return;
  RunningSide& side = pairs_[number].sides[side_number & 1];
  Outbox& outbox = *outbox_;
  if (!side.digits.insert || digit.event > kLastDigit || digit.clock_hz < 1'000) return;
  if (outbox.playing_count == kPlayingLimit || side.playing == kPlayingPerSide) return;
  Playing& playing = outbox.playing[outbox.playing_count++] = {.pair = number, .side = static_cast<std::uint8_t>(side_number & 1), .digit = digit, .due_ns = now_ns};
  playing.digit.duration_ms = std::clamp(digit.duration_ms, kShortestDigitMs, kLongestDigitMs);
  side.playing += 1;
}

/// Of each side the first of its digits; the others wait.
void Relay::play_on(std::uint64_t now_ns) noexcept {
  Outbox& outbox = *outbox_;
  for (std::size_t i = 0; i < outbox.playing_count; ++i) {
    Playing& playing = outbox.playing[i];
    const auto begin = outbox.playing.begin();
    const bool waits = std::any_of(begin, begin + static_cast<std::ptrdiff_t>(i), [&](const Playing& one) { return same_way(one, playing); });
    if (waits) playing.due_ns = std::max(playing.due_ns, now_ns);
    else if (playing.due_ns <= now_ns) play_packet(playing, now_ns);
  }
  for (std::size_t i = 0; i < outbox.playing_count; ++i) {
    Playing& playing = outbox.playing[i];
    if (playing.ends < kEndPackets) continue;
    RunningSide& side = pairs_[playing.pair].sides[playing.side];
    side.playing -= 1;
    side.speaks = false;
    for (std::size_t next = i + 1; next < outbox.playing_count; ++next) {
      if (same_way(outbox.playing[next], playing)) outbox.playing[next].due_ns = now_ns + kBetweenDigitsNs;
    }
  }
  sweep(outbox, [](const Playing& playing) { return playing.ends >= kEndPackets; });
}

void Relay::play_packet(Playing& playing, std::uint64_t now_ns) noexcept {
  Pair& pair = pairs_[playing.pair];
  RunningSide& side = pair.sides[playing.side];
  if (!playing.begun) {
    // Continuous with the sound that it stands for: the same source, the timestamp that sound would have now.
    playing.begun = true;
    const LastOut last = side.last_out();
    playing.ssrc = last.sent_ns == 0 ? own_ssrc(side) : last.ssrc;
    playing.timestamp = last.sent_ns == 0 ? side.dice : timestamp_at(last, playing.digit.clock_hz, now_ns);
    side.speaks = true;
  }
  playing.due_ns += kEventPacketNs;
  const EventPacket packet = next_event_packet(playing);
  OutSources& sources = transport(pair, playing.side).out;
  OutSource* const source = side.send ? sources.place(playing.ssrc, milliseconds(now_ns), line_in(pair, playing.side)) : nullptr;
  Datagram* const made = source == nullptr ? nullptr : letter(pair, playing.side, false);
  if (made == nullptr) return;  // On hold, or unreachable: the time of the digit passes all the same.
  made->size = kEventPacketBytes;
  made->data[0] = 0x80;
  made->data[1] = static_cast<std::uint8_t>((packet.marker ? 0x80 : 0) | playing.digit.payload_type);
  write16(made->data + 2, sources.next_number(*source));
  write32(made->data + 4, packet.timestamp);
  write32(made->data + 8, source->out);
  std::memcpy(made->data + kRtpHeaderBytes, packet.payload.data(), packet.payload.size());
}

std::span<Datagram> Relay::made(std::uint64_t now_ns) noexcept {
  Outbox& outbox = *outbox_;
  if (outbox.playing_count != 0) play_on(now_ns);
  const std::span<Datagram> letters(outbox.letters.data(), outbox.letter_count);
  outbox.letter_count = 0;
  for (std::size_t at = 0; at < letters.size(); at += kPiece) protect(letters.subspan(at, std::min<std::size_t>(kPiece, letters.size() - at)));
  for (const Datagram& letter : letters) {
    if (letter.verdict == Verdict::kForward && !letter.part) count(letter.out_pair, letter.out_flow >> 1 & 1, k_made, 1);
  }
  return letters;
}

std::uint64_t Relay::next_made_ns() const noexcept {
  std::uint64_t next = ~std::uint64_t{0};
  for (std::size_t i = 0; i < outbox_->playing_count; ++i) next = std::min(next, outbox_->playing[i].due_ns);
  return next;
}

}  // namespace sallyport::relay
