/** DNS for the transport room: asks, bounds, and hands back records with their time to live. */
import { performance } from "node:perf_hooks";
import { familyOf } from "../base/index.ts";
import type { TransportInput, TransportOutput } from "../engine/index.ts";
import type { NameServer } from "./dns/exchange.ts";
import { FileReading, parseHosts, parseResolvConf } from "./dns/files.ts";
import { plainName } from "./dns/message.ts";
import { type Asking, type Found, Resolver } from "./dns/resolver.ts";

type Query = Extract<TransportOutput, { out: "resolve" }>;
type Answer = Extract<TransportInput, { in: "resolved" | "resolve-failed" }>;

export interface NamesOptions {
  /** In place of the machine's. */
  readonly servers?: readonly NameServer[];
  readonly resolvConf?: string;
  readonly hosts?: string;
  /** In place of resolv.conf's options, or the defaults. */
  readonly tryLimitMs?: number;
  readonly rounds?: number;
  readonly questionLimitMs?: number;
}

/** Limit: questions on their way; one more fails at once. */
const MAX_OUTSTANDING = 512;
/** Limit: records taken from one answer. */
const MAX_RECORDS = 64;
/** Defaults, and Limit: resolv.conf may ask for less patience, not for more: a call waits. */
const TRY_LIMIT_MS = 2_000;
const ROUNDS = 2;
/** Limit: in all, for one question. The transport room waits a little longer. */
const QUESTION_LIMIT_MS = 9_000;
/** A hosts file knows no time to live; it is looked at again when this is over. */
const HOSTS_TTL_SECONDS = 60;

export class Names {
  readonly #answer: (answer: Answer) => void;
  readonly #options: NamesOptions;
  readonly #resolvConf: FileReading<ReturnType<typeof parseResolvConf>>;
  readonly #hosts: FileReading<ReturnType<typeof parseHosts>>;
  readonly #resolver = new Resolver();
  #outstanding = 0;

  /** `answer` is never called from within `ask`. */
  constructor(answer: (answer: Answer) => void, options: NamesOptions = {}) {
    this.#answer = answer;
    this.#options = options;
    this.#resolvConf = new FileReading(options.resolvConf ?? "/etc/resolv.conf", parseResolvConf);
    this.#hosts = new FileReading(options.hosts ?? "/etc/hosts", parseHosts);
  }

  /** Looks at the machine's files now. Questions on their way stay with the servers they were put to. */
  refresh(): void {
    this.#resolvConf.refresh(performance.now());
    this.#hosts.refresh(performance.now());
  }

  ask(query: Query): void {
    if (this.#outstanding >= MAX_OUTSTANDING) {
      queueMicrotask(() => this.#fail(query, "too many questions on their way"));
      return;
    }
    this.#outstanding += 1;
    this.#look(query).then(
      ({ records, negativeSeconds }) => {
        this.#outstanding -= 1;
        this.#answer({ in: "resolved", query: query.query, records: records.slice(0, MAX_RECORDS), negativeSeconds });
      },
      (error: Error) => {
        this.#outstanding -= 1;
        this.#fail(query, error.message);
      },
    );
  }

  /** Breaks off what is on its way. */
  close(): void {
    this.#resolver.close();
  }

  #fail(query: Query, reason: string): void {
    this.#answer({ in: "resolve-failed", query: query.query, reason });
  }

  async #look({ type, name }: Query): Promise<Found> {
    const now = performance.now();
    if (type === "A" || type === "AAAA") {
      const family = type === "A" ? 4 : 6;
      const local =
        this.#hosts
          .value(now)
          .get(plainName(name))
          ?.filter((ip) => familyOf(ip) === family) ?? [];
      const records = local.map((ip) => ({ type, ttlSeconds: HOSTS_TTL_SECONDS, ip }));
      if (records.length > 0) return { records, negativeSeconds: undefined };
    }
    return this.#resolver.resolve({ type, name }, this.#asking(now));
  }

  #asking(now: number): Asking {
    const { servers, tryLimitMs, rounds, questionLimitMs = QUESTION_LIMIT_MS } = this.#options;
    const machine = this.#resolvConf.value(now);
    const patienceMs = Math.min((machine.timeoutSeconds || Number.POSITIVE_INFINITY) * 1_000, TRY_LIMIT_MS);
    return {
      servers: servers ?? machine.servers,
      tryLimitMs: tryLimitMs ?? patienceMs,
      rounds: rounds ?? Math.min(machine.attempts || ROUNDS, ROUNDS),
      questionLimitMs,
    };
  }
}
