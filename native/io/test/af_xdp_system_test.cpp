/// The box between two cables, its packets through AF_XDP rings, native and generic. What comes out is compared with what
/// the sockets make of the same frames, decrypted by libsrtp, and looked at by tshark.
#include <srtp2/srtp.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "../../shared/check.h"
#include "../af_xdp_headers.h"
#include "../af_xdp_parse.h"
#include "../relay_host.h"
#include "cables.h"

using namespace sallyport;
using namespace sallyport::io;
using namespace sallyport::io::test;

namespace {

enum class Path { kSocket, kNative, kGeneric };

struct TestHops final : HopFinder {
  std::uint32_t generation() const noexcept override { return moved.load(); }
  next_hop find(const endpoint&, const endpoint& to) noexcept override {
    const std::lock_guard lock(mutex);
    for (const auto& [ip, hop] : known) {
      if (std::memcmp(at(ip, 0).ip, to.ip, 16) == 0) return hop;
    }
    return {};
  }
  void learn(const std::string& ip, const next_hop& hop) {
    const std::lock_guard lock(mutex);
    known[ip] = hop;
    moved += 1;
  }
  void forget() {
    const std::lock_guard lock(mutex);
    known.clear();
    moved += 1;
  }
  std::mutex mutex;
  std::map<std::string, next_hop> known;
  std::atomic<std::uint32_t> moved{1};
};

constexpr std::uint16_t kFarPort = 40'000;

/// A box that is gone holds its ports a moment longer: io_uring lets go of sockets in its own time.
std::uint16_t next_port() {
  static std::uint16_t port = 20'000;
  return port += 2;
}

/// The box with one call: side 0 on the first cable, side 1 on the second.
struct Box {
  Box(Path path, Cable& first, Cable& second, unsigned queues = 1, PortChoice sockets = PortChoice::kAuto)
      : cables{&first, &second}, counters(8 * 2 * relay::kCounterStride) {
    HostOptions options;
    options.max_pairs = 8;
    options.counters = counters.data();
    options.port = sockets;
    if (path != Path::kSocket) {
      for (Cable* cable : cables) {
        for (std::uint32_t queue = 0; queue < queues; ++queue) options.rings.places.push_back({cable->interface(), queue});
        for (const bool six : {false, true}) hops.learn(cable->far_ip(six), cable->hop());
      }
      options.rings.hops = &hops;
    }
    host = std::make_unique<RelayHost>(options);
    EXPECT(host->problem().empty());
    if (path == Path::kSocket) return;
    for (Cable* cable : cables) redirects.push_back(std::make_unique<Redirect>(cable->interface(), path == Path::kGeneric));
    connect_rings();
  }
  void connect_rings() {
    EXPECT(host->ring_queues().size() == host_queues());
    for (const QueueFacts& queue : host->ring_queues()) {
      const bool second = queue.place.interface == cables[1]->interface();
      EXPECT(redirects[second]->good() && redirects[second]->put(queue.place.queue, queue.fd));
    }
  }
  std::size_t host_queues() const { return host->ring_queues().size(); }

  SideWords side(int which, bool six, std::uint8_t dscp) const {
    SideWords words;
    std::memcpy(words.side.local.ip.data(), at(cables[which]->box_ip(six), 0).ip, 16);
    std::memcpy(words.side.remote.ip.data(), at(cables[which]->far_ip(six), 0).ip, 16);
    words.side.local.rtp_port = words.side.local.rtcp_port = port;
    words.side.remote.rtp_port = words.side.remote.rtcp_port = kFarPort;
    words.side.local.known = words.side.remote.known = true;
    words.side.dscp = dscp;
    return words;
  }
  void open(std::uint32_t pair, SideWords a, SideWords b) {
    EXPECT(host->open(pair, relay::PairKind::kAudio, a, b));
    host->wake();
    HostEvent events[4];
    for (std::size_t i = 0, count = host->events(events); i < count; ++i) {
      EXPECT(events[i].kind != relay::EventKind::kFailed);
    }
  }
  std::uint64_t ring(RingCounter which) const { return host->ring_counter(which); }
  std::uint64_t counter(std::uint32_t side, relay::Counter which) const {
    return std::atomic_ref(const_cast<std::uint64_t&>(counters[side * relay::kCounterStride + which])).load();
  }

