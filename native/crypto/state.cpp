/// Export and import of what a context knows, for a box that stands by.
#include <algorithm>
#include <cstring>

#include "crypto/context.h"
#include "crypto/packet_index.h"

namespace sallyport::crypto {
namespace {

SrtpStreamState exported(const Stream& stream) noexcept {
  SrtpStreamState state{};
  state.ssrc = stream.ssrc;
  state.has_rtp = stream.has_rtp;
  state.has_rtcp = stream.has_rtcp;
  state.rtp_highest = stream.rtp_highest;
  state.rtcp_highest = stream.rtcp_highest;
  state.last_used = stream.last_used;
  std::copy(std::begin(stream.rtp_window.words), std::end(stream.rtp_window.words), state.rtp_window);
  std::copy(std::begin(stream.rtcp_window.words), std::end(stream.rtcp_window.words), state.rtcp_window);
  return state;
}

SrtpStreamState exported(const Retired& retired) noexcept {
  SrtpStreamState state{};
  state.ssrc = retired.ssrc;
  state.has_rtp = retired.has_rtp;
  state.has_rtcp = retired.has_rtcp;
  state.retired = 1;
  state.noted = retired.noted;
  state.rtp_highest = retired.rtp_highest;
  state.rtcp_highest = retired.rtcp_highest;
  return state;
}

/// CRC-32 (IEEE 802.3), bit by bit: a state is made seldom. It finds accidents; who can forge a state holds the keys.
std::uint32_t checksum_of(const SrtpState& state) noexcept {
  SrtpState bare = state;
  bare.checksum = 0;
  std::uint32_t sum = ~0u;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&bare);
  for (std::size_t i = 0; i < sizeof bare; ++i) {
    sum ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (0xedb8'8320u & (0u - (sum & 1)));
  }
  return ~sum;
}

/// Each source once, no index out of its range, no more sources than there are places.
bool acceptable(const SrtpContext& context, const SrtpState& state) noexcept {
  if (state.version != SrtpState::kVersion || state.checksum != checksum_of(state)) return false;
  if (state.suite != context.suite || state.direction != context.direction) return false;
  if (context.direction == Direction::kSend && state.rtp_packets > context.lifetime_packets) return false;
  if (state.stream_count > std::size(state.streams)) return false;

  std::size_t live = 0;
  for (std::size_t i = 0; i < state.stream_count; ++i) {
    const auto& stream = state.streams[i];
    if (stream.rtp_highest >= kRtpIndexLimit || stream.rtcp_highest >= kRtcpLifetimePackets) return false;
    if (!stream.retired) live += 1;
    for (std::size_t j = 0; j < i; ++j) {
      if (state.streams[j].ssrc == stream.ssrc) return false;
    }
  }
  return live <= context.stream_limit && state.stream_count - live <= context.retired_limit;
}

void take(Stream& stream, const SrtpStreamState& state) noexcept {
  stream.ssrc = state.ssrc;
  stream.last_used = state.last_used;
  stream.has_rtp = state.has_rtp != 0;
  stream.has_rtcp = state.has_rtcp != 0;
  stream.rtp_highest = state.rtp_highest;
  stream.rtcp_highest = state.rtcp_highest;
  std::copy(std::begin(state.rtp_window), std::end(state.rtp_window), stream.rtp_window.words);
  std::copy(std::begin(state.rtcp_window), std::end(state.rtcp_window), stream.rtcp_window.words);
}

/// The other box has sent on since: what it may have used is used.
void skip_sent(Stream& stream, const SrtpGap& gap) noexcept {
  stream.rtp_window.close();
  stream.rtcp_window.close();
  if (stream.has_rtp) stream.rtp_highest += std::min<std::uint64_t>(gap.rtp, kRtpIndexLimit - 1 - stream.rtp_highest);
  if (gap.rtcp == 0) return;
  stream.rtcp_highest += std::min(gap.rtcp, kRtcpLifetimePackets - 1 - stream.rtcp_highest);
  stream.has_rtcp = true;
}

}  // namespace

void renew_checksum(SrtpState& state) noexcept { state.checksum = checksum_of(state); }

void export_state(const SrtpContext& context, SrtpState& state) noexcept {
  std::memset(static_cast<void*>(&state), 0, sizeof state);  // Padding too: states are compared and sent as bytes.
  state.version = SrtpState::kVersion;
  state.rtp_packets = context.rtp_packets;
  state.uses = context.uses;
  state.suite = context.suite;
  state.direction = context.direction;
  for (std::size_t i = 0; i < context.stream_count; ++i) {
    state.streams[state.stream_count++] = exported(context.streams()[i]);
  }
  for (std::size_t i = 0; i < context.retired_count; ++i) {
    state.streams[state.stream_count++] = exported(context.retired()[i]);
  }
  state.checksum = checksum_of(state);
}

bool import_state(SrtpContext& context, const SrtpState& state, const SrtpGap& gap) noexcept {
  if (!acceptable(context, state)) return false;
  context.stream_count = 0;
  context.retired_count = 0;
  const bool sending = context.direction == Direction::kSend;
  context.rtp_packets = state.rtp_packets;
  if (sending) context.rtp_packets += std::min<std::uint64_t>(gap.rtp, context.lifetime_packets - state.rtp_packets);
  context.uses = state.uses;
  for (std::size_t i = 0; i < state.stream_count; ++i) {
    const SrtpStreamState& source = state.streams[i];
    Stream stream{};
    take(stream, source);
    if (sending) skip_sent(stream, gap);
    if (!source.retired) {
      context.streams()[context.stream_count++] = stream;
      continue;
    }
    Retired retired{};
    retired.rtp_highest = stream.rtp_highest & 0xffff'ffff'ffff;
    retired.has_rtp = stream.has_rtp;
    retired.has_rtcp = stream.has_rtcp;
    retired.noted = source.noted != 0 && !sending;
    retired.ssrc = stream.ssrc;
    retired.rtcp_highest = stream.rtcp_highest;
    context.retired()[context.retired_count++] = retired;
  }
  return true;
}

}  // namespace sallyport::crypto
