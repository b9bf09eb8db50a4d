/** How much each address may send us before anything of it is read: strangers have a rate of their own. */
import { type Millis, SECOND } from "../base/index.ts";
import { sourceOf } from "./connections.ts";

/** Limit: sources that are remembered at a time. With more those that were silent longest begin anew. */
const SOURCES = 16_384;
/** What is not heard of for so long has its whole burst again, and need not be remembered. */
const MEMORY: Millis = 10 * SECOND;
/** A burst is what may come in so many seconds. */
const BURST_SECONDS = 4;

interface Bucket {
  left: number;
  at: Millis;
  /** Until then nobody asks again whether this source is known. */
  exemptUntil: Millis;
  /** Since it went over; told when it may send again. */
  dropped: number;
}

export class SourceRates {
  /** Two generations: those heard of lately, and those of before, who are forgotten together. */
  #young = new Map<string, Bucket>();
  #old = new Map<string, Bucket>();
  #turnedAt: Millis = 0;
  /** Messages and keepalives of one source in a second; 0: no limit. */
  perSecond: number;

  constructor(perSecond: number) {
    this.perSecond = perSecond;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** May this come in? False: only if it comes from somebody who is not to be limited, see `exempt`. */
  take(ip: string, now: Millis): boolean {
    if (this.perSecond === 0) return true;
    const bucket = this.#bucket(sourceOf(ip), now);
    const burst = this.perSecond * BURST_SECONDS;
    bucket.left = Math.min(burst, bucket.left + ((now - bucket.at) * this.perSecond) / SECOND);
    bucket.at = now;
    if (bucket.left >= 1) {
      bucket.left -= 1;
      if (bucket.left >= this.perSecond) bucket.dropped = 0; // It has been quiet: the next time is news.
      return true;
    }
    return now < bucket.exemptUntil;
  }

  /** A peer or a registered phone: it is not asked again for a second. */
  exempt(ip: string, now: Millis): void {
    this.#bucket(sourceOf(ip), now).exemptUntil = now + SECOND;
  }

  /** A message was dropped. The source, when that is news. */
  dropped(ip: string, now: Millis): string | undefined {
    const source = sourceOf(ip);
    const bucket = this.#bucket(source, now);
    bucket.dropped += 1;
    return bucket.dropped === 1 ? source : undefined;
  }

  #bucket(source: string, now: Millis): Bucket {
    const young = this.#young.get(source);
    if (young !== undefined) return young;
    if (now - this.#turnedAt >= MEMORY || this.#young.size >= SOURCES / 2) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#turnedAt = now;
    }
    const bucket = this.#old.get(source) ?? {
      left: this.perSecond * BURST_SECONDS,
      at: now,
      exemptUntil: 0,
      dropped: 0,
    };
    this.#young.set(source, bucket);
    return bucket;
  }
}
