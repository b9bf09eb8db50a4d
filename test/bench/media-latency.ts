/**
 * What a relay adds to a packet's way, beside rtpengine under the same load: 500 calls of G.711, 25,000 packets a second, one
 * at a time and evenly. From before the call that sends to the kernel's note of the arrival at the other end, so that both
 * cables and the wake-ups at their ends are in it, the same for both. `af_xdp` makes SRTP, the others pass RTP on. A line for
 * the median, for 99 in 100 and for 999 in 1,000. Needs root and two cores.
 */
import { execFileSync } from "node:child_process";
import { setTimeout as after } from "node:timers/promises";
import { type Bench, compare } from "./bench.ts";
import {
  type Engine,
  haveRtpengine,
  type KernelEngine,
  type Kind,
  startKernel,
  startOurs,
  startRings,
  startRtpengine,
} from "./media/engines.ts";
import { addresses, boxMac, build, cables, dismantle, FIELD, FIELD_CORE, hurryField, pin } from "./media/topology.ts";
import { compileFlood } from "./media.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const SESSIONS = Number(process.env["SESSIONS"] ?? 500);
const PACKETS = Number(process.env["PACKETS"] ?? 100_000);
const PACKETS_A_SECOND = 50 * SESSIONS;
const LOST_AT_MOST = 0.01;
/** The relay gives a flow to the kernel once it has heard it, a part of its table at a time. */
const SETTLE_MS = 600;
const SETTLE_TRIES = 20;
const SHARES = ["p50", "p99", "p999"] as const;

const paths: readonly { path: string; kind: Kind; ours: () => Promise<Engine | KernelEngine> }[] = [
  { path: "socket", kind: "plain", ours: () => startOurs(SESSIONS, "plain") },
  { path: "xdp", kind: "plain", ours: () => startKernel(SESSIONS) },
  {
    path: "af_xdp",
    kind: "srtp",
    ours: () => startRings({ sessions: SESSIONS, from: undefined, to: "AES_CM_128_HMAC_SHA1_80" }),
  },
];
const nameOf = (path: string, share: string): string => `media.latency.${path}.${share}`;

export const bench: Bench = {
  names: paths.flatMap(({ path }) => SHARES.map((share) => nameOf(path, share))),

  async run(wanted, report) {
    const flood = compileFlood();
    const peer = haveRtpengine() && process.env["ALONE"] === undefined;
    build(flood);
    try {
      for (const { path, kind, ours } of paths) {
        const names = SHARES.map((share) => nameOf(path, share));
        if (!names.some(wanted)) continue;
        const [own, theirs]: [Delay[], Delay[]] = [[], []];
        for (let round = 0; round < ROUNDS; round += 1) {
          own.push(await measured(flood, ours));
          if (peer) theirs.push(await measured(flood, () => startRtpengine(SESSIONS, kind)));
        }
        for (const [i, name] of names.entries()) {
          const of = (all: readonly Delay[]) => all.map(({ microseconds }) => microseconds[i] as number);
          const lost = [own, theirs].map((all) => Math.max(...all.map((one) => one.lost)));
          if (wanted(name)) report(compare(name, "us", of(own), "rtpengine", of(theirs), { sessions: SESSIONS, lost }));
        }
      }
    } finally {
      dismantle();
    }
  },
};

interface Delay {
  /** In the order of SHARES. */
  readonly microseconds: readonly number[];
  readonly lost: number;
}

/** Who lost packets was starved of its core by somebody else: another try, three in all. */
async function measured(flood: string, start: () => Promise<Engine | KernelEngine>): Promise<Delay> {
  for (let attempt = 1; ; attempt += 1) {
    const delay = await measure(flood, await start());
    if (delay.lost < LOST_AT_MOST || attempt === 3) return delay;
  }
}

async function measure(flood: string, engine: Engine | KernelEngine): Promise<Delay> {
  try {
    pin();
    hurryField();
    const sequence = await settle(flood, engine);
    const [sent = 0, received = 0, ...microseconds] = send(flood, engine, PACKETS, sequence);
    return { microseconds, lost: Number(((sent - received) / sent).toFixed(4)) };
  } finally {
    await engine.stop();
  }
}

/** Speaks for a second, and until the kernel has every flow where it is to have them; returns the number that follows. */
async function settle(flood: string, engine: Engine | KernelEngine): Promise<number> {
  let sequence = 1;
  for (let attempt = 0; attempt < SETTLE_TRIES; attempt += 1) {
    send(flood, engine, SESSIONS * 50, sequence);
    sequence += 50;
    if (!("carried" in engine)) return sequence;
    await after(SETTLE_MS);
    if ((await engine.carried()) === SESSIONS) return sequence;
  }
  throw new Error("the kernel does not carry all flows");
}

function send(flood: string, engine: Engine, packets: number, sequence: number): number[] {
  const words = ["netns", "exec", FIELD, "taskset", "-c", String(FIELD_CORE), flood, "latency"];
  const ends = [cables.callerField, cables.calleeField, boxMac, addresses.caller, addresses.boxCaller];
  const out = execFileSync("ip", [...words, ...ends, String(packets), String(PACKETS_A_SECOND)], {
    input: engine.ports.join("\n"),
    encoding: "utf8",
    env: { ...process.env, SEQUENCE: String(sequence) },
  });
  return out.trim().split(" ").map(Number);
}
