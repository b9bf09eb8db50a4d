/**
 * How many calls a peer has and how fast new ones may come: `maxCalls` and `maxCallsPerSecond`; and how fast requests
 * outside of calls: `maxRequestsPerSecond`.
 */
import { assert, below, type Millis, type PeerSettings, type Random, SECOND } from "../base/index.ts";

export type LimitName = "maxCalls" | "maxCallsPerSecond" | "maxRequestsPerSecond";

export type AdmitVerdict =
  | { readonly admitted: true }
  | {
      readonly admitted: false;
      readonly limit: LimitName;
      /** For Retry-After; spread, so that refused callers do not come back as one. */
      readonly retryAfterSeconds: number;
    };

export const ADMITTED: AdmitVerdict = { admitted: true };
/** A full trunk empties call by call: come back in 5 to 9 seconds. */
const FULL_RETRY_SECONDS = 5;

/** The calls and requests of one peer. */
export class CallLimits {
  #calls = 0;
  #refused = 0;
  readonly #newCalls = new Bucket();
  readonly #requests = new Bucket();

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
    if (peer.maxCallsPerSecond !== undefined && !this.#newCalls.take(peer.maxCallsPerSecond, now)) {
      return this.#refuse("maxCallsPerSecond", 1 + below(random, 2));
    }
    this.#calls += 1;
    return ADMITTED;
  }

  admitRequest(peer: PeerSettings, random: Random, now: Millis): AdmitVerdict {
    if (peer.maxRequestsPerSecond === undefined || this.#requests.take(peer.maxRequestsPerSecond, now)) return ADMITTED;
    return this.#refuse("maxRequestsPerSecond", 1 + below(random, 2));
  }

  release(): void {
    assert(this.#calls > 0, "a call is released once for each time it was admitted");
    this.#calls -= 1;
  }

  #refuse(limit: LimitName, retryAfterSeconds: number): AdmitVerdict {
    this.#refused += 1;
    return { admitted: false, limit, retryAfterSeconds };
  }
}

/** Holds one second's worth and starts full. */
class Bucket {
  #tokens = Number.POSITIVE_INFINITY;
  #filledAt: Millis = 0;

  take(perSecond: number, now: Millis): boolean {
    // A rate below one a second must still be able to save up for one.
    const capacity = Math.max(1, perSecond);
    const gained = Math.max(0, now - this.#filledAt) * (perSecond / SECOND);
    this.#tokens = Math.min(capacity, this.#tokens + gained);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
