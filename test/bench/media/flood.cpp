/// Feeds a media relay as fast as it can take it, never faster: so many packets are in flight, and a new one leaves
/// when one has come out at the other end. Whole frames go out past the network stack, so that the generator's core
/// outruns the relay's; the sink is a drop rule, counted by its interface.
///
///   flood offload IF...                             receive by NAPI (a thread can then be pinned), checksums in software
///   flood run OUT IN MAC FROM TO PACKETS WINDOW RATE
///                                                   ports to send to on stdin, one flow each; RATE packets a second at
///                                                   most, 0: any; prints "sent received seconds". In the environment:
///                                                   SEQUENCE of each flow's first packet; SRTP, a suite: libsrtp
///                                                   encrypts every packet before the first one leaves, each flow under
///                                                   a key of its own (key.ts has the same)
///   flood latency OUT IN MAC FROM TO PACKETS RATE   sends at that rate whatever comes, one packet at a time; prints "sent
///                                                   received p50 p99 p99.9", times in microseconds from before the call
///                                                   that sends to the kernel's own note of the arrival. The time stands in
///                                                   the RTP timestamp, which every relay leaves as it is, encrypted or not
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "frames.h"

namespace {

constexpr unsigned kBurst = 32;
constexpr double kLostAfterSeconds = 0.05;  // No packet came out for so long: those in flight are given up.
constexpr double kAtMostSeconds = 20;

int offload(int count, char** interfaces) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  for (int i = 0; i < count; ++i) {
    for (const auto& [command, value] : {std::array<unsigned, 2>{ETHTOOL_SGRO, 1}, {ETHTOOL_STXCSUM, 0}}) {
      ethtool_value wanted{command, value};
      ifreq request{};
      strncpy(request.ifr_name, interfaces[i], IFNAMSIZ - 1);
      request.ifr_data = reinterpret_cast<char*>(&wanted);
      if (ioctl(fd, SIOCETHTOOL, &request) != 0) perror(interfaces[i]);
    }
  }
  close(fd);
  return 0;
}

unsigned long long counted(int fd) {
  char text[32] = {};
  return pread(fd, text, sizeof text - 1, 0) > 0 ? strtoull(text, nullptr, 10) : 0;
}

/// On a cable; `protocol` 0: it hears nothing.
int raw_socket(const char* interface, unsigned short protocol) {
  const int fd = socket(AF_PACKET, SOCK_RAW, 0);
  sockaddr_ll link{};
  link.sll_family = AF_PACKET;
  link.sll_protocol = htons(protocol);
  link.sll_ifindex = static_cast<int>(if_nametoindex(interface));
  const int on = 1;
  setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
  if (bind(fd, reinterpret_cast<sockaddr*>(&link), sizeof link) != 0) perror(interface), exit(1);
  return fd;
}

constexpr unsigned kTickShift = 8;  // The RTP timestamp counts 256 ns.
constexpr double kLateSeconds = 0.001;  // Who is later than this does not catch up: a burst is another load.

