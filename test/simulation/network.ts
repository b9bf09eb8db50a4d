/** Virtual time, and a network that loses, doubles, delays and reorders what it is given. */
import { below, type Millis, type Random } from "../../src/base/index.ts";

interface Event {
  readonly at: Millis;
  readonly order: number;
  readonly run: (now: Millis) => void;
}

/** What will happen, in order of time; equal times in order of planning. */
export class Clock {
  readonly #heap: Event[] = [];
  #order = 0;
  now: Millis = 0;

  get size(): number {
    return this.#heap.length;
  }

  at(time: Millis, run: (now: Millis) => void): void {
    const event = { at: Math.max(time, this.now), order: this.#order++, run };
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const above = (index - 1) >> 1;
      if (!before(event, heap[above]!)) break;
      heap[index] = heap[above]!;
      index = above;
    }
    heap[index] = event;
  }

  after(delay: Millis, run: (now: Millis) => void): void {
    this.at(this.now + delay, run);
  }

  nextAt(): Millis | undefined {
    return this.#heap[0]?.at;
  }

  /** Lets the next event happen. */
  step(): void {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length > 0) {
      let index = 0;
      for (;;) {
        let child = 2 * index + 1;
        if (child >= heap.length) break;
        if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
        if (!before(heap[child]!, last)) break;
        heap[index] = heap[child]!;
        index = child;
      }
      heap[index] = last;
    }
    this.now = first.at;
    first.run(first.at);
  }
}

const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** Shares of datagrams, 0 to 1. */
export interface Weather {
  readonly loss: number;
  readonly duplicate: number;
  /** Share that takes up to two seconds longer than the others. */
  readonly reorder: number;
}

/** Delivers a datagram never, once or twice, sooner or later. */
export function carry(clock: Clock, random: Random, weather: Weather, deliver: (now: Millis) => void): void {
  const copies = chance(random, weather.loss) ? 0 : chance(random, weather.duplicate) ? 2 : 1;
  for (let i = 0; i < copies; i++) {
    const late = chance(random, weather.reorder) ? below(random, 2_000) : 0;
    clock.after(5 + below(random, 20) + late, deliver);
  }
}

export const chance = (random: Random, share: number): boolean => random.uint32() < share * 0x1_0000_0000;
export const pick = <T>(random: Random, choices: readonly T[]): T => choices[below(random, choices.length)]!;
