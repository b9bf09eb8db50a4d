/** The server's half of digest authentication: what we ask, and whether an answer is right. RFC 7616 §3.3, §3.4; RFC 8760. */
import type { Hash, HashName } from "../base/index.ts";
import { type Authentication, sameUri, WwwAuthenticate } from "../message/index.ts";
import { type Algorithm, algorithmNamed, countText, digestOf, hashOf, sameDigest, strengthOf } from "./digest.ts";
import { sipUriIn } from "./uris.ts";

/** Limit: of a user's name and of a client's nonce, in bytes. More is malformed. */
const VALUE_BYTES = 256;

/** Values of WWW-Authenticate or Proxy-Authenticate, the strongest first: RFC 8760 §2.3. */
export function challengesFor(asked: {
  readonly realm: string;
  readonly nonce: string;
  readonly algorithms: readonly Algorithm[];
  readonly stale: boolean;
}): readonly string[] {
  const { realm, nonce, stale } = asked;
  return [...asked.algorithms]
    .sort((a, b) => strengthOf(b) - strengthOf(a))
    .map((algorithm) => {
      const params = new Map([
        ["realm", realm],
        ["nonce", nonce],
        ["algorithm", algorithm as string],
        ["qop", "auth"],
      ]);
      if (stale) params.set("stale", "true");
      return WwwAuthenticate.format({ scheme: "Digest", params });
    });
}

/** Credentials that have everything which a right answer to us has; whether it is right is another question. */
export interface Claim {
  readonly user: string;
  readonly algorithm: Algorithm;
  readonly nonce: string;
  readonly uri: string;
  readonly cnonce: string;
  readonly count: number;
  readonly response: string;
}

/** `undefined`: not for this realm, not by an algorithm that we asked for, or not whole. */
export function claimIn(value: Authentication, realm: string, algorithms: readonly Algorithm[]): Claim | undefined {
  const { scheme, params } = value;
  if (scheme.toLowerCase() !== "digest" || params.get("realm") !== realm) return undefined;
  const algorithm = algorithmNamed(params.get("algorithm") ?? "MD5");
  if (algorithm === undefined || !algorithms.includes(algorithm)) return undefined;
  // We always ask for it, so what comes without was made for another question (RFC 8760 §2.6).
  if (params.get("qop")?.toLowerCase() !== "auth" || params.get("userhash")?.toLowerCase() === "true") return undefined;
  const [user, nonce, uri] = [params.get("username"), params.get("nonce"), params.get("uri")];
  const [cnonce, nc, response] = [params.get("cnonce"), params.get("nc"), params.get("response")?.toLowerCase()];
  if (user === undefined || nonce === undefined || uri === undefined || cnonce === undefined) return undefined;
  if (cnonce === "" || cnonce.length > VALUE_BYTES || user.length > VALUE_BYTES) return undefined;
  if (nc === undefined || !/^[0-9a-f]{8}$/i.test(nc) || response === undefined) return undefined;
  const count = Number.parseInt(nc, 16);
  if (count === 0 || response.length !== (hashOf(algorithm) === "MD5" ? 32 : 64)) return undefined;
  return { user, algorithm, nonce, uri, cnonce, count, response };
}

/** What a user is known by; `undefined`: there is no such user, or no digest of this kind. */
export type Ha1Of = (user: string, name: HashName) => string | undefined;

/**
 * Does the sender know the password? Nonce and count are the caller's to judge (nonces.ts, count-window.ts): the count
 * only once the answer is right, or anybody could use up another's.
 *
 * Costs the same for users that there are not: the time tells nobody's name.
 */
export function isRight(
  claim: Claim,
  request: { readonly method: string; readonly uri: string },
  ha1Of: Ha1Of,
  hash: Hash,
): boolean {
  const { algorithm, nonce, cnonce, uri, count, response } = claim;
  const ha1 = ha1Of(claim.user, hashOf(algorithm));
  const right = digestOf(hash, {
    algorithm,
    ha1: ha1 ?? NOBODY,
    nonce,
    method: request.method,
    uri,
    body: "",
    qop: "auth",
    nc: countText(count),
    cnonce,
  });
  const same = sameDigest(right, response);
  return same && ha1 !== undefined && isFor(uri, request.uri);
}

const NOBODY = "0".repeat(64);

/** RFC 8760 §2.6 (6): what was proven must be what is asked for. A spelling that a proxy changed is the same URI. */
function isFor(proven: string, asked: string): boolean {
  if (proven === asked) return true;
  const [a, b] = [sipUriIn(proven), sipUriIn(asked)];
  return a !== undefined && b !== undefined && sameUri(a, b);
}
