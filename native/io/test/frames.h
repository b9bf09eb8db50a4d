/* Frames made and read by the book, for tests: nothing here is shared with the code under test. */
#pragma once

#include <arpa/inet.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "../../shared/endpoint.h"

namespace frames {

using Bytes = std::vector<std::uint8_t>;

inline endpoint at(const std::string& ip, std::uint16_t port) {
  endpoint made{};
  if (ip.find(':') == std::string::npos) {
    made.ip[10] = made.ip[11] = 0xff;
    inet_pton(AF_INET, ip.c_str(), made.ip + 12);
  } else {
    inet_pton(AF_INET6, ip.c_str(), made.ip);
  }
  made.port[0] = static_cast<std::uint8_t>(port >> 8);
  made.port[1] = static_cast<std::uint8_t>(port);
  return made;
}

inline bool v4(const endpoint& of) {
  static const std::uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::memcmp(of.ip, mapped, 12) == 0;
}

inline void put16(std::uint8_t* to, std::size_t value) {
  to[0] = static_cast<std::uint8_t>(value >> 8);
  to[1] = static_cast<std::uint8_t>(value);
}
inline std::uint16_t get16(const std::uint8_t* from) { return static_cast<std::uint16_t>(from[0] << 8 | from[1]); }

/* RFC 1071, byte by byte. */
inline std::uint32_t sum(const std::uint8_t* bytes, std::size_t size, std::uint32_t start = 0) {
  for (std::size_t i = 0; i < size; ++i) start += i & 1 ? bytes[i] : static_cast<std::uint32_t>(bytes[i] << 8);
  while (start >> 16) start = (start & 0xffff) + (start >> 16);
  return start;
}

inline std::uint32_t pseudo(const endpoint& from, const endpoint& to, std::size_t udp_size) {
  const std::size_t skip = v4(from) ? 12 : 0;
  return sum(to.ip + skip, 16 - skip, sum(from.ip + skip, 16 - skip, static_cast<std::uint32_t>(17 + udp_size)));
}

enum class Checksum { kFull, kNone, kPartial, kWrong };

struct Shape {
  endpoint from, to;
  Bytes payload;
  Checksum checksum = Checksum::kFull;
  std::uint16_t vlan = 0;
  std::uint8_t hop_limit = 57;
  std::uint16_t fragment = 0;
  std::uint8_t tos = 0;
  std::size_t pad_to = 0;
  Bytes options{};
};

inline Bytes frame_of(const Shape& shape) {
  Bytes frame = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
  const auto add16 = [&](std::size_t value) { frame.resize(frame.size() + 2), put16(&frame[frame.size() - 2], value); };
  const bool four = v4(shape.to);
  const std::size_t udp_size = 8 + shape.payload.size();
  if (shape.vlan != 0) add16(0x8100), add16(shape.vlan);
  add16(four ? 0x0800 : 0x86dd);
  const std::size_t ip = frame.size();
  if (four) {
    const std::size_t words = 5 + shape.options.size() / 4;
    frame.push_back(static_cast<std::uint8_t>(0x40 | words)), frame.push_back(shape.tos);
    add16(words * 4 + udp_size), add16(0x1234), add16(shape.fragment);
    frame.push_back(shape.hop_limit), frame.push_back(17);
    add16(0);
    frame.insert(frame.end(), shape.from.ip + 12, shape.from.ip + 16);
    frame.insert(frame.end(), shape.to.ip + 12, shape.to.ip + 16);
    frame.insert(frame.end(), shape.options.begin(), shape.options.end());
    put16(&frame[ip + 10], static_cast<std::uint16_t>(~sum(&frame[ip], words * 4)));
  } else {
    frame.insert(frame.end(), {0x60, 0, 0x12, 0x34});
    add16(udp_size);
    frame.push_back(17), frame.push_back(shape.hop_limit);
    frame.insert(frame.end(), shape.from.ip, shape.from.ip + 16);
    frame.insert(frame.end(), shape.to.ip, shape.to.ip + 16);
  }
  const std::size_t udp = frame.size();
  frame.insert(frame.end(), shape.from.port, shape.from.port + 2);
  frame.insert(frame.end(), shape.to.port, shape.to.port + 2);
  add16(udp_size), add16(0);
  frame.insert(frame.end(), shape.payload.begin(), shape.payload.end());
  const std::uint32_t header = pseudo(shape.from, shape.to, udp_size);
  const auto full = static_cast<std::uint16_t>(~sum(&frame[udp], udp_size, header));
  switch (shape.checksum) {
    case Checksum::kFull: put16(&frame[udp + 6], full == 0 ? 0xffff : full); break;
    case Checksum::kPartial: put16(&frame[udp + 6], sum(nullptr, 0, header)); break;
    case Checksum::kWrong: put16(&frame[udp + 6], full ^ 0x5555); break;
    case Checksum::kNone: break;
  }
  while (frame.size() < shape.pad_to) frame.push_back(0xee);
  return frame;
}

/* The frame's datagram in two fragments, the first with `first` bytes of it (a multiple of 8). Neither tag nor options. */
inline std::vector<Bytes> pieces(const Bytes& frame, std::size_t first) {
  const bool four = get16(&frame[12]) == 0x0800;
  const std::size_t udp = four ? 34 : 54, size = frame.size() - udp;
  std::vector<Bytes> made;
  for (const std::size_t from : {std::size_t{0}, first}) {
    const std::size_t bytes = from == 0 ? first : size - first;
    const bool more = from == 0;
    Bytes piece(frame.begin(), frame.begin() + static_cast<long>(udp));
    if (four) {
      put16(&piece[16], 20 + bytes), put16(&piece[20], (more ? 0x2000 : 0) | from / 8), put16(&piece[24], 0);
      put16(&piece[24], static_cast<std::uint16_t>(~sum(&piece[14], 20)));
    } else {
      put16(&piece[18], 8 + bytes), piece[20] = 44;
      const std::size_t offset = from | (more ? 1 : 0);
      piece.insert(piece.end(), {17, 0, static_cast<std::uint8_t>(offset >> 8), static_cast<std::uint8_t>(offset), 0x51, 0x52, 0x53, 0x54});
    }
    piece.insert(piece.end(), frame.begin() + static_cast<long>(udp + from), frame.begin() + static_cast<long>(udp + from + bytes));
    made.push_back(std::move(piece));
  }
  return made;
}

/* What stands in a frame, read anew. */
struct Seen {
  bool whole = false;      /* Every length fits and nothing lies behind. */
  bool ip_sum_right = false;
  bool udp_sum_right = false; /* Or there is none, on IPv4. */
  bool udp_sum_there = false;
  Bytes frame; /* All of it. */
  Bytes ethernet;
  std::uint16_t vlan = 0;
  std::uint8_t tos = 0, hop_limit = 0;
  std::uint16_t udp_checksum = 0;
  endpoint from{}, to{};
  Bytes payload;
};

inline Seen read(const Bytes& frame) {
  Seen seen;
  if (frame.size() < 18) return seen;
  seen.frame = frame;
  seen.ethernet.assign(frame.begin(), frame.begin() + 12);
  std::size_t ip = 14;
  std::uint16_t type = get16(&frame[12]);
  if (type == 0x8100) seen.vlan = get16(&frame[14]), type = get16(&frame[16]), ip = 18;
  const bool four = type == 0x0800;
  const std::size_t header = four ? 20 : 40;
  if ((!four && type != 0x86dd) || frame.size() < ip + header + 8) return seen;
  const std::uint8_t* const h = &frame[ip];
  std::size_t udp_size;
  if (four) {
    udp_size = get16(h + 2) - std::size_t{20};
    seen.tos = h[1], seen.hop_limit = h[8];
    seen.from.ip[10] = seen.from.ip[11] = seen.to.ip[10] = seen.to.ip[11] = 0xff;
    std::memcpy(seen.from.ip + 12, h + 12, 4), std::memcpy(seen.to.ip + 12, h + 16, 4);
    seen.ip_sum_right = sum(h, 20) == 0xffff && h[0] == 0x45 && h[9] == 17;
  } else {
    udp_size = get16(h + 4);
    seen.tos = static_cast<std::uint8_t>(h[0] << 4 | h[1] >> 4), seen.hop_limit = h[7];
    std::memcpy(seen.from.ip, h + 8, 16), std::memcpy(seen.to.ip, h + 24, 16);
    seen.ip_sum_right = h[0] >> 4 == 6 && h[6] == 17;
  }
  const std::uint8_t* const udp = h + header;
  std::memcpy(seen.from.port, udp, 2), std::memcpy(seen.to.port, udp + 2, 2);
  seen.whole = frame.size() == ip + header + udp_size && get16(udp + 4) == udp_size;
  if (!seen.whole) return seen;
  seen.udp_checksum = get16(udp + 6);
  seen.udp_sum_there = seen.udp_checksum != 0;
  seen.udp_sum_right = seen.udp_sum_there ? sum(udp, udp_size, pseudo(seen.from, seen.to, udp_size)) == 0xffff : four;
  seen.payload.assign(udp + 8, udp + udp_size);
  return seen;
}

inline Bytes rtp(std::uint16_t sequence, std::size_t voice = 160, std::uint8_t type = 0, std::uint32_t ssrc = 0x11223344) {
  Bytes packet = {0x80, type, 0, 0, 0, 0, 0, 0};
  put16(&packet[2], sequence);
  put16(&packet[6], sequence * 160 & 0xffff);
  for (int shift = 24; shift >= 0; shift -= 8) packet.push_back(static_cast<std::uint8_t>(ssrc >> shift));
  for (std::size_t i = 0; i < voice; ++i) packet.push_back(static_cast<std::uint8_t>(i * 7 + sequence));
  return packet;
}

}  // namespace frames
