/**
 * Counts what happens in the machines: each table is a plain object, so its rows are replaced here, for this process only,
 * by proxies that count every look-up. The product knows nothing of it and pays nothing for it.
 */
import { jointFigure } from "../../src/call/joint-state.ts";
import { subscriptionFigure } from "../../src/call/subscription-state.ts";
import { transferFigure } from "../../src/call/transfer-state.ts";
import { legFigure } from "../../src/leg/leg-state.ts";
import { sessionFigure } from "../../src/leg/session-timer.ts";
import { trunkFigure } from "../../src/registration/trunk-state.ts";
import { upstreamFigure } from "../../src/registration/upstream.ts";
import { inviteClient } from "../../src/transaction/invite-client.ts";
import { inviteServer } from "../../src/transaction/invite-server.ts";
import { nonInviteClient } from "../../src/transaction/non-invite-client.ts";
import { nonInviteServer } from "../../src/transaction/non-invite-server.ts";

type Rows = Record<string, Record<string, unknown>>;

/** Every machine that is a table, by the name under which it is spoken of here. */
const MACHINES: Readonly<Record<string, unknown>> = {
  "INVITE client": inviteClient.steps,
  "INVITE server": inviteServer.steps,
  "non-INVITE client": nonInviteClient.steps,
  "non-INVITE server": nonInviteServer.steps,
  leg: legFigure,
  joint: jointFigure,
  session: sessionFigure,
  transfer: transferFigure,
  subscription: subscriptionFigure,
  trunk: trunkFigure,
  upstream: upstreamFigure,
};

export interface Cell {
  readonly machine: string;
  readonly state: string;
  readonly event: string;
  /** The table says what to do; else the event is absorbed there. */
  readonly ruled: boolean;
}

export class Coverage {
  readonly cells: readonly Cell[];
  readonly #counts = new Map<string, number>();

  /** From now on every machine of this process is watched. */
  constructor() {
    this.cells = Object.entries(MACHINES).flatMap(([machine, rows]) => cellsOf(machine, rows as Rows));
    for (const [machine, rows] of Object.entries(MACHINES)) this.#watch(machine, rows as Rows);
  }

  /** How often this event came in this state. */
  count({ machine, state, event }: Cell): number {
    return this.#counts.get(keyOf(machine, state, event)) ?? 0;
  }

  #watch(machine: string, rows: Rows): void {
    for (const [state, row] of Object.entries(rows)) {
      const keys = new Map<string | symbol, string>();
      const counts = this.#counts;
      rows[state] = new Proxy(row, {
        get(target, event) {
          let key = keys.get(event);
          if (key === undefined) keys.set(event, (key = keyOf(machine, state, String(event))));
          counts.set(key, (counts.get(key) ?? 0) + 1);
          return target[event as string];
        },
      });
    }
  }
}

/** Every state with every event that any state has a rule for. */
function cellsOf(machine: string, rows: Rows): Cell[] {
  const events = new Set(Object.values(rows).flatMap((row) => Object.keys(row)));
  return Object.keys(rows).flatMap((state) =>
    [...events].map((event) => ({ machine, state, event, ruled: event in rows[state]! })),
  );
}

const keyOf = (machine: string, state: string, event: string): string => `${machine}: ${state}, ${event}`;
