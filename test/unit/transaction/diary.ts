import type { Blueprint } from "../../../src/transaction/machine.ts";
import { Machine } from "../../../src/transaction/machine.ts";

/** Plays events against a machine in virtual time and notes what it did, and where it was at the end. */
export function play<State extends string, Event extends string, Effect extends string>(
  plan: Blueprint<State, Event, Effect>,
  options: {
    readonly events?: readonly (readonly [at: number, event: Event])[];
    readonly until: number;
    readonly reliable?: boolean;
  },
): { readonly diary: string[]; readonly state: State } {
  const machine = new Machine<State, Event, Effect>(plan, options.reliable ?? false);
  const diary: string[] = [];
  const note = (at: number, effects: readonly Effect[]): void => {
    for (const effect of effects) diary.push(`${at} ${effect}`);
  };
  note(0, machine.start(0));
  const events = [...(options.events ?? [])];
  for (;;) {
    const timer = machine.nextDeadline() ?? Number.POSITIVE_INFINITY;
    const event = events[0]?.[0] ?? Number.POSITIVE_INFINITY;
    const now = Math.min(timer, event);
    if (now > options.until) return { diary, state: machine.state };
    if (timer <= event) {
      const due = machine.takeDue(now);
      if (due !== undefined) note(now, machine.handle(due, now));
    } else note(now, machine.handle((events.shift() as readonly [number, Event])[1], now));
  }
}
