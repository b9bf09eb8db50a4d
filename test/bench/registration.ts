/**
 * Many phones behind the box, one registrar inside: 50,000, or BENCH_PHONES= of them; refreshes are measured with 10,000, since
 * that takes many rounds. Phones share 500 sockets. About eight minutes in all.
 *   registration.refresh: CPU for a refresh that is answered from the cache, beside Kamailio as the registrar which it
 *     spares: checking the digest and saving the location in memory; `withoutAuth`: saving alone. Interleaved, medians.
 *   registration.memory: what a binding takes of the heap, in bytes, beyond sockets.
 *   registration.restart: seconds from a kill until the box is ready again with every binding.
 *   registration.storm: all phones come anew at once after that; the most REGISTERs that the inside saw in one second,
 *     beside the rate that it is promised.
 */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { askControl } from "../../src/manage/index.ts";
import { makeFolder, NODE, ROOT } from "../support/box.ts";
import { Child } from "../support/child.ts";
import { type Bench, type BenchLine, compare, round } from "./bench.ts";
import { configurationFor } from "./registration/configuration.ts";
import { cpuMicros } from "./signalling/cpu.ts";
import { answering, DEVICE_CORE, end, LOAD_CORE, until } from "./signalling/devices.ts";

const REFRESH = "registration.refresh";
const MEMORY = "registration.memory";
const RESTART = "registration.restart";
const STORM = "registration.storm";

const PHONES = Number(process.env["BENCH_PHONES"] ?? 50_000);
const REFRESHING = Math.min(10_000, PHONES);
const SOCKETS = 500;
const ROUNDS = 5;
/** Refreshes a second: fifty thousand phones that come each half minute. */
const PER_SECOND = 1_700;
/** What the inside is promised. */
const INSIDE_PER_SECOND = 1_000;
/** Our code is compiled while it runs: rounds that do not count. */
const WARM_UP_ROUNDS = 6;
const BOX_PORT = 16_100;
const KAMAILIO_PORT = 16_110;
const PLAIN_PORT = 16_120;
const FOLDER = join(ROOT, "test/bench/registration");

export const bench: Bench = {
  names: [REFRESH, MEMORY, RESTART, STORM],
  async run(wanted, report) {
    if (wanted(MEMORY)) report(await memory());
    if (!wanted(REFRESH) && !wanted(RESTART) && !wanted(STORM)) return;
    const registrar = load("registrar.ts", [`${BOX_PORT + 2}`]);
    try {
      await registrar.line(/ready/);
      if (wanted(REFRESH)) report(await refreshRounds());
      if (wanted(RESTART) || wanted(STORM)) await afterRestart(registrar, wanted, report);
    } finally {
      await registrar.stop("SIGKILL");
    }
  },
};

async function refreshRounds(): Promise<BenchLine> {
  const folder = makeFolder("bench-registration");
  const phones = new Phones(REFRESHING);
  const devices: Device[] = [];
  try {
    await phones.ready();
    devices.push(await startBox(folder));
    devices.push(await startKamailio(folder, KAMAILIO_PORT, true), await startKamailio(folder, PLAIN_PORT, false));
    return await refreshes(devices, phones);
  } finally {
    await Promise.all(devices.map((device) => device.stop()));
    await phones.child.stop("SIGKILL");
  }
}

async function afterRestart(
  registrar: Child,
  wanted: (name: string) => boolean,
  report: (line: BenchLine) => void,
): Promise<void> {
  const folder = makeFolder("bench-registration");
  const phones = new Phones(PHONES);
  const devices: Device[] = [];
  try {
    await phones.ready();
    devices.push(await startBox(folder));
    await phones.registerAt(BOX_PORT, false);
    const again = await restart(devices, folder);
    if (wanted(RESTART)) report(again);
    if (wanted(STORM)) report(await storm(phones, registrar));
  } finally {
    await Promise.all(devices.map((device) => device.stop()));
    await phones.child.stop("SIGKILL");
  }
}

interface Device {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  stop(signal?: NodeJS.Signals): Promise<unknown>;
}

async function refreshes(devices: readonly Device[], phones: Phones): Promise<BenchLine> {
  for (const { port } of devices) await phones.registerAt(port, false);
  for (let at = 0; at < WARM_UP_ROUNDS; at++) for (const { port } of devices) await phones.refreshAt(port);
  const costs = new Map<Device, number[]>(devices.map((device) => [device, []]));
  let failed = 0;
  for (let at = 0; at < ROUNDS; at++) {
    for (const device of devices) {
      const before = cpuMicros(device.pid);
      failed += REFRESHING - (await phones.refreshAt(device.port)).bound;
      costs.get(device)?.push((cpuMicros(device.pid) - before) / REFRESHING);
    }
  }
  const [box, kamailio, plain] = devices as [Device, Device, Device];
  const [ours = [], theirs = [], saved = []] = [box, kamailio, plain].map((device) => costs.get(device));
  const withoutAuth = compare(REFRESH, "", ours, "", saved);
  const seen = { phones: REFRESHING, perSecond: PER_SECOND, failed, withoutAuth: withoutAuth.theirs };
  return compare(REFRESH, "cpu-us/refresh", ours, kamailio.name, theirs, seen);
}

async function memory(): Promise<BenchLine> {
  const child = new Child(NODE, ["--expose-gc", join(FOLDER, "memory.ts"), `${PHONES}`]);
  const { count, bytes } = JSON.parse(await child.line(/bytes/, 600_000)) as { count: number; bytes: number };
  await child.exited;
  return { bench: MEMORY, ours: bytes, unit: "bytes/binding", runs: 1, phones: count, limit: 2_048 };
}

