/** The challenges of a 401 or 407, as far as we can answer them. RFC 3261 §22, RFC 7616 §3.3, RFC 8760 §2.4. */
import { PeerError } from "../base/index.ts";
import { type Authentication, ProxyAuthenticate, type Response, WwwAuthenticate } from "../message/index.ts";
import { type Algorithm, algorithmNamed, type Qop, strengthOf } from "./digest.ts";
import { sipUriIn } from "./uris.ts";

/** Who asks: the server that the request is for, or a proxy on the way. */
export type Asker = "server" | "proxy";

export interface Challenge {
  readonly asker: Asker;
  readonly realm: string;
  readonly nonce: string;
  readonly algorithm: Algorithm;
  /** As it was written, to be given back so; `undefined`: it was not. */
  readonly algorithmText: string | undefined;
  readonly qop: Qop | undefined;
  readonly opaque: string | undefined;
  readonly stale: boolean;
  /** The user's name is not to be sent in the clear: RFC 7616 §3.4.4. */
  readonly userhash: boolean;
  /** URIs that the nonce is good for; empty: all. RFC 7616 §3.3. */
  readonly domain: readonly string[];
}

/** Limit: header lines looked at in one response; forks ask all at once (RFC 3261 §22.3), but not so many. */
const CHALLENGE_LINES = 16;
/** Limit: of a nonce, a realm or an opaque value, in bytes: they come back in each of our requests. More is not answered. */
const VALUE_BYTES = 512;
/** Limit: URIs of `domain` that are looked at; with more of them the nonce is not used again. */
const DOMAIN_URIS = 16;

/**
 * What is asked of us and we know how to answer: one challenge for each asker and realm. What cannot be read, Basic
 * included, is left out (RFC 8760 §2.4, §2.6).
 *
 * Deviation: RFC 8760 §2.4 would have us take the topmost of several algorithms unless policy says otherwise. Ours is
 * the strongest one: so whoever changes the order on the way gains nothing.
 */
export function challengesIn(response: Response, usable: (algorithm: Algorithm) => boolean): readonly Challenge[] {
  const best = new Map<string, Challenge>();
  for (const asker of ["server", "proxy"] as const) {
    const field = asker === "server" ? WwwAuthenticate : ProxyAuthenticate;
    for (const line of response.headers.rawAll(field.name).slice(0, CHALLENGE_LINES)) {
      const challenge = readChallenge(asker, line);
      if (challenge === undefined || !usable(challenge.algorithm)) continue;
      const key = `${asker} ${challenge.realm}`;
      const known = best.get(key);
      if (known === undefined || strengthOf(known.algorithm) < strengthOf(challenge.algorithm)) {
        best.set(key, challenge);
      }
    }
  }
  return [...best.values()];
}

export function readChallenge(asker: Asker, line: string): Challenge | undefined {
  const value = parsed(asker, line);
  if (value === undefined || value.scheme.toLowerCase() !== "digest") return undefined;
  const { params } = value;
  const realm = params.get("realm");
  const nonce = params.get("nonce");
  const opaque = params.get("opaque");
  const algorithmText = params.get("algorithm");
  const algorithm = algorithmNamed(algorithmText ?? "MD5");
  if (realm === undefined || nonce === undefined || algorithm === undefined) return undefined;
  if ([realm, nonce, opaque ?? ""].some((text) => text.length > VALUE_BYTES)) return undefined;
  const qops = params.get("qop");
  const qop = qops === undefined ? undefined : qopOf(qops);
  if (qops !== undefined && qop === undefined) return undefined; // A protection that we do not know.
  const stale = params.get("stale")?.toLowerCase() === "true";
  const userhash = params.get("userhash")?.toLowerCase() === "true";
  const domain = (params.get("domain") ?? "").split(/[ \t]+/).filter((uri) => uri !== "");
  return { asker, realm, nonce, algorithm, algorithmText, qop, opaque, stale, userhash, domain };
}

/**
 * `auth` where it is offered, for `auth-int` covers the body, which a box on the way may have reason to change; that
 * alone where nothing else will do.
 */
function qopOf(list: string): Qop | undefined {
  const offered = list.split(",").map((one) => one.trim().toLowerCase());
  return offered.includes("auth") ? "auth" : offered.includes("auth-int") ? "auth-int" : undefined;
}

/**
 * May the nonce be used for this request before anybody asks again? A proxy's is good for all that it forwards
 * (RFC 7616 §3.3); a server's for the hosts that it names, when it names some.
 */
export function covers({ asker, domain }: Challenge, requestUri: string): boolean {
  if (asker === "proxy" || domain.length === 0) return true;
  if (domain.length > DOMAIN_URIS) return false;
  const host = hostOf(requestUri);
  return host !== undefined && domain.some((uri) => hostOf(uri) === host);
}

const hostOf = (text: string): string | undefined => sipUriIn(text)?.host;

function parsed(asker: Asker, line: string): Authentication | undefined {
  try {
    return (asker === "server" ? WwwAuthenticate : ProxyAuthenticate).parse(line);
  } catch (error) {
    if (error instanceof PeerError) return undefined;
    throw error;
  }
}
