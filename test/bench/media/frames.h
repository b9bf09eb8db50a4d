/// The packets that the generators send: G.711 of 20 ms, plain or as SRTP under a key of each flow's own.
#pragma once

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <array>
#include <string>
#include <vector>

constexpr std::size_t kFrameBytes = 214;  // G.711, 20 ms: 14 + 20 + 8 + 12 + 160.
constexpr std::size_t kRtpAt = 42;
constexpr std::size_t kTagBytes = 16;  // The longest.

inline double seconds_now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

inline void put16(unsigned char* at, unsigned value) {
  at[0] = static_cast<unsigned char>(value >> 8);
  at[1] = static_cast<unsigned char>(value);
}
inline void put32(unsigned char* at, unsigned value) {
  put16(at, value >> 16);
  put16(at + 2, value & 0xffff);
}

using Frame = std::array<unsigned char, kFrameBytes>;

inline Frame frame_of(const ether_addr& to, const char* from_ip, const char* to_ip, unsigned flow, unsigned port) {
  Frame frame{};
  memcpy(&frame[0], &to, 6);
  frame[6] = 2;
  put16(&frame[12], ETHERTYPE_IP);
  unsigned char* const ip = &frame[14];
  ip[0] = 0x45;
  put16(ip + 2, kFrameBytes - 14);
  ip[8] = 64;
  ip[9] = IPPROTO_UDP;
  inet_pton(AF_INET, from_ip, ip + 12);
  inet_pton(AF_INET, to_ip, ip + 16);
  unsigned sum = 0;
  for (int i = 0; i < 20; i += 2) sum += static_cast<unsigned>(ip[i] << 8 | ip[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  put16(ip + 10, ~sum);
  put16(ip + 20, 40'000 + flow);  // UDP; its checksum 0 is none.
  put16(ip + 22, port);
  put16(ip + 24, kFrameBytes - 34);
  unsigned char* const rtp = ip + 28;
  rtp[0] = 0x80;
  put32(rtp + 8, 0x1000 + flow);
  memset(rtp + 12, 0x55, 160);
  return frame;
}

/// Where it goes, as it stands in the frame.
inline const unsigned char* port_of(const Frame& frame) { return &frame[36]; }

/// Of the flow's n-th packet.
inline void number(Frame& frame, unsigned sequence) {
  put16(&frame[kRtpAt + 2], sequence & 0xffff);
  put32(&frame[kRtpAt + 4], sequence * 160);
}

using Secured = std::array<unsigned char, kFrameBytes + kTagBytes>;
struct SecuredFrame {
  Secured bytes;
  std::size_t size;
};

inline srtp_t session_of(const std::string& suite, unsigned flow) {
  srtp_policy_t policy{};
  if (suite == "AEAD_AES_128_GCM") srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
  else if (suite == "AES_CM_128_HMAC_SHA1_80") srtp_crypto_policy_set_rtp_default(&policy.rtp);
  else fprintf(stderr, "flood: no suite %s\n", suite.c_str()), exit(2);
  policy.rtcp = policy.rtp;
  unsigned char master[30];
  for (unsigned i = 0; i < sizeof master; ++i) master[i] = static_cast<unsigned char>(3 * i + flow + 1);
  policy.key = master;
  policy.ssrc.type = ssrc_any_outbound;
  policy.window_size = 1'024;
  srtp_t session = nullptr;
  if (srtp_create(&session, &policy) != srtp_err_status_ok) exit(1);
  return session;
}

/// All that will be sent, in order: to encrypt costs more than to send.
inline std::vector<SecuredFrame> secure(const std::string& suite, const std::vector<Frame>& frames, unsigned long long packets, unsigned first) {
  srtp_init();
  std::vector<SecuredFrame> made(packets);
  for (unsigned flow = 0; flow < frames.size(); ++flow) {
    srtp_t session = session_of(suite, flow);
    Frame frame = frames[flow];
    unsigned sequence = first;
    for (unsigned long long at = flow; at < packets; at += frames.size()) {
      number(frame, sequence++);
      SecuredFrame& out = made[at];
      memcpy(out.bytes.data(), frame.data(), kFrameBytes);
      int size = static_cast<int>(kFrameBytes - kRtpAt);
      if (srtp_protect(session, &out.bytes[kRtpAt], &size) != srtp_err_status_ok) exit(1);
      out.size = kRtpAt + static_cast<std::size_t>(size);
      put16(&out.bytes[38], static_cast<unsigned>(size) + 8);
      put16(&out.bytes[16], static_cast<unsigned>(size) + 28);
      unsigned sum = static_cast<unsigned>(out.bytes[24] << 8 | out.bytes[25]);  // RFC 1624, for a longer packet.
      sum = (~sum & 0xffff) + (0xffff & ~static_cast<unsigned>(kFrameBytes - 14)) + static_cast<unsigned>(size) + 28;
      while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
      put16(&out.bytes[24], ~sum);
    }
    srtp_dealloc(session);
  }
  return made;
}

/// `words`: MAC, FROM, TO; a flow for each port on stdin.
inline std::vector<Frame> flows_of(char** words) {
  std::array<unsigned, 6> mac{};
  sscanf(words[0], "%x:%x:%x:%x:%x:%x", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5]);
  ether_addr to;
  for (int i = 0; i < 6; ++i) to.ether_addr_octet[i] = static_cast<unsigned char>(mac[static_cast<std::size_t>(i)]);
  std::vector<Frame> frames;
  for (unsigned port; scanf("%u", &port) == 1;) frames.push_back(frame_of(to, words[1], words[2], static_cast<unsigned>(frames.size()), port));
  return frames;
}
