/// Two ends of DTLS-SRTP in virtual time, and a pipe between them that loses, doubles, delays and cuts off.
#include "crypto/dtls.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <deque>
#include <random>
#include <vector>

#include "shared/check.h"

using namespace sallyport::crypto;
using Bytes = std::vector<std::uint8_t>;

namespace {

constexpr std::uint64_t kMs = 1'000'000;
const std::vector<Suite> kAll{Suite::kAesCm128HmacSha1_80, Suite::kAesCm128HmacSha1_32, Suite::kAeadAes128Gcm, Suite::kAeadAes256Gcm};

/// What is on its way.
struct Parcel {
  std::uint64_t at_ns;
  bool to_first;
  Bytes bytes;
};

struct Weather {
  unsigned lose = 0, twice = 0, late = 0;  ///< Of a hundred.
  std::size_t longest = 65'535;            ///< Longer ones never come.
};

class World;

struct End {
  std::unique_ptr<DtlsIdentity> identity = DtlsIdentity::create();
  std::unique_ptr<DtlsFactory> factory = DtlsFactory::create(*identity);
  std::unique_ptr<DtlsAssociation> association;
  DtlsWords words{.present = true};
  World* world = nullptr;
  std::size_t longest = 0;
};

Fingerprint fingerprint_of(const End& end, FingerprintHash hash) {
  Fingerprint made{.hash = hash};
  unsigned int size = 0;
  const EVP_MD* digest = hash == FingerprintHash::kSha256 ? EVP_sha256() : hash == FingerprintHash::kSha384 ? EVP_sha384() : EVP_sha512();
  X509_digest(end.identity->certificate(), digest, made.value.data(), &size);
  return made;
}

class World {
 public:
  explicit World(std::uint32_t seed = 1, Weather weather = {}) : dice_(seed), weather_(weather) {
    ends[0].words.active = true;
    for (End& end : ends) {
      end.world = this;
      End& other = &end == &ends[0] ? ends[1] : ends[0];
      end.words.fingerprints[0] = other.identity->fingerprint();
      end.words.fingerprint_count = 1;
      suites(end, kAll);
    }
  }
  static void suites(End& end, const std::vector<Suite>& suites) {
    std::copy(suites.begin(), suites.end(), end.words.suites.begin());
    end.words.suite_count = static_cast<std::uint8_t>(suites.size());
  }
  void begin() {
    for (End& end : ends) {
      end.association = DtlsAssociation::create(
          *end.factory, end.words,
          [](void* user, std::span<const std::uint8_t> datagram) {
            End& from = *static_cast<End*>(user);
            from.longest = std::max(from.longest, datagram.size());
            from.world->post(&from == &from.world->ends[1], datagram);
          },
          &end);
      EXPECT(end.association != nullptr);
    }
    for (End& end : ends) end.association->start(now);
  }
  void run(std::uint64_t for_ms) {
    const std::uint64_t until = now + for_ms * kMs;
    for (;;) {
      std::uint64_t next = until;
      for (const Parcel& parcel : pipe) next = std::min(next, parcel.at_ns);
      for (End& end : ends) next = std::min(next, end.association->deadline_ns(now));
      if (next >= until) break;
      now = std::max(now, next);
      for (std::size_t i = 0; i < pipe.size(); ++i) {
        if (pipe[i].at_ns > now) continue;
        const Parcel parcel = pipe[i];
        pipe.erase(pipe.begin() + static_cast<std::ptrdiff_t>(i--));
        ends[parcel.to_first ? 0 : 1].association->handle(parcel.bytes, now);
      }
      for (End& end : ends) {
        if (end.association->deadline_ns(now) <= now) end.association->handle_time(now);
      }
    }
    now = until;
  }
  bool both(DtlsState state) const { return ends[0].association->state() == state && ends[1].association->state() == state; }
  bool same_keys() const {
    DtlsMaster keys[4];
    if (!ends[0].association->keys(keys[0], keys[1]) || !ends[1].association->keys(keys[2], keys[3])) return false;
    return keys[0].size > 0 && keys[0].size == keys[3].size && keys[0].bytes == keys[3].bytes && keys[1].bytes == keys[2].bytes &&
           keys[0].bytes != keys[1].bytes && ends[0].association->suite() == ends[1].association->suite();
  }

