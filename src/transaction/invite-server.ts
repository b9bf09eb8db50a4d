/**
 * INVITE server transaction: RFC 3261 §17.2.1 as RFC 6026 §7.1 corrects it (its figure 7). The first state is ours:
 * "proceeding" before anything was sent, where the wait for the 100 Trying runs.
 */
import { blueprint, T1, T2, T4 } from "./machine.ts";

export type State = "received" | "proceeding" | "completed" | "confirmed" | "accepted" | "terminated";
export type Timer = "trying" | "G" | "H" | "I" | "L";
export type Event = Timer | "INVITE" | "ACK" | "send 1xx" | "send 2xx" | "send 3xx-6xx" | "unreachable";
export type Effect =
  | "send 100"
  | "send response"
  | "resend response"
  | "pass ACK up"
  | "report ACK"
  | "report no ACK"
  | "report unreachable";

// biome-ignore format: laid out as the figure
export const inviteServer = blueprint<State, Event, Effect>({
  initial: "received",
  atStart: [],

  figure: {
    received: {
      "trying":       ["proceeding", "send 100"],
      "send 1xx":     ["proceeding", "send response"],
      "send 2xx":     ["accepted", "send response"],
      "send 3xx-6xx": ["completed", "send response"],
    },
    proceeding: {
      "INVITE":       ["proceeding", "resend response"],
      "send 1xx":     ["proceeding", "send response"],
      "send 2xx":     ["accepted", "send response"],
      "send 3xx-6xx": ["completed", "send response"],
      "unreachable":  ["proceeding", "report unreachable"],
    },
    completed: {
      "INVITE":       ["completed", "resend response"],
      "G":            ["completed", "resend response"],
      "ACK":          ["confirmed", "report ACK"],
      "H":            ["terminated", "report no ACK"],
      "unreachable":  ["completed", "report unreachable"],
    },
    confirmed: {
      "I":            ["terminated"],
    },
    accepted: {
      "ACK":          ["accepted", "pass ACK up"],
      "send 2xx":     ["accepted", "resend response"], // The copies of the 2xx are the leg's.
      "unreachable":  ["accepted", "report unreachable"],
      "L":            ["terminated"],
    },
    terminated: {},
  },

  timers: {
    received:  { end: { event: "trying", ms: 200 } },
    completed: { resend: { event: "G", capMs: T2 }, end: { event: "H", ms: 64 * T1 } },
    confirmed: { end: { event: "I", ms: T4, reliableMs: 0 }, lingers: true },
    accepted:  { end: { event: "L", ms: 64 * T1 }, lingers: true },
  },
});
