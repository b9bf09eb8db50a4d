/** What the box ordered of the relay: pairs are opened once, changed while they are open, and closed. */
import type { RelayCommand, RelaySide } from "../../src/media/index.ts";

export class RelayOrders {
  readonly #report: (what: string) => void;
  /** The sides of each open pair, as the relay was told last. */
  readonly #open = new Map<number, [RelaySide, RelaySide]>();
  /** Our media addresses at which pairs heard and spoke when they were closed. */
  readonly carriedBothWays = new Set<string>();

  constructor(report: (what: string) => void) {
    this.#report = report;
  }

  /** The pairs that are open, in the order of their numbers. */
  get pairs(): number[] {
    return [...this.#open.keys()].sort((a, b) => a - b);
  }

  take(command: RelayCommand): void {
    const { pair } = command;
    const sides = this.#open.get(pair);
    if (command.word === "open") {
      if (sides !== undefined) this.#report(`relay pair ${pair} opened twice`);
      this.#open.set(pair, [...command.sides]);
      return;
    }
    if (sides === undefined) return this.#report(`relay ${command.word} of pair ${pair}, which is not open`);
    if (command.word === "change") sides[command.side] = { ...sides[command.side], ...command.set } as RelaySide;
    if (command.word !== "close") return;
    for (const { local, receive, send } of sides)
      if (receive && send) this.carriedBothWays.add(`${local.ip} ${local.rtpPort}`);
    this.#open.delete(pair);
  }
}
