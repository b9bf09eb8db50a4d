/** Milliseconds, of a duration or of a monotonic clock that starts anywhere. Never wall-clock time. */
export type Millis = number;

export const SECOND: Millis = 1_000;
export const MINUTE: Millis = 60 * SECOND;
