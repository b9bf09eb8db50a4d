/** The machine's own say about names: its hosts file, and which name servers to ask. */
import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import type { NameServer } from "./exchange.ts";

/** Limit: a file over this is not read. In bytes. */
const MAX_BYTES = 1_024 * 1_024;
/** A file is looked at again after this long at the earliest. */
const LOOK_AGAIN_MS = 2_000;
/** Limit: name servers used of resolv.conf, as everywhere else. */
const MAX_SERVERS = 3;
const DNS_PORT = 53;

export interface ResolvConf {
  readonly servers: readonly NameServer[];
  /** `options timeout:` and `attempts:`, in seconds and times, where they stand. */
  readonly timeoutSeconds: number | undefined;
  readonly attempts: number | undefined;
}

/** What a file says, read again when it has changed. A file that is missing or too long says nothing. */
export class FileReading<Value> {
  readonly #path: string;
  readonly #parse: (text: string) => Value;
  #value: Value;
  #stamp = "";
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(path: string, parse: (text: string) => Value) {
    this.#path = path;
    this.#parse = parse;
    this.#value = parse("");
  }

  value(nowMs: number): Value {
    if (nowMs - this.#lookedAtMs >= LOOK_AGAIN_MS) this.refresh(nowMs);
    return this.#value;
  }

  /** Looks now. */
  refresh(nowMs: number): void {
    this.#lookedAtMs = nowMs;
    const stamp = stampOf(this.#path);
    if (stamp === this.#stamp) return;
    this.#stamp = stamp;
    this.#value = this.#parse(stamp === "" ? "" : textOf(this.#path));
  }
}

/** Tells whether a file is another one than before; empty: it is not there, or too long. */
function stampOf(path: string): string {
  try {
    const { dev, ino, size, mtimeMs } = statSync(path);
    return size > MAX_BYTES ? "" : `${dev} ${ino} ${size} ${mtimeMs}`;
  } catch {
    return "";
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // Gone since we looked.
  }
}

/** resolv.conf(5). No name server in it means the one on this machine. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: NameServer[] = [];
  const options = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [word, ...rest] = line
      .replace(/[#;].*/, "")
      .trim()
      .split(/\s+/);
    const [ip = ""] = rest;
    if (word === "nameserver" && isIP(ip) !== 0 && servers.length < MAX_SERVERS) servers.push({ ip, port: DNS_PORT });
    if (word !== "options") continue;
    for (const option of rest) {
      const [, key = "", value = ""] = /^(timeout|attempts):(\d{1,3})$/.exec(option) ?? [];
      if (key !== "") options.set(key, Number(value));
    }
  }
  if (servers.length === 0) servers.push({ ip: "127.0.0.1", port: DNS_PORT });
  return { servers, timeoutSeconds: options.get("timeout"), attempts: options.get("attempts") };
}

/** hosts(5): addresses by name in lower case. An address with a scope is nobody's we could call. */
export function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const hosts = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [ip, ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (ip === undefined || isIP(ip) === 0 || ip.includes("%")) continue;
    for (const name of names) {
      const key = name.toLowerCase();
      const known = hosts.get(key);
      if (known === undefined) hosts.set(key, [ip]);
      else known.push(ip);
    }
  }
  return hosts;
}
