/** What we said last on one leg. RFC 3264 §5 and §8: one session id for the leg's life, one version for one text. */
import type { Random } from "../base/index.ts";
import { typedAddress } from "./write-sdp.ts";

export interface Voice {
  readonly sessionId: number;
  /** 0 before the first description. */
  readonly version: number;
  /** In `o=`: the same for the life of the leg, wherever its media goes. */
  readonly ip: string;
  readonly body: string;
  readonly text: string;
  /** How many m-lines it has heard of: RFC 3264 §8 lets no later offer have fewer. */
  readonly lines: number;
  /** Before this description, or in another session, it was told a fingerprint of ours: ask isCertified. */
  readonly certified: boolean;
  /** A later description was refused: its number is used up, and the next one gets another, whatever it says. */
  readonly spoilt: boolean;
}

/** 31 bits: small enough for every parser, and nothing but a name for the leg. */
export const newVoice = (random: Random): Voice => ({
  sessionId: random.uint32() >>> 1,
  version: 0,
  ip: "",
  body: "",
  text: "",
  lines: 0,
  certified: false,
  spoilt: false,
});

/** Has it ever been told a fingerprint of ours? */
export const isCertified = ({ certified, text }: Voice): boolean => certified || text.includes("\na=fingerprint:");

/**
 * The same voice after saying `body`, which has so many m-lines: a new version if and only if anything differs. `ip`: for
 * the first `o=`.
 */
export function say(voice: Voice, ip: string, body: string, lines: number): Voice {
  if (voice.version > 0 && !voice.spoilt && voice.body === body) return voice;
  const version = voice.version + 1;
  const origin = voice.ip === "" ? ip : voice.ip;
  const text = `v=0\r\no=- ${voice.sessionId} ${version} ${typedAddress(origin)}\r\n${body}`;
  const heard = Math.max(lines, voice.lines);
  const certified = voice.version > 0 && isCertified(voice);
  return { sessionId: voice.sessionId, version, ip: origin, body, text, lines: heard, certified, spoilt: false };
}

/** What stands again after `refused` was said: RFC 3264 §8 counts from the description before, refused or not. */
export function unsaid(standing: Voice, refused: Voice): Voice {
  if (refused.sessionId !== standing.sessionId || refused.version === standing.version) return standing;
  const { sessionId, body, text, lines, certified } = standing;
  return { sessionId, version: refused.version, ip: refused.ip, body, text, lines, certified, spoilt: true };
}

/** How far a voice has come: under which name, to which version, and with how many m-lines. */
export type Spoken = Pick<Voice, "sessionId" | "version" | "ip" | "lines">;

export const spokenBy = ({ sessionId, version, ip, lines }: Voice): Spoken => ({ sessionId, version, ip, lines });

/** The voice as one that goes on from there: whatever it says next is a later version, with no fewer m-lines. */
export function carriedOn(voice: Voice, { sessionId, version, ip, lines }: Spoken): Voice {
  if (voice.sessionId !== sessionId) {
    return { sessionId, version, ip, body: "", text: "", lines, certified: isCertified(voice), spoilt: true };
  }
  if (version < voice.version) return voice;
  return { ...voice, version, lines: Math.max(lines, voice.lines), spoilt: true };
}
