/// Packets through real sockets on loopback, both kinds of packet port. The other end of SRTP is libsrtp.
#include "phones.h"

using namespace phones;

TEST("DSCP of each side stands on the packets it gets, IPv4 and IPv6, and changes live") {
  for (const auto& [choice, late] : kWays) {
    Box box(choice, 16, late);
    Phone caller("::1"), callee("127.0.0.1");
    const std::uint16_t ports[2] = {free_port("::1"), free_port("127.0.0.1")};
    SideWords a = side(caller, ports[0], 34), b = side(callee, ports[1], 46);
    EXPECT(box.host->open(0, relay::PairKind::kAudio, a, b));
    box.host->wake();
    caller.send(rtp(1), ports[0]);
    EXPECT(callee.get() == rtp(1) && callee.traffic_class == 46 << 2);
    callee.send(rtp(2), ports[1]);
    EXPECT(caller.get() == rtp(2) && caller.traffic_class == 34 << 2);
    SideWords set;
    set.side.dscp = 10;
    EXPECT(box.host->change(0, 0, relay::kChangeDscp, set));
    box.host->wake();
    callee.send(rtp(3), ports[1]);
    EXPECT(caller.get() == rtp(3) && caller.traffic_class == 10 << 2);
  }
}

TEST("libsrtp understands what we encrypt and we what it does, every suite, RTP over a wrap and RTCP") {
  for (const PortChoice choice : kChoices) {
    for (const SuitePolicy& under_test : kSuites) {
      Box box(choice);
      Phone secure("127.0.0.1"), plain("127.0.0.1");
      const std::uint16_t ports[2] = {free_port("127.0.0.1"), free_port("127.0.0.1")};
      SideWords a = side(secure, ports[0]), b = side(plain, ports[1]);
      a.rx = key_words(under_test.suite, 5);
      a.tx = key_words(under_test.suite, 11);
      Libsrtp sends(a.rx, true);
      Libsrtp hears(a.tx, false);
      EXPECT(box.host->open(0, relay::PairKind::kAudio, a, b));
      box.host->wake();
      for (std::uint32_t sequence = 65'500; sequence < 65'600; ++sequence) {
        secure.send(sends.with(srtp_protect, rtp(sequence)), ports[0]);
        EXPECT(plain.get() == rtp(sequence));
        plain.send(rtp(sequence), ports[1]);
        const Bytes packet = secure.get();
        EXPECT(packet.size() > rtp(sequence).size());
        EXPECT(hears.with(srtp_unprotect, packet) == rtp(sequence));
      }
      secure.send(sends.with(srtp_protect_rtcp, kReport), ports[0]);
      EXPECT(plain.get() == kOurReport);
      plain.send(kReport, ports[1]);
      EXPECT(hears.with(srtp_unprotect_rtcp, secure.get()) == kOurReport);

      const Bytes twice = sends.with(srtp_protect, rtp(65'600));
      Bytes forged = sends.with(srtp_protect, rtp(65'601));
      forged.back() ^= 1;
      for (const Bytes& packet : {twice, twice, forged, rtp(65'602)}) secure.send(packet, ports[0]);
      secure.send(sends.with(srtp_protect, rtp(65'603)), ports[0]);
      EXPECT(plain.get() == rtp(65'600) && plain.get() == rtp(65'603) && plain.get(20).empty());
      box.close(0);
      EXPECT(box.counter(0, 0, relay::k_droppedReplay) == 1 && box.counter(0, 0, relay::k_droppedAuth) == 2);
      EXPECT(box.counter(0, 0, relay::k_packets) == 102 && box.counter(0, 0, relay::k_lost) == 2);
    }
  }
}

TEST("a packet that comes after a command is judged by it, though nobody has woken the thread yet") {
  for (const PortChoice choice : kChoices) {
    Box box(choice);
    Phone caller("127.0.0.1"), callee("127.0.0.1");
    const std::uint16_t ports[2] = {free_port("127.0.0.1"), free_port("127.0.0.1")};
    SideWords a = side(caller, ports[0]), b = side(callee, ports[1]), held;
    EXPECT(box.host->open(0, relay::PairKind::kAudio, a, b));
    box.host->wake();
    caller.send(rtp(1), ports[0]);
    EXPECT(callee.get() == rtp(1));
    held.side.receive = false;
    EXPECT(box.host->change(0, 0, relay::kChangeReceive, held));
    caller.send(rtp(2), ports[0]);
    EXPECT(callee.get(50).empty());
  }
}

TEST("new keys in mid-call: both are understood while packets may be on their way, and none is heard twice") {
  for (const PortChoice choice : kChoices) {
    Box box(choice);
    Phone secure("127.0.0.1"), plain("127.0.0.1");
    const std::uint16_t ports[2] = {free_port("127.0.0.1"), free_port("127.0.0.1")};
    SideWords a = side(secure, ports[0]), b = side(plain, ports[1]), set;
    a.rx = key_words(crypto::Suite::kAesCm128HmacSha1_80, 5);
    set.rx = key_words(crypto::Suite::kAeadAes256Gcm, 6);
    Libsrtp before(a.rx, true), after(set.rx, true);
    EXPECT(box.host->open(0, relay::PairKind::kAudio, a, b));
    box.host->wake();
    secure.send(before.with(srtp_protect, rtp(1)), ports[0]);
    EXPECT(plain.get() == rtp(1));
    EXPECT(box.host->change(0, 0, relay::kChangeRx, set));
    box.host->wake();
    Bytes heard;
    for (int attempt = 0; attempt < 100 && heard.empty(); ++attempt) {  // Until the packet thread has obeyed.
      secure.send(after.with(srtp_protect, rtp(100 + static_cast<std::uint32_t>(attempt))), ports[0]);
      heard = plain.get(20);
    }
    EXPECT(!heard.empty());
    const Bytes late = before.with(srtp_protect, rtp(2));
    secure.send(late, ports[0]);
    EXPECT(plain.get() == rtp(2));
    secure.send(late, ports[0]);
    EXPECT(plain.get(20).empty());
  }
}

TEST("packets too long for their tag are dropped, and the longest that fits passes") {
  for (const PortChoice choice : kChoices) {
    Box box(choice);
    Phone secure("127.0.0.1"), plain("127.0.0.1");
    const std::uint16_t ports[2] = {free_port("127.0.0.1"), free_port("127.0.0.1")};
    SideWords a = side(secure, ports[0]), b = side(plain, ports[1]);
    a.tx = key_words(crypto::Suite::kAeadAes128Gcm, 5);
    EXPECT(box.host->open(0, relay::PairKind::kVideo, a, b));
    box.host->wake();
    plain.send(rtp(1, 1'488), ports[1]);
    EXPECT(secure.get().size() == 1'500 + 16);
    for (const std::size_t payload : {2'030u, 2'040u, 9'000u, 60'000u}) plain.send(rtp(2, payload), ports[1]);
    plain.send(rtp(3), ports[1]);
    EXPECT(secure.get().size() == rtp(3).size() + 16);
  }
}

TEST("a burst of a thousand packets in sixteen calls arrives whole and in order") {
  for (const auto& [choice, late] : kWays) {
    Box box(choice, 16, late);
    std::vector<std::unique_ptr<Phone>> callers, callees;
    std::vector<std::uint16_t> ports;
    for (std::uint32_t pair = 0; pair < 16; ++pair) {
      callers.push_back(std::make_unique<Phone>("127.0.0.1"));
      callees.push_back(std::make_unique<Phone>("127.0.0.1"));
      ports.push_back(free_port("127.0.0.1"));
      SideWords a = side(*callers[pair], ports[pair]), b = side(*callees[pair], free_port("127.0.0.1"));
      EXPECT(box.host->open(pair, relay::PairKind::kAudio, a, b));
      box.host->wake();
    }
    for (std::uint32_t sequence = 0; sequence < 64; ++sequence) {
      for (std::uint32_t pair = 0; pair < 16; ++pair) callers[pair]->send(rtp(sequence), ports[pair]);
    }
    for (std::uint32_t pair = 0; pair < 16; ++pair) {
      for (std::uint32_t sequence = 0; sequence < 64; ++sequence) EXPECT(callees[pair]->get() == rtp(sequence));
    }
  }
}

TEST("a flow that has settled gets a socket of its own, and nobody can tell: strangers, a new mark, a new remote, the end") {
  for (const char* ip : {"127.0.0.1", "::1"}) {
    const std::size_t before = open_descriptors();
    {
      Box box(PortChoice::kIoUring);
      if (!box.host->problem().empty()) return;
      Phone caller(ip), callee(ip), stranger(ip), later(ip);
      const std::uint16_t caller_port = free_port(ip), callee_port = free_port(ip);
      SideWords from = side(caller, caller_port), to = side(callee, callee_port);
      box.host->open(0, relay::PairKind::kAudio, from, to);
      box.host->wake();
      std::uint32_t sequence = 0;
      const auto passes = [&](const Phone& out, std::uint16_t port, Phone& in) {
        sequence += 1;
        const Bytes packet = rtp(sequence);
        out.send(packet, port);
        return in.get() == packet;
      };
      const auto talk = [&](Phone& other, std::size_t packets) {
        for (std::size_t i = 0; i < packets; ++i) {
          if (!passes(caller, caller_port, other)) return EXPECT(!"to the callee"), static_cast<void>(std::fprintf(stderr, "at %zu\n", i));
          if (!passes(other, callee_port, caller)) return EXPECT(!"to the caller"), static_cast<void>(std::fprintf(stderr, "at %zu\n", i));
        }
      };
      talk(callee, 2);
      const std::size_t unsettled = open_descriptors();
      talk(callee, 2 * kSettledSends);
      EXPECT(open_descriptors() == unsettled + 2);

      stranger.send(rtp(9), caller_port);
      stranger.send(rtp(10), callee_port);
      talk(callee, 3);
      EXPECT(soon([&] { return box.counter(0, 0, relay::k_droppedStranger) == 1 && box.counter(0, 1, relay::k_droppedStranger) == 1; }));
      EXPECT(stranger.get(20).empty());

      SideWords marked;
      marked.side.dscp = 10;
      box.host->change(0, 0, relay::kChangeDscp, marked);
      box.host->wake();
      talk(callee, 2 * kSettledSends);
      EXPECT(caller.traffic_class == 10 << 2 && callee.traffic_class == 46 << 2);

      SideWords moved;
      moved.side.remote = {ip_of(ip), later.port, later.port, true};
      box.host->change(0, 1, relay::kChangeRemote, moved);
      box.host->wake();
      talk(later, 2 * kSettledSends);
      EXPECT(callee.get(20).empty());

      // Gone without a word: the kernel says "refused" once, and the flow goes on by its first socket.
      const std::uint16_t port = later.port;
      close(later.fd);
      const std::uint64_t before_gone = box.counter(0, 0, relay::k_packets);
      for (std::uint64_t i = 0; i < 4; ++i) {
        caller.send(rtp(5'000 + static_cast<std::uint32_t>(i)), caller_port);
        EXPECT(soon([&] { return box.counter(0, 0, relay::k_packets) == before_gone + i + 1; }));
        usleep(2'000);
      }
      later.fd = socket(std::strcmp(ip, "::1") ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
      endpoint local{};
      std::memcpy(local.ip, ip_of(ip).data(), 16);
      local.port[0] = static_cast<std::uint8_t>(port >> 8);
      local.port[1] = static_cast<std::uint8_t>(port);
      SocketAddress address;
      const socklen_t size = to_socket_address(local, address);
      EXPECT(bind(later.fd, &address.any, size) == 0);
      while (!later.get(50).empty()) {}  // The last of them may have left only now.
      talk(later, 2 * kSettledSends);
      box.close(0);
      EXPECT(open_descriptors() == unsettled - 2);
      Phone again(ip);
      SideWords third = side(caller, caller_port), fourth = side(again, callee_port);
      box.host->open(0, relay::PairKind::kAudio, third, fourth);
      box.host->wake();
      talk(again, 2);
    }
    EXPECT(open_descriptors() == before);
  }
}

TEST("stop in the middle of calls leaves no descriptor") {
  for (const PortChoice choice : kChoices) {
    Phone caller("127.0.0.1"), callee("127.0.0.1");
    const std::size_t before = open_descriptors();
    {
      Box box(choice);
      for (std::uint32_t pair = 0; pair < 8; ++pair) {
        SideWords a = side(caller, free_port("127.0.0.1")), b = side(callee, free_port("127.0.0.1"));
        a.tx = key_words(crypto::Suite::kAesCm128HmacSha1_80, 1);
        EXPECT(box.host->open(pair, relay::PairKind::kAudio, a, b));
        box.host->wake();
      }
    }
    EXPECT(open_descriptors() == before);
  }
}

int main(int count, char** words) { return check::run(count, words); }
