/**
 * Cells of the machines' tables that no world comes to, with the reason. Whoever adds a cell to a table lets a script come to
 * it (script.ts, writer.ts, phone.ts), or writes here why none can.
 */
import type { Cell } from "./coverage.ts";

interface Row {
  readonly machine: string;
  readonly state: string;
  readonly events: readonly string[];
  readonly why: string;
}

/** Such a cell may be come to now and then, by a peer that lies. */
export const NOT_YET = "no script of the simulation does this yet";

const ROWS: readonly Row[] = [
  { machine: "INVITE client", state: "proceeding", events: ["C"], why: NOT_YET },
  { machine: "INVITE server", state: "accepted", events: ["unreachable", "ACK"], why: NOT_YET },
  {
    machine: "non-INVITE client",
    state: "proceeding",
    events: ["E", "F", "1xx", "200-699", "unreachable"],
    why: NOT_YET,
  },
  { machine: "non-INVITE server", state: "proceeding", events: ["unreachable"], why: NOT_YET },
  { machine: "non-INVITE server", state: "completed", events: ["unreachable"], why: NOT_YET },
  { machine: "leg", state: "invited", events: ["answer", "refusal", "BYE", "failed"], why: NOT_YET },
  { machine: "leg", state: "answering", events: ["BYE", "failed"], why: NOT_YET },
  { machine: "leg", state: "answered", events: ["failed"], why: NOT_YET },
  { machine: "leg", state: "parting", events: ["failed"], why: NOT_YET },
  { machine: "leg", state: "up", events: ["failed"], why: NOT_YET },
  {
    machine: "joint",
    state: "setup",
    events: ["callee retry", "caller BYE", "callee BYE", "leg lost", "no media", "told to end"],
    why: NOT_YET,
  },
  { machine: "joint", state: "answered", events: ["caller cancel", "told to end"], why: NOT_YET },
  { machine: "joint", state: "up", events: ["caller no ACK", "transferred"], why: NOT_YET },
  { machine: "session", state: "ours", events: ["expiry"], why: NOT_YET },
  { machine: "session", state: "refreshing", events: ["expiry", "refused"], why: NOT_YET },
  { machine: "session", state: "again", events: ["agreed ours", "agreed theirs", "expiry"], why: NOT_YET },
];

/** Why nothing comes to this cell; `undefined`: something should. */
export function explained({ machine, state, event, ruled }: Cell): string | undefined {
  if (!ruled) return undefined;
  return ROWS.find((row) => row.machine === machine && row.state === state && row.events.includes(event))?.why;
}
