/** How many calls a peer has and how fast new ones may come: `maxCalls` and `maxCallsPerSecond`. */
import { assert, below, type Millis, type PeerSettings, type Random, SECOND } from "../base/index.ts";

export type AdmitVerdict =
  | { readonly admitted: true }
  | {
      readonly admitted: false;
      readonly limit: "maxCalls" | "maxCallsPerSecond";
      /** For Retry-After; spread, so that refused callers do not come back as one. */
      readonly retryAfterSeconds: number;
    };

const ADMITTED: AdmitVerdict = { admitted: true };
/** A full trunk empties call by call: come back in 5 to 9 seconds. */
const FULL_RETRY_SECONDS = 5;

/** The calls of one peer. The bucket holds one second's worth of calls and starts full. */
export class CallLimits {
  #calls = 0;
  #refused = 0;
  #tokens = Number.POSITIVE_INFINITY;
  #filledAt: Millis = 0;

  /** Live calls: admitted and not released. */
  get calls(): number {
    return this.#calls;
  }

  /** How many were refused so far. */
  get refused(): number {
    return this.#refused;
  }

  admit(peer: PeerSettings, random: Random, now: Millis): AdmitVerdict {
    if (peer.maxCalls !== undefined && this.#calls >= peer.maxCalls) {
      return this.#refuse("maxCalls", FULL_RETRY_SECONDS + below(random, FULL_RETRY_SECONDS));
    }
    if (peer.maxCallsPerSecond !== undefined) {
      this.#fill(peer.maxCallsPerSecond, now);
      if (this.#tokens < 1) return this.#refuse("maxCallsPerSecond", 1 + below(random, 2));
      this.#tokens -= 1;
    }
    this.#calls += 1;
    return ADMITTED;
  }

  release(): void {
    assert(this.#calls > 0, "a call is released once for each time it was admitted");
    this.#calls -= 1;
  }

  #refuse(limit: "maxCalls" | "maxCallsPerSecond", retryAfterSeconds: number): AdmitVerdict {
    this.#refused += 1;
    return { admitted: false, limit, retryAfterSeconds };
  }

  #fill(callsPerSecond: number, now: Millis): void {
    // A rate below one call a second must still be able to save up for one.
    const capacity = Math.max(1, callsPerSecond);
    const gained = Math.max(0, now - this.#filledAt) * (callsPerSecond / SECOND);
    this.#tokens = Math.min(capacity, this.#tokens + gained);
    this.#filledAt = now;
  }
}
