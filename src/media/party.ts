/** The two ends of a media session. */
import type { Family, MediaRules, PreconditionPolicy, RealmSettings } from "../base/index.ts";

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
  /** Preconditions (RFC 3312) with it; absent: off. */
  readonly preconditions?: PreconditionPolicy | undefined;
}

/** A party with the settings of its realm, as one operation sees them. */
export interface Standing {
  readonly party: MediaParty;
  readonly realm: RealmSettings;
}

export const rulesOf = ({ party, realm }: Standing): MediaRules | undefined => party.rules ?? realm.media.rules;

/** Keys may stand in this leg's SDP. RFC 4568 §5: it is as secret as the signalling. */
export const mayUseSdes = ({ party, realm }: Standing): boolean =>
  realm.srtp !== "off" && realm.srtpKeys.includes("sdes") && (party.secureSignalling || realm.sdesWithoutTls);
