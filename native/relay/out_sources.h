/// Under which SSRC and sequence numbers the sources of one side go on toward the other, when that one gets SRTP.
///
/// SRTP forbids what plain RTP allows: a sequence number may not come twice under one key and SSRC (RFC 3711 §9.1), and
/// a receiver follows none that jumps back (§3.3.1). Music on hold that begins again, a phone that counts on while it is
/// held, and a new SSRC at every resume do just that. So each source keeps its own numbers as long as they go forward.
/// When they jump back, they are carried on above the highest. When sources outnumber the places, the one unused for
/// longest lends its SSRC to the new one, which goes on where that one stopped. The box never sends under more SSRCs
/// than it has places, however long the call.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sallyport::relay {

/// Limit: SSRCs a side is sent under, by kind of stream: audio has one or two at a time, video may have layers, repairs
/// and their protection.
inline constexpr std::size_t kAudioSources = 3;
inline constexpr std::size_t kOtherSources = 8;
/// A place is lent only when it was not used for so long; packets of one source more are dropped meanwhile. Else two
/// live streams would take it from each other with every packet.
inline constexpr std::uint32_t kUnusedMs = 200;
/// Packets in a row, each the successor of the one before, that lie behind what was sent: then the source has begun
/// again. Fewer are late or doubled ones. Those that tell are lost (60 ms of voice).
inline constexpr std::uint8_t kRestartPackets = 3;

struct OutSource {
  std::uint32_t in = 0;       ///< As it arrives.
  std::uint32_t out = 0;      ///< As it leaves.
  std::uint32_t used_ms = 0;  ///< Wraps; compare distances.
  std::uint16_t shift = 0;    ///< Added to sequence numbers.
  std::uint16_t given = 0;    ///< Newest that was given out: of a batch, none has left yet.
  std::uint16_t awaited = 0;  ///< The successor of the last one that lay behind.
  std::uint8_t behind = 0;    ///< How many in a row did.
  std::uint8_t line = 0;      ///< Of those that share the transport: sources of two lines may have one SSRC.
  bool sent = false;          ///< RTP has left under `out`.
  bool gave = false;          ///< `given` counts.
  bool resumes = false;       ///< The next packet is to follow `given`.

  /// Of a source that has sent nothing yet: RFC 3550 §5.1 wants a random one, and its name is.
  std::uint16_t first() const noexcept { return static_cast<std::uint16_t>(in * 40'503u >> 17); }
  /// The number under which `sequence` leaves.
  std::uint16_t number(std::uint16_t sequence) noexcept;
  void give(std::uint16_t number) noexcept;
  /// It left; or it could not, since it, or all in its place, has been sent already.
  void left() noexcept;
  void lay_behind(std::uint16_t number) noexcept;
};

class OutSources {
 public:
  /// `limit`: how many places, at most kOtherSources. `more`: all but the first, of whatever content; they are not touched
  /// before a second source is there.
  void start(std::size_t limit, OutSource* more) noexcept {
    *this = OutSources{};
    limit_ = static_cast<std::uint8_t>(limit);
    more_ = more;
  }
  /// The place of a source that sends now; null when all are in use.
  OutSource* place(std::uint32_t in, std::uint32_t now_ms, std::uint8_t line = 0) noexcept;
  /// A source of a box before us, whose numbers up to `given` may have been sent: its next packet follows that.
  void resume(std::uint32_t in, std::uint32_t out, std::uint16_t given, std::uint32_t now_ms, std::uint8_t line = 0) noexcept;
  /// From now on sources that are not known leave under SSRCs of ours: their own may have been sent by a box before us.
  void rename(std::uint32_t dice) noexcept { renames_ = dice | 1; }
  std::size_t count() const noexcept { return count_; }
  const OutSource& source(std::size_t place) const noexcept { return at(place); }
  /// The same for RTCP, whose sender may be a source of another line: browsers report on all lines as one of them.
  OutSource* sender(std::uint32_t in, std::uint32_t now_ms, std::uint8_t line) noexcept;
  /// Does any source leave under other numbers than its own? Seldom: so nothing is looked up in vain.
  bool changed() const noexcept { return changed_; }
  /// The number of a packet of ours between those of a source.
  std::uint16_t next_number(OutSource& source) noexcept {
    source.give(source.gave ? static_cast<std::uint16_t>(source.given + 1) : source.first());
    skip(source);
    return source.given;
  }
  /// The next packet of that source follows the one before, whatever its own number: one was left out, or put in.
  void skip(OutSource& source) noexcept {
    source.resumes = source.gave;
    changed_ = changed_ || source.resumes;
  }
  void left(std::uint32_t out) noexcept;
  void lay_behind(std::uint32_t out, std::uint16_t number) noexcept;

  /// For what RTCP says of sources, of that line or of another: 0 for one whose SSRC another one has now.
  std::uint32_t out_of(std::uint32_t in, std::uint8_t line = 0) const noexcept;
  /// The source that is sent as `out`; null when none is.
  const OutSource* by_out(std::uint32_t out) const noexcept;

 private:
  OutSource& at(std::size_t place) noexcept { return place == 0 ? first_ : more_[place - 1]; }
  const OutSource& at(std::size_t place) const noexcept { return place == 0 ? first_ : more_[place - 1]; }
  OutSource first_{};
  OutSource* more_ = nullptr;
  std::uint8_t count_ = 0;
  std::uint8_t limit_ = 0;
  bool changed_ = false;
  std::uint32_t renames_ = 0;  ///< 0: they keep their names.
};

}  // namespace sallyport::relay
