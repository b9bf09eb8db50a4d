import { type Millis, SECOND } from "../base/index.ts";

/** At most `perSecond` in the long run, `burst` at once. What is over is refused: the caller counts it. */
export class Rate {
  readonly #perSecond: number;
  readonly #burst: number;
  #left: number;
  #at: Millis | undefined;

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#left = burst;
  }

  take(now: Millis): boolean {
    const elapsed = now - (this.#at ?? now);
    this.#at = now;
    this.#left = Math.min(this.#burst, this.#left + (elapsed * this.#perSecond) / SECOND);
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
