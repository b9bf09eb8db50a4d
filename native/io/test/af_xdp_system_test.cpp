/// The box between two cables, its packets through AF_XDP rings, native and generic. What comes out is compared with what
/// the sockets make of the same frames, decrypted by libsrtp, and looked at by tshark.
#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "rings_box.h"
#include "srtp_end.h"
#include "tshark.h"

using namespace sallyport;
using namespace sallyport::io;
using namespace sallyport::io::test;
using namespace srtp_end;

namespace {

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

/// The frames that come out of the second cable when these go into the first: so many are waited for.
std::vector<Bytes> play(Box& box, const std::vector<Bytes>& frames, std::size_t expected) {
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
    const Bytes frame = out.get(came.size() < expected ? 10'000 : 10);
    if (frame.empty()) return came;
    came.push_back(frame);
  }
}

std::size_t packets_of(const std::vector<std::uint32_t>& order) { return std::set(order.begin(), order.end()).size(); }

struct Played {
  std::vector<Bytes> payloads;
  std::vector<Bytes> frames;
};

Played play_call(Cable& first, Cable& second, Path path, bool six_in, bool six_out, Kind kind, crypto::Suite suite,
                 const std::vector<std::uint32_t>& order) {
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
  // What came before is a replay where keys are, and no index is used twice.
  const bool once = kind.secure_in || kind.secure_out;
  played.frames = play(box, frames, once ? packets_of(order) : order.size());
  for (const Bytes& frame : played.frames) played.payloads.push_back(payload_of(frame));
  if (path != Path::kSocket) {
    EXPECT(box.ring(kRing_received) == frames.size());
    EXPECT(box.ring(kRing_sent) == played.frames.size() && box.ring(kRing_bySocket) == 0 && box.ring(kRing_heldBack) == 0);
    EXPECT(box.ring(kRing_copied) == 0);
  }
  return played;
}

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
          const Played rings = play_call(first, second, path, six_in, six_out, kind, suite, order);
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
    const auto lines = tshark(all[six]);
    EXPECT(lines.size() == all[six].size());
    for (const std::string& line : lines) EXPECT(line == (six ? " 46  64 1 " : "46  64  1 1"));
  }
}

TEST("a call that moves between sockets and rings with packets waiting in both loses none and mixes up none") {
  Cable first("spax", 1), second("spay", 2);
  for (const PortChoice sockets : {PortChoice::kIoUring, PortChoice::kEpoll}) {
    Box box(Path::kNative, first, second, 1, sockets);
    box.open(0, box.side(0, false, 0), box.side(1, true, 0));
    std::mt19937 dice(11);
    std::uint32_t put = 0, out = 0, mixed_up = 0;
    const auto pieces = [&](std::uint32_t count) {
      while (count-- != 0) first.put(frame_in(first, false, rtp(put++), box.port));
      // Within one poll the kernel itself lets redirected packets overtake those that pass up.
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    };
    bool by_ring = true;
    pieces(1);
    EXPECT(!second.get().empty());
    out = 1;
    for (int round = 0; round < 300; ++round) {
      {
        const std::lock_guard turn(box.ground.turn);
        pieces(dice() % 4);
        by_ring = !by_ring;
        box.ground.redirect(first, by_ring);
        if (dice() % 2) dice() % 2 ? box.ground.learn(second) : box.ground.forget();
        pieces(1 + dice() % 4);
      }
      for (; out < put; ++out) {
        const Bytes payload = payload_of(second.get());
        if (payload.size() != 172) break;
        mixed_up += static_cast<std::uint32_t>(payload[2] << 8 | payload[3]) != out;
      }
      if (out < put) break;
    }
    EXPECT(out == put && mixed_up == 0);
    for (const RingCounter which : {kRing_received, kRing_sent}) EXPECT(box.ring(which) > put / 4 && box.ring(which) < put * 3 / 4);
    EXPECT(box.ring(kRing_copied) > 100 && box.ring(kRing_heldBack) == 0);
  }
}

