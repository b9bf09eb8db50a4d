/** A stub resolver (RFC 1034 §5.3.1): puts a question to the name servers in turn, and follows aliases to their end. */
import { performance } from "node:perf_hooks";
import { askServer, type NameServer, type Outcome } from "./exchange.ts";
import type { DnsRecord, Question } from "./message.ts";

export interface Asking {
  /** Best first. */
  readonly servers: readonly NameServer[];
  /** How long one server may take, over UDP and over TCP each. */
  readonly tryLimitMs: number;
  /** How often each server is asked before the question fails. */
  readonly rounds: number;
  /** Limit: for the question as a whole, aliases and all; it fails then. */
  readonly questionLimitMs: number;
}

/** `negativeSeconds`: how long it stays so that there is nothing, by the zone's own word. */
export interface Found {
  readonly records: readonly DnsRecord[];
  readonly negativeSeconds: number | undefined;
}

/** Limit: questions for one, where each answer only names the next alias. */
const QUESTIONS = 8;
/** A server that was not there is asked last for so long. */
const SHUNNED_MS = 30_000;

export class Resolver {
  readonly #stop = new AbortController();
  /** By address and port, until when. Only servers that were configured once can be in it. */
  readonly #shunned = new Map<string, number>();

  /** Rejects with an Error whose message tells the last server's reason, when none can tell. */
  async resolve(question: Question, asking: Asking): Promise<Found> {
    const deadline = performance.now() + asking.questionLimitMs;
    let { name } = question;
    let aliasSeconds = Number.POSITIVE_INFINITY;
    for (let asked = 0; asked < QUESTIONS; asked++) {
      const verdict = await this.#askInTurn({ type: question.type, name }, asking, deadline);
      switch (verdict.says) {
        case "records":
          return { records: verdict.records.map((one) => shortened(one, aliasSeconds)), negativeSeconds: undefined };
        case "nothing":
          return { records: [], negativeSeconds: verdict.seconds && Math.min(verdict.seconds, aliasSeconds) };
        case "alias":
          name = verdict.name;
          aliasSeconds = Math.min(aliasSeconds, verdict.seconds);
          break;
        case "failure":
        case "silence":
          throw new Error(verdict.reason);
      }
    }
    throw new Error("aliases without end");
  }

  /** Breaks off what is on its way: it fails. */
  close(): void {
    this.#stop.abort();
  }

  async #askInTurn(question: Question, asking: Asking, deadline: number): Promise<Outcome> {
    let last: Outcome = { says: "silence", reason: "timeout" };
    for (let round = 0; round < asking.rounds; round++) {
      for (const server of this.#ordered(asking.servers)) {
        const leftMs = Math.ceil(deadline - performance.now());
        if (leftMs <= 0 || this.#stop.signal.aborted) return last;
        const limitMs = Math.min(asking.tryLimitMs, leftMs);
        const verdict = await askServer(question, server, limitMs, this.#stop.signal);
        const key = `${server.ip} ${server.port}`;
        if (verdict.says !== "failure" && verdict.says !== "silence") {
          this.#shunned.delete(key);
          return verdict;
        }
        // What a server says of one name may be the name's fault; that it says nothing is its own.
        if (verdict.says === "silence") this.#shunned.set(key, performance.now() + SHUNNED_MS);
        last = verdict;
        // A timer may ring a little early: what is left then is no time to ask anybody.
        if (verdict.reason === "timeout" && limitMs === leftMs) return last;
      }
    }
    return last;
  }

  /** In their order, but those that lately failed behind the others. */
  #ordered(servers: readonly NameServer[]): readonly NameServer[] {
    if (this.#shunned.size === 0) return servers;
    const now = performance.now();
    const isShunned = ({ ip, port }: NameServer): boolean => (this.#shunned.get(`${ip} ${port}`) ?? 0) > now;
    return [...servers.filter((server) => !isShunned(server)), ...servers.filter(isShunned)];
  }
}

const shortened = (record: DnsRecord, seconds: number): DnsRecord =>
  record.ttlSeconds <= seconds ? record : { ...record, ttlSeconds: seconds };
