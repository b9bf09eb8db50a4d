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
  state.rtp_highest = retired.rtp_highest;
  state.rtcp_highest = retired.rtcp_highest;
  state.last_used = retired.last_used;
  return state;
}

/// Each source once, no index out of its range, no more sources than there are places.
bool acceptable(const SrtpContext& context, const SrtpState& state) noexcept {
  if (state.version != SrtpState::kVersion || state.suite != context.suite) return false;
  if (state.direction != context.direction || state.rtp_packets > context.lifetime_packets) return false;
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
void skip_sent(Stream& stream, std::uint32_t rtcp_gap) noexcept {
  stream.rtp_window.close();
  stream.rtcp_window.close();
  if (rtcp_gap == 0) return;
  const std::uint32_t left = kRtcpLifetimePackets - 1 - stream.rtcp_highest;
  stream.rtcp_highest += std::min(rtcp_gap, left);
  stream.has_rtcp = true;
}

}  // namespace

void export_state(const SrtpContext& context, SrtpState& state) noexcept {
  std::memset(static_cast<void*>(&state), 0, sizeof state);  // Padding too: states are compared and sent as bytes.
  state.version = SrtpState::kVersion;
  state.rtp_packets = context.rtp_packets;
  state.uses = context.uses;
  state.suite = context.suite;
  state.direction = context.direction;
  for (std::size_t i = 0; i < context.stream_count; ++i) {
    state.streams[state.stream_count++] = exported(context.streams[i]);
  }
  for (std::size_t i = 0; i < context.retired_count; ++i) {
    state.streams[state.stream_count++] = exported(context.retired[i]);
  }
}

bool import_state(SrtpContext& context, const SrtpState& state, std::uint32_t rtcp_gap) noexcept {
  if (!acceptable(context, state)) return false;
  context.stream_count = 0;
  context.retired_count = 0;
  context.rtp_packets = state.rtp_packets;
  context.uses = state.uses;
  const bool sending = context.direction == Direction::kSend;
  for (std::size_t i = 0; i < state.stream_count; ++i) {
    Stream stream{};
    take(stream, state.streams[i]);
    if (sending) skip_sent(stream, rtcp_gap);
    if (state.streams[i].retired) {
      context.retired[context.retired_count++] = {stream.rtp_highest, stream.ssrc, stream.rtcp_highest, stream.last_used,
                                                  stream.has_rtp, stream.has_rtcp};
    } else {
      context.streams[context.stream_count++] = stream;
    }
  }
  return true;
}

}  // namespace sallyport::crypto
