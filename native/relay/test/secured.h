/// A relay whose sides have keys, and phones that know them: our own contexts, which refuse every index that comes twice.
#pragma once

#include <memory>

#include "../../shared/check.h"
#include "world.h"

namespace sallyport::relay::test {

namespace crypto = sallyport::crypto;

struct Key {
  explicit Key(std::uint8_t seed, crypto::Suite s = crypto::Suite::kAesCm128HmacSha1_80) : suite(s) {
    const auto& facts = crypto::facts(s);
    for (std::size_t i = 0; i < std::size_t{facts.master_key_bytes} + facts.master_salt_bytes; ++i) {
      master.push_back(static_cast<std::uint8_t>(seed * 31 + i));
    }
  }
  crypto::Suite suite;
  Bytes master;
};

/// A plain caller at 2 and a secure callee at 3, or both secure.
struct SecureWorld : World {
  SecureWorld() : World(&engine()) {}
  ~SecureWorld() {
    relay.close(0);
    for (const Event& event : events) {
      for (crypto::SrtpContext* context : event.contexts) crypto::SrtpContextPtr closed(context);
    }
  }

  crypto::SrtpContext* context(crypto::Direction direction, const Key& key, std::size_t streams = 3,
                               std::uint64_t lifetime_packets = crypto::kRtpLifetimePackets) {
    return engine()
        .open(direction, {.suite = key.suite, .master = key.master, .lifetime_packets = lifetime_packets, .streams = streams})
        .release();
  }
  crypto::SrtpContextPtr phone(crypto::Direction direction, const Key& key, std::size_t streams = 3) {
    return crypto::SrtpContextPtr(context(direction, key, streams));
  }
  Side secure(std::uint8_t remote, const Key& rx, const Key& tx) {
    Side made = side(remote);
    made.rx = context(crypto::Direction::kReceive, rx);
    made.tx = context(crypto::Direction::kSend, tx);
    return made;
  }
  void open(const Side& caller, const Side& callee) { relay.open(0, PairKind::kAudio, caller, callee, now); }

  /// What `from` under `key` becomes on the wire.
  Bytes sealed(crypto::SrtpContext& key, Bytes packet, bool rtcp = false) {
    const auto size = static_cast<std::uint32_t>(packet.size());
    packet.resize(size + crypto::kTailroomBytes);
    crypto::SrtpJob job{.context = &key, .data = packet.data(), .size = size, .room = static_cast<std::uint32_t>(packet.size()), .rtcp = rtcp};
    engine().protect({&job, 1});
    EXPECT(job.verdict == crypto::Verdict::kGood);
    packet.resize(job.size);
    return packet;
  }
  /// What the phone makes of what was sent to it; empty when it refuses.
  Bytes opened(crypto::SrtpContext& key, const Datagram& sent) {
    crypto::SrtpJob job{.context = &key, .data = sent.data, .size = sent.size, .room = sent.room, .rtcp = sent.rtcp};
    engine().unprotect({&job, 1});
    if (job.verdict != crypto::Verdict::kGood) return {};
    return Bytes(sent.data, sent.data + job.size);
  }
  static crypto::SrtpEngine& engine() {
    static const std::unique_ptr<crypto::SrtpEngine> made = crypto::SrtpEngine::create();
    return *made;
  }
};

inline Bytes from(std::uint32_t ssrc, std::uint16_t sequence) {
  Bytes made = rtp(sequence, sequence * 160u);
  write32(&made[8], ssrc);
  return made;
}

inline Bytes report(std::uint32_t sender, std::uint32_t about, std::uint32_t highest) {
  Bytes made(32);
  made[0] = 0x81;
  made[1] = 201;
  write16(&made[2], 7);
  write32(&made[4], sender);
  write32(&made[8], about);
  write32(&made[16], highest);
  return made;
}

inline std::uint16_t sequence_of(const Bytes& packet) { return read16(&packet[2]); }
inline std::uint32_t ssrc_of(const Bytes& packet) { return read32(&packet[8]); }

}  // namespace sallyport::relay::test
