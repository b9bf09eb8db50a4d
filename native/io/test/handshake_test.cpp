/// Two hosts shake hands over loopback while pairs open and close: threads, lanes and their ends.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "../../shared/check.h"
#include "../address.h"
#include "../relay_host.h"

using namespace sallyport;
using namespace sallyport::io;

namespace {

constexpr std::uint32_t kPairs = 32;

relay::Ip loopback() {
  relay::Ip ip{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
  return ip;
}

/// Ports that nobody has just now.
std::vector<std::uint16_t> free_ports(std::size_t count) {
  std::vector<std::uint16_t> ports;
  std::vector<int> fds;
  while (ports.size() < count) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t size = sizeof address;
    EXPECT(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 && getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    ports.push_back(ntohs(address.sin_port));
    fds.push_back(fd);
  }
  for (const int fd : fds) close(fd);
  return ports;
}

class Box {
 public:
  explicit Box(std::size_t threads) : counters(kPairs * 2 * relay::kCounterStride) {
    HostOptions options;
    options.cores.assign(threads, 0);
    options.max_pairs = kPairs;
    options.port = PortChoice::kEpoll;
    options.counters = counters.data();
    options.notify = [](void* self) { static_cast<Box*>(self)->rung.store(true); };
    options.notify_data = this;
    host = std::make_unique<RelayHost>(options);
    EXPECT(host->problem().empty());
  }
  /// Until it was told `kind` so often since the last time.
  bool wait(relay::EventKind kind, std::size_t times) {
    for (int round = 0; round < 5'000; ++round) {
      HostEvent events[64];
      while (const std::size_t count = host->events(events)) {
        for (std::size_t i = 0; i < count; ++i) seen[static_cast<std::size_t>(events[i].kind)] += 1;
      }
      if (seen[static_cast<std::size_t>(kind)] >= times) {
        seen[static_cast<std::size_t>(kind)] -= times;
        return true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }

  std::vector<std::uint64_t> counters;
  std::atomic<bool> rung{false};
  std::size_t seen[16] = {};
  std::unique_ptr<RelayHost> host;
};

SideWords side(std::uint16_t local, std::uint16_t remote) {
  SideWords words;
  words.side.local = {loopback(), local, local, true};
  words.side.remote = {loopback(), remote, remote, true};
  return words;
}

SideWords shaking(const Box& peer, std::uint16_t local, std::uint16_t remote, bool active) {
  SideWords words = side(local, remote);
  words.dtls = {.present = true, .active = active};
  words.dtls.fingerprints[0] = peer.host->fingerprint();
  words.dtls.fingerprint_count = words.dtls.suite_count = 1;
  words.dtls.suites[0] = crypto::Suite::kAeadAes128Gcm;
  return words;
}

}  // namespace

TEST("thirty-two pairs on two packet threads shake hands, shake them again, and close; twice over") {
  Box a(2), b(2);
  for (int round = 0; round < 2; ++round) {
    const auto ports = free_ports(4 * kPairs);
    for (std::uint32_t pair = 0; pair < kPairs; ++pair) {
      const std::uint16_t* const at = &ports[pair * 4];
      SideWords passive = shaking(a, at[0], at[1], false), plain_b = side(at[2], 9), plain_a = side(at[3], 9);
      SideWords active = shaking(b, at[1], at[0], true);
      EXPECT(b.host->open(pair, relay::PairKind::kAudio, passive, plain_b));
      EXPECT(a.host->open(pair, relay::PairKind::kAudio, active, plain_a));
      a.host->wake();
      b.host->wake();
    }
    EXPECT(a.wait(relay::EventKind::kSecured, kPairs) && b.wait(relay::EventKind::kSecured, kPairs));
    for (std::uint32_t pair = 0; pair < kPairs; ++pair) {
      const std::uint16_t* const at = &ports[pair * 4];
      SideWords passive = shaking(a, at[0], at[1], false), active = shaking(b, at[1], at[0], true);
      for (SideWords* words : {&passive, &active}) words->dtls.tls_id[0] = 'x', words->dtls.tls_id_size = 1;
      EXPECT(b.host->change(pair, 0, relay::kChangeDtls, passive));
      EXPECT(a.host->change(pair, 0, relay::kChangeDtls, active));
      a.host->wake();
      b.host->wake();
    }
    EXPECT(a.wait(relay::EventKind::kSecured, kPairs) && b.wait(relay::EventKind::kSecured, kPairs));
    for (std::uint32_t pair = 0; pair < kPairs; ++pair) {
      EXPECT(a.host->close(pair) && b.host->close(pair));
    }
    a.host->wake();
    b.host->wake();
    EXPECT(a.wait(relay::EventKind::kClosed, kPairs) && b.wait(relay::EventKind::kClosed, kPairs));
  }
}

TEST("hosts that end in the middle of handshakes give back all they hold") {
  for (int round = 0; round < 10; ++round) {
    Box a(1), b(1);
    const auto ports = free_ports(4 * 8);
    for (std::uint32_t pair = 0; pair < 8; ++pair) {
      const std::uint16_t* const at = &ports[pair * 4];
      SideWords passive = shaking(a, at[0], at[1], false), plain_b = side(at[2], 9), plain_a = side(at[3], 9);
      SideWords active = shaking(b, at[1], at[0], true);
      EXPECT(b.host->open(pair, relay::PairKind::kAudio, passive, plain_b));
      EXPECT(a.host->open(pair, relay::PairKind::kAudio, active, plain_a));
      a.host->wake();
      b.host->wake();
    }
    std::this_thread::sleep_for(std::chrono::microseconds(500 * round));
    (round % 2 ? a : b).host->stop();
  }
}

int main(int count, char** words) { return check::run(count, words); }
