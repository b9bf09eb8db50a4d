/** DNS for the transport room: asks, bounds, and hands back records with their time to live. */
import { Resolver } from "node:dns/promises";
import { readFileSync, statSync } from "node:fs";
import { familyOf } from "../base/index.ts";
import type { TransportInput, TransportOutput } from "../engine/index.ts";

type Query = Extract<TransportOutput, { out: "resolve" }>;
type Answer = Extract<TransportInput, { in: "resolved" | "resolve-failed" }>;
type Records = Extract<TransportInput, { in: "resolved" }>["records"];

/** Limit: questions on their way; one more fails at once. */
const MAX_OUTSTANDING = 512;
/** Limit: records taken from one answer. */
const MAX_RECORDS = 64;
const TRY_LIMIT_MS = 2_000;
const TRIES = 2;
/** node:dns does not tell the time to live of SRV and NAPTR. Deviation: RFC 2782 asks to honour it; we hold this long. */
const UNTOLD_TTL_SECONDS = 60;
/** Limit: a hosts file over this is not read. In bytes. */
const MAX_HOSTS_BYTES = 1_024 * 1_024;

/** Names or types that do not exist: an answer like any other. */
const nothing = new Set(["ENOTFOUND", "ENODATA"]);

export class Names {
  readonly #servers: readonly string[] | undefined;
  #resolver = new Resolver({ timeout: TRY_LIMIT_MS, tries: TRIES });
  readonly #answer: (answer: Answer) => void;
  #hosts: ReadonlyMap<string, readonly string[]> = new Map();
  #outstanding = 0;

  /** `answer` is never called from within `ask`. `servers`: address:port of name servers, in place of the machine's. */
  constructor(answer: (answer: Answer) => void, servers?: readonly string[]) {
    this.#answer = answer;
    this.#servers = servers;
    this.refresh();
  }

  /** Reads the hosts file and the machine's name servers again. Questions on their way stay with those they were put to. */
  refresh(): void {
    this.#resolver = new Resolver({ timeout: TRY_LIMIT_MS, tries: TRIES }); // It looks at resolv.conf once in its life.
    if (this.#servers !== undefined) this.#resolver.setServers(this.#servers);
    this.#hosts = readHosts("/etc/hosts");
  }

  ask(query: Query): void {
    if (this.#outstanding >= MAX_OUTSTANDING) {
      queueMicrotask(() => this.#fail(query, "too many questions on their way"));
      return;
    }
    this.#outstanding += 1;
    this.#look(query).then(
      (records) => {
        this.#outstanding -= 1;
        this.#answer({ in: "resolved", query: query.query, records: records.slice(0, MAX_RECORDS) });
      },
      (error: NodeJS.ErrnoException) => {
        this.#outstanding -= 1;
        const code = error.code ?? error.message;
        if (nothing.has(code)) this.#answer({ in: "resolved", query: query.query, records: [] });
        else this.#fail(query, code);
      },
    );
  }

  /** Breaks off what is on its way. */
  close(): void {
    this.#resolver.cancel();
  }

  #fail(query: Query, reason: string): void {
    this.#answer({ in: "resolve-failed", query: query.query, reason });
  }

  async #look({ type, name }: Query): Promise<Records> {
    const ttlSeconds = UNTOLD_TTL_SECONDS;
    switch (type) {
      case "A":
      case "AAAA": {
        const family = type === "A" ? 4 : 6;
        const local = this.#hosts.get(name.toLowerCase())?.filter((ip) => familyOf(ip) === family) ?? [];
        if (local.length > 0) return local.map((ip) => ({ type, ttlSeconds, ip }));
        const found = await (type === "A"
          ? this.#resolver.resolve4(name, { ttl: true })
          : this.#resolver.resolve6(name, { ttl: true }));
        return found.map(({ address, ttl }) => ({ type, ttlSeconds: ttl, ip: address }));
      }
      case "SRV": {
        const found = await this.#resolver.resolveSrv(name);
        return found.map(({ name: target, port, priority, weight }) => ({
          type,
          ttlSeconds,
          priority,
          weight,
          port,
          target,
        }));
      }
      case "NAPTR": {
        const found = await this.#resolver.resolveNaptr(name);
        return found.map(({ order, preference, flags, service, regexp, replacement }) => ({
          type,
          ttlSeconds,
          order,
          preference,
          flags,
          service,
          regexp,
          replacement,
        }));
      }
    }
  }
}

/** Names of this machine's hosts file, which the resolver of node:dns does not read. */
export function readHosts(file: string): ReadonlyMap<string, readonly string[]> {
  const hosts = new Map<string, string[]>();
  try {
    if (statSync(file).size > MAX_HOSTS_BYTES) return hosts;
    for (const line of readFileSync(file, "utf8").split("\n")) {
      const [ip, ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
      if (ip === undefined || ip === "" || ip.includes("%")) continue;
      for (const name of names) {
        const key = name.toLowerCase();
        hosts.set(key, [...(hosts.get(key) ?? []), ip]);
      }
    }
  } catch {
    // No hosts file, no local names.
  }
  return hosts;
}
