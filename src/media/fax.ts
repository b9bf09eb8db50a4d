/**
 * T.38 fax: `m=image` over UDPTL. RFC 3362, ITU-T T.38 Annex D. Its datagrams pass as they are; only the ends read them. To a
 * side that wants it so they go in records of DTLS (RFC 7345), whatever the other side has.
 */

import { type FaxPolicy, PeerError, type Random } from "../base/index.ts";
import { attribute, dtlsWords, isUdptl, type Media, type Profile, type Sdp } from "../sdp/index.ts";
import { dtlsForAnswer, dtlsForOffer, dtlsToOffer } from "./association.ts";
import { type Agreed, type AnsweredSide, hasMoved, NO_KEYS, NO_OFFERED_KEYS, type OfferedKeys } from "./keys.ts";
import type { LineSide, Remote } from "./line.ts";
import { isBrowser, otherSide, rulesOf, type SideIndex, type Standing } from "./party.ts";

/** Lower case; written as it came: names of attributes are told apart by case, and T.38's by nobody. */
const ATTRIBUTES: ReadonlySet<string> = new Set([
  "t38faxversion",
  "t38maxbitrate",
  "t38faxmaxrate",
  "t38faxfillbitremoval",
  "t38faxtranscodingmmr",
  "t38faxtranscodingjbig",
  "t38faxratemanagement",
  "t38faxmaxbuffer",
  "t38faxmaxdatagram",
  "t38faxmaxifp",
  "t38faxudpec",
  "t38faxudpecdepth",
  "t38faxudpfecmaxspan",
  "t38modemtype",
]);

/** Values are numbers, or words as `transferredTCF` and `t38UDPRedundancy`; flags have none. */
const VALUE = /^ ?[A-Za-z0-9+ -]{1,40}$/;

/** May this attribute of a fax line cross? T38VendorInfo names who made the other side's gateway. */
export const isFaxAttribute = (name: string, value: string | undefined): boolean =>
  ATTRIBUTES.has(name.toLowerCase()) && (value === undefined || VALUE.test(value));

/** Beside the RTP profiles, which know nothing of it. */
export const FAX: Profile = { name: "udptl", secure: false, feedback: false, dtls: false };

/** RFC 7345 §4.1. */
export const SECURE_FAX: Profile = { name: "UDP/TLS/UDPTL", secure: true, feedback: false, dtls: true };

export const isFax = ({ kind, protocol, formats }: Media): boolean =>
  kind === "image" && isUdptl(protocol) && formats.length === 1 && formats[0]?.toLowerCase() === "t38";

const profileOfFax = ({ protocol }: Media): Profile => (protocol.includes("/") ? SECURE_FAX : FAX);

export const isFaxProfile = (name: string): boolean => name === FAX.name || name === SECURE_FAX.name;

/** How fax goes on this side. It knows no SRTP, so where that is required somebody has to say what is wanted. */
function wayOfFax(standing: Standing): FaxPolicy {
  const way = rulesOf(standing)?.fax ?? (standing.realm.srtp === "required" ? "refuse" : "pass");
  return isBrowser(standing) || (way === "secure" && standing.fingerprint === undefined) ? "refuse" : way;
}

/** As what that side's offer of fax is carried; `undefined`: it is not. Who may have it in the clear may have it secured. */
export function faxCarried(media: Media, legs: readonly [Standing, Standing], from: SideIndex): Profile | undefined {
  const way = wayOfFax(legs[from]);
  if (way === "refuse" || wayOfFax(legs[otherSide(from)]) === "refuse") return undefined;
  const profile = profileOfFax(media);
  const secured = profile === SECURE_FAX;
  return (secured && legs[from].fingerprint === undefined) || (way === "secure" && !secured) ? undefined : profile;
}

/** What stands when a side offers it. Throws PeerError 488. */
export function faxForOffer(
  media: Media,
  session: Sdp,
  before: LineSide | undefined,
  remote: Remote | undefined,
  random: Random,
): Agreed {
  if (profileOfFax(media) === FAX) return NO_KEYS;
  const words = dtlsWords(media, session);
  if (words === undefined) throw new PeerError(488, "UDPTL over DTLS without a fingerprint that can be checked");
  const moved = hasMoved(before, remote);
  return { ...NO_KEYS, dtls: dtlsForOffer({ ...words, moved }, before?.dtls, random) };
}

/** What we offer a side, and under which profile. */
export function faxToOffer(
  standing: Standing,
  before: LineSide | undefined,
  random: Random,
): { readonly keys: OfferedKeys; readonly profile: Profile } {
  // What stands in records goes on so.
  if (wayOfFax(standing) !== "secure" && before?.dtls?.agreed === undefined) {
    return { keys: NO_OFFERED_KEYS, profile: FAX };
  }
  return { keys: { sdes: [], dtls: dtlsToOffer(before?.dtls, random) }, profile: SECURE_FAX };
}

/** What stands when a side answers it. Throws PeerError 488. */
export function faxForAnswer(media: Media, session: Sdp, answered: Omit<AnsweredSide, "secure">): Agreed {
  const { offered, before, remote } = answered;
  if (profileOfFax(media).name !== offered.profile) {
    throw new PeerError(488, `it answers ${offered.profile} with ${media.protocol}`);
  }
  if (offered.dtls === undefined) return NO_KEYS;
  const words = dtlsWords(media, session);
  if (words === undefined) throw new PeerError(488, "the answer has no fingerprint that can be checked");
  return { ...NO_KEYS, dtls: dtlsForAnswer({ ...words, moved: hasMoved(before, remote) }, offered.dtls, before.dtls) };
}

/** The longest datagram that this end takes, in bytes; 0: it does not say. */
export function maxDatagramOf(media: Media): number {
  for (const name of ["T38FaxMaxDatagram", "t38faxmaxdatagram"]) {
    const value = attribute(media, name)?.trim();
    if (value !== undefined && /^[0-9]{1,5}$/.test(value)) return Math.min(65_535, Number(value));
  }
  return 0;
}
