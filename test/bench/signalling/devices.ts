/** The devices under test, each pinned to its own core, all on loopback. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { askControl } from "../../../src/manage/index.ts";
import { makeTls, NODE, ROOT } from "../../support/box.ts";
import { Child } from "../../support/child.ts";

/** The load runs on core 0, the device on core 1. */
export const LOAD_CORE = 0;
export const DEVICE_CORE = 1;

export interface Device {
  readonly name: string;
  readonly pid: number;
  readonly udpPort: number;
  readonly tlsPort: number;
  stop(): Promise<unknown>;
  /** What it says about itself, when it is ours. */
  status?(): Promise<unknown>;
}

export interface Place {
  readonly folder: string;
  /** Where every new call is to go: the callee. */
  readonly calleePort: number;
  /** Where the caller sits. */
  readonly callerPort: number;
}

export async function startBox(place: Place, firstPort: number): Promise<Device> {
  const folder = join(place.folder, "sallyport");
  mkdirSync(folder, { recursive: true });
  makeTls(folder);
  const [udpPort, tlsPort, insidePort] = [firstPort, firstPort + 1, firstPort + 2];
  const control = join(folder, "control.sock");
  const file = join(folder, "sallyport.json");
  // Media on addresses of its own, below the ephemeral ports: nobody else binds there.
  const configuration = {
    control,
    name: "bench",
    realms: {
      outside: {
        trust: "none",
        listen: [`udp:127.0.0.1:${udpPort}`, `tls:127.0.0.1:${tlsPort}`],
        tls: { certificate: "tls/sbc.crt", key: "tls/sbc.key", ca: "tls/ca.pem", verify: "none" },
        media: { address: "127.9.0.1", ports: "10000-29999" },
        srtp: "off",
      },
      inside: {
        trust: "full",
        listen: [`udp:127.0.0.1:${insidePort}`],
        media: { address: "127.9.0.2", ports: "10000-29999" },
        srtp: "off",
      },
    },
    peers: {
      caller: { realm: "outside", targets: [`udp:127.0.0.1:${place.callerPort}`] },
      callee: { realm: "inside", targets: [`udp:127.0.0.1:${place.calleePort}`] },
    },
    routes: [{ when: { from: "caller" }, to: ["callee"] }],
  };
  writeFileSync(file, JSON.stringify(configuration, null, 2));
  // Its log goes to a file: a reader at a pipe would be measured with it.
  const log = join(folder, "log");
  const out = openSync(log, "w");
  const flags = (process.env["BENCH_NODE_FLAGS"] ?? "").split(" ").filter((flag) => flag !== "");
  const command = [NODE, ...flags, join(ROOT, "src/main.ts"), "run", "--config", file];
  const box = spawn("taskset", ["-c", `${DEVICE_CORE}`, ...command], { stdio: ["ignore", out, out], cwd: folder });
  closeSync(out);
  await until(() => readFileSync(log, "latin1").includes('"msg":"ready"'), box, log);
  const pid = box.pid as number;
  return {
    name: "sallyport",
    pid,
    udpPort,
    tlsPort,
    status: () => askControl(control, "GET", "/status"),
    stop: () => end(box),
  };
}

export async function startKamailio(
  place: Place,
  firstPort: number,
  options: { readonly topoh: boolean; readonly tls: boolean },
): Promise<Device> {
  const name = options.topoh ? "kamailio+topoh" : "kamailio";
  const folder = join(place.folder, name);
  mkdirSync(folder, { recursive: true });
  const tls = makeTls(folder);
  const [udpPort, tlsPort] = [firstPort, firstPort + 1];
  const filled: Readonly<Record<string, string>> = {
    "@LISTEN_UDP@": `127.0.0.1:${udpPort}`,
    "@LISTEN_TLS@": `127.0.0.1:${tlsPort}`,
    "@NEXT@": `127.0.0.1:${place.calleePort}`,
    "@CERTIFICATE@": join(tls, "sbc.crt"),
    "@KEY@": join(tls, "sbc.key"),
  };
  let text = readFileSync(join(ROOT, "test/bench/kamailio/proxy.cfg"), "utf8");
  for (const [word, value] of Object.entries(filled)) text = text.replaceAll(word, value);
  const file = join(folder, "proxy.cfg");
  writeFileSync(file, text);

  const defines = [...(options.topoh ? ["-A", "WITH_TOPOH"] : []), ...(options.tls ? ["-A", "WITH_TLS"] : [])];
  // The faster of its two allocators, and room for what arrives while it is not on its core.
  const memory = ["-m", "256", "-M", "32", "-x", "fm", "-b", "4194304"];
  const stay = ["-DD", "-E", "-Y", folder, "-P", join(folder, "pid")];
  const child = new Child("taskset", ["-c", `${DEVICE_CORE}`, "kamailio", "-f", file, ...stay, ...memory, ...defines]);
  await answering(udpPort, child);
  return { name, pid: child.process.pid as number, udpPort, tlsPort, stop: () => child.stop("SIGTERM") };
}

/** Waits until the UDP port is bound, as the kernel lists it. */
export async function answering(port: number, child: Child): Promise<void> {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  await until(() => readFileSync("/proc/net/udp", "latin1").includes(`:${hex} `), child.process, undefined);
}

export async function until(holds: () => boolean, of: ChildProcess, log: string | undefined): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline && of.exitCode === null) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const said = log !== undefined && existsSync(log) ? readFileSync(log, "latin1").slice(-2_000) : "";
  throw new Error(`${of.spawnfile} did not come up: ${said}`);
}

export function end(child: ChildProcess): Promise<unknown> {
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGTERM");
  return ended;
}
