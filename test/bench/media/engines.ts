/** Starts and stops the two relays under test, each alone on the box's core. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { NG_PORT } from "./rtpengine.ts";
import { addresses, BOX, BOX_CORE, inside } from "./topology.ts";
import type { Suite, Work } from "./work.ts";

/** RTP passed on, or to SRTP of the suite that everybody has. */
export type Kind = "plain" | "srtp";
const suiteOf = (kind: Kind): Suite | undefined => (kind === "srtp" ? "AES_CM_128_HMAC_SHA1_80" : undefined);

export interface Engine {
  readonly pid: number;
  /** One a session: where the caller sends. */
  readonly ports: readonly number[];
  stop(): Promise<void>;
}

const script = (name: string): string => new URL(name, import.meta.url).pathname;
const inBox = (...words: string[]): string[] => ["netns", "exec", BOX, "taskset", "-c", String(BOX_CORE), ...words];

export interface AskedEngine extends Engine {
  /** What box.ts answers to a word. */
  ask(word: "carried" | "sums" | "close"): Promise<unknown>;
}

/** `carried`: for how many callers the kernel forwards. */
export interface KernelEngine extends AskedEngine {
  carried(): Promise<number>;
}

export async function startKernel(sessions: number): Promise<KernelEngine> {
  const engine = await startAsked(sessions, { KERNEL: "1" });
  return { ...engine, carried: async () => Number(await engine.ask("carried")) };
}

export async function startAsked(sessions: number, env: Record<string, string> = {}): Promise<AskedEngine> {
  const child = spawn("ip", inBox(process.execPath, script("box.ts"), JSON.stringify({ sessions })), {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  const lines = createInterface({ input: child.stdout! });
  const line = async (): Promise<unknown> => {
    const [text] = await once(lines, "line", { signal: AbortSignal.timeout(60_000) });
    return JSON.parse(String(text));
  };
  const ports = (await line()) as number[];
  return {
    pid: child.pid!,
    ports,
    stop: () => stopped(child, () => child.stdin!.end()),
    ask: (word) => {
      child.stdin!.write(`${word}\n`);
      return line();
    },
  };
}

export function startOurs(sessions: number, kind: Kind): Promise<Engine> {
  return startBox({ sessions, from: undefined, to: suiteOf(kind) });
}

/** With AF_XDP on both cables. */
export function startRings(work: Work): Promise<Engine> {
  return startBox(work, { RINGS: "1" });
}

async function startBox(work: Work, env: Record<string, string> = {}): Promise<Engine> {
  const child = spawn("ip", inBox(process.execPath, script("box.ts"), JSON.stringify(work)), {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  return { pid: child.pid!, ports: await firstLine(child), stop: () => stopped(child, () => child.stdin!.end()) };
}

export function startRtpengine(sessions: number, kind: Kind): Promise<Engine> {
  return startRtpengineFor({ sessions, from: undefined, to: suiteOf(kind) });
}

export async function startRtpengineFor(work: Work): Promise<Engine> {
  const options = [
    "--foreground", "--table=-1", "--config-file=none", "--num-threads=1", "--log-level=2", "--log-stderr",
    `--interface=outer/${addresses.boxCaller}`, `--interface=inner/${addresses.boxCallee}`, `--listen-ng=127.0.0.1:${NG_PORT}`,
    `--pidfile=${new URL("../../../build/bench/rtpengine.pid", import.meta.url).pathname}`, "--port-min=10000", "--port-max=29999", "--delete-delay=0", "--timeout=600", "--silent-timeout=3600",
  ]; // biome-ignore format: one line a subject
  const child = spawn("ip", inBox("rtpengine", ...options), { stdio: "ignore" });
  const stop = () => stopped(child, () => child.kill("SIGTERM"));
  try {
    const out = inside(BOX, process.execPath, script("rtpengine.ts"), JSON.stringify(work));
    return { pid: child.pid!, ports: JSON.parse(out) as number[], stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** False where Debian's rtpengine is not installed. */
export function haveRtpengine(): boolean {
  try {
    execFileSync("rtpengine", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

async function firstLine(child: ChildProcess): Promise<readonly number[]> {
  const [line] = await once(child.stdout!, "data", { signal: AbortSignal.timeout(10_000) });
  return JSON.parse(String(line)) as number[];
}

async function stopped(child: ChildProcess, ask: () => void): Promise<void> {
  if (child.exitCode !== null) return;
  const exit = once(child, "exit");
  ask();
  const late = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await exit;
  clearTimeout(late);
}
