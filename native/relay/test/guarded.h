/// A box with its handshakes and a phone with DTLS, in virtual time.
#pragma once

#include <deque>

#include "../../crypto/dtls.h"
#include "../../shared/check.h"
#include "../handshakes.h"
#include "../pair_state.h"
#include "checks.h"
#include "world.h"

namespace sallyport::relay::test {

namespace crypto = sallyport::crypto;

struct Machine {
  std::unique_ptr<crypto::DtlsIdentity> identity = crypto::DtlsIdentity::create();
  std::unique_ptr<crypto::DtlsFactory> factory = crypto::DtlsFactory::create(*identity);
};
inline Machine& box_machine() {
  static Machine machine;
  return machine;
}
inline Machine& phone_machine() {
  static Machine machine;
  return machine;
}

inline crypto::DtlsWords words_toward(const Machine& peer, bool active) {
  crypto::DtlsWords words{.present = true, .active = active};
  words.fingerprints[0] = peer.identity->fingerprint();
  words.fingerprint_count = 1;
  words.suites = {crypto::Suite::kAeadAes128Gcm, crypto::Suite::kAesCm128HmacSha1_80};
  words.suite_count = 2;
  return words;
}

/// A datagram of handshakes on its way.
struct Letter {
  std::uint32_t flow;
  endpoint peer;
  Bytes bytes;
};

class Box : public HandshakeDoor, public HandshakeSink {
 public:
  Box() : handshakes(*box_machine().factory, *this) { world.relay.set_handshakes(this); }
  ~Box() {
    world.relay.close(0);
    for (const Event& event : world.events) {
      for (crypto::SrtpContext* context : event.contexts) crypto::SrtpContextPtr closed(context);
    }
  }

  /// Side 0 is the phone's, at 10.0.0.2; side 1 speaks plain RTP at 10.0.0.3.
  void open(const crypto::DtlsWords& words, LatchPolicy latch = LatchPolicy::kOff, bool ice = false, bool mux = true) {
    Side caller = world.side(2, latch);
    if (mux) caller.remote.rtcp_port = caller.remote.rtp_port, caller.local.rtcp_port = caller.local.rtp_port;
    if (ice) caller.ice = ice_words();
    caller.dtls = link(words, latch == LatchPolicy::kOff || ice, ice);
    world.relay.open(0, PairKind::kAudio, caller, world.side(3), world.now);
  }
  /// The same call, as another box had it.
  void resume(const PairState& state, const crypto::DtlsWords& words, bool ice = false, bool mux = true, bool active = false) {
    Side caller = world.side(2, LatchPolicy::kSignalled);
    if (mux) caller.remote.rtcp_port = caller.remote.rtp_port, caller.local.rtcp_port = caller.local.rtp_port;
    if (ice) caller.ice = ice_words();
    const SideState& saved = state.sides[0];
    const auto open = [this](const crypto::DtlsKeys& keys, bool receive) {
      const crypto::DtlsMaster& master = receive ? keys.receive : keys.send;
      return engine->open(receive ? crypto::Direction::kReceive : crypto::Direction::kSend, {.suite = keys.suite, .master = {master.bytes.data(), master.size}}).release();
    };
    if (saved.has_rx) {
      EXPECT(import_state(*(caller.rx = open(saved.keys.components[0], true)), saved.rx) && mark_of(*caller.rx) == saved.rx_mark);
      EXPECT(import_state(*(caller.tx = open(saved.keys.components[0], false)), saved.tx, kTakeoverGap) && mark_of(*caller.tx) == saved.tx_mark);
    }
    if (saved.has_rtcp_rx) {
      EXPECT(import_state(*(caller.dtls.rtcp_rx = open(saved.keys.components[1], true)), saved.rtcp_rx));
      EXPECT(import_state(*(caller.dtls.rtcp_tx = open(saved.keys.components[1], false)), saved.rtcp_tx, kTakeoverGap));
    }
    HandshakeWords order{.association = ++last, .first_flow = 0, .one_source = ice, .ice = ice, .words = words};
    if (saved.keys.done) order.done = {true, mux || saved.has_rtcp_rx};
    handshakes.open(order, world.now);
    caller.dtls.association = last;
    caller.dtls.active = active;
    world.relay.open(0, PairKind::kAudio, caller, world.side(3), world.now);
    world.relay.resume(0, state, 0x1357'9bdf, world.now);
  }
  /// By way of its bytes, and its keys beside them.
  PairState saved() const {
    PairState state, read_back;
    EXPECT(world.relay.save(0, state, world.now) == nullptr && read(written(state), read_back));
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT(!read_back.sides[i].keys.components[0].present && !read_back.sides[i].keys.done);
      read_back.sides[i].keys = state.sides[i].keys;
    }
    return read_back;
  }
  DtlsLink link(const crypto::DtlsWords& words, bool one_source, bool ice) {
    handshakes.open({.association = ++last, .first_flow = 0, .one_source = one_source, .ice = ice, .words = words}, world.now);
    return {.association = last, .active = words.active};
  }

