/** The peers' half of digest (RFC 7616, RFC 8760), without a line of the product. */
import { createHash } from "node:crypto";
import type { ProofTaste } from "./script.ts";
import { headerOf, methodOf, type Sip } from "./sip-text.ts";

export interface Account {
  readonly user: string;
  readonly password: string;
}

const HASHES = { MD5: "md5", "SHA-256": "sha256", "SHA-512-256": "sha512-256" } as const;

/** The line that goes with a 401 or 407. */
export const challenge = (
  status: number,
  realm: string,
  { algorithm, qop }: ProofTaste,
  nonce: string,
  stale: boolean,
): readonly [string, string] => [
  status === 401 ? "WWW-Authenticate" : "Proxy-Authenticate",
  `Digest realm="${realm}", nonce="${nonce}", algorithm=${algorithm}, qop="${qop}"${stale ? ", stale=true" : ""}`,
];

/** What is wrong with the proof in `request`; empty: nothing. */
export function faultOfProof(
  request: Sip,
  status: number,
  nonce: string,
  { algorithm, qop }: ProofTaste,
  { user, password }: Account,
): string {
  const hash = (text: string): string => createHash(HASHES[algorithm]).update(text, "latin1").digest("hex");
  const proof = headerOf(request, status === 401 ? "authorization" : "proxy-authorization");
  if (proof === "") return "no credentials";
  const value = (name: string): string => {
    const [, quoted, plain] = new RegExp(`[ ,]${name}=(?:"([^"]*)"|([^ ,]*))`).exec(proof) ?? [];
    return quoted ?? plain ?? "";
  };
  if (value("nonce") !== nonce) return "credentials for another nonce";
  if (value("uri") !== request.start.split(" ")[1]) return "credentials for another URI";
  if (value("algorithm") !== algorithm) return `${value("algorithm")} instead of ${algorithm}`;
  const chosen = value("qop");
  if (!qop.split(",").includes(chosen)) return `qop ${chosen} instead of ${qop}`;
  if (value("nc") !== "00000001") return `a new nonce is used for the time ${value("nc")}`;
  const body = chosen === "auth-int" ? `:${hash(request.body)}` : "";
  const secret = hash(`${user}:${value("realm")}:${password}`);
  const what = hash(`${methodOf(request)}:${value("uri")}${body}`);
  const right = hash(`${secret}:${nonce}:${value("nc")}:${value("cnonce")}:${chosen}:${what}`);
  return value("response") === right ? "" : "credentials that prove nothing";
}
