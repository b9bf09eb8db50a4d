/// Two hosts shake hands over loopback while pairs open and close: threads, lanes and their ends.
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
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

  /// The next event of that kind.
  HostEvent await(relay::EventKind kind) {
    for (int round = 0; round < 5'000; ++round) {
      HostEvent event;
      while (host->events({&event, 1}) == 1) {
        if (event.kind == kind) return event;
        seen[static_cast<std::size_t>(event.kind)] += 1;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    EXPECT(!"the event came");
    return {};
  }

  std::vector<std::uint64_t> counters;
  std::atomic<bool> rung{false};
  std::size_t seen[16] = {};
  std::unique_ptr<RelayHost> host;
};

/// A phone of loopback that sends voice to a port: where that pair's plain side waits for it.
class Wire {
 public:
  Wire(std::uint16_t own_port, std::uint16_t to) : to_(to), fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in own{.sin_family = AF_INET, .sin_port = htons(own_port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    EXPECT(bind(fd_, reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
  }
  ~Wire() { close(fd_); }
  void say(std::uint16_t sequence) const {
    std::uint8_t packet[172] = {0x80, 0, static_cast<std::uint8_t>(sequence >> 8), static_cast<std::uint8_t>(sequence), 0, 0, 0, 0, 0, 0, 0, 7};
    send(packet);
  }
  void send(std::span<const std::uint8_t> packet) const {
    const sockaddr_in there{.sin_family = AF_INET, .sin_port = htons(to_), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    sendto(fd_, packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&there), sizeof there);
  }
  /// Empty after ten seconds.
  std::vector<std::uint8_t> get() const {
    pollfd wanted{fd_, POLLIN, 0};
    if (poll(&wanted, 1, 10'000) != 1) return {};
    std::vector<std::uint8_t> packet(2'048);
    packet.resize(static_cast<std::size_t>(std::max<ssize_t>(recv(fd_, packet.data(), packet.size(), 0), 0)));
    return packet;
  }

 private:
  std::uint16_t to_;
  int fd_;
};

/// A fax machine whose records OpenSSL alone makes: it takes no limit of ours into account.
class ForeignFax {
 public:
  ForeignFax(std::uint16_t own_port, std::uint16_t to) : identity_(crypto::DtlsIdentity::create()), context_(SSL_CTX_new(DTLS_client_method())) {
    SSL_CTX_set_cipher_list(context_, "ECDHE-ECDSA-CHACHA20-POLY1305");  // Its records have the least head.
    SSL_CTX_use_certificate(context_, identity_->certificate());
    SSL_CTX_use_PrivateKey(context_, identity_->key());
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const sockaddr_in own{.sin_family = AF_INET, .sin_port = htons(own_port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    const sockaddr_in there{.sin_family = AF_INET, .sin_port = htons(to), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    EXPECT(bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
    EXPECT(connect(fd, reinterpret_cast<const sockaddr*>(&there), sizeof there) == 0);
    BIO* const bio = BIO_new_dgram(fd, BIO_CLOSE);
    BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, const_cast<sockaddr_in*>(&there));
    ssl_ = SSL_new(context_);
    SSL_set_bio(ssl_, bio, bio);
  }
  ~ForeignFax() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  crypto::Fingerprint fingerprint() const { return identity_->fingerprint(); }
  /// A flight that is lost goes again, after a second at first.
  bool shake() {
    for (int flight = 0; flight < 5; ++flight) {
      const int done = SSL_connect(ssl_);
      if (done == 1 || SSL_get_error(ssl_, done) != SSL_ERROR_WANT_READ) return done == 1;
      DTLSv1_handle_timeout(ssl_);
    }
    return false;
  }
  bool send(std::span<const std::uint8_t> datagram) { return SSL_write(ssl_, datagram.data(), static_cast<int>(datagram.size())) > 0; }
  /// Empty after ten seconds.
  std::vector<std::uint8_t> get() {
    pollfd wanted{SSL_get_fd(ssl_), POLLIN, 0};
    std::vector<std::uint8_t> datagram(2'048);
    if (poll(&wanted, 1, 10'000) != 1) return {};
    datagram.resize(static_cast<std::size_t>(std::max(SSL_read(ssl_, datagram.data(), static_cast<int>(datagram.size())), 0)));
    return datagram;
  }

 private:
  std::unique_ptr<crypto::DtlsIdentity> identity_;
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
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

TEST("a certificate that an association brings along is what the peer sees; another one is another association") {
  Box a(1), b(1);
  const auto ports = free_ports(4);
  const auto own = b.host->fresh_identity(), later = b.host->fresh_identity();
  EXPECT(own != nullptr && later != nullptr && own->fingerprint != later->fingerprint && own->fingerprint != b.host->fingerprint());
  const auto words = [&](const std::shared_ptr<const crypto::DtlsIdentityBytes>& shown, bool active) {
    SideWords made = active ? shaking(b, ports[1], ports[0], true) : shaking(a, ports[0], ports[1], false);
    if (active) made.dtls.fingerprints[0] = shown->fingerprint;  // Nobody else will do.
    else made.identity = shown;
    return made;
  };
  SideWords passive = words(own, false), active = words(own, true), plain_b = side(ports[2], 9), plain_a = side(ports[3], 9);
  EXPECT(b.host->open(0, relay::PairKind::kAudio, passive, plain_b) && a.host->open(0, relay::PairKind::kAudio, active, plain_a));
  const auto obey = [&] { a.host->wake(), b.host->wake(); };
  obey();
  EXPECT(a.wait(relay::EventKind::kSecured, 1) && b.wait(relay::EventKind::kSecured, 1));

  // The same again is the association that stands; with another certificate it is another one, though all else is equal.
  SideWords again = words(own, false), next = words(later, false), follows = words(later, true);
  EXPECT(b.host->change(0, 0, relay::kChangeDtls, again) && b.host->change(0, 0, relay::kChangeDtls, next));
  EXPECT(a.host->change(0, 0, relay::kChangeDtls, follows));
  obey();
  EXPECT(a.wait(relay::EventKind::kSecured, 1) && b.wait(relay::EventKind::kSecured, 1));
}

TEST("a certificate that is none fails its side, and no handshake begins") {
  Box a(1), b(1);
  const auto ports = free_ports(4);
  auto broken = std::make_shared<crypto::DtlsIdentityBytes>(*b.host->fresh_identity());
  broken->key[broken->key_size / 2u] ^= 1;
  SideWords passive = shaking(a, ports[0], ports[1], false), plain_b = side(ports[2], 9);
  passive.identity = broken;
  EXPECT(b.host->open(0, relay::PairKind::kAudio, passive, plain_b));
  b.host->wake();
  EXPECT(b.wait(relay::EventKind::kFailed, 1));
  EXPECT(b.host->close(0));
  b.host->wake();
  EXPECT(b.wait(relay::EventKind::kClosed, 1));
}

TEST("more certificates are asked for than lie ready: each is another one") {
  Box a(1);
  std::vector<crypto::Fingerprint> seen;
  for (std::size_t i = 0; i < 3 * kReadyIdentities; ++i) {
    const auto made = a.host->fresh_identity();
    EXPECT(made != nullptr);
    for (const crypto::Fingerprint& before : seen) EXPECT(before != made->fingerprint);
    seen.push_back(made->fingerprint);
  }
}

TEST("a pair with a handshake goes on in another host: no new one, the same voice, and without its keys or its state it is refused") {
  Box a(1), b(1), c(1);
  const auto ports = free_ports(5);
  const auto open = [&](Box& box, std::span<const std::uint8_t> state, const relay::HandshakeKeys& keys) {
    SideWords passive = shaking(a, ports[0], ports[1], false), plain = side(ports[2], 9);
    passive.handed = keys;
    EXPECT(box.host->open(0, relay::PairKind::kAudio, passive, plain, state));
    box.host->wake();
  };
  open(b, {}, {});
  SideWords active = shaking(b, ports[1], ports[0], true), plain = side(ports[3], ports[4]);
  EXPECT(a.host->open(0, relay::PairKind::kAudio, active, plain));
  a.host->wake();
  EXPECT(a.wait(relay::EventKind::kSecured, 1) && b.wait(relay::EventKind::kSecured, 1));
  EXPECT(b.host->save(0));
  b.host->wake();
  const HostEvent told = b.await(relay::EventKind::kExported);
  EXPECT(!told.state.empty() && told.keys != nullptr);
  if (told.keys == nullptr) return;
  const relay::HandshakeKeys keys = (*told.keys)[0];
  EXPECT(keys.done && !(*told.keys)[1].components[0].present);
  const auto refused = [&](std::span<const std::uint8_t> state, const relay::HandshakeKeys& handed) {
    open(c, state, handed);
    const std::string why = c.await(relay::EventKind::kFailed).reason;
    EXPECT(c.host->close(0) && c.wait(relay::EventKind::kClosed, 1));
    return why;
  };
  b.host->stop();
  EXPECT(refused({}, keys) == "keys of a handshake come with their state");
  EXPECT(refused(told.state, {}) == "the state is of other keys");
  relay::HandshakeKeys others = keys;
  others.components[0].send.bytes[3] ^= 1;
  EXPECT(refused(told.state, others) == "the state is of other keys");
  others = keys;
  others.components[0].receive.size -= 1;
  EXPECT(refused(told.state, others).find("not taken") != std::string::npos);

  open(c, told.state, keys);
  const std::uint64_t* const heard = &c.counters[relay::k_packets];
  Wire inside(ports[4], ports[3]);
  for (int round = 0; round < 500 && std::atomic_ref(const_cast<std::uint64_t&>(*heard)).load() < 20; ++round) {
    inside.say(static_cast<std::uint16_t>(round));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT(std::atomic_ref(const_cast<std::uint64_t&>(*heard)).load() >= 20);
  EXPECT(c.seen[static_cast<std::size_t>(relay::EventKind::kSecured)] == 0);
}

TEST("fax in records between two hosts on two packet threads, in the clear outside: each datagram arrives as it was sent") {
  Box a(2), b(2);
  const auto ports = free_ports(6);
  SideWords passive = shaking(a, ports[0], ports[1], false), plain_b = side(ports[2], ports[4]);
  SideWords active = shaking(b, ports[1], ports[0], true), plain_a = side(ports[3], ports[5]);
  EXPECT(b.host->open(1, relay::PairKind::kUdptl, passive, plain_b));  // At the second thread.
  EXPECT(a.host->open(1, relay::PairKind::kUdptl, active, plain_a));
  a.host->wake();
  b.host->wake();
  EXPECT(b.await(relay::EventKind::kSecured).records && a.await(relay::EventKind::kSecured).records);
  Wire near(ports[4], ports[2]), far(ports[5], ports[3]);
  for (std::uint8_t number = 1; number <= 50; ++number) {  // Within a burst: fax is slow.
    const std::vector<std::uint8_t> datagram(20u + number, number);
    for (const auto& [from, to] : {std::pair{&near, &far}, std::pair{&far, &near}}) {
      from->send(datagram);
      EXPECT(to->get() == datagram);
    }
  }
  EXPECT(a.host->close(1) && b.host->close(1));
  a.host->wake();
  b.host->wake();
  EXPECT(a.wait(relay::EventKind::kClosed, 1) && b.wait(relay::EventKind::kClosed, 1));
}

TEST("the longest fax fills a packet with its record, between sockets and threads, either way; a longer one is dropped, counted, and harms nothing") {
  Box box(1);
  const auto ports = free_ports(4);
  ForeignFax machine(ports[0], ports[1]);
  SideWords secure = shaking(box, ports[1], ports[0], false), plain = side(ports[2], ports[3]);
  secure.dtls.fingerprints[0] = machine.fingerprint();
  EXPECT(box.host->open(0, relay::PairKind::kUdptl, secure, plain));
  box.host->wake();
  EXPECT(machine.shake() && box.await(relay::EventKind::kSecured).records);
  Wire wire(ports[3], ports[2]);
  const auto bytes = [](std::size_t size) { return std::vector<std::uint8_t>(size, 5); };
  const auto count = [&box](std::size_t which) { return std::atomic_ref(box.counters[which]).load(); };

  for (const std::size_t size : {std::size_t{1'052}, std::size_t{1'053}, crypto::kDtlsDataBytes, crypto::kDtlsOpenedBytes}) {
    EXPECT(machine.send(bytes(size)));
    EXPECT(wire.get() == bytes(size));
  }
  for (const std::size_t size : {std::size_t{1'136}, std::size_t{1'137}, crypto::kDtlsDataBytes}) {
    wire.send(bytes(size));
    EXPECT(machine.get() == bytes(size));
  }

  for (const std::size_t size : {crypto::kDtlsOpenedBytes + 1, std::size_t{1'900}}) EXPECT(machine.send(bytes(size)));
  EXPECT(machine.send(bytes(30)) && wire.get() == bytes(30));
  EXPECT(count(relay::k_droppedMalformed) == 2);
  for (const std::size_t size : {crypto::kDtlsDataBytes + 1, std::size_t{1'900}}) wire.send(bytes(size));
  wire.send(bytes(31));
  EXPECT(machine.get() == bytes(31) && count(relay::kCounterStride + relay::k_droppedUnsent) == 2);
  EXPECT(box.host->close(0));
  box.host->wake();
  EXPECT(box.wait(relay::EventKind::kClosed, 1));
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
