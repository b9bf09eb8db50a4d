#include "ice.h"

#include <cstring>

namespace sallyport::relay {
namespace {

/// A check this long after the nomination is a renewal, not a resent or an early one.
constexpr std::uint64_t kRenewalNs = 4'000'000'000;

bool same(const endpoint& a, const endpoint& b) noexcept { return std::memcmp(&a, &b, sizeof a) == 0; }

}  // namespace

CheckVerdict IceAgent::check(Datagram& datagram, std::uint32_t number, std::uint64_t now_ns, bool& nominated) noexcept {
  nominated = false;
  // Order matters: form, name, integrity, and only then an answer and state. Who fails one of them hears nothing.
  StunMessage request;
  if (!parse_stun({datagram.data, datagram.size}, request)) return CheckVerdict::kMalformed;
  if (request.method != kStunBinding || request.kind != StunClass::kRequest) return CheckVerdict::kSilent;
  if (!request.fingerprint) return CheckVerdict::kMalformed;  // RFC 8445 §7.1.
  if (!is_for_us(request.username)) return CheckVerdict::kStranger;
  if (!has_integrity(request, words_.local_password.view())) return CheckVerdict::kForged;
  if (datagram.room < kStunAnswerBytes) return CheckVerdict::kMalformed;

  const std::span<std::uint8_t, kStunAnswerBytes> out(datagram.data, kStunAnswerBytes);
  const std::string_view password = words_.local_password.view();
  if (request.unknown_count != 0) {
    datagram.size = static_cast<std::uint32_t>(refuse_binding(request, 420, password, out));
    return CheckVerdict::kAnswered;
  }
  if (request.controlled) {
    datagram.size = static_cast<std::uint32_t>(refuse_binding(request, 487, password, out));
    return CheckVerdict::kAnswered;
  }
  Component& component = components_[number];
  Source& source = prove(component, datagram.sender, now_ns);
  const auto place = static_cast<std::uint8_t>(&source - component.sources.data());
  if (place == component.chosen && now_ns - component.nominated_ns >= kRenewalNs) component.renews = true;
  const bool settled = now_ns - component.nominated_ns >= kNominationSettlesNs;
  if (request.use_candidate && place != component.chosen &&
      (component.chosen == kNone || settled || request.priority > component.priority)) {
    component.chosen = place;
    component.priority = request.priority;
    component.nominated_ns = now_ns;
    component.renews = false;
    nominated = true;
  }
  datagram.size = static_cast<std::uint32_t>(answer_binding(request, datagram.sender, password, out));
  return CheckVerdict::kAnswered;
}

bool IceAgent::proved(std::uint32_t number, const endpoint& sender, std::uint64_t now_ns) const noexcept {
  const Source* const source = find(const_cast<Component&>(components_[number]), sender);
  return source != nullptr && now_ns - source->heard_ns < kConsentNs;
}

void IceAgent::heard(std::uint32_t number, const endpoint& sender, bool authentic, std::uint64_t now_ns) noexcept {
  Component& component = components_[number];
  // Deviation: RFC 7675 §5.1 counts answers to checks of ours; a lite agent makes none. SRTP shows as well as a check
  // that the peer is there and wants to hear us. Peers of RFC 5245 keep alive by other means than checks: of those, as
  // long as they never renewed, any packet from the nominated source counts.
  if (!authentic && component.renews) return;
  if (Source* const source = find(component, sender)) source->heard_ns = now_ns;
}

bool IceAgent::expire(std::uint32_t number, std::uint64_t now_ns) noexcept {
  Component& component = components_[number];
  if (component.chosen == kNone || now_ns - component.sources[component.chosen].heard_ns < kConsentNs) return false;
  component.sources[component.chosen] = component.sources[--component.count];
  component.chosen = kNone;
  return true;
}

void IceAgent::save(IceState& out, std::uint64_t now_ns) const noexcept {
  for (std::size_t number = 0; number < 2; ++number) {
    const Component& from = components_[number];
    IceState::Component& to = out.components[number];
    to = {.count = from.count, .chosen = from.chosen, .renews = from.renews, .priority = from.priority, .age_ns = now_ns - from.nominated_ns};
    for (std::size_t i = 0; i < from.count; ++i) to.sources[i] = {from.sources[i].address, now_ns - from.sources[i].heard_ns};
  }
}

void IceAgent::resume(const IceState& state, std::uint64_t now_ns) noexcept {
  // A clock that began later than that counts on from where it began.
  const auto ago = [now_ns](std::uint64_t age_ns) { return now_ns > age_ns ? now_ns - age_ns : 0; };
  for (std::size_t number = 0; number < 2; ++number) {
    const IceState::Component& from = state.components[number];
    Component& to = components_[number];
    to = {};
    to.count = from.count;
    to.chosen = from.chosen < from.count ? from.chosen : std::uint8_t{kNone};
    to.renews = from.renews;
    to.priority = from.priority;
    to.nominated_ns = ago(from.age_ns);
    for (std::size_t i = 0; i < from.count; ++i) to.sources[i] = {from.sources[i].address, ago(from.sources[i].age_ns)};
  }
}

IceAgent::Source* IceAgent::find(Component& component, const endpoint& address) noexcept {
  for (std::size_t i = 0; i < component.count; ++i) {
    if (same(component.sources[i].address, address)) return &component.sources[i];
  }
  return nullptr;
}

IceAgent::Source& IceAgent::prove(Component& component, const endpoint& address, std::uint64_t now_ns) noexcept {
  Source* source = find(component, address);
  if (source == nullptr && component.count < kIceSources) source = &component.sources[component.count++];
  if (source == nullptr) {
    for (std::size_t i = 0; i < kIceSources; ++i) {
      Source& candidate = component.sources[i];
      if (i != component.chosen && (source == nullptr || candidate.heard_ns < source->heard_ns)) source = &candidate;
    }
  }
  *source = {.address = address, .heard_ns = now_ns};
  return *source;
}

/// Ours, a colon, theirs: RFC 8445 §7.2.2.
bool IceAgent::is_for_us(std::string_view username) const noexcept {
  const std::string_view local = words_.local_ufrag.view(), remote = words_.remote_ufrag.view();
  return words_.present && username.size() == local.size() + 1 + remote.size() && username.starts_with(local) &&
         username[local.size()] == ':' && username.ends_with(remote);
}

}  // namespace sallyport::relay
