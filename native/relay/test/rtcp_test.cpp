#include "../rtcp.h"

#include <random>
#include <vector>

#include "../../shared/check.h"

using namespace sallyport::relay;
using Bytes = std::vector<std::uint8_t>;

namespace {

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Bytes block(std::uint8_t count, std::uint8_t type, const Bytes& body) {
  const auto words = static_cast<std::uint8_t>(body.size() / 4);
  return Bytes{static_cast<std::uint8_t>(0x80 | count), type, 0, words} + body;
}

Bytes text(std::uint8_t item, std::string_view value) {
  return Bytes{item, static_cast<std::uint8_t>(value.size())} + Bytes(value.begin(), value.end());
}

Bytes chunk(std::uint8_t ssrc, Bytes items) {
  Bytes made = Bytes{0, 0, 0, ssrc} + items;
  do made.push_back(0);
  while (made.size() % 4 != 0);
  return made;
}

const Bytes kReport = block(0, 201, {0, 0, 0, 7});

Bytes rewritten(const Bytes& compound, std::string_view cname = "box") {
  Bytes out(kRtcpBytes);
  out.resize(rewrite_rtcp(compound, cname, std::span<std::uint8_t, kRtcpBytes>(out)));
  return out;
}

bool has(const Bytes& bytes, std::string_view word) {
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()).find(word) != std::string_view::npos;
}

}  // namespace

TEST("reports, feedback and extended reports pass as they are") {
  const Bytes sender = block(1, 200, Bytes(24 + 24, 5));
  const Bytes nack = block(1, 205, Bytes(12, 6));
  const Bytes pli = block(1, 206, Bytes(8, 7));
  const Bytes extended = block(0, 207, {0, 0, 0, 7, 4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8});
  const Bytes compound = sender + kReport + nack + pli + extended;
  EXPECT(rtcp_fits(compound));
  EXPECT(rewritten(compound) == compound);
}

TEST("CNAME becomes ours; NAME, EMAIL, PHONE, LOC, TOOL, NOTE and PRIV do not cross") {
  Bytes items = text(1, "alice@10.0.0.7");
  for (std::uint8_t item = 2; item <= 8; ++item) items = items + text(item, "secret of the house");
  const Bytes compound = kReport + block(1, 202, chunk(7, items));
  EXPECT(rtcp_fits(compound));
  EXPECT(rewritten(compound) == kReport + block(1, 202, chunk(7, text(1, "box"))));
}

TEST("each source of a description keeps its place, with and without a CNAME") {
  const Bytes compound = kReport + block(2, 202, chunk(7, text(2, "Bob")) + chunk(9, text(1, "bob")));
  EXPECT(rewritten(compound) == kReport + block(2, 202, chunk(7, {}) + chunk(9, text(1, "box"))));
}

TEST("a CNAME of any length leaves a well-formed description") {
  for (std::size_t size = 0; size <= 64; ++size) {
    const std::string cname(size, 'c');
    const Bytes made = rewritten(kReport + block(1, 202, chunk(7, text(1, "a"))), cname);
    EXPECT(rtcp_fits(made));
    EXPECT(made == kReport + block(1, 202, chunk(7, text(1, cname))));
  }
}

TEST("BYE passes without its reason, APP and unknown types do not") {
  const Bytes bye = block(1, 203, Bytes{0, 0, 0, 7} + text(7, "sip:al") + Bytes{0, 0, 0, 0});
  const Bytes app = block(0, 204, {0, 0, 0, 7, 'n', 'a', 'm', 'e'});
  const Bytes unknown = block(0, 211, {0, 0, 0, 7, 1, 2, 3, 4});
  const Bytes compound = kReport + bye + app + unknown;
  EXPECT(rtcp_fits(compound));
  EXPECT(rewritten(compound) == kReport + block(1, 203, {0, 0, 0, 7}));
  EXPECT(!has(rewritten(compound), "sip"));
  EXPECT(rewritten(app).empty());
}

TEST("padding at the end is taken off; anywhere else it is a lie") {
  Bytes padded = block(0, 201, {0, 0, 0, 7, 0, 0, 0, 4});
  padded[0] |= 0x20;
  EXPECT(rtcp_fits(padded));
  EXPECT(rewritten(padded) == kReport);
  EXPECT(!rtcp_fits(padded + kReport));
  for (const std::uint8_t count : {0, 3, 12, 255}) {
    padded.back() = count;
    EXPECT(!rtcp_fits(padded));
  }
}

TEST("short and lying packets do not fit") {
  const Bytes lies[] = {
      {},
      {0x80},
      {0x80, 200, 0, 0},                                      // Nothing behind the header.
      block(0, 200, Bytes(20, 0)),                            // A sender report without its sender info.
      block(2, 201, Bytes(4 + 24, 0)),                        // Says two report blocks, has one.
      block(2, 203, Bytes(4, 0)),                             // Says two sources.
      block(1, 202, {0, 0, 0, 7, 1, 9, 'a', 'b'}),            // An item beyond its block.
      block(1, 202, {0, 0, 0, 7, 1, 2, 'a', 'b'}),            // A chunk without its null.
      block(2, 202, chunk(7, text(1, "a"))),                  // Says two chunks.
      block(0, 205, Bytes(4, 0)),                             // Feedback without a media source.
      block(0, 207, {0, 0, 0, 7, 4, 0, 0, 9, 1, 2, 3, 4}),    // An extended block beyond the packet.
      kReport + Bytes{0x80, 201, 0},                          // Crumbs.
      kReport + Bytes{0x40, 201, 0, 0},                       // Version 1.
      {0x80, 201, 0xff, 0xff, 0, 0, 0, 7},
  };
  for (const Bytes& lie : lies) EXPECT(!rtcp_fits(lie));
}

TEST("no bytes are read beyond, and what fits is rewritten to what fits, whatever the bytes") {
  std::mt19937 dice(1);
  int fitting = 0;
  for (int round = 0; round < 300'000; ++round) {
    Bytes compound = kReport + block(1, 202, chunk(7, text(1, "alice") + text(2, "A"))) + block(1, 203, {0, 0, 0, 7});
    if (round % 3 == 0) compound = compound + block(1, 200, Bytes(48, 1)) + block(0, 207, {0, 0, 0, 7, 4, 0, 0, 1, 1, 2, 3, 4});
    for (unsigned i = dice() % 4; i > 0; --i) compound[dice() % compound.size()] = static_cast<std::uint8_t>(dice());
    compound.resize(compound.size() - (dice() % 3 == 0 ? dice() % compound.size() : 0));
    const Bytes exact(compound.begin(), compound.end());  // No spare room behind: a sanitizer sees the first byte too many.
    if (!rtcp_fits(exact)) continue;
    fitting += 1;
    const Bytes made = rewritten(exact);
    EXPECT(made.empty() || rtcp_fits(made) || made.size() < 8);
    // A description that dice have relabelled as feedback or an extended report passes as such.
    bool free_form = false;
    for (std::size_t at = 0; at < made.size(); at += (std::size_t{made[at + 2]} * 256 + made[at + 3] + 1) * 4) free_form |= made[at + 1] >= 205;
    EXPECT(free_form || !has(made, "alice"));
  }
  EXPECT(fitting > 10'000);
}

TEST("a compound that would outgrow the limit loses what does not fit, and stays whole") {
  Bytes compound;
  for (int i = 0; i < 29; ++i) compound = compound + block(1, 202, chunk(7, text(1, "a")));
  const Bytes made = rewritten(compound, std::string(64, 'c'));
  EXPECT(!made.empty() && made.size() <= kRtcpBytes);
  EXPECT(rtcp_fits(made));
}