  void arrived(std::uint32_t association, const Datagram& datagram) noexcept override {
    taken += 1;
    handshakes.arrived(association, datagram.flow, datagram.sender, {datagram.data, datagram.size}, world.now);
  }
  void reached(std::uint32_t association, std::uint32_t flow, const endpoint& to) noexcept override {
    handshakes.reached(association, flow, to, world.now);
  }
  bool leaves(std::uint32_t association, std::uint32_t flow, const Datagram& datagram) noexcept override {
    handshakes.leaves(association, flow, {datagram.data, datagram.size}, world.now);
    return true;
  }
  void data(std::uint32_t association, std::uint32_t flow, const endpoint& peer, std::span<const std::uint8_t> datagram) noexcept override {
    letter.assign(datagram.begin(), datagram.end());
    letter.resize(datagram.size() + 64);
    Datagram made{.flow = flow, .sender = peer, .data = letter.data(), .size = static_cast<std::uint32_t>(datagram.size()), .room = static_cast<std::uint32_t>(letter.size())};
    world.relay.opened(association, made, world.now);
    opened.push_back(made);
    opened.back().data = nullptr;
    if (made.verdict == Verdict::kForward) plain.push_back({made.out_flow, made.to, {made.data, made.data + made.size}});
  }
  void send(std::uint32_t association, std::uint32_t flow, const endpoint& to, std::span<const std::uint8_t> datagram) noexcept override {
    if (association != 0 && datagram.size() <= crypto::kDtlsRecordBytes) sent.push_back({flow, to, {datagram.begin(), datagram.end()}});
  }
  void secured(std::uint32_t association, std::uint32_t flow, const endpoint& peer, crypto::Suite suite,
               const crypto::DtlsMaster& receive, const crypto::DtlsMaster& send) noexcept override {
    if (receive.size == 0) return world.relay.secured({.association = association, .flow = flow, .peer = peer}, world.now);
    Secured made{.association = association, .flow = flow, .peer = peer, .suite = suite, .receive = receive, .send = send};
    made.rx = engine->open(crypto::Direction::kReceive, {.suite = suite, .master = {receive.bytes.data(), receive.size}}).release();
    made.tx = engine->open(crypto::Direction::kSend, {.suite = suite, .master = {send.bytes.data(), send.size}}).release();
    world.relay.secured(made, world.now);
  }
  void failed(std::uint32_t association, std::uint32_t flow, const char* reason) noexcept override {
    world.relay.handshake_failed(association, flow, reason);
  }

  std::size_t told(EventKind kind) const {
    return static_cast<std::size_t>(std::count_if(world.events.begin(), world.events.end(), [&](const Event& event) { return event.kind == kind; }));
  }
  Verdict give(std::uint32_t flow, const endpoint& from, const Bytes& packet) { return world.give(flow, from, packet).verdict; }

