/* The kernel program, run by the kernel on frames of ours: BPF_PROG_TEST_RUN. Needs CAP_BPF and CAP_NET_ADMIN. */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "../../shared/check.h"
#include "../flow_words.h"
#include "../xdp_program.h"
#include "frames.h"

using namespace sallyport;
using frames::at;
using frames::Bytes;
using frames::Checksum;
using frames::Shape;
using Seen = frames::Seen;

namespace {

constexpr std::uint32_t kSlot = 3, kHop = 7;
constexpr int kWithoutPrivileges = 77;  // ctest counts it as skipped.
std::unique_ptr<io::XdpProgram> program;

/* One flow in the kernel. */
struct Flow {
  relay::FlowWords words;
  flow_key key;
  flow_entry entry;
  next_hop hop{{6, 6, 6, 6, 6, 6}, {5, 5, 5, 5, 5, 5}, {0, 0}, 1, 0, 1, 1'500};

  explicit Flow(bool in_v4 = true, bool out_v4 = true, bool skb_mode = false, std::uint16_t vlan = 0) {
    words.local = in_v4 ? at("10.0.0.1", 20'000) : at("2001:db8::1", 20'000);
    words.source = in_v4 ? at("10.0.0.2", 4'000) : at("2001:db8::2", 4'000);
    words.from = out_v4 ? at("192.0.2.1", 30'000) : at("2001:db8:1::1", 30'000);
    words.to = out_v4 ? at("192.0.2.99", 5'000) : at("2001:db8:1::99", 5'000);
    words.dscp = 46;
    words.ssrc = 0x11223344;
    words.highest = 0x10000;
    words.clock_hz = 8'000;
    entry = io::entry_of(words, skb_mode);
    key = io::key_of(words.local, vlan);
  }
  ~Flow() { program->remove_flow(key); }
  Flow(const Flow&) = delete;

  Flow& install() {
    entry.slot = kSlot;
    entry.hop = kHop;
    entry.generation += 1;
    *program->state(kSlot) = flow_state{};
    program->state(kSlot)->highest = words.highest;
    program->put_hop(kHop, hop);
    program->put_flow(key, entry);
    return *this;
  }
  Shape shape(Bytes payload) const { return {.from = words.source, .to = words.local, .payload = std::move(payload)}; }
  const flow_state& state() const { return *program->state(kSlot); }
};

struct Run {
  int action;
  Bytes frame;
};

Run run(const Bytes& in) {
  Run out{-1, Bytes(in.size() + 256)};
  // libbpf's options would be checked by its version; the call itself is simple enough.
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in.data(), .data_out = out.frame.data(),
              .data_size_in = static_cast<__u32>(in.size()), .data_size_out = static_cast<__u32>(out.frame.size()), .repeat = 1);
  if (bpf_prog_test_run_opts(program->program_fd(), &options) != 0) return out;
  out.action = static_cast<int>(options.retval);
  out.frame.resize(options.data_size_out);
  return out;
}
Run run(const Shape& shape) { return run(frames::frame_of(shape)); }

bool passes_untouched(const Shape& shape) {
  const Bytes in = frames::frame_of(shape);
  const Run out = run(in);
  return out.action == XDP_PASS && out.frame == in;
}

bool same(const endpoint& a, const endpoint& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

/* Interface 1 is `lo`, by which test runs arrive: so what is sent is sent back, and needs no device. */
bool sent(const Run& out) { return out.action == XDP_TX; }

}  // namespace

TEST("without an entry everything passes up untouched") {
  const Flow flow;
  EXPECT(passes_untouched(flow.shape(frames::rtp(1))));
}

TEST("RTP goes on with new headers between all address families, with right checksums, mark and hop limit") {
  for (const bool in_v4 : {true, false}) {
    for (const bool out_v4 : {true, false}) {
      for (const Checksum checksum : {Checksum::kFull, Checksum::kPartial, Checksum::kNone}) {
        if (!in_v4 && checksum == Checksum::kNone) continue;
        for (const std::size_t voice : {0, 1, 19, 20, 160, 161, 500, 1'400}) {
          Flow flow(in_v4, out_v4);
          flow.install();
          Shape shape = flow.shape(frames::rtp(1, voice));
          shape.checksum = checksum;
          const Run out = run(shape);
          const Seen seen = frames::read(out.frame);
          EXPECT(sent(out));
          EXPECT(seen.whole && seen.ip_sum_right && seen.udp_sum_right);
          EXPECT(seen.udp_sum_there == (checksum != Checksum::kNone || !out_v4));
          EXPECT(same(seen.from, flow.words.from) && same(seen.to, flow.words.to));
          EXPECT(seen.tos == 46 << 2 && seen.hop_limit == 64);
          EXPECT(seen.payload == shape.payload);
          EXPECT((seen.ethernet == Bytes{6, 6, 6, 6, 6, 6, 5, 5, 5, 5, 5, 5}) && seen.vlan == 0);
          EXPECT(flow.state().packets == 1 && flow.state().bytes == shape.payload.size());
        }
      }
    }
  }
}

TEST("a checksum that is wrong stays wrong: nobody vouches for a damaged packet") {
  Flow flow;
  flow.install();
  Shape shape = flow.shape(frames::rtp(1));
  shape.checksum = Checksum::kWrong;
  EXPECT(!frames::read(run(shape).frame).udp_sum_right);
}

TEST("as generic XDP, a checksum left to the card stays left to it, and one that only looks so is kept right") {
  for (const bool out_v4 : {true, false}) {
    Flow flow(true, out_v4, true);
    flow.install();
    Shape shape = flow.shape(frames::rtp(1));
    shape.checksum = Checksum::kPartial;
    const Seen left = frames::read(run(shape).frame);
    EXPECT(left.udp_checksum == frames::sum(nullptr, 0, frames::pseudo(left.from, left.to, left.payload.size() + 8)));

    // A payload whose sum is 0 makes a full checksum the complement of ports and length; one more word makes it look partial.
    shape.checksum = Checksum::kFull;
    bool found = false;
    for (std::uint32_t word = 0; word < 0x10000 && !found; ++word) {
      frames::put16(&shape.payload[12], word);
      const Bytes frame = frames::frame_of(shape);
      found = frames::get16(&frame[40]) == frames::sum(nullptr, 0, frames::pseudo(shape.from, shape.to, shape.payload.size() + 8));
    }
    EXPECT(found);
    EXPECT(frames::read(run(shape).frame).udp_sum_right);
  }
}

TEST("VLAN tags are part of where a packet arrives, and are put on, taken off and exchanged") {
  for (const std::uint16_t in : {0, 100}) {
    for (const std::uint16_t out_tag : {0, 7, 4'094}) {
      for (const bool v4 : {true, false}) {
        Flow flow(v4, v4, false, in);
        frames::put16(flow.hop.vlan, out_tag);
        flow.install();
        Shape shape = flow.shape(frames::rtp(1));
        shape.vlan = in == 0 ? 0 : static_cast<std::uint16_t>(0xa000 | in);  // A priority is no part of the name.
        const Run out = run(shape);
        const Seen seen = frames::read(out.frame);
        EXPECT(sent(out) && seen.whole && seen.ip_sum_right && seen.udp_sum_right && seen.vlan == out_tag);
        EXPECT(seen.payload == shape.payload);
        shape.vlan = in + 1;
        EXPECT(passes_untouched(shape));
      }
    }
  }
}

TEST("payload types are renumbered, and the checksum follows") {
  Flow flow;
  std::array<std::uint8_t, 128> types{};
  for (std::uint8_t i = 0; i < 128; ++i) types[i] = i;
  types[101] = 96;
  flow.words.renumber = &types;
  flow.entry = io::entry_of(flow.words, false);
  flow.install();
  const Seen seen = frames::read(run(flow.shape(frames::rtp(1, 160, 0x80 | 101))).frame);
  EXPECT(seen.udp_sum_right && seen.payload.at(1) == (0x80 | 96));
  EXPECT(frames::read(run(flow.shape(frames::rtp(2, 160, 8))).frame).payload.at(1) == 8);
}

TEST("what the wire added to a short frame goes no further") {
  Flow flow(false, true);
  flow.install();
  Shape shape = flow.shape(frames::rtp(1, 1));
  shape.pad_to = 120;
  const Run out = run(shape);
  EXPECT(sent(out) && frames::read(out.frame).whole);
}

TEST("strangers are dropped and counted; where the flow says so, they pass up") {
  Flow flow;
  flow.install();
  Shape other_port = flow.shape(frames::rtp(1)), other_ip = other_port;
  other_port.from = at("10.0.0.2", 4'001);
  other_ip.from = at("10.0.0.3", 4'000);
  EXPECT(run(other_port).action == XDP_DROP && run(other_ip).action == XDP_DROP);
  EXPECT(flow.state().strangers == 2 && flow.state().packets == 0);
  flow.entry.flags &= static_cast<__u8>(~FLOW_DROP_STRANGERS);
  flow.install();
  EXPECT(passes_untouched(other_port) && flow.state().strangers == 0);
}

TEST("all that is unexpected passes up untouched and is not counted as forwarded") {
  Flow flow;
  flow.words.up_types[1] = std::uint64_t{1} << (101 - 64);
  flow.entry = io::entry_of(flow.words, false);
  flow.install();
  const auto with = [&](auto change) {
    Shape shape = flow.shape(frames::rtp(1));
    change(shape);
    return shape;
  };
  EXPECT(passes_untouched(with([](Shape& s) { s.fragment = 0x2000; })));
  EXPECT(passes_untouched(with([](Shape& s) { s.fragment = 0x0010; })));
  EXPECT(passes_untouched(with([](Shape& s) { s.options = {1, 1, 1, 0}; })));
  EXPECT(passes_untouched(with([](Shape& s) { s.payload[0] = 0x40; })));   // Version 1.
  EXPECT(passes_untouched(with([](Shape& s) { s.payload[0] = 0x00; })));   // STUN, DTLS.
  EXPECT(passes_untouched(with([](Shape& s) { s.payload[1] = 200; })));    // RTCP.
  EXPECT(passes_untouched(with([](Shape& s) { s.payload[1] = 101; })));    // Somebody above wants to see it.
  EXPECT(passes_untouched(with([](Shape& s) { s.payload[8] ^= 1; })));     // Another SSRC.
  EXPECT(passes_untouched(with([](Shape& s) { s.payload.resize(11); })));  // No header.
  EXPECT(passes_untouched(with([](Shape& s) { s.payload.resize(13), s.payload[0] = 0x81; })));  // CSRC beyond the end.
  EXPECT(passes_untouched(with([](Shape& s) { s.payload[0] = 0xa0, s.payload.back() = 0; })));
  EXPECT(passes_untouched(with([](Shape& s) { s.payload[0] = 0xa0, s.payload.back() = 161; })));
  EXPECT(passes_untouched(with([](Shape& s) { s.payload[0] = 0x90, frames::put16(&s.payload[14], 100); })));
  EXPECT(passes_untouched(with([](Shape& s) { s.payload = frames::rtp(1, 1'461); })));  // Longer than may be.
  EXPECT(passes_untouched(with([](Shape& s) { s.payload = frames::rtp(5'000); })));     // A jump: the relay judges it.
  EXPECT(flow.state().packets == 0 && flow.state().up >= 10);
  // The same with what is right goes on.
  EXPECT(sent(run(with([](Shape& s) { s.payload[0] = 0xa0, s.payload.back() = 160; }))));
  EXPECT(sent(run(with([](Shape& s) { s.payload[0] = 0x90, frames::put16(&s.payload[14], 39); }))));
  EXPECT(sent(run(with([](Shape& s) { s.payload[0] = 0x8f; }))));
}

TEST("a packet that grows beyond the path's MTU, or has no next hop, passes up") {
  Flow flow(true, false);
  flow.install();
  EXPECT(passes_untouched(flow.shape(frames::rtp(1, 1'441))));
  EXPECT(sent(run(flow.shape(frames::rtp(1, 1'440)))));
  flow.hop.usable = 0;
  flow.install();
  EXPECT(passes_untouched(flow.shape(frames::rtp(1))));
}

TEST("sequence numbers are followed over 65535, late and doubled packets go on, and none moves the highest back") {
  Flow flow;
  flow.words.highest = 0x1fffe;
  flow.install();
  for (const int sequence : {0xffff, 0, 1, 1, 0xfff0, 2, 60}) EXPECT(sent(run(flow.shape(frames::rtp(static_cast<std::uint16_t>(sequence))))));
  EXPECT(flow.state().highest == 0x2003c && flow.state().packets == 7);
}

TEST("policing: so many packets in a window, the rest is dropped and counted") {
  Flow flow;
  flow.words.packets_per_second = 10;
  flow.entry = io::entry_of(flow.words, false);
  EXPECT(flow.entry.packets_per_window == 10);
  flow.install();
  int passed = 0;
  for (std::uint16_t i = 1; i <= 30; ++i) passed += sent(run(flow.shape(frames::rtp(i))));
  EXPECT(passed == 10 || passed == 20);  // A window may have ended just then.
  EXPECT(flow.state().policed == 30u - static_cast<unsigned>(passed));
}

TEST("a flow meant for AF_XDP passes up where no socket stands, and on a NIC that is not its own") {
  Flow flow;
  flow.entry.action = FLOW_TO_XSK;
  flow.entry.arrives_by = 1;
  flow.install();
  EXPECT(passes_untouched(flow.shape(frames::rtp(1))));
  flow.entry.arrives_by = 99;
  flow.install();
  EXPECT(passes_untouched(flow.shape(frames::rtp(1))));
}

TEST("a door is of one address and one port: its neighbours stay shut, and it is shut again behind the flow") {
  Flow flow;
  flow.install();
  for (const char* ip : {"10.0.0.1", "10.0.0.4"}) {
    for (const std::uint16_t port : {19'999, 20'000, 20'001}) {
      Shape shape = flow.shape(frames::rtp(1));
      shape.to = at(ip, port);
      const bool own = same(shape.to, flow.words.local);
      if (own) EXPECT(sent(run(shape)));
      else EXPECT(passes_untouched(shape));
    }
  }
  Flow odd;
  odd.words.local = at("10.0.0.1", 20'001);
  odd.entry = io::entry_of(odd.words, false);
  odd.key = io::key_of(odd.words.local, 0);
  odd.install();
  EXPECT(sent(run(odd.shape(frames::rtp(1)))));
  // The entry is the other flow's now: a door that still leads to it lets nothing through.
  EXPECT(passes_untouched(flow.shape(frames::rtp(2))));
  EXPECT(program->remove_flow(odd.key) && !program->remove_flow(odd.key));
  EXPECT(passes_untouched(odd.shape(frames::rtp(2))));
}

TEST("of more addresses than there are rows the last get none, until one of the first has no flow left") {
  std::vector<std::unique_ptr<Flow>> flows;
  const auto put = [&](std::uint32_t number) {
    flows.push_back(std::make_unique<Flow>());
    Flow& flow = *flows.back();
    flow.words.local = at(("10.1.0." + std::to_string(number)).c_str(), 20'000);
    flow.entry = io::entry_of(flow.words, false);
    flow.entry.generation = 1;
    flow.entry.slot = number;
    flow.key = io::key_of(flow.words.local, 0);
    return program->put_flow(flow.key, flow.entry);
  };
  for (std::uint32_t number = 0; number < FLOW_ADDRESSES; ++number) EXPECT(put(number));
  EXPECT(!put(FLOW_ADDRESSES));
  flows.erase(flows.begin() + 5);
  EXPECT(put(FLOW_ADDRESSES));
  Flow& last = *flows.back();
  last.entry.slot = kSlot;
  last.install();
  EXPECT(sent(run(last.shape(frames::rtp(1)))));
}

TEST("hostile bytes: whatever is changed or cut, a packet that goes on is whole and right") {
  Flow flow(true, false);
  flow.install();
  std::mt19937 dice(1);
  Bytes good = frames::frame_of(flow.shape(frames::rtp(1)));
  int forwarded = 0;
  for (int i = 0; i < 20'000; ++i) {
    Bytes bad = good;
    for (unsigned n = dice() % 4; n > 0; --n) bad[dice() % 62] = static_cast<std::uint8_t>(dice());
    if (dice() % 4 == 0) bad.resize(14 + dice() % (bad.size() - 13));
    program->state(kSlot)->highest = flow.words.highest;
    const Run out = run(bad);
    if (out.action == -1) continue;  // The kernel itself takes no frame so short.
    EXPECT(out.action == XDP_PASS || out.action == XDP_DROP || out.action == XDP_TX);
    if (out.action == XDP_PASS) EXPECT(out.frame == bad);
    if (out.action != XDP_TX) continue;
    const Seen seen = frames::read(out.frame);
    EXPECT(seen.whole && same(seen.from, flow.words.from) && same(seen.to, flow.words.to) && seen.hop_limit == 64);
    forwarded += 1;
  }
  EXPECT(forwarded > 1'000);
}

/* What people have thrown at other relays: payloads to begin with. */
std::vector<Bytes> seeds() {
  std::vector<Bytes> found = {frames::rtp(1), frames::rtp(1, 0), {0x80, 201, 0, 1, 1, 2, 3, 4}};
  std::error_code missing;
  const char* const folder = SALLYPORT_TESTDATA "/fuzz-seeds";
  for (auto at = std::filesystem::recursive_directory_iterator(folder, missing); !missing && at != std::filesystem::recursive_directory_iterator(); at.increment(missing)) {
    if (!at->is_regular_file() || at->file_size() > 1'400) continue;
    std::ifstream file(at->path(), std::ios::binary);
    found.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return found;
}

/* Frames of all families with payloads that are spoilt, and headers that are spoilt. What passes up is untouched; what goes
 * on is whole, bears our addresses, and has a right checksum if it came with one. */
void fuzz(int seconds) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::seconds(seconds);
  const std::vector<Bytes> payloads = seeds();
  std::random_device entropy;
  const unsigned seed = entropy();
  std::mt19937 dice(seed);
  std::uint64_t tried = 0, forwarded = 0;
  while (Clock::now() < end && check::failures == 0) {
    const std::uint16_t vlan = dice() % 3 == 0 ? 5 : 0;
    Flow flow(dice() % 2, dice() % 2, dice() % 2, vlan);
    flow.install();
    for (int i = 0; i < 500 && check::failures == 0; ++i, ++tried) {
      Shape shape = flow.shape(payloads[dice() % payloads.size()]);
      shape.vlan = vlan;
      if (shape.payload.size() >= 12 && dice() % 4 != 0) std::copy_n(frames::rtp(2).begin(), 12, shape.payload.begin());
      for (unsigned n = dice() % 3; n > 0 && !shape.payload.empty(); --n) shape.payload[dice() % shape.payload.size()] = static_cast<std::uint8_t>(dice());
      const bool clean = dice() % 2;
      Bytes frame = frames::frame_of(shape);
      for (unsigned n = clean ? 0 : dice() % 5; n > 0; --n) frame[dice() % std::min<std::size_t>(frame.size(), 80)] = static_cast<std::uint8_t>(dice());
      if (!clean && dice() % 3 == 0) frame.resize(14 + dice() % (frame.size() - 13));
      program->state(kSlot)->highest = flow.words.highest;
      const Run out = run(frame);
      if (out.action == -1) continue;
      EXPECT(out.action == XDP_PASS || out.action == XDP_DROP || out.action == XDP_TX);
      if (out.action == XDP_PASS) EXPECT(out.frame == frame);
      if (out.action != XDP_TX) continue;
      const Seen seen = frames::read(out.frame);
      EXPECT(seen.whole && seen.ip_sum_right && same(seen.from, flow.words.from) && same(seen.to, flow.words.to) && seen.hop_limit == 64);
      if (clean) EXPECT(seen.udp_sum_right && seen.payload == shape.payload);
      forwarded += 1;
    }
  }
  std::printf("kernel program: seed %u: %llu frames from %zu seeds, %llu forwarded, %d failed\n", seed, static_cast<unsigned long long>(tried),
              payloads.size(), static_cast<unsigned long long>(forwarded), check::failures);
}

int main(int count, char** words) {
  std::string why;
  program = io::XdpProgram::load(64, why);
  if (!program) {
    std::printf("skipped: the kernel does not take the program: %s\n", why.c_str());
    return geteuid() == 0 ? 1 : kWithoutPrivileges;
  }
  if (count == 3 && std::string(words[1]) == "--fuzz") {
    const std::string time = words[2];
    fuzz(std::stoi(time) * (time.back() == 'h' ? 3'600 : time.back() == 'm' ? 60 : 1));
    return check::failures != 0;
  }
  return check::run(count, words);
}
