import type { EndCause, Side } from "../base/index.ts";
import type { Loss } from "../leg/index.ts";
import type { Refusal } from "./setup.ts";

/** Why a call ends, for both legs and for the record. */
export interface Verdict {
  readonly cause: EndCause;
  readonly by: Side | undefined;
  /** Toward a leg without a final answer. */
  readonly status: number;
  readonly phrase?: string | undefined;
  readonly headers?: readonly (readonly [string, string])[];
  /** Value of Reason in CANCEL and BYE (RFC 3326). */
  readonly reason: string;
}

export const BYE_REASON = 'Q.850;cause=16;text="Normal call clearing"';

/** Value of Reason for a status (RFC 3326). */
export const sipReason = (status: number, text: string): string => `SIP;cause=${status};text="${text}"`;

const byUs = (cause: EndCause, status: number, text: string): Verdict => ({
  cause,
  by: undefined,
  status,
  reason: sipReason(status, text),
});

export const NO_ACK = byUs("no-ack", 408, "No ACK");
export const NO_ANSWER = byUs("no-answer", 408, "No answer");
/** Nobody answered within the time that the caller had given (RFC 3261 §13.3.1). */
export const EXPIRED = byUs("no-answer", 487, "No answer in time");
/** RFC 4028 §10. */
export const SESSION_EXPIRED = byUs("session-expired", 408, "Session expired");
/** Limit: `limits.callSeconds`. */
export const LONGEST_CALL = byUs("limit", 480, "Longest call reached");

/** The two others go on without the one who referred them to each other. */
export const TRANSFERRED = byUs("transfer", 487, "Call transferred");

export const endedByOperator = (cause: EndCause): Verdict =>
  byUs(cause, cause === "shutdown" ? 503 : 480, "Ended by the operator");

/** `told`: the Reason of its CANCEL, as the other side may read it. */
export const callerGaveUp = (told: string | undefined): Verdict => ({
  cause: "cancelled",
  by: "caller",
  status: 487,
  reason: told ?? sipReason(487, "Caller gave up"),
});

/** A BYE; `answered` false: of somebody whose call was still being set up. */
export const hungUp = (by: Side, answered: boolean, told: string | undefined): Verdict => ({
  cause: answered ? "bye" : "cancelled",
  by,
  status: 487,
  reason: told ?? BYE_REASON,
});

export const peerLost = (status: number): Verdict => byUs("unreachable", status, "Peer lost");

/** What the caller is told when a response to its INVITE came to nothing: RFC 3262 §3, RFC 3312 §8. */
const LOSSES: Readonly<Record<Loss, Verdict>> = {
  unreachable: peerLost(500),
  "no-prack": byUs("no-ack", 504, "Peer lost"),
  unmet: byUs("no-ack", 580, "Peer lost"),
};

export const lossOf = (cause: Loss): Verdict => LOSSES[cause];

/** To the caller it is our trouble: it asked for nothing that one could refuse it for. */
export const noUsableMedia = (by: Side, status: number): Verdict => ({
  cause: "protocol-error",
  by,
  status: status === 503 ? 503 : 488,
  reason: sipReason(488, "No usable media"),
});

export const mediaLost = (cause: "media-silent" | "media-failed", text: string): Verdict => ({
  cause,
  by: undefined,
  status: 500,
  reason: `Q.850;cause=41;text="${text}"`,
});

/** Why nobody could be asked. */
export function causeOfOurs({ status, headers }: Refusal): EndCause {
  if (headers.some(([name]) => name === "Retry-After")) return "limit";
  if (status === 408) return "no-answer";
  if (status === 503) return "unreachable";
  return status === 416 || status === 480 ? "policy" : "protocol-error";
}

/** Why a call ended that its callee refused. */
export function causeOf(status: number): EndCause {
  if (status === 486 || status === 600) return "busy";
  if (status === 408 || status === 480) return "no-answer";
  return "refused";
}
