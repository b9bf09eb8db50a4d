/** What we write in answer to a challenge, and what a server says of the next one. RFC 7616 §3.4, §3.5. */
import { type Hash, PeerError } from "../base/index.ts";
import { AuthenticationInfo, Authorization, type RequestDraft, type Response } from "../message/index.ts";
import type { Nonce } from "./authenticator.ts";
import { countText, digestOf, hashOf, sameDigest } from "./digest.ts";

/** The value of Authorization or Proxy-Authorization for this request. */
export function answerTo(nonce: Nonce, draft: RequestDraft, user: string, hash: Hash): string {
  const { challenge, ha1, cnonce } = nonce;
  const { realm, algorithm, qop } = challenge;
  const nc = countText(nonce.uses);
  const { method, uri, body } = draft;
  const response = digestOf(hash, { algorithm, ha1, nonce: challenge.nonce, method, uri, body, qop, nc, cnonce });
  const username = challenge.userhash ? hash(hashOf(algorithm), `${user}:${realm}`) : user;
  const params = new Map<string, string | undefined>([
    ["username", username],
    ["realm", realm],
    ["nonce", challenge.nonce],
    ["uri", uri],
    ["response", response],
  ]);
  if (challenge.algorithmText !== undefined) params.set("algorithm", challenge.algorithmText);
  // A session key needs our nonce even where nothing else does.
  if (qop !== undefined || algorithm.endsWith("-sess")) params.set("cnonce", cnonce);
  if (challenge.opaque !== undefined) params.set("opaque", challenge.opaque);
  if (qop !== undefined) params.set("qop", qop).set("nc", nc);
  if (challenge.userhash) params.set("userhash", "true");
  return Authorization.format({ scheme: "Digest", params });
}

/** Limit: of a next nonce, in bytes. A longer one is not followed; the server will ask. */
const NEXT_NONCE_BYTES = 512;

/**
 * The nonce that the server wants to see next. One that comes with a proof which is wrong is not followed: its sender
 * does not know our password. `uses`: which use of the nonce is answered.
 */
export function nextNonceIn(
  response: Response,
  nonce: Nonce,
  uses: number,
  uri: string,
  hash: Hash,
): Nonce | undefined {
  const info = infoIn(response);
  const next = info?.get("nextnonce");
  if (info === undefined || next === undefined || next === "" || next.length > NEXT_NONCE_BYTES) return undefined;
  const { challenge, ha1, cnonce } = nonce;
  const proof = info.get("rspauth");
  if (proof !== undefined) {
    const { algorithm, qop } = challenge;
    const { body } = response;
    const nc = countText(uses);
    const right = digestOf(hash, { algorithm, ha1, nonce: challenge.nonce, method: "", uri, body, qop, nc, cnonce });
    if (!sameDigest(right, proof.toLowerCase())) return undefined;
  }
  return { challenge: { ...challenge, nonce: next, stale: false }, ha1, cnonce, uses: 0 };
}

function infoIn(response: Response): ReadonlyMap<string, string | undefined> | undefined {
  if (!response.headers.has(AuthenticationInfo.name)) return undefined;
  try {
    return response.get(AuthenticationInfo);
  } catch (error) {
    if (error instanceof PeerError) return undefined;
    throw error;
  }
}
