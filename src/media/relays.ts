/** The pairs of the relay: which are free, which serve whom, and the words that make them follow what is agreed. */

import { SteadyMap } from "../base/index.ts";
import type { Line, Local } from "./line.ts";
import type { PortBooks } from "./port-books.ts";
import type { RelayCommand, RelaySide, SrtpKey } from "./relay-command.ts";
import { pairKind, relayChange, relaySide } from "./relay-plan.ts";
import type { Relay, Session, State } from "./session.ts";

export interface OpenPair {
  readonly session: Session;
  /** Position of the m-line. */
  readonly stream: number;
  readonly kind: string;
  readonly locals: readonly [Local, Local];
  /** As agreed last. */
  codecs: readonly string[];
  closing: boolean;
}

export class Relays {
  readonly #emit: (command: RelayCommand) => void;
  readonly #books: PortBooks;
  readonly #maxPairs: number;
  readonly #pairs = new SteadyMap<number, OpenPair>();
  /** Numbers that were used and are free again; beyond them the next number never used. */
  readonly #returned: number[] = [];
  /**
   * Keys that a closed pair of a living session sent under, each as it may go on: not at all. A new context would begin its
   * indices again, and so use some of them twice.
   */
  readonly #spent = new WeakMap<SrtpKey, SrtpKey>();
  #next = 0;

  constructor(emit: (command: RelayCommand) => void, books: PortBooks, maxPairs: number) {
    this.#maxPairs = maxPairs;
    this.#emit = emit;
    this.#books = books;
  }

  /** Pairs open or closing. */
  get size(): number {
    return this.#pairs.size;
  }

  get(pair: number): OpenPair | undefined {
    return this.#pairs.get(pair);
  }

  /** Is there a pair for every line that would need a new one? */
  suffice(session: Session, state: State): boolean {
    let needed = 0;
    for (const [index, line] of state.lines.entries()) {
      if (line !== undefined && !serves(session.relays[index], line)) needed++;
    }
    return needed <= this.#maxPairs - this.#pairs.size;
  }

  /** Makes the relay do what `state` says. */
  follow(session: Session, state: State): void {
    const count = Math.max(state.lines.length, session.relays.length);
    for (let index = 0; index < count; index++) {
      const line = state.lines[index];
      const relay = session.relays[index];
      if (line === undefined) {
        if (relay !== undefined) this.#end(session, index, relay);
      } else if (relay === undefined) {
        this.#open(session, state, index, line);
      } else if (serves(relay, line)) {
        this.#change(session, state, relay, line, index);
      } else {
        this.#leave(session, index, relay);
        this.#open(session, state, index, line);
      }
    }
  }

  closeAll(session: Session): void {
    for (const [index, relay] of session.relays.entries()) if (relay !== undefined) this.#close(session, index, relay);
  }

  /** The relay has let go: ports and number are free. `undefined`: it was not asked to. */
  closed(pair: number): OpenPair | undefined {
    const open = this.#pairs.get(pair);
    if (open === undefined || !open.closing) return undefined;
    this.#pairs.delete(pair);
    this.#returned.push(pair);
    for (const local of open.locals) this.#books.release(local);
    open.session.pairs--;
    return open;
  }

  /** Another fork may take the stream that this one declined: then its ports must still be bound. */
  #end(session: Session, index: number, relay: Relay): void {
    const offered = session.pending?.offered[index];
    if (offered === undefined || !serves(relay, offered)) return this.#leave(session, index, relay);
    for (const side of [0, 1] as const) {
      const before = relay.sides[side];
      this.#tell(relay, side, before, { ...before, receive: false, send: false, silenceLimitMs: 0 });
    }
  }

  #open(session: Session, state: State, index: number, line: Line): void {
    const pair = this.#returned.pop() ?? this.#next++;
    const locals = [line.sides[0].local, line.sides[1].local] as const;
    const sides = this.#desired(session, state, line, index);
    session.relays[index] = { pair, locals, sides, secured: [undefined, undefined] };
    session.pairs++;
    this.#pairs.set(pair, { session, stream: index, kind: line.kind, locals, codecs: line.codecs, closing: false });
    this.#emit({ word: "open", pair, kind: pairKind(line.kind), sides: [sides[0], sides[1]] });
  }

  #change(session: Session, state: State, relay: Relay, line: Line, index: number): void {
    const after = this.#desired(session, state, line, index);
    (this.#pairs.get(relay.pair) as OpenPair).codecs = line.codecs;
    this.#tell(relay, 0, relay.sides[0], after[0]);
    this.#tell(relay, 1, relay.sides[1], after[1]);
  }

  #tell(relay: Relay, side: 0 | 1, before: RelaySide, after: RelaySide): void {
    const set = relayChange(before, after);
    if (set === undefined) return;
    relay.sides[side] = after;
    if ("dtls" in set) relay.secured[side] = undefined;
    this.#emit({ word: "change", pair: relay.pair, side, set });
  }

  /** The call goes on without this pair. */
  #leave(session: Session, index: number, relay: Relay): void {
    for (const { tx } of relay.sides) if (tx !== undefined) this.#spent.set(tx, { ...tx, lifetimePackets: 0 });
    this.#close(session, index, relay);
  }

  #desired(session: Session, { legs }: State, line: Line, index: number): [RelaySide, RelaySide] {
    const { gates } = session;
    const gate = gates?.[Math.min(index, gates.length - 1)];
    return [
      this.#unspent(relaySide(line, 0, legs[0], session.confirmed, gate)),
      this.#unspent(relaySide(line, 1, legs[1], session.confirmed, gate)),
    ];
  }

  #unspent(side: RelaySide): RelaySide {
    const tx = side.tx === undefined ? undefined : this.#spent.get(side.tx);
    return tx === undefined ? side : { ...side, tx };
  }

  #close(session: Session, index: number, relay: Relay): void {
    session.relays[index] = undefined;
    session.locals = session.locals.filter((local) => !relay.locals.includes(local));
    (this.#pairs.get(relay.pair) as OpenPair).closing = true;
    this.#emit({ word: "close", pair: relay.pair });
  }
}

const serves = (relay: Relay | undefined, line: Line): boolean =>
  relay !== undefined && relay.locals[0] === line.sides[0].local && relay.locals[1] === line.sides[1].local;