TEST("a packet longer than the way takes leaves by the socket, in its turn; strangers' and hostile frames are counted") {
  Cable first("spax", 1), second("spay", 2);
  Box box(Path::kNative, first, second);
  SideWords a = box.side(0, false, 0), b = box.side(1, false, 0);
  b.tx = key_words(crypto::Suite::kAeadAes128Gcm, 11);
  box.open(0, a, b);
  Libsrtp hears(key_words(crypto::Suite::kAeadAes128Gcm, 11), false);
  const std::vector<std::size_t> sizes = {160, 1'444, 160, 1'460, 160};  // 1,444 + 12 + 16 + 28: the MTU.
  std::uint32_t sequence = 0;
  for (const std::size_t size : sizes) first.put(frame_in(first, false, rtp(sequence++, size), box.port));
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT(hears.with(srtp_unprotect, payload_of(second.get())) == rtp(i, sizes[i]));
  // The fourth comes as two fragments: the kernel's business.
  EXPECT(!second.get().empty());
  EXPECT(!second.get(100).empty() || true);
  until([&] { return box.ring(kRing_received) == 5; });
  EXPECT(box.ring(kRing_bySocket) >= 1 && box.ring(kRing_bySocket) + box.ring(kRing_sent) == 5);

  Bytes spoilt = frame_in(first, false, rtp(9), box.port);
  spoilt[60] ^= 1;
  first.put(spoilt);
  Bytes lying = frame_in(first, false, rtp(9), box.port);
  lying[38] = 0x7f;
  first.put(lying);
  first.put(frame_in(first, false, rtp(9), static_cast<std::uint16_t>(box.port + 1'000)));
  first.put(frame_in(first, false, rtp(9), box.port, 999));
  until([&] { return box.counter(0, relay::k_droppedStranger) == 1; });
  EXPECT(box.ring(kRing_badChecksum) == 1 && box.ring(kRing_malformed) == 1 && box.ring(kRing_unknownFlow) == 1);
}

TEST("RTCP on a port of its own and a new mark take the rings as well; a closed call is dropped there") {
  Cable first("spax", 1), second("spay", 2);
  Box box(Path::kNative, first, second);
  SideWords a = box.side(0, true, 34), b = box.side(1, false, 46);
  for (SideWords* words : {&a, &b}) {
    words->side.local.rtcp_port += 1;
    words->side.remote.rtcp_port += 1;
    std::memcpy(words->side.cname.data(), "box", 3);
    words->side.cname_size = 3;
  }
  box.open(0, a, b);
  EXPECT(box.ground.carried == 4 || (until([&] { return box.ground.carried == 4; }), true));
  const Bytes report{0x80, 201, 0, 1, 0, 0, 0, 7, 0x81, 202, 0, 3, 0, 0, 0, 7, 1, 4, 'n', 'a', 'm', 'e', 0, 0};
  first.put(frame_in(first, true, report, static_cast<std::uint16_t>(box.port + 1), kFarPort + 1));
  const Bytes out = second.get();
  EXPECT(out.size() > 42 && (out[36] << 8 | out[37]) == kFarPort + 1 && (out[34] << 8 | out[35]) == box.port + 1);
  EXPECT(payload_of(out).size() == 24 && box.ring(kRing_sent) == 1);
  SideWords set;
  set.side.dscp = 10;
  EXPECT(box.host->change(0, 1, relay::kChangeDscp, set));
  box.host->wake();
  first.put(frame_in(first, true, rtp(1), box.port));
  const Bytes marked = second.get();
  EXPECT(marked.size() > 42 && marked[15] == 10 << 2 && box.ring(kRing_sent) == 2);
  box.host->close(0);
  box.host->wake();
  until([&] { return box.ground.carried == 0; });
  first.put(frame_in(first, true, rtp(2), box.port));
  until([&] { return box.ring(kRing_unknownFlow) == 1; });
}

TEST("a NIC that goes down and up, or away and is there again: its calls wait or take the sockets, the others go on") {
  auto first = std::make_unique<Cable>("spax", 1);
  auto second = std::make_unique<Cable>("spay", 2);
  Box box(Path::kNative, *first, *second);
  box.open(0, box.side(0, false, 0), box.side(1, false, 0));
  std::uint32_t sequence = 0;
  const auto passes = [&](Cable& from, Cable& to) {
    const Bytes packet = rtp(++sequence);
    from.put(frame_in(from, false, packet, box.port));
    return payload_of(to.get(10'000)) == packet;
  };
  EXPECT(passes(*first, *second) && passes(*second, *first));
  shell("ip link set spay0 down");
  for (int i = 0; i < 40; ++i) first->put(frame_in(*first, false, rtp(++sequence), box.port));
  until([&] { return box.ring(kRing_nicDown) > 0; });
  shell("ip link set spay0 up");
  shell("ip neigh replace 10.99.2.2 lladdr 02:00:00:00:99:22 dev spay0 nud permanent");
  first->put(frame_in(*first, false, rtp(++sequence), box.port));
  for (Bytes last; !(last = payload_of(second->get(2'000))).empty();) {}  // What had waited in the ring.
  EXPECT(passes(*first, *second) && passes(*second, *first));

  // Away: the other NIC's packets are still heard, and nothing of them is lost inside.
  const unsigned gone = second->interface();
  second.reset();
  for (int i = 0; i < 5; ++i) first->put(frame_in(*first, false, rtp(++sequence), box.port));
  until([&] { return box.host->ring_queues().size() == 1 || box.ring(kRing_nicDown) > 1; });
  box.ground.detach(gone);
  box.host->wake();
  until([&] { return box.host->ring_queues().size() == 1; });

  second = std::make_unique<Cable>("spay", 2);
  box.cables[1] = second.get();
  box.ground.attach(*second, false, 1);
  box.ground.learn(*second);
  until([&] { return first->put(frame_in(*first, false, rtp(++sequence), box.port)), box.host->ring_queues().size() == 2; });
  for (Bytes last; !(last = payload_of(second->get(1'000))).empty();) {}
  const std::uint64_t sent = box.ring(kRing_sent);
  for (int i = 0; i < 20; ++i) EXPECT(passes(*first, *second) && passes(*second, *first));
  EXPECT(box.ring(kRing_sent) == sent + 40);
}

int main(int count, char** words) {
  if (!enter_namespace()) return std::printf("not root: nothing was tested\n"), 0;
  return check::run(count, words);
}
