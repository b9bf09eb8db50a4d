/** When a trunk registers again: early enough when all is well, and never in a hurry when it is not. */
import { below, type Millis, type Random, SECOND } from "../base/index.ts";

/** RFC 5626 §4.5: how long the first wait is after nobody answered, and the longest. */
const SILENCE_WAIT: Millis = 30 * SECOND;
const LONGEST_SILENCE_WAIT: Millis = 1_800 * SECOND;
/** A registrar that says no will say so again: asked too often it shuts us out. */
const REFUSAL_WAIT: Millis = 120 * SECOND;
const LONGEST_REFUSAL_WAIT: Millis = 3_600 * SECOND;
/** A connection that broke: its other end lives, but all its clients come back now. */
const SOON: Millis = 2 * SECOND;
/** RFC 5626 §4.4.2: how often a NAT is reminded of a UDP flow. */
const KEEPALIVE: readonly [Millis, Millis] = [24 * SECOND, 29 * SECOND];

/** Half to three quarters of what was granted: what fails then can be tried elsewhere before the binding ends. */
export const refreshAfter = (random: Random, grantedSeconds: number): Millis =>
  grantedSeconds * SECOND * (0.5 + below(random, 251) / 1_000);

/**
 * RFC 5626 §4.5: twice as long after each failure, at random between half of it and all. `failures` in a row, from 1;
 * `atLeastSeconds`: Retry-After.
 */
export function backOff(
  random: Random,
  kind: "silence" | "refusal",
  failures: number,
  atLeastSeconds: number | undefined,
): Millis {
  const [first, longest] =
    kind === "silence" ? [SILENCE_WAIT, LONGEST_SILENCE_WAIT] : [REFUSAL_WAIT, LONGEST_REFUSAL_WAIT];
  const most = Math.min(longest, first * 2 ** Math.min(failures - 1, 16));
  const wait = most * (0.5 + below(random, 501) / 1_000);
  return Math.min(longest, Math.max(wait, (atLeastSeconds ?? 0) * SECOND));
}

export const soon = (random: Random): Millis => below(random, SOON);

export const keepaliveAfter = (random: Random): Millis => KEEPALIVE[0] + below(random, KEEPALIVE[1] - KEEPALIVE[0]);
