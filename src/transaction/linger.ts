import type { Agenda, Millis, Punctual } from "../base/index.ts";

/** A transaction that waits for nothing but its end. */
export interface Lingering extends Punctual {
  readonly gone: boolean;
  /** Ends it before its time. */
  shed(): void;
}

/** They may stay this much longer, so that many end at one time: to be woken for each costs more than its end. */
const TOGETHER_MS = 100;

/**
 * Finished transactions, which stay only to absorb copies: at 1,000 calls/s some hundred thousand. All of one queue
 * wait equally long, so they end in the order in which they came, and cost neither a heap nor an entry in the agenda.
 */
export class LingerQueue implements Punctual {
  readonly #agenda: Agenda;
  #queue: (Lingering | undefined)[] = [];
  #head = 0;

  constructor(agenda: Agenda) {
    this.#agenda = agenda;
  }

  get size(): number {
    return this.#queue.length - this.#head;
  }

  add(transaction: Lingering): void {
    this.#queue.push(transaction);
    if (this.size === 1) this.#agenda.watch(this);
  }

  /** Ends the oldest before its time, for lack of room. */
  shedOldest(): void {
    this.#take()?.shed();
  }

  nextDeadline(): Millis | undefined {
    const at = this.#firstEnd();
    return at === undefined ? undefined : at + TOGETHER_MS;
  }

  expire(now: Millis): void {
    for (;;) {
      const at = this.#firstEnd();
      if (at === undefined || at > now) return;
      this.#take()?.expire(now);
    }
  }

  #firstEnd(): Millis | undefined {
    for (;;) {
      const first = this.#queue[this.#head];
      if (first === undefined) return undefined;
      if (!first.gone) return first.nextDeadline();
      this.#take();
    }
  }

  #take(): Lingering | undefined {
    if (this.size === 0) return undefined;
    const first = this.#queue[this.#head];
    this.#queue[this.#head++] = undefined;
    if (this.#head > 4_096 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    if (this.size === 0) {
      this.#queue.length = 0;
      this.#head = 0;
    }
    return first;
  }
}