  End ends[2];
  std::uint64_t now = 5'000 * kMs;
  std::deque<Parcel> pipe;
  std::size_t sent = 0;

 private:
  void post(bool to_first, std::span<const std::uint8_t> datagram) {
    sent += 1;
    if (datagram.size() > weather_.longest || dice_() % 100 < weather_.lose) return;
    for (int i = dice_() % 100 < weather_.twice ? 2 : 1; i > 0; --i) {
      const std::uint64_t delay = dice_() % 100 < weather_.late ? dice_() % 300 : 10;
      pipe.push_back({now + delay * kMs, to_first, {datagram.begin(), datagram.end()}});
    }
  }
  std::mt19937 dice_;
  Weather weather_;
};

}  // namespace

TEST("a certificate goes as bytes and comes back the same; bytes of two do not fit together, nor do cut or longer ones") {
  const auto made = DtlsIdentity::create(), other = DtlsIdentity::create();
  DtlsIdentityBytes bytes, others;
  EXPECT(made->write(bytes) && other->write(others) && bytes.fingerprint == made->fingerprint());
  const auto back = DtlsIdentity::read(bytes);
  EXPECT(back != nullptr && back->fingerprint() == made->fingerprint());
  DtlsIdentityBytes mixed = bytes;
  mixed.key = others.key;
  mixed.key_size = others.key_size;
  EXPECT(DtlsIdentity::read(mixed) == nullptr && DtlsIdentity::read({}) == nullptr);
  for (std::uint16_t size = 0; size < bytes.certificate_size; ++size) {
    DtlsIdentityBytes cut = bytes;
    cut.certificate_size = size;
    EXPECT(DtlsIdentity::read(cut) == nullptr);
  }
  for (std::uint16_t size = 0; size < bytes.key_size; ++size) {
    DtlsIdentityBytes cut = bytes;
    cut.key_size = size;
    EXPECT(DtlsIdentity::read(cut) == nullptr);
  }
  DtlsIdentityBytes longer = bytes;
  longer.key_size += 1;
  EXPECT(DtlsIdentity::read(longer) == nullptr);
}

TEST("without SRTP what one end writes the other reads, each datagram by itself, through a bad network; no keys come out") {
  World world(3, {.lose = 10, .twice = 20, .late = 20});
  static std::vector<Bytes> read[2];
  for (End& end : world.ends) end.words.data = true, end.words.suite_count = 0;
  world.begin();
  for (std::size_t i = 0; i < 2; ++i) {
    read[i].clear();
    world.ends[i].association->set_taker([](void* user, std::span<const std::uint8_t> datagram) {
      const End& end = *static_cast<End*>(user);
      read[&end == &end.world->ends[1]].push_back({datagram.begin(), datagram.end()});
    });
    EXPECT(!world.ends[i].association->write(Bytes(20, 1), world.now));
  }
  world.run(20'000);
  EXPECT(world.both(DtlsState::kSecured));
  DtlsMaster none[2];
  EXPECT(!world.ends[0].association->keys(none[0], none[1]));
  for (std::uint8_t number = 0; number < 200; ++number) {
    for (End& end : world.ends) EXPECT(end.association->write(Bytes(30u + number, number), world.now));
    world.run(20);
  }
  world.run(1'000);
  for (const std::vector<Bytes>& heard : read) {
    EXPECT(heard.size() > 150 && heard.size() <= 200);  // Some were lost, none came twice.
    std::vector<bool> seen(200);
    for (const Bytes& datagram : heard) {
      EXPECT(datagram == Bytes(30u + datagram[0], datagram[0]) && !seen[datagram[0]]);
      seen[datagram[0]] = true;
    }
  }
  EXPECT(!world.ends[0].association->write(Bytes(kDtlsDataBytes + 1, 1), world.now) && !world.ends[0].association->write({}, world.now));
  EXPECT(world.ends[0].longest <= kDtlsDatagramBytes && world.ends[1].longest <= kDtlsDatagramBytes);
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::size_t tries = read[1 - i].size() + 50, had = read[1 - i].size(); tries > 0 && read[1 - i].size() == had; --tries) {
      EXPECT(world.ends[i].association->write(Bytes(kDtlsDataBytes, 7), world.now));
      world.run(20);
    }
    EXPECT(read[1 - i].back() == Bytes(kDtlsDataBytes, 7) && world.ends[i].longest == kDtlsRecordBytes);
  }
  world.ends[0].association->close(world.now);
  EXPECT(!world.ends[0].association->write(Bytes(20, 1), world.now));
}

