#include "reports.h"

#include <algorithm>
#include <cstring>

#include "rtcp_blocks.h"
#include "rtp.h"

namespace sallyport::relay {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
/// Longer ones are no round trips but answers to a time that was drawn twice.
constexpr std::int64_t kLongestRoundTripNs = 30 * static_cast<std::int64_t>(kSecondNs);
/// Where MOS-CQ stands in the VoIP metrics block.
constexpr std::size_t kConversationalMos = 27;
/// From 1900, where NTP begins, to 1970.
constexpr std::uint64_t kNtpBefore1970 = 2'208'988'800;

/// 1/65536 s, as DLSR and DLRR count.
std::int64_t delay_ns(std::uint32_t delay) noexcept {
  return static_cast<std::int64_t>(std::uint64_t{delay} * kSecondNs >> 16);
}

void put_mark(std::array<Mark, kMarks>& marks, std::uint32_t middle, std::uint64_t now_ns) noexcept {
  if (middle == 0) return;
  std::move_backward(marks.begin(), marks.end() - 1, marks.end());
  marks[0] = {middle, static_cast<std::uint32_t>(now_ns / 1'000)};
}

/// The time until the answer came, less the time that it lay at the other end.
void answered(const std::array<Mark, kMarks>& marks, std::uint32_t middle, std::uint32_t delay, std::uint64_t now_ns,
              Told& told) noexcept {
  if (middle == 0) return;
  for (const Mark& mark : marks) {
    if (mark.middle != middle) continue;
    const std::uint32_t until_us = static_cast<std::uint32_t>(now_ns / 1'000) - mark.sent_us;
    const std::int64_t way = static_cast<std::int64_t>(until_us) * 1'000 - delay_ns(delay);
    if (way >= 0 && way <= kLongestRoundTripNs) told.round_trip_ns = way;
    return;
  }
}

void read_block(const std::uint8_t* block, const Marks& marks, std::uint64_t now_ns, Told& told) noexcept {
  const std::uint32_t lost = read32(block + 4) & 0xff'ffff;
  const std::uint32_t jitter = read32(block + 12);
  if (lost < 0x80'0000) told.lost += lost;  // Negative: more came than were sent, doubled on the way.
  if (told.blocks == 0 || jitter > told.jitter) {
    told.jitter = jitter;
    told.jitter_source = read32(block);
  }
  told.blocks += 1;
  answered(marks.sender, read32(block + 16), read32(block + 20), now_ns, told);
}

void read_extended(Bytes block, const Marks& marks, std::uint64_t now_ns, Told& told) noexcept {
  walk_extended(block, [&](std::uint8_t type, Bytes part) {
    if (type == kDelaySinceLast) {
      for (std::size_t at = 4; at + 12 <= part.size(); at += 12)
        answered(marks.reference, read32(&part[at + 4]), read32(&part[at + 8]), now_ns, told);
    }
    // Tenths, 10 to 50; 127: not to be had (RFC 3611 §4.7.5).
    if (type == kVoipMetrics && part[kConversationalMos] >= 10 && part[kConversationalMos] <= 50) {
      told.mos_tenths = part[kConversationalMos];
    }
  });
}

std::uint32_t middle_of(const std::uint8_t* ntp) noexcept { return read32(ntp + 2); }

}  // namespace

void Marks::sent(Bytes compound, std::uint64_t now_ns) noexcept {
  while (const auto block = compound.empty() ? std::nullopt : next_block(compound)) {
    if (block->type == kSr) put_mark(sender, middle_of(&block->bytes[8]), now_ns);
    if (block->type != kXr) continue;
    walk_extended(block->bytes, [&](std::uint8_t type, Bytes part) {
      if (type == kReceiverReferenceTime) put_mark(reference, middle_of(&part[4]), now_ns);
    });
  }
}

Told read_reports(Bytes compound, Marks& marks, std::uint64_t now_ns) noexcept {
  Told told;
  while (const auto block = compound.empty() ? std::nullopt : next_block(compound)) {
    if (block->type == kSr) {
      marks.heard_middle = middle_of(&block->bytes[8]);
      marks.heard_ns = now_ns;
    }
    if (block->type == kSr || block->type == kRr) {
      const std::size_t first = block->type == kSr ? 28 : 8;
      for (std::size_t i = 0; i < block->count; ++i) read_block(&block->bytes[first + i * 24], marks, now_ns, told);
    }
    if (block->type == kXr) read_extended(block->bytes, marks, now_ns, told);
  }
  return told;
}

namespace {

/// RFC 3550 §A.3: what was lost since the last report, in 256ths.
std::uint8_t fraction_lost(Reception& heard) noexcept {
  const std::uint32_t expected = heard.expected();
  const std::uint32_t more = expected - heard.told_expected;
  const std::uint32_t came = heard.received - heard.told_received;
  heard.told_expected = expected;
  heard.told_received = heard.received;
  return more == 0 || came >= more ? 0 : static_cast<std::uint8_t>(std::min<std::uint64_t>(255, std::uint64_t{more - came} * 256 / more));
}

std::size_t write_block(Reception& heard, const Marks& marks, std::uint64_t now_ns, std::uint8_t* out) noexcept {
  write32(out, heard.ssrc);
  write32(out + 4, std::min<std::uint32_t>(heard.lost(), 0x7f'ffff));
  out[4] = fraction_lost(heard);
  // The first cycle is ours alone (see Reception::start): nobody else has counted it.
  write32(out + 8, heard.highest - 0x10000u);
  write32(out + 12, heard.jitter_q4 >> 4);
  const bool knows = marks.heard_middle != 0;
  write32(out + 16, marks.heard_middle);
  const std::uint64_t since_ns = std::min<std::uint64_t>(now_ns - marks.heard_ns, 65'535 * kSecondNs);
  write32(out + 20, knows ? static_cast<std::uint32_t>((since_ns << 16) / kSecondNs) : 0);
  return 24;
}

void write_head(std::uint8_t* out, unsigned count, std::uint8_t type, std::size_t bytes) noexcept {
  out[0] = static_cast<std::uint8_t>(0x80 | count);
  out[1] = type;
  write16(out + 2, static_cast<std::uint16_t>(bytes / 4 - 1));
}

}  // namespace

std::size_t write_report(const Sender& sender, Reception* heard, const Marks& marks, std::string_view cname,
                         std::uint64_t now_ns, std::span<std::uint8_t, kReportBytes> out) noexcept {
  std::memset(out.data(), 0, out.size());
  std::size_t size = sender.sends ? 28 : 8;
  write32(&out[4], sender.ssrc);
  if (sender.sends) {
    write32(&out[8], static_cast<std::uint32_t>(sender.unix_ns / kSecondNs + kNtpBefore1970));
    write32(&out[12], static_cast<std::uint32_t>((sender.unix_ns % kSecondNs << 32) / kSecondNs));
    write32(&out[16], sender.timestamp);
    write32(&out[20], sender.packets);
    write32(&out[24], sender.octets);
  }
  if (heard != nullptr) size += write_block(*heard, marks, now_ns, &out[size]);
  write_head(out.data(), heard != nullptr, sender.sends ? kSr : kRr, size);

  const std::size_t text = std::min<std::size_t>(cname.size(), 64);
  const std::size_t chunk = (4 + 2 + text) / 4 * 4 + 4;  // At least one null, up to the next word.
  std::uint8_t* const names = &out[size];
  write32(names + 4, sender.ssrc);
  names[8] = kCname;
  names[9] = static_cast<std::uint8_t>(text);
  std::memcpy(names + 10, cname.data(), text);
  write_head(names, 1, kSdes, 4 + chunk);
  return size + 4 + chunk;
}

}  // namespace sallyport::relay
