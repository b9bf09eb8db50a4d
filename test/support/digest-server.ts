/**
 * The server's half of digest authentication, for scripted parties: written by itself from RFC 7616, so that a mistake of
 * the product does not hide. It checks what was really sent: nonce, count, URI, method and body.
 */
import { createHash } from "node:crypto";
import { bodyOf } from "./scripted-party.ts";

export interface Account {
  readonly user: string;
  readonly password: string;
  readonly realm: string;
}

type Algorithm = "MD5" | "MD5-sess" | "SHA-256" | "SHA-256-sess" | "SHA-512-256" | "SHA-512-256-sess";

export class DigestServer {
  readonly account: Account;
  readonly algorithm: Algorithm;
  /** Empty: none is asked for. */
  readonly qop: string;
  /** Highest count seen of each nonce that is good. */
  readonly #nonces = new Map<string, number>();
  #made = 0;

  constructor(account: Account, algorithm: Algorithm = "MD5", qop = "auth") {
    this.account = account;
    this.algorithm = algorithm;
    this.qop = qop;
  }

  /** The value of a WWW-Authenticate or Proxy-Authenticate with a new nonce. */
  challenge(more = ""): string {
    this.#made += 1;
    const nonce = `nonce-${this.#made}-of-${this.account.realm}`;
    this.#nonces.set(nonce, 0);
    const qop = this.qop === "" ? "" : `, qop="${this.qop}"`;
    return `Digest realm="${this.account.realm}", nonce="${nonce}", opaque="op;aque,${this.#made}", algorithm=${this.algorithm}${qop}${more}`;
  }

  /** Nonces are good no more. */
  expire(): void {
    this.#nonces.clear();
  }

  /** The verdict over a value of Authorization in this request. */
  judge(request: string, value: string): "right" | "no credentials" | "unknown nonce" | "count used" | string {
    if (value === "") return "no credentials";
    const param = (name: string): string =>
      new RegExp(`[ ,]${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^,\\s]*))`).exec(value)?.slice(1).find(Boolean) ?? "";
    const nonce = param("nonce");
    const known = this.#nonces.get(nonce);
    if (known === undefined) return "unknown nonce";
    const count = Number.parseInt(param("nc") || "0", 16);
    if (this.qop !== "" && count <= known) return "count used";
    this.#nonces.set(nonce, count);
    const [method = "", uri = ""] = request.split(" ");
    if (param("uri") !== uri) return `uri is ${param("uri")}`;
    if (!param("opaque").startsWith("op;aque,")) return "opaque is not ours";
    const { user, password, realm } = this.account;
    if (param("username") !== user) return `user is ${param("username")}`;
    const hash = (text: string): string =>
      createHash(this.algorithm.replace("-sess", "").toLowerCase().replace("sha-", "sha").replace("md-5", "md5"))
        .update(text, "latin1")
        .digest("hex");
    let a1 = hash(`${user}:${realm}:${password}`);
    if (this.algorithm.endsWith("-sess")) a1 = hash(`${a1}:${nonce}:${param("cnonce")}`);
    const qop = param("qop");
    if (qop !== this.qop) return `qop is ${qop}`;
    const a2 = hash(qop === "auth-int" ? `${method}:${uri}:${hash(bodyOf(request))}` : `${method}:${uri}`);
    const middle = qop === "" ? nonce : `${nonce}:${param("nc")}:${param("cnonce")}:${qop}`;
    return param("response") === hash(`${a1}:${middle}:${a2}`) ? "right" : "wrong";
  }
}
