/** Non-INVITE client transaction: RFC 3261 §17.1.2, figure 6. */
import { blueprint, T1, T2, T4 } from "./machine.ts";

export type State = "trying" | "proceeding" | "completed" | "terminated";
export type Timer = "E" | "F" | "K";
export type Event = Timer | "1xx" | "200-699" | "unreachable";
export type Effect = "send request" | "pass up" | "report timeout" | "report unreachable";

// biome-ignore format: laid out as the figure
export const nonInviteClient = blueprint<State, Event, Effect>({
  initial: "trying",
  atStart: ["send request"],

  figure: {
    trying: {
      "E":           ["trying", "send request"],
      "F":           ["terminated", "report timeout"],
      "1xx":         ["proceeding", "pass up"],
      "200-699":     ["completed", "pass up"],
      "unreachable": ["terminated", "report unreachable"],
    },
    proceeding: {
      "E":           ["proceeding", "send request"],
      "F":           ["terminated", "report timeout"],
      "1xx":         ["proceeding", "pass up"],
      "200-699":     ["completed", "pass up"],
      "unreachable": ["terminated", "report unreachable"],
    },
    completed: {
      "K":           ["terminated"],
    },
    terminated: {},
  },

  timers: {
    trying:     { resend: { event: "E", capMs: T2 }, end: { event: "F", ms: 64 * T1 } },
    proceeding: { carryResend: { event: "E", capMs: T2 }, carryEnd: { event: "F" } },
    completed:  { end: { event: "K", ms: T4, reliableMs: 0 }, lingers: true },
  },
});