  Cable* cables[2];
  const std::uint16_t port = next_port();
  std::vector<std::uint64_t> counters;
  TestHops hops;
  std::vector<std::unique_ptr<Redirect>> redirects;
  std::unique_ptr<RelayHost> host;
};

/// What a phone at the far end of `cable` sends to the box.
Bytes frame_in(const Cable& cable, bool six, const Bytes& payload, std::uint16_t to_port, std::uint16_t from_port = kFarPort) {
  next_hop to_box = cable.hop();
  std::swap(to_box.destination, to_box.source);
  HeaderTemplate header;
  header.set(to_box, at(cable.far_ip(six), from_port), at(cable.box_ip(six), to_port), 0);
  Bytes frame(header.size() + payload.size());
  std::copy(payload.begin(), payload.end(), frame.begin() + header.size());
  header.write(frame.data() + header.size(), static_cast<std::uint32_t>(payload.size()));
  return frame;
}

Bytes payload_of(const Bytes& frame) {
  UdpFrame read;
  if (frame.empty() || parse_frame(frame.data(), static_cast<std::uint32_t>(frame.size()), true, read) != FrameFault::kNone) return {};
  return Bytes(frame.begin() + read.payload_at, frame.begin() + read.payload_at + read.payload_size);
}

Bytes rtp(std::uint32_t sequence, std::size_t payload = 160) {
  Bytes packet(12 + payload, 0x5a);
  packet[0] = 0x80;
  packet[1] = 8;
  packet[2] = static_cast<std::uint8_t>(sequence >> 8);
  packet[3] = static_cast<std::uint8_t>(sequence);
  const std::uint32_t timestamp = sequence * 160;
  for (int i = 0; i < 4; ++i) packet[static_cast<std::size_t>(4 + i)] = static_cast<std::uint8_t>(timestamp >> (24 - 8 * i));
  packet[11] = 7;
  return packet;
}

KeyWords key_words(crypto::Suite suite, std::uint8_t seed) {
  KeyWords key;
  const auto& about = crypto::facts(suite);
  key.present = true;
  key.suite = suite;
  key.master_size = std::size_t{about.master_key_bytes} + about.master_salt_bytes;
  for (std::size_t i = 0; i < key.master_size; ++i) key.master[i] = static_cast<std::uint8_t>(i * seed + 3);
  return key;
}

/// libsrtp as the other end, one direction.
struct Libsrtp {
  Libsrtp(const KeyWords& words, bool sends) : key(words) {
    srtp_policy_t policy{};
    if (key.suite == crypto::Suite::kAeadAes128Gcm) {
      srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
      srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
    } else {
      srtp_crypto_policy_set_rtp_default(&policy.rtp);
      srtp_crypto_policy_set_rtcp_default(&policy.rtcp);
    }
    policy.ssrc.type = sends ? ssrc_any_outbound : ssrc_any_inbound;
    policy.key = key.master.data();
    policy.window_size = 1'024;
    policy.allow_repeat_tx = 1;
    EXPECT(srtp_create(&session, &policy) == srtp_err_status_ok);
  }
  ~Libsrtp() { srtp_dealloc(session); }
  Libsrtp(const Libsrtp&) = delete;
  Bytes with(srtp_err_status_t (*what)(srtp_t, void*, int*), Bytes packet) {
    int size = static_cast<int>(packet.size());
    packet.resize(packet.size() + 64);
    if (what(session, packet.data(), &size) != srtp_err_status_ok) return {};
    packet.resize(static_cast<std::size_t>(size));
    return packet;
  }
  KeyWords key;
  srtp_t session = nullptr;
};

struct Kind {
  bool secure_in, secure_out;
};

/// Sequence numbers as a bad network brings them: over the wrap, one in a hundred lost, some twice, some late.
std::vector<std::uint32_t> bad_network(std::uint32_t first, std::uint32_t count) {
  std::mt19937 dice(7);
  std::vector<std::uint32_t> order;
  for (std::uint32_t sequence = first; sequence < first + count; ++sequence) {
    if (sequence != first && dice() % 100 == 0) continue;
    order.push_back(sequence);
    if (dice() % 50 == 0) order.push_back(sequence);
  }
  for (std::size_t i = 5; i + 5 < order.size(); ++i) {
    if (dice() % 20 == 0) std::swap(order[i], order[i + 1 + dice() % 4]);
  }
  return order;
}

/// The frames that come out of the second cable when these go into the first. `expected`: so many are waited for.
std::vector<Bytes> play(Box& box, const std::vector<Bytes>& frames, std::size_t expected = 0) {
  Cable& out = *box.cables[1];
  std::vector<Bytes> came;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    box.cables[0]->put(frames[i]);
    if (i % 16 == 15) {
      while (came.size() + 24 < i) {
        const Bytes frame = out.get(50);
        if (frame.empty()) break;
        came.push_back(frame);
      }
    }
  }
  for (;;) {
    const Bytes frame = out.get(came.size() < expected ? 5'000 : expected != 0 ? 10 : 300);
    if (frame.empty()) return came;
    came.push_back(frame);
  }
}

struct Played {
  std::vector<Bytes> payloads;
  std::vector<Bytes> frames;
};

Played play_call(Cable& first, Cable& second, Path path, bool six_in, bool six_out, Kind kind, crypto::Suite suite,
                 const std::vector<std::uint32_t>& order, std::size_t expected = 0) {
  Box box(path, first, second);
  SideWords a = box.side(0, six_in, 34), b = box.side(1, six_out, 46);
  const KeyWords in_key = key_words(suite, 5), out_key = key_words(suite, 11);
  if (kind.secure_in) a.rx = in_key;
  if (kind.secure_out) b.tx = out_key;
  box.open(0, a, b);
  Libsrtp sends(in_key, true);
  std::map<std::uint32_t, Bytes> packets;  // Encrypted in order, as a phone does; the network mixes them.
  for (std::uint32_t sequence = order.front(); sequence <= *std::ranges::max_element(order); ++sequence) {
    packets[sequence] = kind.secure_in ? sends.with(srtp_protect, rtp(sequence)) : rtp(sequence);
  }
  std::vector<Bytes> frames;
  for (const std::uint32_t sequence : order) frames.push_back(frame_in(first, six_in, packets[sequence], box.port));
  Played played;
  played.frames = play(box, frames, expected);
  for (const Bytes& frame : played.frames) played.payloads.push_back(payload_of(frame));
  if (path != Path::kSocket) {
    EXPECT(box.ring(kRing_received) == frames.size());
    EXPECT(box.ring(kRing_sent) == played.frames.size() && box.ring(kRing_bySocket) == 0 && box.ring(kRing_heldBack) == 0);
    EXPECT(box.ring(kRing_copied) == 0);
  }
  return played;
}

void write_pcap(const std::string& path, const std::vector<Bytes>& frames) {
  FILE* file = std::fopen(path.c_str(), "wb");
  const std::uint32_t head[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65'535, 1};
  std::fwrite(head, sizeof head, 1, file);
  std::uint32_t second = 1;
  for (const Bytes& frame : frames) {
    const auto size = static_cast<std::uint32_t>(frame.size());
    const std::uint32_t about[4] = {second++, 0, size, size};
    std::fwrite(about, sizeof about, 1, file);
    std::fwrite(frame.data(), frame.size(), 1, file);
  }
  std::fclose(file);
}

/// Lines of tshark about these frames: DSCP, hop limit, whether the sums hold.
std::vector<std::string> tshark(const std::vector<Bytes>& frames, bool six) {
  char path[] = "/tmp/sallyport-af-xdp-XXXXXX";
  close(mkstemp(path));
  write_pcap(path, frames);
  const std::string fields = six ? " -e ipv6.tclass.dscp -e ipv6.hlim -e udp.checksum.status" : " -e ip.dsfield.dscp -e ip.ttl -e udp.checksum.status -e ip.checksum.status";
  FILE* out = popen(("tshark -r " + std::string(path) + " -o udp.check_checksum:TRUE -o ip.check_checksum:TRUE -T fields" + fields + " 2>/dev/null").c_str(), "r");
  std::vector<std::string> lines;
  char line[256];
  while (std::fgets(line, sizeof line, out)) lines.emplace_back(line, std::strcspn(line, "\n"));
  pclose(out);
  unlink(path);
  return lines;
}

bool have_tshark() { return std::system("tshark --version >/dev/null 2>&1") == 0; }

const Path kRings[] = {Path::kNative, Path::kGeneric};

}  // namespace

TEST("rings give out what the sockets give out: IPv4 and IPv6, RTP and SRTP, lossy, doubled, mixed up, over the wrap") {
  const std::vector<std::uint32_t> order = bad_network(65'400, 300);
  Cable first("spax", 1), second("spay", 2);
  std::vector<Bytes> all[2];
  for (const bool six_in : {false, true}) {
    for (const bool six_out : {false, true}) {
      for (const Kind kind : {Kind{false, false}, Kind{false, true}, Kind{true, false}, Kind{true, true}}) {
        const crypto::Suite suite = six_in == six_out ? crypto::Suite::kAesCm128HmacSha1_80 : crypto::Suite::kAeadAes128Gcm;
        const Played sockets = play_call(first, second, Path::kSocket, six_in, six_out, kind, suite, order);
        EXPECT(sockets.payloads.size() > order.size() * 9 / 10);
        for (const Path path : kRings) {
          const Played rings = play_call(first, second, path, six_in, six_out, kind, suite, order, sockets.payloads.size());
          EXPECT(rings.payloads == sockets.payloads);
          all[six_out].insert(all[six_out].end(), rings.frames.begin(), rings.frames.end());
          if (!kind.secure_out) continue;
          Libsrtp hears(key_words(suite, 11), false);
          for (const Bytes& payload : rings.payloads) EXPECT(!hears.with(srtp_unprotect, payload).empty());
        }
      }
    }
  }
  for (const bool six : {false, true}) {
    if (!have_tshark()) continue;
    const auto lines = tshark(all[six], six);
    EXPECT(lines.size() == all[six].size());
    for (const std::string& line : lines) EXPECT(line == (six ? "46\t64\t1" : "46\t64\t1\t1"));
  }
}

int main(int count, char** words) {
  if (!enter_namespace()) return std::printf("not root: nothing was tested\n"), 0;
  srtp_init();
  return check::run(count, words);
}
