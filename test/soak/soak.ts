/**
 * `make soak FOR=30m`: 20 calls a second of every flow in both directions through the real box, for as long as wanted.
 * Prints one JSON object: how memory went, the longest pause of the event loop, and what was left. Exit status 1 when a
 * call did not go as its script says, or when something is left.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { makeHosts } from "../support/network-namespaces.ts";
import { secondsOf } from "../support/seconds-of.ts";
import { flows } from "../support/sipp-flows.ts";
import { directions, type FlowRun, flowConfig, startFlow } from "../support/sipp-run.ts";

/** Of each flow in each direction. */
const CALLS_PER_SECOND = 1;
const SAMPLE_MS = 5_000;
/** Nothing is counted before: code is still being compiled, and tables grow to their size. Transactions linger for 32 s. */
const WARM_UP_SECONDS = 60;
/** Transactions of the last calls (64·T1), and some. */
const SETTLE_MS = 60_000;

interface Status {
  readonly memoryBytes: number;
  readonly timers: number;
  readonly calls: { readonly calls: number; readonly legs: number; readonly dialogs: number };
  readonly transactions: Readonly<Record<string, number>>;
  readonly media: { readonly sessions: number; readonly pairs: number };
  readonly pauses: { readonly longestMs: number; readonly p99Ms: number };
  readonly io: { readonly bugs: number };
}

interface Sample {
  readonly minutes: number;
  readonly mebibytes: number;
}

const seconds = secondsOf(process.argv[2] ?? "30m");
const folder = makeFolder("soak");
const hosts = makeHosts("sypsk", 67);
try {
  const good = await soak();
  process.exitCode = good ? 0 : 1;
  if (good) rmSync(folder, { recursive: true, force: true });
  else console.log(`what sipp has seen is in ${folder}`);
} finally {
  hosts.remove();
}

async function soak(): Promise<boolean> {
  makeTls(folder);
  const box = await Box.start(folder, flowConfig(hosts, flows), { netns: hosts.box });
  const calls = Math.ceil(seconds * CALLS_PER_SECOND);
  const limitSeconds = seconds + 120;
  const runs = directions.flatMap((direction) =>
    flows.map((flow) => ({
      name: `${flow.name} ${direction}`,
      run: startFlow({ folder, hosts, flow, direction, all: flows, calls, rate: CALLS_PER_SECOND, limitSeconds }),
    })),
  );
  const samples: Sample[] = [];
  const started = performance.now();
  const sampling = setInterval(() => {
    const elapsed = (performance.now() - started) / 1_000;
    if (elapsed < Math.min(WARM_UP_SECONDS, seconds / 2)) return;
    void box
      .get<Status>("/status")
      .then(({ memoryBytes }) => samples.push({ minutes: elapsed / 60, mebibytes: memoryBytes / 2 ** 20 }));
  }, SAMPLE_MS);
  const failed: string[] = [];
  for (const { name, run } of runs) {
    const codes = await Promise.all([run.caller.exited, run.callee.exited]);
    if (codes.some((code) => code !== 0)) failed.push(`${name}: exit ${codes.join(" and ")}, ${abortedIn(run)}`);
  }
  clearInterval(sampling);
  const last = await box.until<Status>("/status", isEmpty, SETTLE_MS).catch(() => box.get<Status>("/status"));
  const ended = Object.fromEntries(box.facts("call.ended").reduce(countCause, new Map<string, number>()));
  const report = {
    seconds,
    calls: calls * runs.length,
    failed,
    ended,
    memory: { ...slope(samples), samples: samples.length },
    pauses: last.pauses,
    bugs: last.io.bugs,
    left: isEmpty(last) ? "nothing" : { calls: last.calls, transactions: last.transactions, media: last.media },
    timers: last.timers,
  };
  await box.stop();
  console.log(JSON.stringify(report, null, 2));
  return failed.length === 0 && isEmpty(last) && last.io.bugs === 0;
}

function countCause(counts: Map<string, number>, { cause }: Record<string, unknown>): Map<string, number> {
  return counts.set(String(cause), (counts.get(String(cause)) ?? 0) + 1);
}

/** How many calls each end has given up, and over what first. */
function abortedIn(run: FlowRun): string {
  return [run.callerErrors, run.calleeErrors]
    .map((file) => {
      const aborted = existsSync(file) ? (readFileSync(file, "latin1").match(/Aborting call on [^\n]*/g) ?? []) : [];
      return aborted.length === 0 ? "none given up" : `${aborted.length} given up (${aborted[0]})`;
    })
    .join("; ");
}

function isEmpty({ calls, transactions, media }: Status): boolean {
  return [calls, transactions, media].every((table) =>
    Object.values(table).every((n) => typeof n !== "number" || n === 0),
  );
}

/** Least squares. A slope of some hundred KiB a minute over minutes is the collector's breath; over hours it is a leak. */
function slope(samples: readonly Sample[]): object {
  const count = samples.length;
  const mean = (of: (sample: Sample) => number): number => samples.reduce((sum, one) => sum + of(one), 0) / count;
  const at = mean(({ minutes }) => minutes);
  const size = mean(({ mebibytes }) => mebibytes);
  const spread = mean(({ minutes }) => (minutes - at) ** 2);
  const rise = mean(({ minutes, mebibytes }) => (minutes - at) * (mebibytes - size));
  const sizes = samples.map(({ mebibytes }) => mebibytes);
  return {
    mebibytesMean: Math.round(size),
    mebibytesLeast: Math.round(Math.min(...sizes)),
    mebibytesMost: Math.round(Math.max(...sizes)),
    kibibytesPerMinute: spread === 0 ? 0 : Math.round((rise / spread) * 1_024),
  };
}
