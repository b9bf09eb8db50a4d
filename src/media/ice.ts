/**
 * ICE on a leg: RFC 8445 and RFC 8839, with us as the lite agent. We send no checks, so candidates of others are of no use
 * here: they are neither kept nor passed on. Credentials are the leg's own, and last until the other end restarts ICE.
 */
import { type IcePolicy, type Random, Secret, token } from "../base/index.ts";
import { type IceWords, iceWords, type Media, type Sdp } from "../sdp/index.ts";
import { isBrowser, rulesOf, type Standing } from "./party.ts";
import type { IceCredentials } from "./relay-command.ts";

export interface LineIce {
  readonly ufrag: string;
  readonly password: Secret<string>;
  /** `undefined`: offered, not answered yet. */
  readonly agreed: IceCredentials | undefined;
}

/** What stands when `media` is that side's offer; `undefined`: media goes where `c=` says. */
export function iceForOffer(
  media: Media,
  session: Sdp,
  standing: Standing,
  before: LineIce | undefined,
  random: Random,
): LineIce | undefined {
  if (policyOf(standing) === "off") return undefined;
  const words = usable(media, session);
  if (words === undefined) return undefined;
  if (before?.agreed === undefined) return agreeing(fresh(random), words);
  // New credentials are a restart, and ours change with them. RFC 8839 §4.4.2.1.
  return isSame(before.agreed, words) ? before : agreeing(fresh(random), words);
}

/** What stands when `media` is that side's answer. `offered`: what we offered; `before`: after an earlier answer of it. */
export function iceForAnswer(
  media: Media,
  session: Sdp,
  offered: LineIce | undefined,
  before: LineIce | undefined,
): LineIce | undefined {
  const words = offered === undefined ? undefined : usable(media, session);
  if (offered === undefined || words === undefined) return undefined;
  if (before?.agreed !== undefined && before.ufrag === offered.ufrag && isSame(before.agreed, words)) return before;
  return agreeing(offered, words);
}

/** What we offer a side. */
export function iceToOffer(standing: Standing, before: LineIce | undefined, random: Random): LineIce | undefined {
  const policy = policyOf(standing);
  if (policy === "off") return undefined;
  if (before !== undefined) return before;
  return policy === "lite" || isBrowser(standing) ? fresh(random) : undefined;
}

/** A relay without a certificate of its own knows nothing of ICE either. */
const policyOf = (standing: Standing): IcePolicy =>
  standing.fingerprint === undefined ? "off" : (rulesOf(standing)?.ice ?? "answer");

/** Two lite agents check nothing: where media goes stands in `c=` (RFC 8445 §6.1.1), so they need no ICE. */
function usable(media: Media, session: Sdp): IceWords | undefined {
  const words = iceWords(media, session);
  return words === undefined || words.lite || words.mismatch ? undefined : words;
}

/** RFC 8445 §5.3 wants 24 and 128 bits of chance at least. */
const UFRAG_CHARS = 8;
const PASSWORD_CHARS = 24;

const fresh = (random: Random): LineIce => ({
  ufrag: iceChars(token(random, UFRAG_CHARS)),
  password: new Secret(iceChars(token(random, PASSWORD_CHARS))),
  agreed: undefined,
});

/** The two signs of ours that are no ice-char: RFC 8839 §5.4. */
const iceChars = (text: string): string => text.replaceAll("-", "+").replaceAll("_", "/");

const agreeing = ({ ufrag, password }: LineIce, words: IceWords): LineIce => ({
  ufrag,
  password,
  agreed: {
    localUfrag: ufrag,
    localPassword: password,
    remoteUfrag: words.ufrag,
    remotePassword: new Secret(words.password),
  },
});

const isSame = ({ remoteUfrag, remotePassword }: IceCredentials, { ufrag, password }: IceWords): boolean =>
  remoteUfrag === ufrag && remotePassword.reveal() === password;
