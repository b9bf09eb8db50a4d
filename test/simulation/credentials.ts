/** The peers' half of digest (RFC 7616, MD5 with qop=auth alone), without a line of the product. */
import { createHash } from "node:crypto";
import { headerOf, methodOf, type Sip } from "./sip-text.ts";

export interface Account {
  readonly user: string;
  readonly password: string;
}

const md5 = (text: string): string => createHash("md5").update(text, "latin1").digest("hex");

/** The line that goes with a 401 or 407. */
export const challenge = (status: number, realm: string, nonce: string): readonly [string, string] => [
  status === 401 ? "WWW-Authenticate" : "Proxy-Authenticate",
  `Digest realm="${realm}", nonce="${nonce}", algorithm=MD5, qop="auth"`,
];

/** What is wrong with the proof in `request`; empty: nothing. */
export function faultOfProof(request: Sip, status: number, nonce: string, { user, password }: Account): string {
  const proof = headerOf(request, status === 401 ? "authorization" : "proxy-authorization");
  if (proof === "") return "no credentials";
  const value = (name: string): string => {
    const [, quoted, plain] = new RegExp(`[ ,]${name}=(?:"([^"]*)"|([^ ,]*))`).exec(proof) ?? [];
    return quoted ?? plain ?? "";
  };
  if (value("nonce") !== nonce) return "credentials for another nonce";
  if (value("uri") !== request.start.split(" ")[1]) return "credentials for another URI";
  const secret = md5(`${user}:${value("realm")}:${password}`);
  const what = md5(`${methodOf(request)}:${value("uri")}`);
  const right = md5(`${secret}:${nonce}:${value("nc")}:${value("cnonce")}:auth:${what}`);
  return value("response") === right ? "" : "credentials that prove nothing";
}
