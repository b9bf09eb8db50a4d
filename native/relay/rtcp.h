/// RTCP as it crosses the box: reports and feedback pass, names do not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "out_sources.h"

namespace sallyport::relay {

/// Limit: bytes of a compound packet after rewriting; what does not fit is left out, block by block.
inline constexpr std::size_t kRtcpBytes = 1'400;

/// True when every block lies inside the packet, is version 2, and none but the last is padded. A lone feedback block
/// counts (RFC 5506). Total: any bytes are judged.
bool rtcp_fits(std::span<const std::uint8_t> compound) noexcept;

/// Rebuilds a plain compound packet that fits, into `out` (kRtcpBytes). Sender and receiver reports, transport and
/// payload feedback (RFC 4585) and extended reports (RFC 3611) are copied; source descriptions keep their sources and
/// get `cname` in place of each CNAME, and nothing else; BYE loses its reason text; APP and unknown types are left out.
/// Returns the size; 0 when nothing is left.
std::size_t rewrite_rtcp(std::span<const std::uint8_t> compound, std::string_view cname,
                         std::span<std::uint8_t, kRtcpBytes> out) noexcept;

/// Where a rebuilt compound has the SSRC of its sender.
inline constexpr std::size_t kRtcpSenderAt = 4;

/// Puts other SSRCs, and the sequence numbers that go with them, into a rebuilt compound. `onward`: of the sources that
/// it speaks for, of that line; `back`: of those it reports on, as the sender of the compound knows them. Either may be null.
void rename_rtcp(std::span<std::uint8_t> compound, const OutSources* onward, const OutSources* back, std::uint8_t line = 0) noexcept;

/// The sources that a block speaks for and of, as far as they tell whose it is.
struct BlockSources {
  std::uint32_t sender = 0;
  std::uint32_t about = 0;  ///< Valid with `has_about`.
  bool has_about = false;
};
BlockSources sources_of(std::span<const std::uint8_t> block) noexcept;

}  // namespace sallyport::relay
