/**
 * The session timer of one leg: RFC 4028 §7.2, §9 and §10. Half of the interval after the last refresh we send the next
 * one, or the peer owes it to us; a session that nobody refreshes ends a bit before its interval does.
 * It knows events and effects by name only; session.ts holds the messages.
 */
import { type Millis, SECOND, TimerTable } from "../base/index.ts";

export type SessionState =
  | "off" // Not agreed on anything yet, or no timer is wanted here.
  | "ours" // We refresh.
  | "refreshing" // Our refresh waits for its answer.
  | "again" // Our refresh was refused, or could not go out: it is tried again.
  | "theirs" // The peer refreshes.
  | "over";

export type SessionEvent =
  | "agreed ours" // A 2xx to an INVITE or UPDATE, in either direction: the interval begins anew.
  | "agreed theirs"
  | "refresh" // Timer: half of the interval has passed.
  | "expiry" // Timer: nobody refreshed.
  | "not now"
  | "refused"
  | "lost" // The refresh got 408 or 481, or nothing.
  | "end";

export type SessionEffect = "send refresh" | "report expired";

export type SessionRule = readonly [next: SessionState, ...effects: SessionEffect[]];

/** An event without a rule is absorbed: it is late or stray. */
export const sessionFigure: Record<SessionState, Partial<Record<SessionEvent, SessionRule>>> = {
  // biome-ignore format: a figure is read as a table.
  off: {
    "agreed ours":   ["ours"],
    "agreed theirs": ["theirs"],
    "end":           ["over"],
  },
  // biome-ignore format: a figure is read as a table.
  ours: {
    "agreed ours":   ["ours"],
    "agreed theirs": ["theirs"],
    "refresh":       ["refreshing", "send refresh"],
    "expiry":        ["over", "report expired"],
    "end":           ["over"],
  },
  // biome-ignore format: a figure is read as a table.
  refreshing: {
    "agreed ours":   ["ours"],
    "agreed theirs": ["theirs"],
    "not now":       ["again"],
    "refused":       ["again"],
    "lost":          ["over", "report expired"],
    "expiry":        ["over", "report expired"],
    "end":           ["over"],
  },
  // biome-ignore format: a figure is read as a table.
  again: {
    "agreed ours":   ["ours"],
    "agreed theirs": ["theirs"],
    "refresh":       ["refreshing", "send refresh"],
    "expiry":        ["over", "report expired"],
    "end":           ["over"],
  },
  // biome-ignore format: a figure is read as a table.
  theirs: {
    "agreed ours":   ["ours"],
    "agreed theirs": ["theirs"],
    "expiry":        ["over", "report expired"],
    "end":           ["over"],
  },
  over: {},
};

/** RFC 4028 §10: so long before the interval ends the session does, or a third of the interval if that is less. */
const EARLY: Millis = 32 * SECOND;

export class SessionTimer {
  readonly timers = new TimerTable<"refresh" | "expiry">();
  #state: SessionState = "off";

  get state(): SessionState {
    return this.#state;
  }

  /** Both ends know now who refreshes, and how often at least. */
  agreed(who: "ours" | "theirs", interval: Millis, now: Millis): void {
    this.handle(who === "ours" ? "agreed ours" : "agreed theirs");
    if (this.#state === "over") return;
    this.timers.clear();
    if (who === "ours") this.timers.set("refresh", now + interval / 2);
    this.timers.set("expiry", now + interval - Math.min(EARLY, interval / 3));
  }

  /** The refresh did not go through this time. `wait`: until it is tried again. */
  later(event: "not now" | "refused", wait: Millis, now: Millis): void {
    this.handle(event);
    if (this.#state === "again") this.timers.set("refresh", now + wait);
  }

  handle(event: SessionEvent): readonly SessionEffect[] {
    const rule = sessionFigure[this.#state][event];
    if (rule === undefined) return [];
    const [next, ...effects] = rule;
    this.#state = next;
    if (next === "over") this.timers.clear();
    return effects;
  }
}
