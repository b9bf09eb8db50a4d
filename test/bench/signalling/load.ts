/** Calls through a device: sipp for UDP, our own caller for TLS (Debian's sipp has none). The callee is always sipp. */
import { existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NODE, ROOT } from "../../support/box.ts";
import { Child } from "../../support/child.ts";
import { LOAD_CORE } from "./devices.ts";

const FOLDER = join(ROOT, "test/bench/signalling");
const pinned = (command: string, args: readonly string[]): Child =>
  new Child("taskset", ["-c", `${LOAD_CORE}`, command, ...args], { env: { TERM: "dumb" } });

/** A callee that answers for as long as it lives. */
export function startCallee(port: number): Child {
  const where = ["-i", "127.0.0.1", "-p", `${port}`];
  return pinned("sipp", ["-sf", join(FOLDER, "uas.xml"), ...where, ...QUIET]);
}

const QUIET = ["-nostdin", "-f", "600", "-buff_size", "4194304"];

export interface Load {
  readonly calls: number;
  readonly callsPerSecond: number;
}

/** A busy machine loses a datagram now and then; a round with more failures than this share measures something else. */
const FAILED_SHARE = 0.01;

/** How many calls failed. Throws when they are too many. */
export async function callOverUdp(from: number, to: number, load: Load): Promise<number> {
  const rate = ["-r", `${load.callsPerSecond}`, "-m", `${load.calls}`, "-l", "5000"];
  const limits = ["-timeout", `${Math.ceil(load.calls / load.callsPerSecond) + 40}`, "-timeout_error"];
  const log = join(tmpdir(), `sallyport-bench-sipp-${process.pid}.err`);
  const errors = ["-trace_err", "-error_overwrite", "true", "-error_file", log];
  const where = ["-i", "127.0.0.1", "-p", `${from}`, `127.0.0.1:${to}`];
  const sipp = pinned("sipp", ["-sf", join(FOLDER, "uac.xml"), ...rate, ...limits, ...QUIET, ...errors, ...where]);
  const code = await sipp.exited;
  const good = Number(/Successful call\s*\|\s*\d+\s*\|\s*(\d+)/.exec(lastScreen(sipp.output))?.[1] ?? 0);
  const failed = load.calls - good;
  if ((code !== 0 && code !== 1) || failed > load.calls * FAILED_SHARE) {
    const said = existsSync(log) ? readFileSync(log, "latin1").slice(0, 2_000) : lastScreen(sipp.output);
    throw new Error(`sipp exited with ${code}, ${failed} calls failed:\n${said}`);
  }
  return failed;
}

/** sipp draws its statistics again and again: the last ones count. */
const lastScreen = (output: string): string => output.slice(output.lastIndexOf("Statistics Screen"));

/** Over `connections` TLS connections that stay open. How many calls failed; throws when they are too many. */
export async function callOverTls(to: number, load: Load, connections: number): Promise<number> {
  const args = [`${to}`, `${load.calls}`, `${load.callsPerSecond}`, `${connections}`];
  const caller = pinned(NODE, [join(FOLDER, "tls-caller.ts"), ...args]);
  const code = await caller.exited;
  const failed = load.calls - Number(/(\d+) of \d+ calls/.exec(caller.output)?.[1] ?? 0);
  if ((code !== 0 && code !== 1) || failed > load.calls * FAILED_SHARE) {
    throw new Error(
      `the TLS caller exited with ${code}, ${failed} calls failed:\n${caller.lines.slice(-40).join("\n")}`,
    );
  }
  return failed;
}
