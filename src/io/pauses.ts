import { monitorEventLoopDelay } from "node:perf_hooks";
import { loadAddon } from "./addon.ts";

const WINDOW_MS = 60_000;
/** Words of the addon's counts: bins, eight to each power of two of microseconds; then the longest, and the most work. */
const BINS = 232;
const LONGEST = BINS;
const MOST_WORK = BINS + 1;
const STEP_BITS = 3;

/**
 * How long the event loop keeps everybody waiting: while a turn of it lasts, no message is answered and no timer fires.
 * The addon measures each turn, without waking up for it, and how much of it this thread worked: of a pause that is longer,
 * other threads had the rest, other programs, or the host of a virtual machine.
 */
export class Pauses {
  readonly #turns = turns();
  #turning: NodeJS.Timeout | undefined;
  #longestMs = 0;
  #previousMs = 0;
  #previousWorkMs = 0;

  start(): void {
    this.#turns.start();
    this.#turning = setInterval(() => this.#turn(), WINDOW_MS);
  }

  stop(): void {
    this.#turns.stop();
    clearInterval(this.#turning);
  }

  /**
   * In milliseconds: the longest since the start, the longest of the last one to two minutes, the most that one of these
   * worked, and what 99 % of the turns are shorter than. Without the addon nobody knows of work: it is as the pauses are.
   */
  view(): { longestMs: number; lastMinuteMs: number; lastMinuteWorkMs: number; p99Ms: number } {
    const now = this.#turns.longestMs();
    return {
      longestMs: hundredths(Math.max(this.#longestMs, now)),
      lastMinuteMs: hundredths(Math.max(this.#previousMs, now)),
      lastMinuteWorkMs: hundredths(Math.max(this.#previousWorkMs, this.#turns.mostWorkMs())),
      p99Ms: hundredths(this.#turns.percentileMs(99)),
    };
  }

  #turn(): void {
    this.#previousMs = this.#turns.longestMs();
    this.#previousWorkMs = this.#turns.mostWorkMs();
    this.#longestMs = Math.max(this.#longestMs, this.#previousMs);
    this.#turns.reset();
  }
}

const hundredths = (ms: number): number => Math.round(ms * 100) / 100;

interface Turns {
  start(): void;
  stop(): void;
  reset(): void;
  longestMs(): number;
  mostWorkMs(): number;
  percentileMs(percent: number): number;
}

function turns(): Turns {
  try {
    return new CountedTurns(loadAddon().watchTurns);
  } catch {
    return new SampledTurns();
  }
}

class CountedTurns implements Turns {
  readonly #counts = new Int32Array(BINS + 2);
  readonly #watch: (counts: Int32Array) => () => void;
  #stop: (() => void) | undefined;

  constructor(watch: (counts: Int32Array) => () => void) {
    this.#watch = watch;
  }

  start(): void {
    this.#stop ??= this.#watch(this.#counts);
  }

  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  reset(): void {
    this.#counts.fill(0);
  }

  longestMs(): number {
    return (this.#counts[LONGEST] as number) / 1_000;
  }

  mostWorkMs(): number {
    return (this.#counts[MOST_WORK] as number) / 1_000;
  }

  percentileMs(percent: number): number {
    const bins = this.#counts.subarray(0, BINS);
    let left = (bins.reduce((sum, count) => sum + count, 0) * (100 - percent)) / 100;
    for (let bin = BINS - 1; bin >= 0; bin--) {
      left -= bins[bin] as number;
      if (left < 0) return Math.min(endOf(bin) / 1_000, this.longestMs());
    }
    return 0;
  }
}

/** Where a bin ends, in microseconds. */
function endOf(bin: number): number {
  if (bin < 1 << STEP_BITS) return bin + 1;
  const power = (bin >> STEP_BITS) - 1;
  return ((bin & ((1 << STEP_BITS) - 1)) + (1 << STEP_BITS) + 1) * 2 ** power;
}

/** Where there is no addon: asked for by a timer, so what is shorter than its interval goes unseen. */
class SampledTurns implements Turns {
  static readonly #everyMs = 5;
  readonly #histogram = monitorEventLoopDelay({ resolution: SampledTurns.#everyMs });

  start(): void {
    this.#histogram.enable();
  }

  stop(): void {
    this.#histogram.disable();
  }

  reset(): void {
    this.#histogram.reset();
  }

  longestMs(): number {
    return this.#beyond(this.#histogram.max);
  }

  mostWorkMs(): number {
    return this.longestMs();
  }

  percentileMs(percent: number): number {
    return this.#beyond(this.#histogram.percentile(percent));
  }

  /** The histogram holds the time from one look to the next, in nanoseconds. */
  #beyond(nanos: number): number {
    return Math.max(0, nanos / 1e6 - SampledTurns.#everyMs);
  }
}
