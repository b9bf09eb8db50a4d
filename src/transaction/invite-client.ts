/**
 * INVITE client transaction: RFC 3261 §17.1.1 as RFC 6026 §7.2 corrects it (its figure 5), with the CANCEL of
 * RFC 3261 §9.1 as a state of its own, since only there the callee's silence ends the wait.
 */
import { blueprint, T1 } from "./machine.ts";

export type State = "calling" | "proceeding" | "cancelling" | "completed" | "accepted" | "terminated";
export type Timer = "A" | "B" | "C" | "D" | "M" | "cancel limit";
export type Event = Timer | "1xx" | "2xx" | "3xx-6xx" | "unreachable" | "cancel";
export type Effect =
  | "send INVITE"
  | "send ACK"
  | "resend ACK"
  | "send CANCEL"
  | "pass up"
  | "report timeout"
  | "report unreachable";

/**
 * Limit: whoever says "trying" and then nothing final for so long is cancelled. RFC 3261 §16.6 asks proxies for more than
 * three minutes and lets each 1xx start anew; ours does not, or a callee could hold a transaction for ever.
 */
const PROVISIONAL_LIMIT_MS = 300_000;

// biome-ignore format: laid out as the figure
export const inviteClient = blueprint<State, Event, Effect>({
  initial: "calling",
  atStart: ["send INVITE"],

  figure: {
    calling: {
      "A":            ["calling", "send INVITE"],
      "B":            ["terminated", "report timeout"],
      "1xx":          ["proceeding", "pass up"],
      "2xx":          ["accepted", "pass up"],
      "3xx-6xx":      ["completed", "send ACK", "pass up"],
      "unreachable":  ["terminated", "report unreachable"],
    },
    proceeding: {
      "1xx":          ["proceeding", "pass up"],
      "2xx":          ["accepted", "pass up"],
      "3xx-6xx":      ["completed", "send ACK", "pass up"],
      "cancel":       ["cancelling", "send CANCEL"],
      "C":            ["cancelling", "send CANCEL"],
    },
    cancelling: {
      "1xx":          ["cancelling", "pass up"],
      "2xx":          ["accepted", "pass up"], // The CANCEL came too late: the owner ends the call by BYE.
      "3xx-6xx":      ["completed", "send ACK", "pass up"],
      "cancel limit": ["terminated", "report timeout"],
    },
    completed: {
      "3xx-6xx":      ["completed", "resend ACK"],
      "D":            ["terminated"],
    },
    accepted: {
      "2xx":          ["accepted", "pass up"], // A fork or a copy: the leg tells which.
      "M":            ["terminated"],
    },
    terminated: {},
  },

  timers: {
    calling:    { resend: { event: "A", capMs: Number.POSITIVE_INFINITY }, end: { event: "B", ms: 64 * T1 } },
    proceeding: { end: { event: "C", ms: PROVISIONAL_LIMIT_MS } },
    cancelling: { end: { event: "cancel limit", ms: 64 * T1 } },
    completed:  { end: { event: "D", ms: 32_000, reliableMs: 0 }, lingers: true },
    accepted:   { end: { event: "M", ms: 64 * T1 }, lingers: true },
  },
});
