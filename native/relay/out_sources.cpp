#include "out_sources.h"

namespace sallyport::relay {

std::uint16_t OutSource::number(std::uint16_t sequence) noexcept {
  if (resumes) {
    shift = static_cast<std::uint16_t>(given + 1 - sequence);
    resumes = false;
  }
  const auto number = static_cast<std::uint16_t>(sequence + shift);
  give(number);
  return number;
}

void OutSource::give(std::uint16_t number) noexcept {
  if (!gave || static_cast<std::uint16_t>(number - given) < 0x8000) given = number;
  gave = true;
}

void OutSource::left() noexcept {
  behind = 0;
  sent = true;
}

void OutSource::lay_behind(std::uint16_t number) noexcept {
  behind = static_cast<std::uint8_t>(behind > 0 && number == awaited ? behind + 1 : 1);
  awaited = static_cast<std::uint16_t>(number + 1);
  if (behind < kRestartPackets) return;
  behind = 0;
  resumes = sent;
}

OutSource* OutSources::place(std::uint32_t in, std::uint32_t now_ms, std::uint8_t line) noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
    if (at(i).in != in || at(i).line != line) continue;
    at(i).used_ms = now_ms;
    return &at(i);
  }
  for (std::size_t i = 0; i < count_; ++i) {
    // RTCP was sent in its name, by way of a line that it spoke of.
    if (at(i).in != in || at(i).gave) continue;
    at(i).line = line;
    at(i).used_ms = now_ms;
    return &at(i);
  }
  if (count_ < limit_) {
    std::uint32_t out = renames_ == 0 ? in : (in ^ renames_) * 0x9e37'79b1u;  // One name for each.
    while (by_out(out) != nullptr) out += 1;  // Another line has a source of that name.
    changed_ = changed_ || out != in;
    OutSource& made = at(count_++);
    made = {};
    made.in = in;
    made.out = out;
    made.line = line;
    made.used_ms = now_ms;
    return &made;
  }
  if (limit_ == 0) return nullptr;
  std::size_t unused_longest = 0;
  for (std::size_t i = 1; i < count_; ++i) {
    if (now_ms - at(i).used_ms > now_ms - at(unused_longest).used_ms) unused_longest = i;
  }
  OutSource& oldest = at(unused_longest);
  if (now_ms - oldest.used_ms < kUnusedMs) return nullptr;
  oldest.in = in;
  oldest.line = line;
  oldest.used_ms = now_ms;
  oldest.shift = 0;
  oldest.behind = 0;
  oldest.resumes = oldest.sent;
  changed_ = true;
  return &oldest;
}

void OutSources::resume(std::uint32_t in, std::uint32_t out, std::uint16_t given, std::uint32_t now_ms, std::uint8_t line) noexcept {
  if (count_ == limit_) return;
  OutSource& made = at(count_++);
  made = {};
  made.in = in;
  made.out = out;
  made.given = given;
  made.line = line;
  made.gave = made.sent = made.resumes = true;
  made.used_ms = now_ms;
  changed_ = true;
}

OutSource* OutSources::sender(std::uint32_t in, std::uint32_t now_ms, std::uint8_t line) noexcept {
  OutSource* found = nullptr;
  for (std::size_t i = 0; i < count_; ++i) {
    if (at(i).in == in && (found == nullptr || at(i).line == line)) found = &at(i);
  }
  return found == nullptr ? place(in, now_ms, line) : found;
}

void OutSources::left(std::uint32_t out) noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
    if (at(i).out == out) return at(i).left();
  }
}

void OutSources::lay_behind(std::uint32_t out, std::uint16_t number) noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
    if (at(i).out != out) continue;
    at(i).lay_behind(number);
    changed_ = changed_ || at(i).resumes;
  }
}

std::uint32_t OutSources::out_of(std::uint32_t in, std::uint8_t line) const noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
    if (at(i).in == in && at(i).line == line) return at(i).out;
  }
  for (std::size_t i = 0; line != 0 && i < count_; ++i) {
    if (at(i).in == in) return at(i).out;
  }
  return by_out(in) == nullptr ? in : 0;
}

const OutSource* OutSources::by_out(std::uint32_t out) const noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
    if (at(i).out == out) return &at(i);
  }
  return nullptr;
}

}  // namespace sallyport::relay
