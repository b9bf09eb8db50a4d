/**
 * CPU time of a packet that the kernel forwards for us, beside Debian's rtpengine in user space at 500 sessions, in the same
 * run. The generator makes its frames in the kernel too, for no process could outrun what is measured here. The cost is all
 * that the box's core used: its NAPI threads, soft interrupts and our process, which meanwhile only reads counters.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { setTimeout as after } from "node:timers/promises";
import { type Bench, compare } from "./bench.ts";
import { haveRtpengine, type KernelEngine, startKernel, startRtpengine } from "./media/engines.ts";
import {
  addresses,
  boxMac,
  build,
  cables,
  dismantle,
  FIELD,
  FIELD_CORE,
  kernelNs,
  pin,
  processNs,
} from "./media/topology.ts";
import { type Cost, compileFlood, flooding, measured } from "./media.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const PACKETS = Number(process.env["KERNEL_PACKETS"] ?? 3_000_000);
/** Small enough that no queue of a cable (256 frames) overflows. */
const WINDOW = 192;
const PEER_SESSIONS = 500;
/** The relay gives a flow to the kernel once it has heard it, a part of its table at a time. */
const SETTLE_MS = 600;
const SETTLE_TRIES = 60;

const cases = [500, 10_000].map((sessions) => ({
  name: `media.relay.xdp.${sessions}`,
  sessions: affordable(sessions),
}));

export const bench: Bench = {
  names: cases.map((one) => one.name),

  async run(wanted, report) {
    const flood = compileFlood();
    const burst = compileBurst();
    const send = flooding(flood, PEER_SESSIONS);
    const peer = haveRtpengine() && process.env["ALONE"] === undefined;
    build(flood);
    try {
      for (const { name, sessions } of cases.filter((one) => wanted(one.name))) {
        const ours: Cost[] = [];
        const theirs: Cost[] = [];
        for (let round = 0; round < ROUNDS; round += 1) {
          ours.push(await measure(burst, sessions));
          if (peer) theirs.push(await measured(send, () => startRtpengine(PEER_SESSIONS, "plain"), PEER_SESSIONS));
        }
        const costs = (all: readonly Cost[]) => all.map((one) => one.ns);
        const lost = (all: readonly Cost[]) => Math.max(...all.map((one) => one.lost));
        const busy = (all: readonly Cost[]) => Math.min(...all.map((one) => one.busy));
        report(
          compare(name, "cpu-ns/packet", costs(ours), "rtpengine", costs(theirs), {
            sessions,
            peerSessions: PEER_SESSIONS,
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

/**
 * Each session holds two sockets, though it sends nothing through them, and some machines let a process have 20 000
 * descriptors only. Half as many again find room in the relay's own table.
 */
export function affordable(sessions: number): number {
  const descriptors = Number(execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).trim());
  return Number.isNaN(descriptors) ? sessions : Math.min(sessions, Math.floor(descriptors * 0.7) - 200);
}

async function measure(burst: Burst, sessions: number): Promise<Cost> {
  const engine = await startKernel(sessions);
  try {
    pin();
    const sequence = await settle(burst, engine, sessions);
    const before = processNs(engine.pid) + kernelNs();
    const { sent, received, seconds } = sendBurst(burst, engine, PACKETS, sequence);
    const used = processNs(engine.pid) + kernelNs() - before;
    const digits = (value: number) => Number(value.toFixed(3));
    return { ns: used / received, lost: digits((sent - received) / sent), busy: digits(used / (seconds * 1e9)) };
  } finally {
    await engine.stop();
  }
}

/** Speaks on all flows until the kernel has every one; returns the sequence number that follows. */
export async function settle(burst: Burst, engine: KernelEngine, sessions: number): Promise<number> {
  let sequence = 1;
  for (let attempt = 0; attempt < SETTLE_TRIES; attempt += 1) {
    sendBurst(burst, engine, sessions * 2, sequence);
    sequence += 2;
    await after(SETTLE_MS);
    if ((await engine.carried()) === sessions) return sequence;
  }
  throw new Error(`the kernel carries ${await engine.carried()} of ${sessions} flows`);
}

export interface Burst {
  readonly program: string;
  readonly object: string;
}

export function sendBurst({ program, object }: Burst, engine: KernelEngine, packets: number, sequence: number) {
  const words = ["netns", "exec", FIELD, "taskset", "-c", String(FIELD_CORE), program, object];
  const ends = [cables.callerField, cables.calleeField, boxMac, addresses.caller, addresses.boxCaller];
  const out = execFileSync("ip", [...words, ...ends, String(packets), String(WINDOW)], {
    input: engine.ports.join("\n"),
    encoding: "utf8",
    env: { ...process.env, SEQUENCE: String(sequence) },
  });
  const [sent = 0, received = 0, seconds = 0] = out.trim().split(" ").map(Number);
  return { sent, received, seconds };
}

export function compileBurst(): Burst {
  return compileWithProgram("burst", ["-lbpf"]);
}

/** A bench's program for the kernel and the process that loads it, both of this name. */
export function compileWithProgram(name: string, libraries: readonly string[]): Burst {
  const folder = new URL("../../build/bench/", import.meta.url).pathname;
  mkdirSync(folder, { recursive: true });
  const source = (ending: string): string => new URL(`media/${name}${ending}`, import.meta.url).pathname;
  const machine = execFileSync("gcc", ["-print-multiarch"], { encoding: "utf8" }).trim();
  const object = `${folder}${name}.bpf.o`;
  const program = `${folder}${name}`;
  const bpf = ["-O2", "-g", "-mcpu=v3", "-target", "bpf", "-idirafter", `/usr/include/${machine}`];
  execFileSync("clang", [...bpf, "-c", source(".bpf.c"), "-o", object]);
  execFileSync("g++", ["-std=c++20", "-O2", "-Wall", "-o", program, source(".cpp"), ...libraries]);
  return { program, object };
}
