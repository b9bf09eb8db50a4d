/// What nearly every packet is: RTP with a plain header, the next one of the source that a context follows, under the
/// context's only key. It is known at a look. Every other packet, and every doubt, is judged by the general rules, which
/// would say the same of this one.
#pragma once

#include "crypto/packet_index.h"
#include "crypto/round.h"

namespace sallyport::crypto {

/// Null when it is not such a packet; else its source, and `task` is filled. Changes nothing.
inline Stream* next_of_source(const SrtpJob& job, std::uint32_t trailer, Task& task) noexcept {
  SrtpContext& context = *job.context;
  if (job.rtcp || context.key_count != 1 || context.stream_count == 0) return nullptr;
  if (job.size > kDatagramLimit || job.size < kRtpHeaderBytes + trailer || !is_plain_rtp(job.data)) return nullptr;
  Stream& stream = *context.streams();
  task.ssrc = read32(job.data + 8);
  // Newer than the newest, so nobody has used its index; and within the window, so the rollover counter is certain.
  const auto ahead = static_cast<std::uint16_t>(read16(job.data + 2) - stream.rtp_highest);
  if (stream.ssrc != task.ssrc || !stream.has_rtp || ahead == 0 || ahead >= kRtpWindowPackets) return nullptr;
  task.index = stream.rtp_highest + ahead;
  if (task.index >= kRtpIndexLimit) return nullptr;
  task.body_at = kRtpHeaderBytes;
  task.body_bytes = job.size - kRtpHeaderBytes - trailer;
  task.key = 0;
  task.put_off = task.second_reading = false;
  return &stream;
}

/// Into the books: sent, or found authentic.
inline void note_next(SrtpContext& context, Stream& stream, std::uint64_t index) noexcept {
  stream.rtp_window.mark(stream.rtp_highest, index);
  stream.last_used = ++context.uses;
  context.rtp_packets += 1;
}

}  // namespace sallyport::crypto
