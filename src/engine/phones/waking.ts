/**
 * Phones that sleep and are woken by a push service before they are called: RFC 8599 §5.3. Whoever waits goes on when all
 * that were woken have come, or when their time is over.
 */
import type { Millis, Punctual } from "../../base/index.ts";
import type { Binding } from "../../registration/index.ts";
import type { PhoneHouse } from "./house.ts";

/** Limit: calls that wait for phones at once; more go on without. */
const WAITING = 1_000;

class Waiting implements Punctual {
  over = false;
  readonly names: Set<string>;
  until: Millis;
  readonly done: (now: Millis) => void;
  readonly #over: (waiting: Waiting, now: Millis) => void;

  constructor(
    names: Set<string>,
    until: Millis,
    done: (now: Millis) => void,
    over: (one: Waiting, at: Millis) => void,
  ) {
    this.names = names;
    this.until = until;
    this.done = done;
    this.#over = over;
  }

  nextDeadline(): Millis | undefined {
    return this.over ? undefined : this.until;
  }

  expire(now: Millis): void {
    if (now >= this.until) this.#over(this, now);
  }
}

export class Waking {
  readonly #house: PhoneHouse;
  readonly #waiting = new Set<Waiting>();

  constructor(house: PhoneHouse) {
    this.#house = house;
  }

  /** False: nobody can be woken now. Else `done` is called once, later. */
  wake(bindings: readonly Binding[], limitMs: Millis, done: (now: Millis) => void, now: Millis): boolean {
    const url = this.#house.settings.registration?.pushGateway;
    if (url === undefined || this.#waiting.size >= WAITING) return false;
    for (const { push } of bindings) if (push !== undefined) this.#house.emit({ out: "wake", url, ...push });
    const names = new Set(bindings.map(({ name }) => name));
    const waiting = new Waiting(names, now + limitMs, done, (one, at) => this.#over(one, at));
    this.#waiting.add(waiting);
    this.#house.agenda.watch(waiting);
    return true;
  }

  /** It has come. */
  heard({ name }: Binding, now: Millis): void {
    if (this.#waiting.size === 0) return;
    for (const waiting of [...this.#waiting]) {
      if (!waiting.names.delete(name) || waiting.names.size > 0) continue;
      // Its REGISTER gets its answer first.
      waiting.until = now;
      this.#house.agenda.watch(waiting);
    }
  }

  #over(waiting: Waiting, now: Millis): void {
    if (!this.#waiting.delete(waiting)) return;
    waiting.over = true;
    this.#house.agenda.drop(waiting);
    waiting.done(now);
  }
}