  std::unique_ptr<crypto::SrtpEngine> engine = crypto::SrtpEngine::create();
  World world{engine.get()};
  Handshakes handshakes;
  std::deque<Letter> sent;
  std::deque<Letter> plain;      ///< What came in records and goes on.
  std::vector<Datagram> opened;  ///< What became of each.
  Bytes letter;
  std::size_t taken = 0;
  std::uint32_t last = 0;
};

/// The other end of a side, at one address, toward one flow of the box.
struct Phone {
  Phone(Box& its_box, bool active, std::uint8_t ip = 2, std::uint16_t port = 5'000, std::uint32_t its_flow = 0, Machine& machine = phone_machine(),
        bool data = false)
      : its(&its_box), address(at(ip, port)), flow(its_flow) {
    crypto::DtlsWords words = words_toward(box_machine(), active);
    words.data = data;
    dtls = crypto::DtlsAssociation::create(*machine.factory, words,
                                           [](void* self, std::span<const std::uint8_t> datagram) {
                                             static_cast<Phone*>(self)->out.push_back({datagram.begin(), datagram.end()});
                                           },
                                           this);
    dtls->start(its->world.now);
  }

  /// Gives and takes until nobody has anything to say. Returns what Relay made of the last datagram.
  Verdict talk() {
    Verdict verdict = Verdict::kClosed;
    for (bool more = true; more;) {
      more = false;
      while (!out.empty()) {
        const Bytes datagram = out.front();
        out.pop_front();
        verdict = its->give(flow, address, datagram);
        more = true;
      }
      for (std::size_t i = its->sent.size(); i-- > 0;) {
        const Letter letter = its->sent.front();
        its->sent.pop_front();
        if (letter.flow != flow || !same(letter.peer, address)) {
          its->sent.push_back(letter);
          continue;
        }
        dtls->handle(letter.bytes, its->world.now);
        more = true;
      }
    }
    return verdict;
  }

  void make_contexts() {
    crypto::DtlsMaster receive, send;
    EXPECT(dtls->keys(receive, send));
    rx = its->engine->open(crypto::Direction::kReceive, {.suite = dtls->suite(), .master = {receive.bytes.data(), receive.size}});
    tx = its->engine->open(crypto::Direction::kSend, {.suite = dtls->suite(), .master = {send.bytes.data(), send.size}});
  }
  Bytes sealed(Bytes packet, bool rtcp = false) {
    crypto::SrtpJob job{.context = tx.get(), .size = static_cast<std::uint32_t>(packet.size()), .rtcp = rtcp};
    packet.resize(packet.size() + 64);
    job.data = packet.data();
    job.room = static_cast<std::uint32_t>(packet.size());
    its->engine->protect({&job, 1});
    packet.resize(job.size);
    return packet;
  }
  bool opens(const Datagram& datagram, bool rtcp = false) {
    Bytes packet(datagram.data, datagram.data + datagram.size);
    crypto::SrtpJob job{.context = rx.get(), .data = packet.data(), .size = datagram.size, .room = datagram.size, .rtcp = rtcp};
    its->engine->unprotect({&job, 1});
    return job.verdict == crypto::Verdict::kGood;
  }
  /// Voice both ways, by these keys.
  bool speaks(std::uint16_t sequence) {
    if (its->give(flow, address, sealed(rtp(sequence))) != Verdict::kForward) return false;
    const Datagram back = its->world.give(2, at(3, 5'000), rtp(sequence));
    return back.verdict == Verdict::kForward && same(back.to, address) && opens(back);
  }

  Box* its;  ///< Whom it talks to.
  endpoint address;
  std::uint32_t flow;
  std::unique_ptr<crypto::DtlsAssociation> dtls;
  std::deque<Bytes> out;
  crypto::SrtpContextPtr rx, tx;
};

inline const Bytes kReport{0x80, 201, 0, 1, 0, 0, 0, 7, 0x81, 202, 0, 3, 0, 0, 0, 7, 1, 4, 'n', 'a', 'm', 'e', 0, 0};

}  // namespace sallyport::relay::test