/** Killed, not stopped: what it has written is all that is left. */
async function restart(devices: Device[], folder: string): Promise<BenchLine> {
  const [box, ...others] = devices as [Device, ...Device[]];
  await new Promise((resolve) => setTimeout(resolve, 1_000)); // The last changes are written each 200 ms.
  const before = await bindingsAt(folder);
  await box.stop("SIGKILL");
  const began = performance.now();
  const next = await startBox(folder);
  const seconds = (performance.now() - began) / 1_000;
  devices.splice(0, devices.length, next, ...others);
  const after = await bindingsAt(folder);
  return {
    bench: RESTART,
    ours: round(seconds, 2),
    unit: "s",
    runs: 1,
    phones: PHONES,
    before,
    after,
    lost: before - after,
  };
}

async function storm(phones: Phones, registrar: Child): Promise<BenchLine> {
  const from = registrar.lines.length;
  const told = await phones.registerAt(BOX_PORT, true);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const seconds = registrar.lines.slice(from).map((line) => JSON.parse(line) as { asked: number; copies: number });
  const perSecond = seconds.map(({ asked }) => asked);
  const most = Math.max(0, ...perSecond);
  // A machine that stands still for a moment shifts what it sends into the next second, but not into the next five.
  const inFive = perSecond.map((_, at) => perSecond.slice(at, at + 5).reduce((sum, asked) => sum + asked, 0) / 5);
  return {
    bench: STORM,
    ours: most,
    theirs: INSIDE_PER_SECOND,
    ...{ ratio: round(most / INSIDE_PER_SECOND, 3) },
    unit: "registers/s inside",
    ...{ runs: 1, phones: PHONES, overFive: Math.max(0, ...inFive) },
    copies: seconds.reduce((sum, { copies }) => sum + copies, 0),
    ...told,
  };
}

interface Told {
  readonly bound: number;
  readonly open: number;
  readonly refused: number;
  readonly retries: number;
  readonly seconds: number;
}

class Phones {
  readonly child: Child;

  constructor(count: number) {
    this.child = load("phones.ts", [`${count}`, `${Math.min(SOCKETS, count)}`]);
  }

  async ready(): Promise<void> {
    await this.child.line(/ready/, 60_000);
  }

  registerAt(port: number, restarted: boolean): Promise<Told> {
    return this.#tell({ do: "register", port, perSecond: PER_SECOND * 2, restarted, limitMs: 900_000 });
  }

  refreshAt(port: number): Promise<Told> {
    return this.#tell({ do: "refresh", port, perSecond: PER_SECOND });
  }

  async #tell(command: object): Promise<Told> {
    this.child.lines.length = 0;
    this.child.type(`${JSON.stringify(command)}\n`);
    return JSON.parse(await this.child.line(/"sent"/, 1_000_000)) as Told;
  }
}

const load = (script: string, args: readonly string[]): Child =>
  new Child("taskset", ["-c", `${LOAD_CORE}`, NODE, join(FOLDER, script), ...args]);

async function bindingsAt(folder: string): Promise<number> {
  const answer = await askControl(join(folder, "control.sock"), "GET", "/status");
  return (answer.body as { registrations: { bindings: number } }).registrations.bindings;
}

async function startBox(folder: string): Promise<Device> {
  const file = join(folder, "sallyport.json");
  const wanted = { folder, port: BOX_PORT, perSecond: INSIDE_PER_SECOND };
  writeFileSync(file, JSON.stringify(configurationFor(wanted), null, 2));
  const log = join(folder, "log");
  const out = openSync(log, "w");
  const command = [NODE, join(ROOT, "src/main.ts"), "run", "--config", file];
  const box = spawn("taskset", ["-c", `${DEVICE_CORE}`, ...command], { stdio: ["ignore", out, out], cwd: folder });
  closeSync(out);
  await until(() => readFileSync(log, "latin1").includes('"msg":"ready"'), box, log);
  const stop = (signal: NodeJS.Signals = "SIGTERM"): Promise<unknown> => {
    if (box.exitCode !== null || box.signalCode !== null) return Promise.resolve();
    if (signal === "SIGTERM") return end(box);
    const ended = new Promise((resolve) => box.once("close", resolve));
    box.kill(signal);
    return ended;
  };
  return { name: "sallyport", port: BOX_PORT, pid: box.pid as number, stop };
}

async function startKamailio(place: string, port: number, auth: boolean): Promise<Device> {
  const folder = join(place, auth ? "kamailio" : "kamailio-plain");
  mkdirSync(folder, { recursive: true });
  const text = readFileSync(join(ROOT, "test/bench/kamailio/registrar.cfg"), "utf8");
  const file = join(folder, "registrar.cfg");
  writeFileSync(file, text.replaceAll("@LISTEN_UDP@", `127.0.0.1:${port}`));
  const memory = ["-m", "512", "-M", "32", "-x", "fm", "-b", "4194304"];
  const stay = ["-DD", "-E", "-Y", folder, "-P", join(folder, "pid"), ...(auth ? ["-A", "WITH_AUTH"] : [])];
  const child = new Child("taskset", ["-c", `${DEVICE_CORE}`, "kamailio", "-f", file, ...stay, ...memory]);
  await answering(port, child);
  return { name: "kamailio", port, pid: child.process.pid as number, stop: () => child.stop("SIGTERM") };
}
