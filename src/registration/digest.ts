/** Digest authentication as arithmetic: RFC 7616 §3.4, for SIP as in RFC 8760 §2.6 and RFC 3261 §22.4. */
import type { Hash, HashName } from "../base/index.ts";

export type Algorithm = HashName | `${HashName}-sess`;
export type Qop = "auth" | "auth-int";

/** From weak to strong. A session variant is as strong as its hash; the plain one is simpler, so it goes first. */
const BY_STRENGTH: readonly Algorithm[] = [
  "MD5-sess",
  "MD5",
  "SHA-256-sess",
  "SHA-256",
  "SHA-512-256-sess",
  "SHA-512-256",
];

/** Larger is stronger. */
export const strengthOf = (algorithm: Algorithm): number => BY_STRENGTH.indexOf(algorithm);

/** By its name in any case; `undefined`: we do not know it. */
export function algorithmNamed(name: string): Algorithm | undefined {
  const upper = name.toUpperCase();
  return BY_STRENGTH.find((algorithm) => algorithm.toUpperCase() === upper);
}

export const hashOf = (algorithm: Algorithm): HashName => algorithm.replace("-sess", "") as HashName;

export const isSession = (algorithm: Algorithm): boolean => algorithm.endsWith("-sess");

/** What a password becomes for one user and realm: as good as the password there. */
export const ha1Of = (hash: Hash, name: HashName, user: string, realm: string, password: string): string =>
  hash(name, `${user}:${realm}:${password}`);

export interface DigestInput {
  readonly algorithm: Algorithm;
  /** H(user:realm:password), also for session algorithms. */
  readonly ha1: string;
  readonly nonce: string;
  /** Empty for the `rspauth` of an answer. */
  readonly method: string;
  readonly uri: string;
  readonly body: string;
  /** `undefined`: as in RFC 2069, for servers that know no better. */
  readonly qop: Qop | undefined;
  /** Eight hex digits. */
  readonly nc: string;
  readonly cnonce: string;
}

/** The value of `response` (RFC 7616 §3.4.1), or of `rspauth` (§3.5). */
export function digestOf(hash: Hash, input: DigestInput): string {
  const { algorithm, nonce, qop, nc, cnonce } = input;
  const name = hashOf(algorithm);
  const a1 = isSession(algorithm) ? hash(name, `${input.ha1}:${nonce}:${cnonce}`) : input.ha1;
  const a2 =
    qop === "auth-int"
      ? `${input.method}:${input.uri}:${hash(name, input.body)}` // Without a body: the hash of nothing (RFC 8760 §2.6).
      : `${input.method}:${input.uri}`;
  const middle = qop === undefined ? nonce : `${nonce}:${nc}:${cnonce}:${qop}`;
  return hash(name, `${a1}:${middle}:${hash(name, a2)}`);
}

/** A nonce count as it is written. */
export const countText = (count: number): string => count.toString(16).padStart(8, "0");

/** Are two digests the same? As long for each pair of the same length: who guesses learns nothing from the time. */
export function sameDigest(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ (b.charCodeAt(i) | 0);
  return difference === 0;
}
