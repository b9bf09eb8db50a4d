/** From a file on disk to settings, or to every fault that can be told at once. */
import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { RealmSettings, SessionTimerSettings, Settings } from "../../base/index.ts";
import { fileTrouble } from "./certificates.ts";
import { checkConflicts } from "./conflicts.ts";
import { ConfigDocument, MAX_FILE_BYTES, parseDocument } from "./document.ts";
import type { Fault } from "./fault.ts";
import { Findings } from "./findings.ts";
import { readPeer, readRoutes, warnOfTwins } from "./peers.ts";
import { readRealm } from "./realms.ts";
import { readRegistration } from "./registration.ts";
import type { ConfigFile } from "./schema.ts";
import { shapeFaults } from "./shape.ts";

export type Loaded =
  | { readonly ok: true; readonly settings: Settings; readonly warnings: readonly Fault[] }
  | { readonly ok: false; readonly faults: readonly Fault[]; readonly warnings: readonly Fault[] };

export const DEFAULT_CONTROL = "/run/sallyport/control.sock";

/** Linux: `sun_path` has 108 bytes, the last one zero. */
const MAX_SOCKET_PATH_BYTES = 107;

/** `file` as the operator named it: it stands so in every fault. `wallMs`: milliseconds since 1970. */
export function loadSettings(file: string, wallMs: number): Loaded {
  const text = readText(file);
  if (typeof text !== "string") return { ok: false, faults: [text], warnings: [] };
  return readSettings(file, text, wallMs);
}

/** The same for a text; paths in it are relative to the directory of `file`. */
export function readSettings(file: string, text: string, wallMs: number): Loaded {
  const document = parseDocument(file, text);
  if (!(document instanceof ConfigDocument)) return { ok: false, faults: document, warnings: [] };
  const misshapen = shapeFaults(document);
  if (misshapen.length > 0) return { ok: false, faults: misshapen, warnings: [] };

  const findings = new Findings(document);
  const settings = interpret(document.value as ConfigFile, dirname(resolve(file)), wallMs, findings);
  const warnings = inOrder(findings.warnings);
  if (findings.faults.length > 0) return { ok: false, faults: inOrder(findings.faults), warnings };
  return { ok: true, settings, warnings };
}

function interpret(config: ConfigFile, directory: string, wallMs: number, findings: Findings): Settings {
  const realms = new Map<string, RealmSettings>();
  for (const [name, realm] of Object.entries(config.realms))
    realms.set(name, readRealm(name, realm, { findings, directory, wallMs }));
  const peers = new Map(
    Object.entries(config.peers ?? {}).map(([name, peer]) => [name, readPeer(name, peer, realms, directory, findings)]),
  );
  const registration = readRegistration(config, { realms, peers, directory, findings });
  const routes = readRoutes(config.routes ?? [], peers, realms, registration !== undefined, findings);
  warnOfTwins(peers, findings);
  checkConflicts(config, realms, peers, findings);

  checkSources(config, findings);
  const control = resolve(directory, config.control ?? DEFAULT_CONTROL);
  if (Buffer.byteLength(control) > MAX_SOCKET_PATH_BYTES)
    findings.fault(["control"], `${control} has more than ${MAX_SOCKET_PATH_BYTES} bytes`, "write a shorter path");
  return {
    name: config.name ?? "sallyport",
    control,
    drainSeconds: config.drainSeconds ?? 0,
    realms,
    peers,
    routes,
    limits: {
      calls: config.limits?.calls ?? 10_000,
      transactions: config.limits?.transactions ?? 200_000,
      connections: config.limits?.connections ?? 10_000,
      connectionsPerSource: config.limits?.connectionsPerSource ?? 100,
      messagesPerSource: config.limits?.messagesPerSource ?? 100,
      callSeconds: config.limits?.callSeconds ?? 86_400,
      subscriptions: config.limits?.subscriptions ?? 10_000,
      subscriptionsPerSource: config.limits?.subscriptionsPerSource ?? 1_000,
    },
    sessionTimer: readSessionTimer(config, findings),
    registration,
  };
}

/** What one source may have is bounded by what all may have together. */
function checkSources({ limits = {} }: ConfigFile, findings: Findings): void {
  for (const [all, each] of [
    ["connections", "connectionsPerSource"],
    ["subscriptions", "subscriptionsPerSource"],
  ] as const) {
    const [most, share] = [limits[all], limits[each]];
    if (most !== undefined && share !== undefined && share > most)
      findings.warning(["limits", each], `it is never reached: "${all}" is ${most}`, `write ${most} or less`);
  }
}

const DEFAULT_SESSION_SECONDS = 1_800;

/** RFC 4028 §5. */
const SHORTEST_SESSION_SECONDS = 90;

function readSessionTimer({ sessionTimer = {} }: ConfigFile, findings: Findings): SessionTimerSettings {
  const minimumSeconds = sessionTimer.minimum ?? SHORTEST_SESSION_SECONDS;
  const seconds = sessionTimer.seconds ?? Math.max(DEFAULT_SESSION_SECONDS, minimumSeconds);
  if (seconds > 0 && seconds < minimumSeconds)
    findings.fault(
      ["sessionTimer", "seconds"],
      `${seconds} s are less than the minimum of ${minimumSeconds} s`,
      "write a longer time, or 0 for no session timers",
    );
  return { seconds, minimumSeconds };
}

function readText(file: string): string | Fault {
  const fault = (problem: string, remedy: string): Fault => ({ file, line: 1, column: 1, path: [], problem, remedy });
  try {
    const { size } = statSync(file);
    if (size > MAX_FILE_BYTES) return fault(`the file has ${size} bytes`, `keep it under ${MAX_FILE_BYTES}`);
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(file));
  } catch (error) {
    if (error instanceof TypeError) return fault("the file is not UTF-8", "save it as UTF-8");
    return fault(`the file ${fileTrouble(error)}`, "name a configuration file that this user may read");
  }
}

const inOrder = (faults: readonly Fault[]): Fault[] =>
  [...faults].sort((a, b) => a.line - b.line || a.column - b.column);
