/**
 * Which counts of which nonces were used: each once (RFC 7616 §3.4, nc). Requests may overtake each other a little.
 *
 * Limit: so many nonces at a time. At it the oldest is forgotten, and with it every nonce that is as old counts as stale:
 * forgetting must not let a copy in.
 */
import type { Millis } from "../base/index.ts";

/** How far below the highest count an unused one is still taken. */
const WINDOW = 32;

interface Uses {
  readonly madeAt: Millis;
  highest: number;
  /** Bit i: the count `highest - i` was used. */
  seen: number;
}

export class CountWindow {
  readonly #uses = new Map<string, Uses>();
  readonly #limit: number;
  #forgottenUntil: Millis = Number.NEGATIVE_INFINITY;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#uses.size;
  }

  /** Takes the count, once. `madeAt`: when the nonce was made. `stale`: we cannot tell any more, so ask anew. */
  use(nonce: string, madeAt: Millis, count: number): "fresh" | "used" | "stale" {
    if (madeAt <= this.#forgottenUntil) return "stale";
    const uses = this.#uses.get(nonce);
    if (uses === undefined) {
      this.#uses.set(nonce, { madeAt, highest: count, seen: 1 });
      if (this.#uses.size > this.#limit) this.#forgetOldest();
      return madeAt <= this.#forgottenUntil ? "stale" : "fresh";
    }
    const ahead = count - uses.highest;
    if (ahead > 0) {
      uses.seen = ahead >= WINDOW ? 1 : ((uses.seen << ahead) | 1) >>> 0;
      uses.highest = count;
      return "fresh";
    }
    if (-ahead >= WINDOW) return "stale";
    const bit = (1 << -ahead) >>> 0;
    if ((uses.seen & bit) !== 0) return "used";
    uses.seen = (uses.seen | bit) >>> 0;
    return "fresh";
  }

  /** Nonces made before this are of no use any more. */
  sweep(before: Millis): void {
    for (const [nonce, { madeAt }] of this.#uses) if (madeAt < before) this.#uses.delete(nonce);
  }

  #forgetOldest(): void {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { madeAt } of this.#uses.values()) oldest = Math.min(oldest, madeAt);
    this.#forgottenUntil = Math.max(this.#forgottenUntil, oldest);
    for (const [nonce, { madeAt }] of this.#uses) if (madeAt <= oldest) this.#uses.delete(nonce);
  }
}
