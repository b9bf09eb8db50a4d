/** What we said last on one leg. RFC 3264 §5 and §8: one session id for the leg's life, one version for one text. */
import type { Random } from "../base/index.ts";
import { typedAddress } from "./write-sdp.ts";

export interface Voice {
  readonly sessionId: number;
  /** 0 before the first description. */
  readonly version: number;
  readonly ip: string;
  readonly body: string;
  readonly text: string;
}

/** 31 bits: small enough for every parser, and nothing but a name for the leg. */
export const newVoice = (random: Random): Voice => ({
  sessionId: random.uint32() >>> 1,
  version: 0,
  ip: "",
  body: "",
  text: "",
});

/** The same voice after saying `body`: a new version if and only if anything differs. */
export function say(voice: Voice, ip: string, body: string): Voice {
  if (voice.version > 0 && voice.ip === ip && voice.body === body) return voice;
  const version = voice.version + 1;
  const text = `v=0\r\no=- ${voice.sessionId} ${version} ${typedAddress(ip)}\r\n${body}`;
  return { sessionId: voice.sessionId, version, ip, body, text };
}
