/** The two ends of a media session. */
import type { Family, MediaRules, PreconditionPolicy, RealmSettings, SrtpKeying } from "../base/index.ts";

export type MediaSide = "caller" | "callee";
export type SideIndex = 0 | 1;

export const indexOf = (side: MediaSide): SideIndex => (side === "caller" ? 0 : 1);
export const sideAt = (index: SideIndex): MediaSide => (index === 0 ? "caller" : "callee");
export const otherSide = (index: SideIndex): SideIndex => (index === 0 ? 1 : 0);

export interface MediaParty {
  readonly realm: string;
  /** The leg's signalling goes over TLS: keys may stand in its SDP. */
  readonly secureSignalling: boolean;
  /** Of the leg's signalling address. */
  readonly family: Family;
  /** IP address that the leg's signalling comes from: where media of a NATed peer will come from, too. */
  readonly signallingSource: string;
  /** Behind NAT for certain: what it signals is not where its media comes from. */
  readonly nat: boolean;
  /** Of the peer that it is; absent: the realm's hold. */
  readonly rules?: MediaRules | undefined;
  /** It speaks over WebSocket, as browsers do. */
  readonly web?: boolean | undefined;
  /** It has shaken hands with us in another session, which this one carries on. */
  readonly shaken?: boolean | undefined;
  /** Preconditions (RFC 3312) with it; absent: off. */
  readonly preconditions?: PreconditionPolicy | undefined;
}

/** A party with the settings of its realm, as one operation sees them. */
export interface Standing {
  readonly party: MediaParty;
  readonly realm: RealmSettings;
  /** Of our certificate, as it stands in `a=fingerprint`; `undefined`: we have none, and do no DTLS. */
  readonly fingerprint: string | undefined;
}

export const rulesOf = ({ party, realm }: Standing): MediaRules | undefined => party.rules ?? realm.media.rules;

/** What it is offered is made for a browser: not where it could not have DTLS, without which no browser talks. */
export const isBrowser = (standing: Standing): boolean =>
  rulesOf(standing)?.webrtc ?? (standing.party.web === true && keyingsFor(standing).includes("dtls"));

const NO_KEYS: readonly SrtpKeying[] = [];

/** How keys may be agreed with this leg, best first. Keys in SDP are as secret as the signalling: RFC 4568 §5. */
export function keyingsFor(standing: Standing): readonly SrtpKeying[] {
  const { party, realm, fingerprint } = standing;
  if (realm.srtp === "off") return NO_KEYS;
  const wanted = rulesOf(standing)?.srtpKeys ?? realm.srtpKeys;
  const sdes = party.secureSignalling || realm.sdesWithoutTls;
  if (sdes && fingerprint !== undefined) return wanted;
  return wanted.filter((keying) => (keying === "sdes" ? sdes : fingerprint !== undefined));
}