TEST("two honest ends have the same keys after two round trips, and each profile of ours can be it") {
  for (const Suite suite : kAll) {
    World world;
    World::suites(world.ends[1], {suite});
    world.begin();
    world.run(100);
    EXPECT(world.both(DtlsState::kSecured) && world.same_keys() && world.ends[0].association->suite() == suite);
    EXPECT(world.ends[0].longest <= kDtlsDatagramBytes && world.ends[1].longest <= kDtlsDatagramBytes);
    EXPECT(world.ends[0].association->deadline_ns(world.now) == ~0ull && world.pipe.empty());
  }
}

TEST("the passive end's order decides the profile") {
  World world;
  World::suites(world.ends[1], {Suite::kAeadAes256Gcm, Suite::kAesCm128HmacSha1_80});
  world.begin();
  world.run(100);
  EXPECT(world.ends[0].association->suite() == Suite::kAeadAes256Gcm);
}

TEST("no profile in common: it fails by name at the end that sees it, and no keys come out") {
  World world;
  World::suites(world.ends[0], {Suite::kAeadAes256Gcm});
  World::suites(world.ends[1], {Suite::kAesCm128HmacSha1_80});
  world.begin();
  world.run(1'000);
  DtlsMaster receive, send;
  for (const End& end : world.ends) {
    EXPECT(end.association->state() != DtlsState::kSecured && !end.association->keys(receive, send));
  }
}

TEST("another certificate than the signalled one ends the handshake, at either end, under each hash") {
  for (const FingerprintHash hash : {FingerprintHash::kSha256, FingerprintHash::kSha384, FingerprintHash::kSha512}) {
    for (const int deceived : {0, 1}) {
      for (const bool lie : {false, true}) {
        World world;
        End& end = world.ends[deceived];
        end.words.fingerprints[0] = fingerprint_of(world.ends[1 - deceived], hash);
        if (lie) end.words.fingerprints[0].value[size_of(hash) - 1] ^= 1;
        world.begin();
        world.run(1'000);
        EXPECT(lie ? end.association->state() == DtlsState::kFailed && end.association->wrong_peer()
                   : world.both(DtlsState::kSecured) && world.same_keys());
        EXPECT(!lie || world.ends[1 - deceived].association->state() != DtlsState::kSecured || deceived == 1);
      }
    }
  }
}

TEST("of several fingerprints those under the strongest hash count, and one of them is enough") {
  World world;
  End& end = world.ends[0];
  end.words.fingerprints = {fingerprint_of(world.ends[0], FingerprintHash::kSha256), fingerprint_of(world.ends[0], FingerprintHash::kSha512),
                            fingerprint_of(world.ends[1], FingerprintHash::kSha512)};
  end.words.fingerprint_count = 3;
  world.begin();
  world.run(100);
  EXPECT(world.both(DtlsState::kSecured));
  World weak;
  weak.ends[0].words.fingerprints = {fingerprint_of(weak.ends[1], FingerprintHash::kSha256), fingerprint_of(weak.ends[0], FingerprintHash::kSha384)};
  weak.ends[0].words.fingerprint_count = 2;
  weak.begin();
  weak.run(100);
  EXPECT(weak.ends[0].association->wrong_peer());
}

TEST("a bad network: lost, doubled and late datagrams, a hundred seeds; each handshake comes through with the same keys") {
  unsigned secured = 0;
  for (std::uint32_t seed = 0; seed < 100; ++seed) {
    World world(seed, {.lose = 20, .twice = 10, .late = 30});
    world.begin();
    world.run(40'000);
    // The end that spoke last cannot know that it was heard (RFC 6347 §4.2.4): what counts is that both hold the keys.
    secured += world.both(DtlsState::kSecured) && world.same_keys();
  }
  EXPECT(secured == 100);
}

TEST("a way that carries 600 bytes: the third attempt is cut small and comes through") {
  World world(1, {.longest = 600});
  world.begin();
  world.run(10'000);
  EXPECT(world.both(DtlsState::kSecured) && world.same_keys());
  EXPECT(world.ends[1].longest > 600);
}

TEST("a silent peer: ClientHellos at 0.4, 1.2, 2.8, 6 s and then every 4 s, and an end") {
  World world(1, {.lose = 100});
  world.begin();
  EXPECT(world.sent == 1);
  world.run(401);
  EXPECT(world.sent == 2);
  world.run(800);
  EXPECT(world.sent == 3);
  world.run(120'000);
  EXPECT(world.ends[0].association->state() == DtlsState::kFailed && world.sent < 16);
}

TEST("close_notify reaches the other end") {
  World world;
  world.begin();
  world.run(100);
  world.ends[0].association->close(world.now);
  world.run(100);
  EXPECT(world.both(DtlsState::kClosed));
}

TEST("after the handshake, records in the clear, a second ClientHello and noise change nothing") {
  World world;
  world.begin();
  const Bytes hello = world.pipe.front().bytes;
  world.run(100);
  std::mt19937 dice(3);
  DtlsMaster before[2], after[2];
  EXPECT(world.ends[1].association->keys(before[0], before[1]));
  const std::size_t sent = world.sent;
  world.ends[1].association->handle(hello, world.now);
  world.ends[1].association->handle(Bytes{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40}, world.now);
  for (int round = 0; round < 2'000; ++round) {
    Bytes noise(dice() % 200);
    for (std::uint8_t& byte : noise) byte = static_cast<std::uint8_t>(dice());
    if (!noise.empty()) noise[0] = static_cast<std::uint8_t>(20 + dice() % 44);
    if (noise.size() > 13 && round % 2) {
      const Bytes head{noise[0], 0xfe, 0xfd, 0, static_cast<std::uint8_t>(round % 3), 0, 0, 0, 0, 1, 0, 0, static_cast<std::uint8_t>(noise.size() - 13)};
      std::copy(head.begin(), head.end(), noise.begin());
    }
    world.ends[1].association->handle(noise, world.now);
  }
  EXPECT(world.ends[1].association->state() == DtlsState::kSecured && world.sent == sent);
  EXPECT(world.ends[1].association->keys(after[0], after[1]) && after[0].bytes == before[0].bytes);
}

TEST("noise in the middle of a handshake: what fails is this attempt alone, and memory stays whole") {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    World world(seed);
    world.begin();
    std::mt19937 dice(seed);
    Bytes hello = world.pipe.front().bytes;
    for (unsigned i = 1 + dice() % 6; i > 0; --i) hello[dice() % hello.size()] = static_cast<std::uint8_t>(dice());
    if (dice() % 4 == 0) hello.resize(dice() % hello.size());
    world.ends[1].association->handle(hello, world.now);
    EXPECT(world.ends[1].association->state() == DtlsState::kShaking || world.ends[1].association->state() == DtlsState::kFailed);
  }
}

int main(int count, char** words) { return check::run(count, words); }
