#include "out_sources.h"

#include <algorithm>

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

OutSource* OutSources::place(std::uint32_t in, std::uint32_t now_ms) noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
    if (places_[i].in != in) continue;
    places_[i].used_ms = now_ms;
    return &places_[i];
  }
  if (count_ < limit_) {
    OutSource& made = places_[count_++];
    made.in = made.out = in;
    made.used_ms = now_ms;
    return &made;
  }
  if (limit_ == 0) return nullptr;
  OutSource& oldest = *std::max_element(places_.begin(), places_.begin() + count_, [now_ms](const OutSource& a, const OutSource& b) {
    return now_ms - a.used_ms < now_ms - b.used_ms;
  });
  if (now_ms - oldest.used_ms < kUnusedMs) return nullptr;
  oldest.in = in;
  oldest.used_ms = now_ms;
  oldest.shift = 0;
  oldest.behind = 0;
  oldest.resumes = oldest.sent;
  changed_ = true;
  return &oldest;
}

void OutSources::left(std::uint32_t out) noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
    if (places_[i].out == out) return places_[i].left();
  }
}

void OutSources::lay_behind(std::uint32_t out, std::uint16_t number) noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
    if (places_[i].out != out) continue;
    places_[i].lay_behind(number);
    changed_ = changed_ || places_[i].resumes;
  }
}

std::uint32_t OutSources::out_of(std::uint32_t in) const noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
    if (places_[i].in == in) return places_[i].out;
  }
  return by_out(in) == nullptr ? in : 0;
}

const OutSource* OutSources::by_out(std::uint32_t out) const noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
    if (places_[i].out == out) return &places_[i];
  }
  return nullptr;
}

}  // namespace sallyport::relay
