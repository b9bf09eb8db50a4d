/**
 * CPU time a relayed packet: ours beside Debian's rtpengine in user space, in the same run. G.711 frames of 20 ms
 * through two cables, so many in flight that the relay's core is never idle. The cost is what the relay's process and
 * the kernel's receive threads of its core used, divided by the packets that came out. Needs root and two cores.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { type Bench, compare } from "./bench.ts";
import { type Engine, haveRtpengine, startOurs, startRtpengine } from "./media/engines.ts";
import {
  addresses,
  boxMac,
  build,
  cables,
  dismantle,
  FIELD,
  FIELD_CORE,
  kernelNs,
  processNs,
} from "./media/topology.ts";
import type { Suite } from "./media/work.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const WARM_PACKETS = 20_000;
const LOST_AT_MOST = 0.05;
const PACKETS = Number(process.env["PACKETS"] ?? 150_000);

const cases = [1, 100, 500].flatMap((sessions) => [
  { name: `media.relay.socket.${sessions}`, sessions, kind: "plain" as const },
  { name: `media.srtp.socket.${sessions}`, sessions, kind: "srtp" as const },
]);

export const bench: Bench = {
  names: cases.map((one) => one.name),

  async run(wanted, report) {
    const flood = compileFlood();
    const peer = haveRtpengine() && process.env["ALONE"] === undefined;
    build(flood);
    try {
      for (const { name, sessions, kind } of cases.filter((one) => wanted(one.name))) {
        const send = flooding(flood, sessions);
        const ours: Cost[] = [];
        const theirs: Cost[] = [];
        for (let round = 0; round < ROUNDS; round += 1) {
          ours.push(await measured(send, () => startOurs(sessions, kind), sessions));
          if (peer) theirs.push(await measured(send, () => startRtpengine(sessions, kind), sessions));
        }
        const costs = (all: readonly Cost[]) => all.map((one) => one.ns);
        const lost = (all: readonly Cost[]) => Math.max(...all.map((one) => one.lost));
        const busy = (all: readonly Cost[]) => Math.min(...all.map((one) => one.busy));
        report(
          compare(name, "cpu-ns/packet", costs(ours), "rtpengine", costs(theirs), {
            lost: [lost(ours), lost(theirs)],
            busy: [busy(ours), busy(theirs)],
          }),
        );
      }
    } finally {
      dismantle();
    }
  },
};

export interface Cost {
  readonly ns: number;
  /** Share of the packets that did not come out. */
  readonly lost: number;
  /** Share of the time that the box's core worked for us: near 1, or the cost is one of waking up. */
  readonly busy: number;
}

/** Sends so many to an engine, of each flow from this number on. */
export type Send = (engine: Engine, packets: number, sequence: number) => Sent;

export interface Sent {
  readonly sent: number;
  readonly received: number;
  /** From the first that left. */
  readonly seconds: number;
}

/** An engine that lost packets was starved of its core by somebody else: it gets another try, three in all. */
export async function measured(
  send: Send,
  start: () => Promise<Engine>,
  sessions: number,
  packets = PACKETS,
): Promise<Cost> {
  for (let attempt = 1; ; attempt += 1) {
    const cost = await measure(send, await start(), sessions, packets);
    if (cost.lost < LOST_AT_MOST || attempt === 3) return cost;
  }
}

async function measure(send: Send, engine: Engine, sessions: number, packets: number): Promise<Cost> {
  try {
    send(engine, WARM_PACKETS, 1);
    const before = processNs(engine.pid) + kernelNs();
    const { sent, received, seconds } = send(engine, packets, Math.ceil(WARM_PACKETS / sessions) + 1);
    const used = processNs(engine.pid) + kernelNs() - before;
    const digits = (value: number) => Number(value.toFixed(3));
    return { ns: used / received, lost: digits((sent - received) / sent), busy: digits(used / (seconds * 1e9)) };
  } finally {
    await engine.stop();
  }
}

/** By a process that sends whole frames past the network stack: flood.cpp. `from`: what the caller encrypts by. */
export function flooding(flood: string, sessions: number, from?: Suite): Send {
  // rtpengine gives a flow up whose queue is never empty for fifty reads, so a single one is paced below that.
  const [window, rate] = sessions === 1 ? [32, 20_000] : [256, 0];
  return (engine, packets, sequence) =>
    sendFromField([flood, "run"], engine, packets, [String(window), String(rate)], sequence, from);
}

/** What the generators have in common. */
export function sendFromField(
  program: readonly string[],
  engine: Engine,
  packets: number,
  rest: readonly string[],
  sequence: number,
  from: Suite | undefined,
): Sent {
  const words = ["netns", "exec", FIELD, "taskset", "-c", String(FIELD_CORE), ...program];
  const ends = [cables.callerField, cables.calleeField, boxMac, addresses.caller, addresses.boxCaller];
  const out = execFileSync("ip", [...words, ...ends, String(packets), ...rest], {
    input: engine.ports.join("\n"),
    encoding: "utf8",
    env: { ...process.env, SEQUENCE: String(sequence), ...(from === undefined ? {} : { SRTP: from }) },
  });
  const [sent = 0, received = 0, seconds = 0] = out.trim().split(" ").map(Number);
  return { sent, received, seconds };
}

export function compileFlood(): string {
  const folder = new URL("../../build/bench/", import.meta.url).pathname;
  mkdirSync(folder, { recursive: true });
  const program = `${folder}flood`;
  execFileSync("g++", [
    "-std=c++20",
    "-O2",
    "-Wall",
    "-o",
    program,
    new URL("media/flood.cpp", import.meta.url).pathname,
    "-lsrtp2",
  ]);
  return program;
}
