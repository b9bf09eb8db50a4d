/**
 * What the four machines of RFC 3261 §17 share: a figure and the timers of its states, as data. A machine knows
 * events and effects by name only; the transaction that owns it holds the messages.
 */
import { assert, type Millis } from "../base/index.ts";

/** Estimate of the round trip, and the basis of all other timers. RFC 3261 §17.1.1.1. */
export const T1: Millis = 500;
/** The longest pause between two copies of a non-INVITE request or of a final response to an INVITE. */
export const T2: Millis = 4_000;
/** The longest that a message stays in the network. */
export const T4: Millis = 5_000;

export type Rule<State extends string, Effect extends string> = readonly [next: State, ...effects: Effect[]];

/** An event without a rule is absorbed: it is late or stray. */
export type Figure<State extends string, Event extends string, Effect extends string> = Readonly<
  Record<State, Partial<Record<Event, Rule<State, Effect>>>>
>;

/** The timers of one state. Each belongs to its state alone, so leaving the state stops it, unless it is carried on. */
export interface StateTimers<Event extends string> {
  /** Fires at T1, then after twice the pause each time, up to the cap. Never over a reliable transport. */
  readonly resend?: { readonly event: Event; readonly capMs: Millis };
  /** The one before runs on; each pause from then on is the cap. */
  readonly carryResend?: { readonly event: Event; readonly capMs: Millis };
  /** Fires once. `reliableMs`: the same over a reliable transport, where nothing can come twice. */
  readonly end?: { readonly event: Event; readonly ms: Millis; readonly reliableMs?: Millis };
  /** The one before runs on. */
  readonly carryEnd?: { readonly event: Event };
  /** Nothing but the end is awaited, and little is kept until then. */
  readonly lingers?: true;
}

export interface Design<State extends string, Event extends string, Effect extends string> {
  readonly initial: State;
  readonly atStart: readonly Effect[];
  readonly figure: Figure<State, Event, Effect>;
  readonly timers: Partial<Record<State, StateTimers<Event>>>;
}

interface Step<State, Effect> {
  readonly next: State;
  readonly effects: readonly Effect[];
}

/** A design made ready to run: each rule split once, not at each event. */
export interface Blueprint<State extends string, Event extends string, Effect extends string> {
  readonly initial: State;
  readonly atStart: readonly Effect[];
  readonly timers: Partial<Record<State, StateTimers<Event>>>;
  readonly steps: Readonly<Record<string, Readonly<Record<string, Step<State, Effect>>>>>;
}

export function blueprint<State extends string, Event extends string, Effect extends string>(
  design: Design<State, Event, Effect>,
): Blueprint<State, Event, Effect> {
  const steps: Record<string, Record<string, Step<State, Effect>>> = {};
  for (const state of Object.keys(design.figure) as State[]) {
    const row: Record<string, Step<State, Effect>> = {};
    steps[state] = row;
    for (const [event, rule] of Object.entries(design.figure[state]) as [Event, Rule<State, Effect>][]) {
      const [next, ...effects] = rule;
      row[event] = { next, effects };
    }
  }
  const { initial, atStart, timers } = design;
  return { initial, atStart, timers, steps };
}

const NEVER: Millis = Number.POSITIVE_INFINITY;
const NOTHING: readonly never[] = [];
const NO_TIMERS: StateTimers<never> = {};

export class Machine<State extends string, Event extends string, Effect extends string> {
  readonly #plan: Blueprint<State, Event, Effect>;
  readonly #reliable: boolean;
  #state: State;
  #resendAt: Millis = NEVER;
  #pauseMs: Millis = T1;
  #endAt: Millis = NEVER;

  /** `reliable`: TCP or TLS below. */
  constructor(plan: Blueprint<State, Event, Effect>, reliable: boolean) {
    this.#plan = plan;
    this.#reliable = reliable;
    this.#state = plan.initial;
  }

  get state(): State {
    return this.#state;
  }

  get reliable(): boolean {
    return this.#reliable;
  }

  get terminated(): boolean {
    return this.#state === "terminated";
  }

  get lingers(): boolean {
    return this.#plan.timers[this.#state]?.lingers === true;
  }

  start(now: Millis): readonly Effect[] {
    this.#enter(this.#plan.initial, now);
    return this.#plan.atStart;
  }

  /** The effects, in order. The state has changed before the first of them is done. */
  handle(event: Event, now: Millis): readonly Effect[] {
    const step = this.#plan.steps[this.#state]?.[event];
    if (step === undefined) return NOTHING;
    if (step.next !== this.#state) this.#enter(step.next, now);
    return step.effects;
  }

  nextDeadline(): Millis | undefined {
    const at = Math.min(this.#resendAt, this.#endAt);
    return at === NEVER ? undefined : at;
  }

  /** The timer that is due at `now`; `undefined` when none is. Call it until it is. */
  takeDue(now: Millis): Event | undefined {
    const timers: StateTimers<Event> = this.#plan.timers[this.#state] ?? NO_TIMERS;
    if (this.#endAt <= now && this.#endAt <= this.#resendAt) {
      this.#endAt = NEVER;
      return (timers.end ?? timers.carryEnd)?.event;
    }
    if (this.#resendAt <= now) {
      const resend = timers.resend ?? timers.carryResend;
      assert(resend !== undefined, "a resend timer runs only in a state that has one");
      this.#pauseMs = Math.min(this.#pauseMs * 2, resend.capMs);
      // Counted from now: a box that was held up does not make up for it by a burst.
      this.#resendAt = now + this.#pauseMs;
      return resend.event;
    }
    return undefined;
  }

  #enter(next: State, now: Millis): void {
    const timers: StateTimers<Event> = this.#plan.timers[next] ?? NO_TIMERS;
    const endMs = timers.end && (this.#reliable ? (timers.end.reliableMs ?? timers.end.ms) : timers.end.ms);
    if (endMs === 0) {
      // Nothing can come twice over this transport: no need to wait for it.
      const step = this.#plan.steps[next]?.[timers.end?.event as Event];
      assert(step !== undefined && step.effects.length === 0, "a state that may be skipped ends without an effect");
      this.#enter(step.next, now);
      return;
    }
    this.#state = next;
    if (timers.carryEnd === undefined) this.#endAt = endMs === undefined ? NEVER : now + endMs;
    if (timers.carryResend !== undefined) {
      this.#pauseMs = timers.carryResend.capMs;
      return;
    }
    const resends = timers.resend !== undefined && !this.#reliable;
    this.#pauseMs = T1;
    this.#resendAt = resends ? now + T1 : NEVER;
  }
}
