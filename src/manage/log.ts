/** The log: one JSON object a line on stdout. Facts carry no body, key or password, and neither does anything here. */
import { type DestinationStream, type Logger, pino } from "pino";
import { type Fact, withoutPasswords } from "../base/index.ts";

/** Limit: a text of a fact that came from outside is cut here, in characters. */
const MAX_TEXT = 256;
/** Limit: lines a second, of each fact that a stranger can cause at will; the rest is counted in the next line. */
const STRANGER_LINES_PER_SECOND = 20;

/** Limit: of the stack of a bug, in characters. */
const MAX_STACK = 2_048;

type Level = "debug" | "info" | "warn" | "error" | "fatal";

const levels: Readonly<Record<Fact["fact"], Level>> = {
  "call.started": "info",
  "call.answered": "info",
  "call.ended": "info",
  "call.transferred": "info",
  "call.refused": "info",
  "leg.refused": "info",
  "request.relayed": "info",
  "call.redirected": "info",
  "subscription.started": "info",
  "subscription.ended": "info",
  "sips.refused": "warn",
  "media.latched": "info",
  "media.secured": "debug",
  "media.silent": "warn",
  "media.consent-lost": "warn",
  "media.digit": "info",
  "media.key-lifetime": "info",
  "media.failed": "error",
  "peer.up": "info",
  "peer.down": "warn",
  "trunk.registered": "info",
  "trunk.failed": "error",
  "auth.failed": "warn",
  "peer.limited": "warn",
  "phone.registered": "info",
  "phone.gone": "info",
  "phone.refused": "info",
  "registrar.away": "error",
  "registrar.back": "info",
  "registrations.failed": "error",
  "message.bad": "warn",
  "source.limited": "warn",
  "connection.refused": "warn",
  "tls.failed": "warn",
  "settings.applied": "info",
  "settings.rejected": "error",
};

/** What a stranger can make us write as often as he likes. */
const limited = new Set<Fact["fact"]>([
  "media.digit",
  "call.refused",
  "leg.refused",
  "request.relayed",
  "call.redirected",
  "subscription.started",
  "subscription.ended",
  "sips.refused",
  "auth.failed",
  "peer.limited",
  "phone.registered",
  "phone.gone",
  "phone.refused",
  "registrations.failed",
  "message.bad",
  "source.limited",
  "connection.refused",
  "tls.failed",
]);

export interface Log {
  fact(fact: Fact): void;
  line(level: Level, message: string, members?: Readonly<Record<string, unknown>>): void;
  /** Our own mistake, with its stack. What a message can cause comes as often as messages: limited like a stranger's facts. */
  bug(error: unknown, at: string): void;
  /** Writes what waits: before the process ends. */
  flush(): void;
}

/** Limit: facts that wait to be written; at it they are written at once. */
const MAX_WAITING = 64;

interface Waiting {
  readonly fact: Fact;
  readonly atMs: number;
  /** How many were held back before it. */
  readonly held: number;
}

/**
 * `now`: a monotonic clock in milliseconds, for the rate limit. `later`: calls back soon; absent: at once. Facts wait for
 * it, since what is written line after line costs a quarter of what the same lines cost between the messages of calls.
 */
export function logTo(
  stream: DestinationStream,
  now: () => number,
  later: (write: () => void) => void = (write) => write(),
): Log {
  // What stands between the time and the message, as it is written: serialised at once, where pino would do so with each
  // member, its name and its value. It comes to the line by way of the stamp, the one part that pino takes as it is.
  let ready = "";
  let atMs: number | undefined;
  const stamp = isoStamper();
  const logger: Logger = pino(
    {
      base: null,
      timestamp: () => stamp(atMs ?? Date.now()) + ready,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  const meter = new LineMeter();
  let waiting: Waiting[] = [];
  const write = (): void => {
    const facts = waiting;
    waiting = [];
    try {
      for (const { fact, held, atMs: at } of facts) {
        atMs = at;
        ready = membersOf(fact);
        if (held > 0) ready += `,"notShown":${held}`;
        logger[levels[fact.fact]](fact.fact);
      }
    } finally {
      atMs = undefined;
      ready = "";
    }
  };
  return {
    flush: write,
    fact: (fact) => {
      const name = fact.fact;
      const held = limited.has(name) ? meter.take(name, now()) : 0;
      if (held === undefined) return;
      waiting.push({ fact, atMs: Date.now(), held });
      if (waiting.length === MAX_WAITING) write();
      else if (waiting.length === 1) later(write);
    },
    line: (level, message, members) => {
      write();
      logger[level](members ?? {}, message);
    },
    bug: (error, at) => {
      write();
      const held = meter.take("bug", now());
      if (held === undefined) return;
      const text = error instanceof Error ? (error.stack ?? error.message) : `not an Error: ${typeof error}`;
      logger.fatal({ at, error: shown(text, MAX_STACK), ...(held > 0 && { notShown: held }) }, "bug");
    },
  };
}

/** Counts lines in whole seconds, per name. */
class LineMeter {
  readonly #seconds = new Map<string, { second: number; lines: number; held: number }>();

  /** How many were held back before this one; `undefined`: hold this one back too. */
  take(name: string, now: number): number | undefined {
    const second = Math.floor(now / 1_000);
    const meter = this.#seconds.get(name) ?? { second, lines: 0, held: 0 };
    this.#seconds.set(name, meter);
    if (meter.second !== second) {
      meter.second = second;
      meter.lines = 0;
    }
    if (meter.lines >= STRANGER_LINES_PER_SECOND) {
      meter.held += 1;
      return undefined;
    }
    meter.lines += 1;
    const { held } = meter;
    meter.held = 0;
    return held;
  }
}

/** Pino's own time stamp, made afresh once a second: a date costs more than the rest of a short line. */
function isoStamper(): (ms: number) => string {
  let second = Number.NaN;
  let prefix = "";
  return (ms) => {
    if (Math.floor(ms / 1_000) !== second) {
      second = Math.floor(ms / 1_000);
      prefix = `,"time":"${new Date(ms).toISOString().slice(0, -4)}`;
    }
    return `${prefix}${String(ms - second * 1_000).padStart(3, "0")}Z"`;
  };
}

/** The members beside the name, each with a comma before it. */
function membersOf(fact: Fact): string {
  const begin = `{"fact":"${fact.fact}"`;
  const whole = isFit(fact) ? JSON.stringify(fact) : "";
  if (whole.startsWith(begin)) return whole.slice(begin.length, -1);
  const text = JSON.stringify(shortened(fact));
  return text === "{}" ? "" : `,${text.slice(1, -1)}`;
}

/** May its texts be shown as they are? Nearly all may, and a copy of the fact costs more than this look at it. */
function isFit(fact: Fact): boolean {
  for (const name in fact) {
    const value: unknown = fact[name as keyof Fact];
    if (typeof value === "string" && shown(value, MAX_TEXT) !== value) return false;
  }
  return true;
}

/** Texts from the wire may be long, and hold URIs with passwords; a line of log does not. */
function shortened(fact: Fact): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const name in fact) {
    if (name === "fact") continue;
    const value: unknown = fact[name as keyof Fact];
    copy[name] = typeof value === "string" ? shown(value, MAX_TEXT) : value;
  }
  return copy;
}

function shown(text: string, limit: number): string {
  const open = withoutPasswords(text);
  return open.length > limit ? `${open.slice(0, limit)}…` : open;
}
