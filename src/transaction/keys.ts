/** Which messages belong together: RFC 3261 §17.1.3 and §17.2.3, and §8.2.2.2 for merged requests. */
import { hash32, type Random } from "../base/index.ts";
import type { Request } from "../message/index.ts";

/** A branch that begins so was chosen to be unique. RFC 3261 §8.1.1.7. */
export const MAGIC_COOKIE = "z9hG4bK";

/** Limit: characters of a key as it stands in our tables. What is longer is held as its beginning and a hash. */
const KEY_LENGTH = 256;

/** The text and its hash, taken once for all tables that are asked for it. */
export interface Key {
  readonly text: string;
  readonly hash: number;
}

export class Keys {
  readonly #seeds: readonly [number, number];

  constructor(random: Random) {
    this.#seeds = [random.uint32(), random.uint32()];
  }

  /**
   * The key of the server transaction that `request` belongs to; ACK and CANCEL have the key of their INVITE. A
   * realm's transactions cannot be reached from another realm.
   */
  server(request: Request, realm: string): Key {
    const { via, branch } = request;
    const method = request.method === "ACK" || request.method === "CANCEL" ? "INVITE" : request.method;
    if (branch?.startsWith(MAGIC_COOKIE) && branch.length > MAGIC_COOKIE.length) {
      return this.#key(`${branch} ${via.host}:${via.port ?? ""} ${method} ${realm}`);
    }
    // RFC 2543: the To tag is left out, since the ACK has one that the INVITE had not; the machine's state decides.
    const tail = `${via.host}:${via.port ?? ""} ${branch ?? ""} ${method} ${realm} ${request.uri}`;
    return this.#key(`2543 ${this.#identity(request)} ${tail}`);
  }

  /**
   * The same for a request that reached us twice by different ways; `undefined` inside a dialog.
   *
   * Deviation: RFC 3261 §8.2.2.2 leaves the Request-URI out, as a user agent has but one user; we have many, and a proxy
   * that forks a call to two of them sends us two requests that differ in nothing else.
   */
  merged(request: Request, realm: string): Key | undefined {
    if (request.to.params.has("tag")) return undefined;
    return this.#key(`${this.#identity(request)} ${request.method} ${realm} ${request.uri}`);
  }

  /** A To tag for an answer without a transaction: the same again for a copy of the request. RFC 3261 §8.2.7. */
  statelessTag(request: Request): string {
    const { callId } = request;
    return hash32(callId, this.#seeds[0]).toString(36) + hash32(callId, this.#seeds[1]).toString(36);
  }

  #identity(request: Request): string {
    return `${request.callId} ${request.fromTag ?? ""} ${request.cseq.number}`;
  }

  /** Strangers choose these keys: the hash has a seed. */
  #key(whole: string): Key {
    const text = this.#bounded(whole);
    return { text, hash: hash32(text, this.#seeds[0]) | 0 };
  }

  #bounded(key: string): string {
    if (key.length <= KEY_LENGTH) return key;
    const [first, second] = this.#seeds;
    return `${key.slice(0, 64)} ${key.length} ${hash32(key, first)} ${hash32(key, second)}`;
  }
}
