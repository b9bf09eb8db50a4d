/**
 * Non-INVITE server transaction: RFC 3261 §17.2.2, figure 8, as RFC 4320 corrects it: 100 is the only provisional
 * response, it goes out by itself once the client's Timer E has grown to T2, and there is no final response after
 * the client has given up, which is why our states end at 64*T1. A transport error keeps the state, as RFC 6026 has
 * it for INVITE: copies of the request are still no new requests.
 */
import { blueprint, T1 } from "./machine.ts";

export type State = "trying" | "proceeding" | "completed" | "terminated";
export type Timer = "slow" | "too late" | "J";
export type Event = Timer | "request" | "send final" | "unreachable";
export type Effect = "send 100" | "send response" | "resend response" | "report unreachable";

/** The client sends at 0, T1, 3*T1 and 7*T1: from then on it waits T2 each time. */
const TIMER_E_AT_T2 = 7 * T1;

// biome-ignore format: laid out as the figure
export const nonInviteServer = blueprint<State, Event, Effect>({
  initial: "trying",
  atStart: [],

  figure: {
    trying: {
      "slow":        ["proceeding", "send 100"],
      "send final":  ["completed", "send response"],
    },
    proceeding: {
      "request":     ["proceeding", "resend response"],
      "send final":  ["completed", "send response"],
      "too late":    ["terminated"],
      "unreachable": ["proceeding", "report unreachable"],
    },
    completed: {
      "request":     ["completed", "resend response"],
      "unreachable": ["completed", "report unreachable"],
      "J":           ["terminated"],
    },
    terminated: {},
  },

  timers: {
    trying:     { end: { event: "slow", ms: TIMER_E_AT_T2 } },
    proceeding: { end: { event: "too late", ms: 64 * T1 - TIMER_E_AT_T2 } },
    completed:  { end: { event: "J", ms: 64 * T1, reliableMs: 0 }, lingers: true },
  },
});
