/** What every bench is and prints. */

/** One line of `make bench`: what we cost and what a peer costs, for the same work in the same run. */
export interface BenchLine {
  readonly bench: string;
  /** Median of the rounds. */
  readonly ours: number;
  readonly peer?: string;
  readonly theirs?: number;
  /** ours / theirs, of costs: lower is better, 1 is parity. */
  readonly ratio?: number;
  readonly unit: string;
  /** Rounds of each, interleaved. */
  readonly runs: number;
  /** What else was seen in the run. */
  readonly [more: string]: unknown;
}

export interface Bench {
  /** Full names of the lines it prints, as `ONLY=` finds them by prefix. */
  readonly names: readonly string[];
  run(wanted: (name: string) => boolean, report: (line: BenchLine) => void): Promise<void>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** A line with the ratio of the medians. */
export function compare(
  bench: string,
  unit: string,
  ours: readonly number[],
  peer: string,
  theirs: readonly number[],
  more: Readonly<Record<string, unknown>> = {},
): BenchLine {
  const [a, b] = [median(ours), median(theirs)];
  return { bench, ours: round(a), peer, theirs: round(b), ratio: round(a / b, 3), unit, runs: ours.length, ...more };
}

export const round = (value: number, digits = 1): number => Number(value.toFixed(digits));
