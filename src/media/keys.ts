/**
 * How the keys of a stream come about with one side: in its description (SDES: RFC 4568, RFC 8643), by a handshake on the
 * media path (DTLS: RFC 5763), or not at all. Each side has its own way, whatever the other one has.
 */
import { PeerError, type Random, type SrtpKeying } from "../base/index.ts";
import { dtlsWords, hasAttribute, hasFingerprint, type Media, type Profile, type Sdp } from "../sdp/index.ts";
import { dtlsForAnswer, dtlsForOffer, dtlsToOffer, type LineDtls } from "./association.ts";
import type { LineSide, OwnKey, Remote } from "./line.ts";
import { isBrowser, keyingsFor, type Standing } from "./party.ts";
import type { SrtpKey } from "./relay-command.ts";
import { offeredKeys, sdesForAnswer, sdesForOffer } from "./sdes.ts";

export interface Agreed {
  readonly rx: SrtpKey | undefined;
  readonly tx: OwnKey | undefined;
  readonly dtls: LineDtls | undefined;
}

/** What we offer: one way, or both for the other end to choose. */
export interface OfferedKeys {
  readonly sdes: readonly OwnKey[];
  readonly dtls: LineDtls | undefined;
}

export const NO_KEYS: Agreed = { rx: undefined, tx: undefined, dtls: undefined };
export const NO_OFFERED_KEYS: OfferedKeys = { sdes: [], dtls: undefined };

/**
 * What stands when `media` is that side's offer. Throws PeerError 488 when it offers less protection than its realm
 * requires, or more than we can give. Keys that it had before and still offers live on, with ours. `remote`: where it says
 * it is; `undefined`: nowhere, or candidates do.
 */
export function keysForOffer(
  media: Media,
  session: Sdp,
  profile: Profile,
  standing: Standing,
  before: LineSide | undefined,
  remote: Remote | undefined,
  random: Random,
): Agreed {
  for (const keying of inOrder(keyingsFor(standing), before)) {
    if (keying === "dtls") {
      const words = dtlsWords(media, session);
      if (words !== undefined) {
        return handshake(dtlsForOffer({ ...words, moved: hasMoved(before, remote) }, before?.dtls, random));
      }
    } else if (!profile.dtls) {
      const found = sdesForOffer(media, standing, before, random);
      if (found !== undefined) return { ...found, dtls: undefined };
    }
  }
  if (profile.secure) throw new PeerError(488, `${media.protocol} is offered, but no key that may be used here`);
  if (standing.realm.srtp === "required") throw new PeerError(488, "plain RTP is offered where SRTP is required");
  return NO_KEYS;
}

/** `offered`: what stood in our offer; `before`: after an earlier provisional answer of that side. */
export interface AnsweredSide {
  readonly offered: LineSide;
  readonly before: LineSide;
  /** Where it says it is now; `undefined`: nowhere, or candidates do. */
  readonly remote: Remote | undefined;
  /** We offered a secure profile. */
  readonly secure: boolean;
}

/** What stands when `media` is that side's answer to what we offered it. Throws PeerError 488. */
export function keysForAnswer(
  media: Media,
  session: Sdp,
  profile: Profile,
  standing: Standing,
  { offered, before, remote, secure }: AnsweredSide,
): Agreed {
  const sdes = offered.offered.length > 0 && !profile.dtls && hasAttribute(media, "crypto");
  const { dtls } = offered;
  if (dtls !== undefined && hasFingerprint(media, session) && !(sdes && prefersSdes(standing))) {
    const words = dtlsWords(media, session);
    if (words === undefined) throw new PeerError(488, "the answer has no fingerprint that can be checked");
    return handshake(dtlsForAnswer({ ...words, moved: hasMoved(before, remote) }, dtls, before.dtls));
  }
  if (sdes) return { ...sdesForAnswer(media, offered.offered, before.rx), dtls: undefined };
  if (profile.secure || secure || standing.realm.srtp === "required") {
    throw new PeerError(488, "the answer brings no key that may be used here");
  }
  return NO_KEYS;
}

/**
 * What we offer a side: what stands, or else what its policy puts first. `known`: how the line stood, if what stood there
 * does not live on.
 */
export function keysToOffer(
  standing: Standing,
  before: LineSide | undefined,
  known: LineSide | undefined,
  random: Random,
): OfferedKeys {
  const ways = waysToOffer(keyingsFor(standing), standing, before ?? known);
  if (ways.length === 0 && standing.realm.srtp === "required") {
    throw new PeerError(488, "SRTP is required where no key may be offered");
  }
  return {
    sdes: ways.includes("sdes") ? offeredKeys(standing, before, random) : NONE,
    dtls: ways.includes("dtls") ? dtlsToOffer(before?.dtls, random) : undefined,
  };
}

/** Is it somewhere else than it was, by its own word? */
export function hasMoved(before: LineSide | undefined, remote: Remote | undefined): boolean {
  const was = before?.remote?.address;
  const is = remote?.address;
  return was !== undefined && is !== undefined && (was.ip !== is.ip || was.rtpPort !== is.rtpPort);
}

const NONE: readonly OwnKey[] = [];
const DTLS: readonly SrtpKeying[] = ["dtls"];
const SDES: readonly SrtpKeying[] = ["sdes"];

/**
 * SDES first means SDES alone: phones take a line with keys for a line of SDES, and some refuse one that says more. DTLS
 * first with SDES after it are offered together, and the answer picks one. A browser knows DTLS only (RFC 8827 §6.5). Who
 * had the one way is not asked for the other.
 */
function waysToOffer(
  ways: readonly SrtpKeying[],
  standing: Standing,
  before: LineSide | undefined,
): readonly SrtpKeying[] {
  const shakes = before?.dtls?.agreed !== undefined || standing.party.shaken === true || isBrowser(standing);
  if (ways.includes("dtls") && shakes) return DTLS;
  if (ways[0] === "dtls" && before?.rx === undefined) return ways;
  return ways.includes("sdes") ? SDES : ways;
}

/** What stands is asked for first: it lives on while it is offered. */
function inOrder(ways: readonly SrtpKeying[], before: LineSide | undefined): readonly SrtpKeying[] {
  if (ways.length < 2 || before === undefined) return ways;
  const standing = before.dtls?.agreed !== undefined ? "dtls" : before.rx !== undefined ? "sdes" : ways[0];
  return standing === ways[0] ? ways : [...ways].reverse();
}

const prefersSdes = (standing: Standing): boolean => keyingsFor(standing)[0] === "sdes";

const handshake = (dtls: LineDtls): Agreed => ({ rx: undefined, tx: undefined, dtls });
