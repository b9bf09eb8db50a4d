/// What one relayed packet costs in cryptography: decrypt and encrypt again under another key, 1,000
/// streams of 160-byte RTP. Ours beside the bare library and beside OpenSSL EVP with contexts kept per
/// key, interleaved, medians. One JSON object a line.
///
///     srtp_bench [RUNS]
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "crypto/backend.h"
#include "crypto/packet.h"
#include "crypto/test/srtp_tools.h"

using namespace tools;

namespace {

constexpr std::size_t kStreams = 1'000;
constexpr std::size_t kPacketsPerStream = 20;
constexpr std::size_t kBatch = 32;
constexpr std::size_t kPayloadBytes = 160;
constexpr std::size_t kRoom = 256;

std::uint64_t cpu_ns() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

/// The same packets for everybody: each stream's next one in turn, as a loaded box sees them.
struct Load {
  std::vector<Bytes> masters_in, masters_out;
  std::vector<std::uint8_t> wire;  ///< kRoom bytes a packet.
  std::size_t size = 0;
  std::size_t packets = kStreams * kPacketsPerStream;
};

Load make_load(Suite suite) {
  Load load;
  Dice dice(1);
  const auto engine = SrtpEngine::create();
  std::vector<SrtpContextPtr> senders;
  for (std::size_t s = 0; s < kStreams; ++s) {
    load.masters_in.push_back(master_for(suite, dice));
    load.masters_out.push_back(master_for(suite, dice));
    senders.push_back(open(*engine, Direction::kSend, suite, load.masters_in.back()));
  }
  load.wire.resize(load.packets * kRoom);
  for (std::size_t p = 0; p < load.packets; ++p) {
    Bytes packet = rtp(static_cast<std::uint32_t>(p % kStreams), static_cast<std::uint16_t>(p / kStreams), dice.bytes(kPayloadBytes));
    if (protect(*engine, *senders[p % kStreams], packet) != Verdict::kGood) std::abort();
    std::copy(packet.begin(), packet.end(), load.wire.begin() + static_cast<std::ptrdiff_t>(p * kRoom));
    load.size = packet.size();
  }
  return load;
}

double ours(EngineKind kind, Suite suite, const Load& load) {
  const auto engine = SrtpEngine::create(kind);
  if (!engine) return 0;
  std::vector<SrtpContextPtr> rx, tx;
  for (std::size_t s = 0; s < kStreams; ++s) {
    rx.push_back(open(*engine, Direction::kReceive, suite, load.masters_in[s]));
    tx.push_back(open(*engine, Direction::kSend, suite, load.masters_out[s]));
  }
  auto wire = load.wire;
  std::size_t good = 0;
  const std::uint64_t start = cpu_ns();
  for (std::size_t p = 0; p < load.packets; p += kBatch) {
    SrtpJob jobs[kBatch];
    const std::size_t count = std::min(kBatch, load.packets - p);
    for (std::size_t i = 0; i < count; ++i) {
      jobs[i] = {.context = rx[(p + i) % kStreams].get(), .data = &wire[(p + i) * kRoom], .size = static_cast<std::uint32_t>(load.size), .room = kRoom};
    }
    engine->unprotect({jobs, count});
    for (std::size_t i = 0; i < count; ++i) jobs[i].context = tx[(p + i) % kStreams].get();
    engine->protect({jobs, count});
    for (std::size_t i = 0; i < count; ++i) good += jobs[i].verdict == Verdict::kGood;
  }
  const std::uint64_t spent = cpu_ns() - start;
  if (good != load.packets) std::abort();
  return static_cast<double>(spent) / static_cast<double>(load.packets);
}

/// So many packets ahead a bare loop has its keys brought, as we do.
constexpr std::size_t kKeysAhead = 4;

/// The library's calls and nothing else: no header parsed, no window, no state. The floor.
double bare(const std::function<std::unique_ptr<Backend>()>& make, Suite suite, const Load& load) {
  const auto backend = make();
  if (!backend) return 0;
  const auto& about = facts(suite);
  const std::size_t place = (backend->key_room(about, false) + 63) / 64 * 64;
  auto* keys = static_cast<std::uint8_t*>(std::aligned_alloc(64, place * kStreams * 2));
  Dice dice(3);
  for (std::size_t s = 0; s < kStreams * 2; ++s) {
    SessionKeys session;
    const Bytes key = dice.bytes(32);
    std::copy(key.begin(), key.end(), session.cipher);
    if (!backend->expand(keys + s * place, about, false, session)) std::abort();
  }
  auto wire = load.wire;
  std::vector<HmacJob> hmacs(kBatch);
  std::vector<CounterJob> counters(kBatch);
  std::vector<AeadJob> aeads(kBatch);
  std::uint8_t tags[kBatch][kGcmTagBytes];
  const std::uint64_t start = cpu_ns();
  for (std::size_t p = 0; p < load.packets; p += kBatch) {
    const std::size_t count = std::min(kBatch, load.packets - p);
    for (const bool encrypt : {false, true}) {
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t stream = (p + i) % kStreams;
        const void* key = keys + (stream * 2 + encrypt) * place;
        std::uint8_t* data = &wire[(p + i) * kRoom];
        hmacs[i].key = counters[i].key = aeads[i].key = key;
        hmacs[i].data = aeads[i].aad = data;
        hmacs[i].bytes = kRtpHeaderBytes + kPayloadBytes + 4;
        aeads[i].aad_bytes = kRtpHeaderBytes;
        aeads[i].tag = tags[i];
        counters[i].data = aeads[i].data = data + kRtpHeaderBytes;
        counters[i].bytes = aeads[i].bytes = kPayloadBytes;
        counters[i].key_bytes = aeads[i].key_bytes = about.master_key_bytes;
        aeads[i].rtcp = hmacs[i].rtcp = counters[i].rtcp = false;
      }
      // GCM decryption of what was not encrypted under these keys would fail and be undone: seal costs the same.
      if (about.aead) {
        for (std::size_t i = 0; i < count; ++i) {
          if (i + kKeysAhead < count) backend->ask_for(aeads[i + kKeysAhead].key, aeads[i].key_bytes);
          backend->seal(aeads[i]);
        }
      } else if (encrypt) {
        backend->counter({counters.data(), count});
        backend->hmac({hmacs.data(), count});
      } else {
        backend->hmac({hmacs.data(), count});
        backend->counter({counters.data(), count});
      }
    }
  }
  const std::uint64_t spent = cpu_ns() - start;
  for (std::size_t s = 0; s < kStreams * 2; ++s) backend->release()(keys + s * place);
  std::free(keys);
  return static_cast<double>(spent) / static_cast<double>(load.packets);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void report(Suite suite, const char* peer, std::vector<double> mine, std::vector<double> theirs) {
  const double a = median(std::move(mine)), b = median(theirs);
  std::printf("{\"bench\":\"media.crypto.%.*s%s\",\"ours\":%.0f,\"peer\":\"%s\",\"theirs\":%.0f,\"ratio\":%.3f,\"unit\":\"cpu-ns/packet\",\"runs\":%zu}\n",
              static_cast<int>(facts(suite).sdes_name.size()), facts(suite).sdes_name.data(), peer[0] == 'i' ? ".bare" : "", a, peer, b, a / b, theirs.size());
}

}  // namespace

int main(int argc, char** argv) {
  const int runs = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5;
  const auto fastest = SrtpEngine::create();
  if (!fastest) return 1;
  for (const Suite suite : {Suite::kAesCm128HmacSha1_80, Suite::kAesCm256HmacSha1_80, Suite::kAeadAes128Gcm, Suite::kAeadAes256Gcm}) {
    const Load load = make_load(suite);
    std::vector<double> mine, library, openssl;
    for (int run = 0; run < runs; ++run) {
      mine.push_back(ours(fastest->kind(), suite, load));
      if (fastest->kind() == EngineKind::kIpsecMb) library.push_back(bare(make_ipsec_mb_backend, suite, load));
      openssl.push_back(bare(make_openssl_backend, suite, load));
    }
    if (!library.empty()) report(suite, "ipsec-mb alone", mine, library);
    report(suite, "OpenSSL EVP alone", mine, openssl);
  }
  return 0;
}
