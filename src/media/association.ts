/**
 * DTLS associations of a leg: RFC 5763, RFC 8842. One lives as long as both ends say the same of it, whatever else their
 * descriptions change; a new one begins with another fingerprint, role or tls-id.
 */
import { PeerError, type Random, token } from "../base/index.ts";
import { type DtlsWords, type Setup, sameFingerprints } from "../sdp/index.ts";
import type { DtlsAssociation, DtlsIdentity, SrtpSuite } from "./relay-command.ts";

export interface LineDtls {
  /** What we call it. 120 bits of chance at least: RFC 8842 §4. */
  readonly tlsId: string;
  /** Do we say `tlsId`? Not to an end that offered without one: RFC 8842 §5.3. */
  readonly named: boolean;
  /** What we show; `undefined`: the relay's own certificate. See certificates.ts. */
  readonly identity: DtlsIdentity | undefined;
  /** `undefined`: offered, not answered yet, or the answer took other keys. */
  readonly agreed: DtlsAssociation | undefined;
}

/** Suites that DTLS can agree on (RFC 5764 §4.1.2, RFC 7714 §14.2), the cheapest of full strength first. */
const SUITES: readonly SrtpSuite[] = [
  "AEAD_AES_128_GCM",
  "AEAD_AES_256_GCM",
  "AES_CM_128_HMAC_SHA1_80",
  "AES_CM_128_HMAC_SHA1_32",
];

/** What a side says of DTLS, and of where it is. */
export interface Said extends DtlsWords {
  /** Without ICE it is at another address or port than before. */
  readonly moved: boolean;
}

/** What stands when a side offers this. Throws PeerError 488. */
export function dtlsForOffer(words: Said, before: LineDtls | undefined, random: Random): LineDtls {
  // RFC 4145 §4: an offer that says nothing is active.
  const setup = roleFor(words.setup ?? "active", words, before);
  const named = words.tlsId !== undefined;
  if (before !== undefined && isSame(before.agreed, setup, words)) {
    return before.named === named ? before : { ...before, named };
  }
  return { tlsId: newId(random), named, identity: undefined, agreed: agreeing(setup, words, undefined) };
}

/** What stands when a side answers this. `offered`: what we offered; `before`: after an earlier answer of it. */
export function dtlsForAnswer(words: Said, offered: LineDtls, before: LineDtls | undefined): LineDtls {
  const standing = before?.agreed === undefined ? offered : before;
  if (words.setup === "actpass" && standing.agreed === undefined) {
    throw new PeerError(488, "the answer's a=setup leaves open who begins");
  }
  // RFC 4145 §4: an answer that says nothing is passive.
  const setup = roleFor(words.setup ?? "passive", words, standing);
  if (isSame(standing.agreed, setup, words)) return standing;
  return { ...offered, agreed: agreeing(setup, words, offered.identity) };
}

/** What we offer a side: what stands, or a new one. */
export const dtlsToOffer = (before: LineDtls | undefined, random: Random): LineDtls =>
  before ?? { tlsId: newId(random), named: true, identity: undefined, agreed: undefined };

/** The same, with that certificate of ours: for one that nobody has begun yet. */
export const showing = (dtls: LineDtls, identity: DtlsIdentity | undefined): LineDtls =>
  identity === undefined ? dtls : { ...dtls, identity, agreed: dtls.agreed && { ...dtls.agreed, identity } };

const newId = (random: Random): string => token(random, 24);

/**
 * Ours, by what the other end says of itself. Deviation: RFC 5763 §5 would have the one who answers begin; we let the other
 * end, because behind NAT only its own packets show where it is.
 */
function roleFor(theirs: Setup, words: Said, standing: LineDtls | undefined): DtlsAssociation["setup"] {
  if (theirs === "holdconn") throw new PeerError(488, "a=setup:holdconn cannot be used with DTLS"); // RFC 8842 §5.1
  if (theirs !== "actpass") return theirs === "active" ? "passive" : "active";
  const agreed = standing?.agreed;
  return agreed !== undefined && isSame(agreed, agreed.setup, words) ? agreed.setup : "passive";
}

/** RFC 8842 §4: with an end that knows no tls-id, its fingerprints, role and place tell. */
function isSame(agreed: DtlsAssociation | undefined, setup: DtlsAssociation["setup"], words: Said): boolean {
  if (agreed === undefined || agreed.setup !== setup || !sameFingerprints(agreed.fingerprints, words.fingerprints)) {
    return false;
  }
  if (words.tlsId === undefined) return !words.moved;
  return agreed.tlsId === undefined || agreed.tlsId === words.tlsId;
}

const agreeing = (
  setup: DtlsAssociation["setup"],
  { fingerprints, tlsId }: DtlsWords,
  identity: DtlsIdentity | undefined,
): DtlsAssociation => ({
  setup,
  fingerprints,
  suites: SUITES,
  ...(tlsId !== undefined && { tlsId }),
  ...(identity !== undefined && { identity }),
});
