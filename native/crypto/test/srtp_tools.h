/// Short ways to open contexts and to run single packets, for the tests.
#pragma once

#include <cstring>

#include "crypto/context.h"
#include "crypto/srtp.h"
#include "crypto/test/harness.h"

namespace tools {

using namespace sallyport::crypto;
using harness::Bytes;
using harness::Dice;

inline constexpr EngineKind kEngines[] = {EngineKind::kIpsecMb, EngineKind::kOpenSsl};

inline Bytes master_for(Suite suite, Dice& dice) {
  return dice.bytes(std::size_t{facts(suite).master_key_bytes} + facts(suite).master_salt_bytes);
}

inline SrtpContextPtr open(SrtpEngine& engine, Direction direction, Suite suite, const Bytes& master, const Bytes& mki = {},
                           std::size_t streams = kStreamsByDefault) {
  SrtpKeying keying;
  keying.suite = suite;
  keying.master = master;
  keying.mki = mki;
  keying.streams = streams;
  return engine.open(direction, keying);
}

inline void put32(std::uint8_t* at, std::uint32_t value) {
  for (int i = 3; i >= 0; --i, value >>= 8) at[i] = static_cast<std::uint8_t>(value);
}

inline Bytes rtp(std::uint32_t ssrc, std::uint16_t sequence, const Bytes& payload) {
  Bytes packet(12);
  packet[0] = 0x80;
  packet[2] = static_cast<std::uint8_t>(sequence >> 8);
  packet[3] = static_cast<std::uint8_t>(sequence);
  put32(packet.data() + 4, sequence * 160u);
  put32(packet.data() + 8, ssrc);
  packet.insert(packet.end(), payload.begin(), payload.end());
  return packet;
}

/// A receiver report without blocks, then whatever is given.
inline Bytes rtcp(std::uint32_t ssrc, const Bytes& rest) {
  Bytes packet{0x80, 201, 0, 1, 0, 0, 0, 0};
  put32(packet.data() + 4, ssrc);
  packet.insert(packet.end(), rest.begin(), rest.end());
  return packet;
}

/// Runs one packet; on kGood it is replaced by the result.
inline Verdict protect(SrtpEngine& engine, SrtpContext& context, Bytes& packet, bool is_rtcp = false, std::uint64_t* index = nullptr) {
  Bytes work = packet;
  work.resize(packet.size() + kTailroomBytes);
  SrtpJob job{.context = &context, .data = work.data(), .size = static_cast<std::uint32_t>(packet.size()),
              .room = static_cast<std::uint32_t>(work.size()), .rtcp = is_rtcp};
  engine.protect({&job, 1});
  if (index) *index = job.index;
  if (job.verdict == Verdict::kGood) {
    work.resize(job.size);
    packet = work;
  }
  return job.verdict;
}

inline Verdict unprotect(SrtpEngine& engine, SrtpContext& context, Bytes& packet, bool is_rtcp = false, std::uint64_t* index = nullptr) {
  Bytes work = packet;  // Exactly as long as the packet, so that a sanitizer sees any step beyond.
  SrtpJob job{.context = &context, .data = work.data(), .size = static_cast<std::uint32_t>(work.size()), .rtcp = is_rtcp};
  engine.unprotect({&job, 1});
  if (index) *index = job.index;
  if (job.verdict != Verdict::kGood) EXPECT(work == packet);
  if (job.verdict == Verdict::kGood) {
    work.resize(job.size);
    packet = work;
  }
  return job.verdict;
}

inline SrtpState state_of(const SrtpContext& context) {
  SrtpState state;
  export_state(context, state);
  return state;
}
inline bool same(const SrtpState& a, const SrtpState& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

/// The engines this machine has; both are wanted where ipsec-mb is built in.
template <typename Body>
void with_engines(Body body) {
  for (const EngineKind kind : kEngines) {
    auto engine = SrtpEngine::create(kind);
#if defined(__x86_64__)
    EXPECT(engine != nullptr);
#endif
    if (engine) body(*engine);
  }
}

}  // namespace tools
