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
  at: Millis;
  /** Equal deadlines fire in the order in which they were set, so that a seed replays a run. */
  order: number;
  /** In the heap. */
  place: number;
  readonly owner: Punctual;
}

/**
 * All deadlines of the box: a binary heap of owners, each with one entry at most, which knows its place: whoever waits no
 * more leaves at once, so the heap holds as many as wait. A deadline that moves later costs nothing until the old one comes up.
 */
export class Agenda {
  readonly #heap: AgendaEntry[] = [];
  #order = 0;

  /** How many owners wait. */
  get size(): number {
    return this.#heap.length;
  }

  /** Call it after anything that may have changed `owner.nextDeadline()`. */
  watch(owner: Punctual): void {
    const at = owner.nextDeadline();
    if (at === undefined) return this.drop(owner);
    const held = owner.agendaEntry;
    if (held === undefined) {
      const place = this.#heap.length;
      const entry = { at, order: this.#order++, place, owner };
      owner.agendaEntry = entry;
      return this.#rise(entry, place);
    }
    if (held.at <= at) return; // It comes up early, and is looked at again then.
    held.at = at;
    held.order = this.#order++;
    this.#rise(held, held.place);
  }

  drop(owner: Punctual): void {
    const held = owner.agendaEntry;
    if (held !== undefined) this.#remove(held);
  }

  /** The earliest moment at which `expire` may have something to do. */
  nextDeadline(): Millis | undefined {
    return this.#heap[0]?.at;
  }

  /**
   * Lets every owner whose deadline has come act, once each: one that stays due is called again in the next round.
   * Throws what an owner throws: that one waits for nothing any more, those behind it are due in the next round.
   */
  expire(now: Millis): void {
    const heap = this.#heap;
    if (heap.length === 0 || (heap[0] as AgendaEntry).at > now) return;
    const due: Punctual[] = [];
    while (heap.length > 0 && (heap[0] as AgendaEntry).at <= now) {
      const first = heap[0] as AgendaEntry;
      due.push(first.owner);
      this.#remove(first);
    }
    let done = 0;
    try {
      for (const owner of due) {
        done++;
        if (owner.agendaEntry !== undefined) continue;
        const at = owner.nextDeadline();
        if (at !== undefined && at <= now) owner.expire(now);
        this.watch(owner);
      }
    } finally {
      for (; done < due.length; done++) this.watch(due[done] as Punctual);
    }
  }

  #remove(entry: AgendaEntry): void {
    const { place } = entry;
    entry.owner.agendaEntry = undefined;
    const last = this.#heap.pop() as AgendaEntry;
    if (last === entry) return;
    const above = this.#heap[(place - 1) >> 1];
    if (place > 0 && sooner(last, above as AgendaEntry)) this.#rise(last, place);
    else this.#sink(last, place);
  }

  /** The place is free, or its own: those above that are later come down one. */
  #rise(entry: AgendaEntry, place: number): void {
    const heap = this.#heap;
    while (place > 0) {
      const above = heap[(place - 1) >> 1] as AgendaEntry;
      if (!sooner(entry, above)) break;
      heap[place] = above;
      above.place = place;
      place = (place - 1) >> 1;
    }
    heap[place] = entry;
    entry.place = place;
  }

  #sink(entry: AgendaEntry, place: number): void {
    const heap = this.#heap;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && sooner(heap[child + 1] as AgendaEntry, heap[child] as AgendaEntry)) child++;
      const below = heap[child] as AgendaEntry;
      if (!sooner(below, entry)) break;
      heap[place] = below;
      below.place = place;
      place = child;
    }
    heap[place] = entry;
    entry.place = place;
  }
}

const sooner = (a: AgendaEntry, b: AgendaEntry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
