/** How fast REGISTERs may go to one inside registrar, and when those come again that had to wait. */
import { below, type Millis, type Random, SECOND } from "../base/index.ts";

/** Limit: this part of the rate is kept for phones that are known; a flood of strangers cannot shut them out. */
const FOR_STRANGERS = 0.5;
/** This part of a second's rate may go at once, and the rest goes steadily: no second has more than its rate. */
const BURST = 0.1;
/** Limit: how long somebody is told to wait. In seconds. */
const LONGEST_WAIT = 600;
const SHORTEST_WAIT = 2;

/** A bucket that fills steadily. `taken` is when it will be empty again. */
class Bucket {
  #taken: Millis = Number.NEGATIVE_INFINITY;

  /** `most`: what has gathered in this long may go at once. */
  take(each: Millis, most: Millis, now: Millis): boolean {
    const start = Math.max(this.#taken, now - Math.max(most, each));
    if (start + each > now) return false;
    this.#taken = start + each;
    return true;
  }
}

export class RegisterRate {
  readonly #all = new Bucket();
  readonly #strangers = new Bucket();
  readonly #random: Random;
  /** The place in the queue of whoever is turned away next; and of a stranger. */
  #nextTurn: Millis = Number.NEGATIVE_INFINITY;
  #nextStranger: Millis = Number.NEGATIVE_INFINITY;
  perSecond: number;

  constructor(random: Random, perSecond: number) {
    this.#random = random;
    this.perSecond = perSecond;
  }

  /** May one more go now? `known`: it is for a binding that stands. */
  take(known: boolean, now: Millis): boolean {
    const each = this.#each;
    if (!known && !this.#strangers.take(each / FOR_STRANGERS, (BURST * SECOND) / FOR_STRANGERS, now)) return false;
    return this.#all.take(each, BURST * SECOND, now);
  }

  /** For somebody who may not: his turn, in seconds from now. Each gets another one, so that they do not come together. */
  retryAfter(known: boolean, now: Millis): number {
    this.#nextTurn = Math.max(this.#nextTurn, now) + this.#each;
    if (!known) this.#nextStranger = Math.max(this.#nextStranger, now) + this.#each / FOR_STRANGERS;
    const turn = known ? this.#nextTurn : Math.max(this.#nextTurn, this.#nextStranger);
    const seconds = Math.ceil((turn - now) / SECOND) + SHORTEST_WAIT + below(this.#random, 3);
    if (seconds <= LONGEST_WAIT) return seconds;
    return LONGEST_WAIT - below(this.#random, LONGEST_WAIT / 2);
  }

  get #each(): Millis {
    return SECOND / (this.perSecond * (1 - BURST));
  }
}
