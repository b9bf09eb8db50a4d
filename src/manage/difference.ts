/** What differs between two configurations, in the operator's words, and whom of the living it touches. */
import { createHash, randomBytes } from "node:crypto";
import { Secret, type Settings } from "../base/index.ts";
import { writtenMembers } from "./written.ts";

export interface Change {
  /** `realms.outside.dscp.audio` */
  readonly path: string;
  /** The same, step by step: names may contain dots. */
  readonly steps: readonly string[];
  readonly kind: "added" | "removed" | "changed";
  readonly from?: unknown;
  readonly to?: unknown;
  /** What becomes of it in a running box. */
  readonly effect: string;
}

/** Limit: changes told one by one. */
const MAX_CHANGES = 1_000;

export function differences(before: Settings, after: Settings): readonly Change[] {
  const changes: Change[] = [];
  compare([], plain(before), plain(after), changes);
  return changes.slice(0, MAX_CHANGES);
}

/** One line a change. */
export function changeText({ path, kind, from, to, effect }: Change): string {
  const what = kind === "changed" ? `${JSON.stringify(from)} -> ${JSON.stringify(to)}` : kind;
  return `${path}: ${what}; ${effect}`;
}

/** The realms and peers that changes speak of. */
export function touched(changes: readonly Change[]): { realms: ReadonlySet<string>; peers: ReadonlySet<string> } {
  const named = (table: string): Set<string> =>
    new Set(changes.filter(({ steps }) => steps[0] === table).map(({ steps }) => String(steps[1])));
  return { realms: named("realms"), peers: named("peers") };
}

type Plain = string | number | boolean | null | undefined | readonly Plain[] | { readonly [name: string]: Plain };

function plain(value: unknown): Plain {
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, item]) => [name, plain(item)]));
  if (value instanceof RegExp) return value.source;
  if (value instanceof Secret) return seal(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(writtenMembers(value).map(([name, item]) => [name, plain(item)]));
  return value as Plain;
}

/** Of this process alone: what a seal tells is whether two secrets are the same. */
const SALT = randomBytes(32);
const SEAL_DIGITS = 8;

function seal(secret: Secret<unknown>): string {
  const digest = createHash("sha256").update(SALT).update(String(secret.reveal())).digest("hex");
  return `${secret} (${digest.slice(0, SEAL_DIGITS)})`;
}

const isTable = (value: Plain): value is { readonly [name: string]: Plain } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function compare(path: readonly string[], before: Plain, after: Plain, changes: Change[]): void {
  if (isTable(before) && isTable(after)) {
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)]))
      compare([...path, name], before[name], after[name], changes);
    return;
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return;
  const told = { path: path.join("."), steps: path, effect: effectOf(path) };
  if (before === undefined) changes.push({ ...told, kind: "added", ...(!isTable(after) && { to: after }) });
  else if (after === undefined) changes.push({ ...told, kind: "removed", ...(!isTable(before) && { from: before }) });
  else changes.push({ ...told, kind: "changed", from: before, to: after });
}

function effectOf(path: readonly string[]): string {
  const [top, name, member] = path;
  if (top === "name" || top === "control") return "at the next start";
  // The tables are dimensioned at the start.
  if (top === "limits" && name === "transactions") return "at once, up to what the box was started with";
  if (top === "realms" && member === "listen") return "at once; connections that are up stay";
  if (top === "realms" && (member === "tls" || member === "origins")) return "for new connections";
  if (top === "realms" && (member === "media" || member === "srtp" || member === "srtpKeys")) return "for new calls";
  if (top === "peers" && member === "media") return "for new calls";
  return "at once; calls that are up stay";
}
