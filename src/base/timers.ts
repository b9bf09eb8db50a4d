import type { Millis } from "./time.ts";

/** No timer runs for so long. */
const NEVER: Millis = Number.POSITIVE_INFINITY;

/**
 * The named timers of one machine: few, so a small array beats a heap. A name that was set once keeps its place, since an
 * array that shrinks and grows costs more than all else here.
 */
export class TimerTable<Name extends string> {
  readonly #names: Name[] = [];
  readonly #times: Millis[] = [];

  set(name: Name, at: Millis): void {
    const index = this.#names.indexOf(name);
    if (index >= 0) {
      this.#times[index] = at;
      return;
    }
    this.#names.push(name);
    this.#times.push(at);
  }

  has(name: Name): boolean {
    const index = this.#names.indexOf(name);
    return index >= 0 && this.#times[index] !== NEVER;
  }

  stop(name: Name): void {
    const index = this.#names.indexOf(name);
    if (index >= 0) this.#times[index] = NEVER;
  }

  clear(): void {
    for (let i = 0; i < this.#times.length; i++) this.#times[i] = NEVER;
  }

  /** When the earliest timer fires; `undefined` when none runs. */
  next(): Millis | undefined {
    let earliest = NEVER;
    for (const at of this.#times) if (at < earliest) earliest = at;
    return earliest === NEVER ? undefined : earliest;
  }

  /** Takes out the earliest timer that is due at `now`; `undefined` when none is. Call it until it is. */
  takeDue(now: Millis): Name | undefined {
    let due = -1;
    let earliest = NEVER;
    for (let i = 0; i < this.#times.length; i++) {
      const at = this.#times[i] as Millis;
      if (at > now || at >= earliest) continue;
      due = i;
      earliest = at;
    }
    if (due < 0) return undefined;
    this.#times[due] = NEVER;
    return this.#names[due];
  }
}

/** Whoever has deadlines: a transaction, a leg, a connection. */
export interface Punctual {
  /** When it next wants `expire`; `undefined` when it waits for nothing. */
  nextDeadline(): Millis | undefined;
  /** Its deadline has come (or passed). It may watch itself again, or others. */
  expire(now: Millis): void;
  /**
   * The agenda's own, which alone touches it: an owner waits in one agenda at most. A map from owners to entries would be
   * the most changed of the box, several times a message.
   */
  agendaEntry?: AgendaEntry | undefined;
}

export interface AgendaEntry {
  readonly at: Millis;
  /** Equal deadlines fire in the order in which they were set, so that a seed replays a run. */
  readonly order: number;
  owner: Punctual | undefined;
}

/**
 * All deadlines of the box: a binary heap of owners. An owner has at most one live entry. A deadline that moves
 * later costs nothing until the old one comes up; one that moves earlier or ends leaves a hollow entry behind,
 * which holds no reference to its owner.
 */
export class Agenda {
  readonly #heap: AgendaEntry[] = [];
  #size = 0;
  #order = 0;

  /** How many owners wait. */
  get size(): number {
    return this.#size;
  }

  /** Call it after anything that may have changed `owner.nextDeadline()`. */
  watch(owner: Punctual): void {
    const at = owner.nextDeadline();
    const held = owner.agendaEntry;
    if (at === undefined) {
      if (held !== undefined) this.#forget(owner, held);
      return;
    }
    if (held !== undefined) {
      if (held.at <= at) return; // It comes up early, and is looked at again then.
      held.owner = undefined;
    } else this.#size++;
    const entry: AgendaEntry = { at, order: this.#order++, owner };
    owner.agendaEntry = entry;
    this.#push(entry);
  }

  drop(owner: Punctual): void {
    const held = owner.agendaEntry;
    if (held !== undefined) this.#forget(owner, held);
  }

  /** The earliest moment at which `expire` may have something to do. */
  nextDeadline(): Millis | undefined {
    this.#shedHollow();
    return this.#heap[0]?.at;
  }

  /**
   * Lets every owner whose deadline has come act, once each: one that stays due is called again in the next round.
   * Throws what an owner throws: that one waits for nothing any more, those behind it are due in the next round.
   */
  expire(now: Millis): void {
    const due: AgendaEntry[] = [];
    for (;;) {
      this.#shedHollow();
      const first = this.#heap[0];
      if (first === undefined || first.at > now) break;
      due.push(first);
      this.#pop();
      (first.owner as Punctual).agendaEntry = undefined;
      this.#size--;
    }
    let done = 0;
    try {
      for (const { owner } of due) {
        done++;
        if (owner === undefined || owner.agendaEntry !== undefined) continue;
        const at = owner.nextDeadline();
        if (at !== undefined && at <= now) owner.expire(now);
        this.watch(owner);
      }
    } finally {
      for (; done < due.length; done++) {
        const owner = due[done]?.owner;
        if (owner !== undefined) this.watch(owner);
      }
    }
  }

  #forget(owner: Punctual, entry: AgendaEntry): void {
    entry.owner = undefined;
    owner.agendaEntry = undefined;
    this.#size--;
    // Hollow entries are shed as they come up; when they are most of the heap it is rebuilt, so memory stays bounded.
    if (this.#heap.length > 1_024 && this.#heap.length > 4 * this.#size) this.#rebuild();
  }

  #rebuild(): void {
    const live = this.#heap.filter((entry) => entry.owner !== undefined);
    this.#heap.length = 0;
    for (const entry of live) this.#push(entry);
  }

  #shedHollow(): void {
    while (this.#heap.length > 0 && (this.#heap[0] as AgendaEntry).owner === undefined) this.#pop();
  }

  #push(entry: AgendaEntry): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const above = (index - 1) >> 1;
      if (!sooner(entry, heap[above] as AgendaEntry)) break;
      heap[index] = heap[above] as AgendaEntry;
      index = above;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && sooner(heap[child + 1] as AgendaEntry, heap[child] as AgendaEntry)) child++;
      if (!sooner(heap[child] as AgendaEntry, last)) break;
      heap[index] = heap[child] as AgendaEntry;
      index = child;
    }
    heap[index] = last;
  }
}

const sooner = (a: AgendaEntry, b: AgendaEntry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
