/**
 * Nonces that we give out without keeping them: each says when it was made, and proves that we made it, and for whom.
 * RFC 7616 §3.3 (nonce), §5.4.
 */
import { type Hash, type Millis, type Random, randomBytes, SECOND, token } from "../base/index.ts";
import { sameDigest } from "./digest.ts";

const KEY_BYTES = 32;
const SALT_CHARS = 8;
/** Hex digits of the proof: 128 bits. */
const PROOF_CHARS = 32;
const SHAPE = /^([0-9a-z]{1,12})-([0-9A-Za-z_-]{8})-([0-9a-f]{32})$/;

/** `stale`: it was good, for this source, until its time was over. `unknown`: never ours, or another's. */
export type NonceVerdict =
  | { readonly verdict: "good"; readonly madeAt: Millis }
  | { readonly verdict: "stale" | "unknown" };

export class Nonces {
  readonly #hash: Hash;
  readonly #random: Random;
  readonly #key: string;
  readonly #lifetime: Millis;

  /** `lifetime`: how long a nonce is good. A new key each time: after a restart all nonces are unknown, and asked anew. */
  constructor(options: { readonly hash: Hash; readonly random: Random; readonly lifetime: Millis }) {
    this.#hash = options.hash;
    this.#random = options.random;
    this.#lifetime = options.lifetime;
    this.#key = String.fromCharCode(...randomBytes(options.random, KEY_BYTES));
  }

  /** `source`: whom it is for, as an address without its port: that may change behind a NAT. */
  make(source: string, now: Millis): string {
    const second = Math.floor(now / SECOND).toString(36);
    const salt = token(this.#random, SALT_CHARS);
    return `${second}-${salt}-${this.#proof(second, salt, source)}`;
  }

  judge(nonce: string, source: string, now: Millis): NonceVerdict {
    const [, second, salt, proof] = SHAPE.exec(nonce) ?? [];
    if (second === undefined || salt === undefined || proof === undefined) return { verdict: "unknown" };
    if (!sameDigest(proof, this.#proof(second, salt, source))) return { verdict: "unknown" };
    const madeAt = Number.parseInt(second, 36) * SECOND;
    return now - madeAt >= this.#lifetime ? { verdict: "stale" } : { verdict: "good", madeAt };
  }

  /** SHA-512/256 gives away none of its state, so a key in front of the text is enough (FIPS 180-4 §5.3.6). */
  #proof(second: string, salt: string, source: string): string {
    return this.#hash("SHA-512-256", `${this.#key}:${second}:${salt}:${source}`).slice(0, PROOF_CHARS);
  }
}
