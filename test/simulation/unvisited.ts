/**
 * Cells of the machines' tables that no world comes to, with the reason. Whoever adds a cell to a table lets a script come to
 * it (script.ts, writer.ts, talk.ts), or writes here why none can.
 */
import type { Cell } from "./coverage.ts";

interface Row {
  readonly machine: string;
  /** Any, when there is none. */
  readonly state?: string;
  readonly events?: readonly string[];
  readonly why: string;
  /** A race that some worlds come to and others do not: both is well. */
  readonly rare?: true;
}

const BREAKS = "a stream must break between the response and the end of its transaction";
const CALLED_SIDE_ONLY = "`failed` comes from an INVITE of ours, which a caller's leg has none of";

const ROWS: readonly Row[] = [
  { machine: "INVITE client", events: ["C", "unreachable", "cancel limit"], why: "a peer falls silent", rare: true },
  { machine: "INVITE client", state: "cancelling", why: "a race with CANCEL", rare: true },
  { machine: "INVITE server", events: ["unreachable"], why: BREAKS, rare: true },
  {
    machine: "INVITE server",
    state: "accepted",
    events: ["ACK"],
    why: "an ACK in the branch of its INVITE",
    rare: true,
  },
  { machine: "INVITE server", state: "completed", events: ["H"], why: "every ACK of a refusal is lost", rare: true },
  {
    machine: "non-INVITE client",
    state: "proceeding",
    why: "few peers say 100 to it, and a slow one at that",
    rare: true,
  },
  { machine: "non-INVITE client", events: ["unreachable"], why: BREAKS, rare: true },
  { machine: "non-INVITE server", events: ["unreachable"], why: BREAKS, rare: true },
  { machine: "non-INVITE server", state: "proceeding", why: "the other end must be slow, or silent", rare: true },
  { machine: "leg", state: "invited", events: ["answer"], why: "every answer is held first, if only for a moment" },
  { machine: "leg", state: "invited", events: ["refusal"], why: "a call ends its caller's leg, by `end`" },
  { machine: "leg", state: "invited", events: ["failed"], why: CALLED_SIDE_ONLY },
  { machine: "leg", state: "answering", events: ["failed"], why: CALLED_SIDE_ONLY },
  { machine: "leg", state: "answering", why: "the 2xx waits for a PRACK that is late", rare: true },
  { machine: "leg", state: "answered", events: ["failed"], why: CALLED_SIDE_ONLY },
  { machine: "leg", state: "parting", events: ["failed"], why: CALLED_SIDE_ONLY },
  { machine: "leg", state: "parting", why: "the end comes between 200 and ACK", rare: true },
  { machine: "leg", state: "up", events: ["failed"], why: "an INVITE that was answered fails no more" },
  { machine: "leg", state: "cancelling", why: "a race with CANCEL", rare: true },
  {
    machine: "joint",
    state: "setup",
    events: ["callee BYE", "no media", "caller BYE", "caller lost", "told to end", "leg lost"],
    why: "a call that is not answered yet loses an end",
    rare: true,
  },
  { machine: "joint", state: "answered", why: "the end comes between 200 and ACK", rare: true },
  {
    machine: "joint",
    state: "up",
    events: ["caller no ACK", "transferred"],
    why: "of a re-INVITE, or a transfer",
    rare: true,
  },
  { machine: "session", state: "ours", events: ["expiry"], why: "the refresh is always due before the expiry" },
  { machine: "session", state: "refreshing", why: "a refresh that is under way meets something else", rare: true },
  { machine: "session", state: "again", why: "a refresh that was refused meets something else", rare: true },
  { machine: "transfer", why: "few calls are transferred by the box; test/unit/call has each cell", rare: true },
  {
    machine: "subscription",
    state: "fresh",
    events: ["expired", "subscriber gone", "notifier gone", "told to end"],
    why: "the first NOTIFY is there within moments",
    rare: true,
  },
  {
    machine: "subscription",
    state: "leaving",
    events: ["grant", "expired", "subscriber gone", "notifier gone", "told to end"],
    why: "the last NOTIFY is there within moments",
    rare: true,
  },
  {
    machine: "upstream",
    why: "no phone registers in these worlds; test/unit/engine and the ladders of registrations do",
  },
  {
    machine: "trunk",
    why: "one registration a world, and not in each; test/unit/registration has each cell",
    rare: true,
  },
];

/** Why nothing comes to this cell, and whether something may all the same; `undefined`: something must. */
export function explained({ machine, state, event, ruled }: Cell): Pick<Row, "why" | "rare"> | undefined {
  if (!ruled) return undefined;
  const fits = (row: Row): boolean =>
    row.machine === machine &&
    (row.state === undefined || row.state === state) &&
    (row.events === undefined || row.events.includes(event));
  return ROWS.find(fits);
}
