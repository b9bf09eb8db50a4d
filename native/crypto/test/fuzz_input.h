/// One fuzz input: some bytes as a packet, given to contexts of every suite, at the edge of a page that
/// must not be touched. The vector code of ipsec-mb is not instrumented; the page sees what it reads.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <array>

#include "crypto/test/srtp_tools.h"

namespace fuzz {

using namespace tools;

/// Memory whose end is the end of what may be touched.
class Edge {
 public:
  Edge() {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    bytes_ = (kDatagram + page - 1) / page * page;
    auto* block = static_cast<std::uint8_t*>(mmap(nullptr, bytes_ + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (block == MAP_FAILED || mprotect(block + bytes_, page, PROT_NONE) != 0) std::abort();
    end_ = block + bytes_;
  }
  std::uint8_t* last(std::size_t bytes) { return end_ - bytes; }
  static constexpr std::size_t kDatagram = 70'000;

 private:
  std::size_t bytes_;
  std::uint8_t* end_;
};

struct Pair {
  SrtpContextPtr tx;
  SrtpContextPtr rx;
};

class Target {
 public:
  Target() {
    for (const EngineKind kind : kEngines) {
      if (auto engine = SrtpEngine::create(kind)) engines_.push_back(std::move(engine));
    }
    Dice dice(1);
    for (auto& engine : engines_) {
      for (std::size_t s = 0; s < kSuiteCount; ++s) {
        const auto suite = static_cast<Suite>(s);
        masters_[s] = master_for(suite, dice);
        const Bytes mki(s % 3 == 0 ? 4 : 0);
        pairs_.push_back({open(*engine, Direction::kSend, suite, masters_[s], mki), open(*engine, Direction::kReceive, suite, masters_[s], mki)});
      }
    }
  }

  /// First byte: RTCP or not, and which suite. The rest is the packet.
  void run(const std::uint8_t* input, std::size_t size) {
    if (size < 1 || size - 1 + kTailroomBytes > Edge::kDatagram) return;
    const bool is_rtcp = input[0] & 0x80;
    const std::size_t suite = input[0] % kSuiteCount;
    const std::size_t bytes = size - 1;
    for (std::size_t e = 0; e < engines_.size(); ++e) {
      Pair& pair = pairs_[e * kSuiteCount + suite];
      receive(*engines_[e], *pair.rx, input + 1, bytes, is_rtcp);
      const std::size_t sealed = send(*engines_[e], *pair.tx, input + 1, bytes, is_rtcp);
      // What we sent ourselves gets past the tag and reaches the code behind it.
      if (sealed > 0) receive(*engines_[e], *pair.rx, Bytes(sent_, sent_ + sealed).data(), sealed, is_rtcp);
    }
  }

 private:
  void receive(SrtpEngine& engine, SrtpContext& rx, const std::uint8_t* input, std::size_t bytes, bool is_rtcp) {
    std::uint8_t* data = edge_.last(bytes);
    std::memcpy(data, input, bytes);
    SrtpJob job{.context = &rx, .data = data, .size = static_cast<std::uint32_t>(bytes), .rtcp = is_rtcp};
    engine.unprotect({&job, 1});
    EXPECT(job.size <= bytes);
    if (job.verdict != Verdict::kGood) EXPECT(job.size == bytes && std::memcmp(data, input, bytes) == 0);
  }

  std::size_t send(SrtpEngine& engine, SrtpContext& tx, const std::uint8_t* input, std::size_t bytes, bool is_rtcp) {
    const auto& suite = facts(suite_of(tx));
    const std::size_t mki = static_cast<std::size_t>(suite_of(tx)) % 3 == 0 ? 4 : 0;
    const std::size_t room = bytes + mki + (is_rtcp ? suite.rtcp_tag_bytes + 4u : suite.rtp_tag_bytes);
    std::uint8_t* data = edge_.last(room);
    std::memcpy(data, input, bytes);
    SrtpJob job{.context = &tx, .data = data, .size = static_cast<std::uint32_t>(bytes), .room = static_cast<std::uint32_t>(room), .rtcp = is_rtcp};
    engine.protect({&job, 1});
    sent_ = data;
    if (job.verdict != Verdict::kGood) return 0;
    EXPECT(job.size == room);
    return job.size;
  }

  std::vector<std::unique_ptr<SrtpEngine>> engines_;
  std::array<Bytes, kSuiteCount> masters_;
  std::vector<Pair> pairs_;
  Edge edge_;
  const std::uint8_t* sent_ = nullptr;
};

}  // namespace fuzz
