/** Questions to the DNS with their answers kept as long as they say. `io` asks; nothing here waits. */
import { type Agenda, Counters, type Millis, type Punctual, SECOND } from "../base/index.ts";
import type { DnsRecord, DnsType, TransportOutput } from "./words.ts";

/** Limit: answers kept. Beyond, the oldest is forgotten. */
const ANSWERS = 4_096;
/** Limit: questions under way. Beyond, a question is answered at once by what is kept, or by nothing. */
const QUESTIONS = 256;
/** Limit: records used of one answer; the rest is ignored. */
const RECORDS = 32;
/** Limit: who waits for one question; more are answered with nothing. */
const WAITING = 4_096;
/** How long `io` may take for a question. Later it counts as failed. */
const QUESTION_LIMIT: Millis = 10 * SECOND;

/** How long an answer is used, whatever its TTL says: neither a question a call, nor yesterday's address. */
const SHORTEST: Millis = 5 * SECOND;
const LONGEST: Millis = 3_600 * SECOND;
/** That there is nothing, whatever the zone says: a service that is new should not wait for hours. RFC 2308 §5. */
const LONGEST_NEGATIVE: Millis = 900 * SECOND;
/** After a failure, which tells nothing about the name. */
const FAILED: Millis = 5 * SECOND;
/** How long a stale answer may still serve when the DNS itself is down. */
const STALE: Millis = 3_600 * SECOND;

export type NamesCounter = "dns.asked" | "dns.kept" | "dns.failed" | "dns.over-limit" | "dns.stale";

type Done = (records: readonly DnsRecord[], now: Millis) => void;

interface Answer {
  readonly records: readonly DnsRecord[];
  readonly until: Millis;
  readonly staleUntil: Millis;
}

interface Question {
  readonly key: string;
  readonly askedAt: Millis;
  readonly waiting: Done[];
}

export class Names implements Punctual {
  readonly counters = new Counters<NamesCounter>();
  readonly #emit: (output: TransportOutput) => void;
  readonly #agenda: Agenda;
  readonly #answers = new Map<string, Answer>();
  /** By number, oldest first. */
  readonly #questions = new Map<number, Question>();
  readonly #byKey = new Map<string, Question>();
  #lastQuery = 0;

  constructor(emit: (output: TransportOutput) => void, agenda: Agenda) {
    this.#emit = emit;
    this.#agenda = agenda;
  }

  get size(): number {
    return this.#answers.size;
  }

  /** Calls back once, at once when the answer is known. No such name, a failure and a bad name all give `[]`. */
  ask(type: DnsType, name: string, done: Done, now: Millis): void {
    const key = `${type} ${name}`;
    const kept = this.#answers.get(key);
    if (kept !== undefined && now < kept.until) {
      this.counters.add("dns.kept");
      return done(kept.records, now);
    }
    if (!isName(name)) return done([], now);
    const same = this.#byKey.get(key);
    if (same !== undefined && same.waiting.length < WAITING) {
      same.waiting.push(done);
      return;
    }
    if (same !== undefined || this.#questions.size >= QUESTIONS) {
      this.counters.add("dns.over-limit");
      return done(kept !== undefined && now < kept.staleUntil ? kept.records : [], now);
    }
    this.counters.add("dns.asked");
    const question: Question = { key, askedAt: now, waiting: [done] };
    const query = ++this.#lastQuery;
    this.#questions.set(query, question);
    this.#byKey.set(key, question);
    this.#agenda.watch(this);
    this.#emit({ out: "resolve", query, type, name });
  }

  /** `negativeSeconds`: how long an empty answer holds; when nobody tells, as short as any. */
  resolved(query: number, records: readonly DnsRecord[], negativeSeconds: number | undefined, now: Millis): void {
    const question = this.#close(query);
    if (question === undefined) return;
    const type = question.key.slice(0, question.key.indexOf(" "));
    const used = records.filter((record) => record.type === type).slice(0, RECORDS);
    const forMs = used.length === 0 ? within((negativeSeconds ?? 0) * SECOND, LONGEST_NEGATIVE) : lifetime(used);
    this.#keep(question.key, { records: used, until: now + forMs, staleUntil: now + forMs + STALE });
    for (const done of question.waiting) done(used, now);
  }

  failed(query: number, now: Millis): void {
    const question = this.#close(query);
    if (question === undefined) return;
    this.counters.add("dns.failed");
    const kept = this.#answers.get(question.key);
    const stale = kept !== undefined && now < kept.staleUntil;
    if (stale) this.counters.add("dns.stale");
    const records = stale ? kept.records : [];
    const staleUntil = stale ? kept.staleUntil : now + FAILED;
    this.#keep(question.key, { records, until: now + FAILED, staleUntil });
    for (const done of question.waiting) done(records, now);
  }

  nextDeadline(): Millis | undefined {
    for (const question of this.#questions.values()) return question.askedAt + QUESTION_LIMIT;
    return undefined;
  }

  expire(now: Millis): void {
    for (const [query, question] of this.#questions) {
      if (question.askedAt + QUESTION_LIMIT > now) return;
      this.failed(query, now);
    }
  }

  #close(query: number): Question | undefined {
    const question = this.#questions.get(query);
    if (question === undefined) return undefined; // An answer after its time.
    this.#questions.delete(query);
    this.#byKey.delete(question.key);
    this.#agenda.watch(this);
    return question;
  }

  #keep(key: string, answer: Answer): void {
    this.#answers.delete(key);
    if (this.#answers.size >= ANSWERS) {
      const [oldest] = this.#answers.keys();
      if (oldest !== undefined) this.#answers.delete(oldest);
    }
    this.#answers.set(key, answer);
  }
}

function lifetime(records: readonly DnsRecord[]): Millis {
  let seconds = Number.POSITIVE_INFINITY;
  for (const { ttlSeconds } of records) if (ttlSeconds < seconds) seconds = ttlSeconds;
  return within(seconds * SECOND, LONGEST);
}

const within = (forMs: Millis, longest: Millis): Millis => Math.min(Math.max(forMs, SHORTEST), longest);

/** Letters, digits, hyphens and underscores between single dots; RFC 1035 §2.3.4 lengths. A final dot is fine. */
const isName = (name: string): boolean =>
  name.length <= 254 && /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?$/i.test(name);
