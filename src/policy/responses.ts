/**
 * What a final or provisional answer of one side becomes on the other. The phrase is always ours: a phrase of the other
 * side is free text that may name its hosts.
 */
import { phraseOf } from "../message/index.ts";

/** Codes that mean the same on both sides. Any other becomes the x00 of its class, as RFC 3261 §8.1.3.2 reads it. */
const SAME_ON_BOTH_SIDES: ReadonlySet<number> = new Set([
  ...[180, 181, 182, 183, 199, 200, 202, 204],
  ...[400, 402, 403, 404, 405, 406, 408, 410, 412, 413, 414, 415, 416, 417, 420, 421, 423, 428, 433, 436, 437],
  ...[438, 440, 469, 480, 481, 482, 483, 484, 485, 486, 487, 488, 489, 491, 493],
  ...[500, 501, 502, 504, 505, 513, 555, 580, 600, 603, 604, 606, 607, 608],
]);

/** Codes that mean something between the answering side and us alone. */
const OURS_ALONE: ReadonlyMap<number, number> = new Map([
  [401, 403], // We answer challenges only for configured trunks; the caller has no account over there.
  [407, 403],
  [422, 500], // Session timers are agreed on leg by leg (RFC 4028): its Min-SE says nothing to the other side.
  [503, 500], // RFC 3261 §16.7: that the next hop is full says nothing about us.
]);

export const reasonPhrase = phraseOf;

/**
 * The status and phrase that the other leg gets for `status`, which a peer sent. `table`: what the operator wants told of
 * that peer's final statuses.
 */
export function mapStatus(
  status: number,
  table?: ReadonlyMap<number, number>,
): { readonly status: number; readonly reason: string } {
  const mapped = table?.get(status) ?? mapCode(status);
  return { status: mapped, reason: phraseOf(mapped) };
}

function mapCode(status: number): number {
  if (SAME_ON_BOTH_SIDES.has(status)) return status;
  const ours = OURS_ALONE.get(status);
  if (ours !== undefined) return ours;
  if (status < 200) return 183;
  if (status >= 300 && status < 400) return 480; // Its Contacts are addresses of that side, and we do not follow them.
  if (status >= 700) return 500;
  return Math.floor(status / 100) * 100;
}