unsigned ticks(const timespec& time) {
  return static_cast<unsigned>((static_cast<unsigned long long>(time.tv_sec) * 1'000'000'000 + static_cast<unsigned long long>(time.tv_nsec)) >> kTickShift);
}

/// Takes what has come, without waiting.
void listen(int fd, std::vector<unsigned>& took) {
  unsigned char frame[64];
  alignas(cmsghdr) unsigned char control[128];
  iovec piece{frame, sizeof frame};
  for (int i = 0; i < 8; ++i) {
    msghdr header{};
    header.msg_iov = &piece, header.msg_iovlen = 1, header.msg_control = control, header.msg_controllen = sizeof control;
    if (recvmsg(fd, &header, MSG_DONTWAIT) < static_cast<ssize_t>(kRtpAt + 12)) return;
    if (frame[23] != IPPROTO_UDP || frame[kRtpAt] != 0x80) continue;
    unsigned sent;
    memcpy(&sent, &frame[kRtpAt + 4], sizeof sent);
    for (cmsghdr* at = CMSG_FIRSTHDR(&header); at != nullptr; at = CMSG_NXTHDR(&header, at)) {
      if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_TIMESTAMPNS) continue;
      timespec arrived;
      memcpy(&arrived, CMSG_DATA(at), sizeof arrived);
      took.push_back(ticks(arrived) - ntohl(sent));
    }
  }
}

int latency(char** words) {
  const int out = raw_socket(words[0], 0), in = raw_socket(words[1], ETH_P_ALL);
  const int on = 1, room = 64 << 20;
  setsockopt(in, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  setsockopt(in, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  std::vector<Frame> frames = flows_of(words + 2);
  const unsigned long long packets = strtoull(words[5], nullptr, 10);
  const double step = 1 / atof(words[6]);
  unsigned sequence = getenv("SEQUENCE") ? static_cast<unsigned>(atoi(getenv("SEQUENCE"))) : 0;
  std::vector<unsigned> took;
  took.reserve(packets);
  unsigned long long sent = 0;
  double due = seconds_now();
  while (sent < packets) {
    listen(in, took);
    const double now = seconds_now();
    if (now < due) continue;
    due = now > due + kLateSeconds ? now : due + step;
    Frame& frame = frames[sent % frames.size()];
    number(frame, sequence);
    timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    put32(&frame[kRtpAt + 4], ticks(time));
    if (send(out, frame.data(), kFrameBytes, 0) == kFrameBytes) sent += 1;
    if (sent % frames.size() == 0) sequence += 1;
  }
  for (const double end = seconds_now() + 0.2; seconds_now() < end;) listen(in, took);
  std::sort(took.begin(), took.end());
  const auto at = [&](double share) { return took.empty() ? 0 : took[static_cast<std::size_t>(share * static_cast<double>(took.size() - 1))] * 0.256; };
  printf("%llu %zu %.1f %.1f %.1f\n", sent, took.size(), at(0.5), at(0.99), at(0.999));
  return 0;
}

int run(char** words) {
  const int in = open(("/sys/class/net/" + std::string(words[1]) + "/statistics/rx_packets").c_str(), O_RDONLY);
  const int out = raw_socket(words[0], 0);
  if (in < 0) return perror("flood"), 1;
  const std::vector<Frame> frames = flows_of(words + 2);
  const unsigned long long packets = strtoull(words[5], nullptr, 10), window = strtoull(words[6], nullptr, 10);
  const double rate = atof(words[7]);
  const unsigned first = getenv("SEQUENCE") ? static_cast<unsigned>(atoi(getenv("SEQUENCE"))) : 0;

  const char* const suite = getenv("SRTP");
  std::vector<SecuredFrame> secured;
  if (suite != nullptr) secured = secure(suite, frames, packets, first);

  std::array<Frame, kBurst> copies;
  std::array<iovec, kBurst> pieces;
  std::array<mmsghdr, kBurst> headers{};
  for (unsigned i = 0; i < kBurst; ++i) {
    pieces[i] = {copies[i].data(), kFrameBytes};
    headers[i].msg_hdr.msg_iov = &pieces[i];
    headers[i].msg_hdr.msg_iovlen = 1;
  }
  const unsigned long long base = counted(in);
  const double start = seconds_now();
  unsigned long long sent = 0, received = 0, lost = 0;
  double last_news = start, now = start;
  while (sent < packets && now < start + kAtMostSeconds) {
    now = seconds_now();
    const unsigned long long came = counted(in) - base;
    if (came != received) received = came, last_news = now;
    unsigned long long flight = sent > received + lost ? sent - received - lost : 0;
    if (flight >= window && now - last_news > kLostAfterSeconds) lost += flight, flight = 0, last_news = now;
    if (flight + (window < kBurst ? window : kBurst) / 2 > window) continue;
    if (rate > 0 && static_cast<double>(sent) > (now - start) * rate) continue;
    const unsigned most = rate > 0 ? 8 : kBurst;
    const unsigned long long left = packets - sent, room = window - flight < most ? window - flight : most;
    const auto burst = static_cast<unsigned>(room < left ? room : left);
    for (unsigned i = 0; i < burst; ++i) {
      if (suite != nullptr) {
        if (sent + i < packets) pieces[i] = {secured[sent + i].bytes.data(), secured[sent + i].size};
        continue;
      }
      copies[i] = frames[(sent + i) % frames.size()];
      number(copies[i], static_cast<unsigned>((sent + i) / frames.size()) + first);
    }
    const int taken = sendmmsg(out, headers.data(), burst, 0);
    if (taken > 0) sent += static_cast<unsigned>(taken);
  }
  const double end = seconds_now();
  usleep(100'000);
  printf("%llu %llu %.6f\n", sent, counted(in) - base, end - start);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count > 2 && strcmp(words[1], "offload") == 0) return offload(count - 2, words + 2);
  if (count == 10 && strcmp(words[1], "run") == 0) return run(words + 2);
  if (count == 9 && strcmp(words[1], "latency") == 0) return latency(words + 2);
  fprintf(stderr, "flood offload IF... | flood run OUT IN MAC FROM TO PACKETS WINDOW RATE | flood latency OUT IN MAC FROM TO PACKETS RATE\n");
  return 2;
}
