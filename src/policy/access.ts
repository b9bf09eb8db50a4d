/**
 * Who is served at all. The same verdict for every method and every user, so that a scanner learns nothing from the
 * differences between answers.
 */
import type { Trust } from "../base/index.ts";

export type AccessVerdict =
  | { readonly verdict: "serve" }
  | { readonly verdict: "refuse"; readonly status: 403 | 404; readonly reason: string }
  /** Nothing goes back; count it. */
  | { readonly verdict: "drop"; readonly reason: string };

const SERVE: AccessVerdict = { verdict: "serve" };
const NOT_FOUND: AccessVerdict = { verdict: "refuse", status: 404, reason: "Not Found" };
const FORBIDDEN: AccessVerdict = { verdict: "refuse", status: 403, reason: "Forbidden" };
const ABSORBED: AccessVerdict = { verdict: "drop", reason: "an ACK from a stranger" };

/**
 * May this request outside a dialog go on? `recognised`: its source is a peer. `routed`: some route takes it, and for a
 * stranger that means a route which names its realm (routing sees to that). A realm of `trust: full` has no strangers.
 */
export function accessVerdict(input: {
  readonly trust: Trust;
  readonly recognised: boolean;
  readonly method: string;
  readonly routed: boolean;
}): AccessVerdict {
  if (input.routed) return SERVE;
  const known = input.recognised || input.trust === "full";
  if (input.method === "ACK") return ABSORBED; // An ACK is never answered: RFC 3261 §17.
  return known ? NOT_FOUND : FORBIDDEN;
}
