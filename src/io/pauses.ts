import { monitorEventLoopDelay } from "node:perf_hooks";

/** How often the event loop is asked whether it is on time, in milliseconds: what is shorter goes unseen. */
const RESOLUTION_MS = 5;
const WINDOW_MS = 60_000;
const NANOS_PER_MS = 1e6;

/** How long the event loop kept everybody waiting: while it does, no message is answered and no timer fires. */
export class Pauses {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #turning: NodeJS.Timeout | undefined;
  #longestMs = 0;
  #previousMs = 0;

  start(): void {
    this.#histogram.enable();
    this.#turning = setInterval(() => this.#turn(), WINDOW_MS);
  }

  stop(): void {
    this.#histogram.disable();
    clearInterval(this.#turning);
  }

  /** In milliseconds: the longest since the start, the longest of the last one to two minutes, and 99 % are shorter than. */
  view(): { longestMs: number; lastMinuteMs: number; p99Ms: number } {
    const now = this.#windowMs();
    return {
      longestMs: Math.max(this.#longestMs, now),
      lastMinuteMs: Math.max(this.#previousMs, now),
      p99Ms: pauseMs(this.#histogram.percentile(99)),
    };
  }

  #turn(): void {
    this.#previousMs = this.#windowMs();
    this.#longestMs = Math.max(this.#longestMs, this.#previousMs);
    this.#histogram.reset();
  }

  #windowMs(): number {
    return pauseMs(this.#histogram.max);
  }
}

/** The histogram holds the time from one look to the next; what exceeds the resolution is pause. */
const pauseMs = (nanos: number): number => Math.max(0, Math.round((nanos / NANOS_PER_MS - RESOLUTION_MS) * 100) / 100);
