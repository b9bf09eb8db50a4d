/**
 * Preconditions in SDP: what must be reserved before a phone rings. RFC 3312, RFC 4032. The lines of one m-line as values,
 * whether they are met, and what a side that has all it needs says to them.
 */
import type { Attribute } from "./sdp.ts";

/** Limit: precondition lines of one m-line that are read; those beyond are passed over. */
const LINE_LIMIT = 16;

/** RFC 3312 §4, RFC 5027: which resource, on which way, in which directions. */
const CURRENT = /^([a-z]{1,16}) (e2e|local|remote) (none|sendrecv|send|recv)$/;
const DESIRED =
  /^([a-z]{1,16}) (mandatory|optional|none|failure|unknown) (e2e|local|remote) (none|sendrecv|send|recv)$/;

const NAMES: ReadonlySet<string> = new Set(["curr", "des", "conf"]);

/** RFC 3312 §5.2, table 4: what is near to one end is far from the other. */
const INVERTED: Readonly<Record<string, string>> = { send: "recv", recv: "send", local: "remote", remote: "local" };
const inverted = (word: string): string => INVERTED[word] ?? word;

const none: readonly Attribute[] = [];

/** The precondition lines among the attributes of an m-line that say what RFC 3312 lets them say. */
export function preconditionsOf(attributes: readonly Attribute[]): readonly Attribute[] {
  if (!attributes.some(({ name }) => NAMES.has(name))) return none;
  const lines = attributes.filter(
    ({ name, value = "" }) => NAMES.has(name) && (name === "des" ? DESIRED : CURRENT).test(value),
  );
  return lines.slice(0, LINE_LIMIT);
}

/** Is everything there that these lines call mandatory? RFC 3312 §6. */
export function preconditionsMet(attributes: readonly Attribute[]): boolean {
  const lines = preconditionsOf(attributes);
  return lines.every(({ name, value = "" }) => {
    const [, type, strength, status = "", wanted = ""] = name === "des" ? (DESIRED.exec(value) ?? []) : [];
    return strength !== "mandatory" || covers(currentOf(lines, type, status), wanted);
  });
}

/**
 * What an end that has all its own resources answers to these lines: its own are there, the offerer's are as it said, and
 * it wants to hear of those that are still to come (`conf`).
 */
export function readyAnswer(attributes: readonly Attribute[]): readonly Attribute[] {
  const offered = preconditionsOf(attributes);
  if (offered.length === 0) return none;
  const [current, desired, confirm]: [Attribute[], Attribute[], Attribute[]] = [[], [], []];
  for (const { name, value = "" } of offered) {
    if (name === "curr") {
      const [, type, status = "", direction = ""] = CURRENT.exec(value) ?? [];
      const ours = status === "remote" ? "sendrecv" : inverted(direction);
      current.push({ name, value: `${type} ${inverted(status)} ${ours}` });
    } else if (name === "des") {
      const [, type, strength, status = "", direction = ""] = DESIRED.exec(value) ?? [];
      desired.push({ name, value: `${type} ${strength} ${inverted(status)} ${inverted(direction)}` });
      const missing = strength === "mandatory" && !covers(currentOf(offered, type, status), direction);
      if (missing && status !== "remote") {
        confirm.push({ name: "conf", value: `${type} ${inverted(status)} ${inverted(direction)}` });
      }
    }
  }
  return [...current, ...desired, ...confirm];
}

/** What an end that has all its own resources offers: it waits for nothing, and lets the other end wait for its own. */
export const READY_OFFER: readonly Attribute[] = [
  { name: "curr", value: "qos local sendrecv" },
  { name: "curr", value: "qos remote none" },
  { name: "des", value: "qos mandatory local sendrecv" },
  { name: "des", value: "qos none remote sendrecv" },
];

function currentOf(lines: readonly Attribute[], type: string | undefined, status: string): string {
  for (const { name, value = "" } of lines) {
    const found = name === "curr" ? CURRENT.exec(value) : null;
    if (found !== null && found[1] === type && found[2] === status) return found[3] ?? "none";
  }
  return "none";
}

const covers = (current: string, wanted: string): boolean =>
  wanted === "none" || current === "sendrecv" || current === wanted;
