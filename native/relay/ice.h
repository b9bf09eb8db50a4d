/// The lite agent of one side: whom checks have proved, and whom the peer nominated. RFC 8445 §7.3, §8.1; RFC 7675.
///
/// We are always lite, so always controlled: a peer that calls itself controlled gets a 487. Two lite agents never check
/// each other; media then goes by the signalled addresses, and control gives no IceWords.
#pragma once

#include "relay.h"
#include "stun.h"

namespace sallyport::relay {

/// Limit: proved sources a component. A new one takes the place of the one unheard for longest, never of the nominated.
inline constexpr std::size_t kIceSources = 6;
/// RFC 7675 §5.1.
inline constexpr std::uint64_t kConsentNs = 30'000'000'000;
/// An old peer nominates all its pairs at once and keeps the best (RFC 5245 §8.1.1.2): for so long a nomination of lower
/// priority changes nothing. Later any nomination is a decision.
inline constexpr std::uint64_t kNominationSettlesNs = 3'000'000'000;

/// What became of a check.
enum class CheckVerdict : std::uint8_t {
  kAnswered,   ///< The answer stands in the datagram.
  kSilent,     ///< An indication, or an answer to what we never asked.
  kStranger,   ///< Another session's name, or none.
  kForged,     ///< Its integrity is wrong.
  kMalformed,
};

/// Whom an agent has proved and chosen, for another box. Times are told by how long ago they were.
struct IceState {
  struct Source {
    endpoint address{};
    std::uint64_t age_ns = 0;  ///< Since it was heard.
  };
  struct Component {
    std::array<Source, kIceSources> sources{};
    std::uint8_t count = 0;
    std::uint8_t chosen = kNobody;  ///< Its place in `sources`.
    bool renews = false;
    std::uint32_t priority = 0;
    std::uint64_t age_ns = 0;  ///< Since the nomination.
  };
  static constexpr std::uint8_t kNobody = 0xff;
  Component components[2];
};

class IceAgent {
 public:
  /// A first session, or a restart: what is proved stays so until it is silent, but new checks need the new words.
  void start(const IceWords& words) noexcept { words_ = words; }

  /// Judges a check on component 0 (RTP) or 1 (RTCP) and writes the answer over it. `nominated`: true when the place to
  /// send to has changed, to `datagram.sender`.
  CheckVerdict check(Datagram& datagram, std::uint32_t component, std::uint64_t now_ns, bool& nominated) noexcept;
  /// By a check, and heard within the time of consent.
  bool proved(std::uint32_t component, const endpoint& sender, std::uint64_t now_ns) const noexcept;
  /// A packet only that peer could have made (or any, of a peer that does not renew its consent) came from `sender`.
  void heard(std::uint32_t component, const endpoint& sender, bool authentic, std::uint64_t now_ns) noexcept;
  void save(IceState& out, std::uint64_t now_ns) const noexcept;
  /// Consent is as old as it was when the state was made: the box before us has heard the peer since, or has told of its end.
  void resume(const IceState& state, std::uint64_t now_ns) noexcept;
  /// True once, when the nominated source has been silent for too long: it is proved no more.
  bool expire(std::uint32_t component, std::uint64_t now_ns) noexcept;

 private:
  struct Source {
    endpoint address{};
    std::uint64_t heard_ns = 0;
  };
  struct Component {
    std::array<Source, kIceSources> sources{};
    std::uint8_t count = 0;
    std::uint8_t chosen = kNone;  ///< Its place in `sources`.
    bool renews = false;          ///< The peer went on checking after it had nominated: RFC 7675.
    std::uint32_t priority = 0;   ///< Of the nomination in force.
    std::uint64_t nominated_ns = 0;
  };
  enum : std::uint8_t { kNone = 0xff };
  static Source* find(Component& component, const endpoint& address) noexcept;
  static Source& prove(Component& component, const endpoint& address, std::uint64_t now_ns) noexcept;
  bool is_for_us(std::string_view username) const noexcept;

  IceWords words_;
  Component components_[2];
};

}  // namespace sallyport::relay
