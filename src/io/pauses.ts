import { monitorEventLoopDelay } from "node:perf_hooks";

/** How often the event loop is asked whether it is on time, in milliseconds: what is shorter goes unseen. */
const RESOLUTION_MS = 5;
const NANOS_PER_MS = 1e6;

/** How long the event loop kept everybody waiting: while it does, no message is answered and no timer fires. */
export class Pauses {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });

  start(): void {
    this.#histogram.enable();
  }

  /** Forgets what was: start-up is no measure of what comes. */
  reset(): void {
    this.#histogram.reset();
  }

  stop(): void {
    this.#histogram.disable();
  }

  /** Since the last reset, in milliseconds. */
  view(): { longestMs: number; p99Ms: number } {
    return { longestMs: pauseMs(this.#histogram.max), p99Ms: pauseMs(this.#histogram.percentile(99)) };
  }
}

/** The histogram holds the time from one look to the next; what exceeds the resolution is pause. */
const pauseMs = (nanos: number): number => Math.max(0, Math.round((nanos / NANOS_PER_MS - RESOLUTION_MS) * 100) / 100);
