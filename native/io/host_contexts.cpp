/// SRTP contexts of the host's words: opened, given what another box knew, closed.
#include <string.h>
#include <time.h>

#include <algorithm>
#include <iterator>

#include "relay_host.h"

namespace sallyport::io {
namespace {

using crypto::SrtpContextPtr;

void close_context(crypto::SrtpContext* context) noexcept { SrtpContextPtr closed(context); }

void wipe(KeyBytes& key) noexcept { explicit_bzero(key.master.data(), key.master.size()); }

void wipe_all(KeyWords& key) noexcept {
  wipe(key);
  for (KeyBytes& other : key.others) wipe(other);
  key.others.clear();
  key.present = false;
}

std::uint64_t unix_ns() noexcept {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

const char* RelayHost::open_contexts(SideWords& words, relay::PairKind kind, bool bundled) {
  const char* reason = nullptr;
  if (bundled) kind = relay::PairKind::kOther;
  for (const bool receive : {true, false}) {
    KeyWords& key = receive ? words.rx : words.tx;
    if (!key.present) continue;
    SrtpContextPtr made;
    if (engine_) {
      const SourcePlaces places = places_for(kind, receive);
      std::array<crypto::MasterKey, crypto::kMasterKeyLimit> more;
      const std::size_t others = std::min(key.others.size(), more.size());
      for (std::size_t i = 0; i < others; ++i) {
        const KeyBytes& other = key.others[i];
        more[i] = {{other.master.data(), other.master_size}, {other.mki.data(), other.mki_size}};
      }
      made = engine_->open(receive ? crypto::Direction::kReceive : crypto::Direction::kSend,
                           {.suite = key.suite, .master = {key.master.data(), key.master_size}, .mki = {key.mki.data(), key.mki_size},
                            .more = {more.data(), others}, .keeps_rollover = key.keeps_rollover, .lifetime_packets = key.lifetime_packets,
                            .streams = places.streams, .retired = places.retired});
    }
    if (!made) reason = "the key was not taken: wrong length, or no cipher machine on this CPU";
    (receive ? words.side.rx : words.side.tx) = made.release();
    wipe_all(key);
  }
  return reason;
}

/// Of a handshake that another box has made.
const char* RelayHost::open_handed(SideWords& words, relay::PairKind kind, bool bundled) {
  if (bundled) kind = relay::PairKind::kOther;
  for (std::size_t i = 0; i < words.handed.components.size(); ++i) {
    const crypto::DtlsKeys& keys = words.handed.components[i];
    if (!keys.present) continue;
    for (const bool receive : {true, false}) {
      const crypto::DtlsMaster& master = receive ? keys.receive : keys.send;
      const SourcePlaces places = places_for(kind, receive);
      SrtpContextPtr made;
      if (engine_) {
        made = engine_->open(receive ? crypto::Direction::kReceive : crypto::Direction::kSend,
                             {.suite = keys.suite, .master = {master.bytes.data(), master.size}, .streams = places.streams, .retired = places.retired});
      }
      if (!made) return "the key was not taken: wrong length, or no cipher machine on this CPU";
      relay::Side& side = words.side;
      (i == 0 ? (receive ? side.rx : side.tx) : (receive ? side.dtls.rtcp_rx : side.dtls.rtcp_tx)) = made.release();
    }
  }
  return nullptr;
}

/// Gives the fresh contexts what the state says of them. Not null: why it is refused; the contexts are of no use then.
const char* RelayHost::resume(std::span<const std::uint8_t> bytes, relay::PairKind kind, std::uint32_t pair, const SideWords* const (&sides)[2],
                              std::unique_ptr<relay::PairState>& state) {
  state = std::make_unique<relay::PairState>();
  if (!relay::read(bytes, *state)) return "the state is not whole, or of another version";
  if (state->kind != kind) return "the state is of another kind of stream";
  const std::uint64_t now_ns = unix_ns();
  if (state->made_unix_ns > now_ns + relay::kStateLifeNs || state->made_unix_ns + relay::kStateLifeNs < now_ns) return "the state is too old";
  for (std::size_t i = 0; i < 2; ++i) {
    relay::SideState& saved = state->sides[i];
    const relay::Side& side = sides[i]->side;
    const bool shares = side.bundle.present && side.bundle.pair != pair;
    if (saved.ice != side.ice.present || saved.dtls != sides[i]->dtls.present || saved.bundled != side.bundle.present || saved.shares != shares) {
      return "the state is of another way to the peer";
    }
    const auto take = [](crypto::SrtpContext* context, bool has, const crypto::KeyMark& mark, const crypto::SrtpState& from, bool sends) {
      if (has != (context != nullptr) || (has && mark != crypto::mark_of(*context))) return "the state is of other keys";
      if (has && !import_state(*context, from, sends ? relay::kTakeoverGap : crypto::SrtpGap{})) return "the state of a key is not sound";
      return static_cast<const char*>(nullptr);
    };
    const char* reason = take(side.rx, saved.has_rx, saved.rx_mark, saved.rx, false);
    if (reason == nullptr) reason = take(side.tx, saved.has_tx, saved.tx_mark, saved.tx, true);
    if (reason == nullptr) reason = take(side.dtls.rtcp_rx, saved.has_rtcp_rx, saved.rtcp_rx_mark, saved.rtcp_rx, false);
    if (reason == nullptr) reason = take(side.dtls.rtcp_tx, saved.has_rtcp_tx, saved.rtcp_tx_mark, saved.rtcp_tx, true);
    if (reason != nullptr) return reason;
    saved.keys = sides[i]->handed;
  }
  return nullptr;
}

void RelayHost::close_contexts(const relay::Side& side) noexcept {
  close_context(side.rx);
  close_context(side.tx);
  close_context(side.dtls.rtcp_rx);
  close_context(side.dtls.rtcp_tx);
}

}  // namespace sallyport::io
