/** The pairs of the relay: which are free, which serve whom, and the words that make them follow what is agreed. */
import type { Line, Local } from "./line.ts";
import type { SideIndex } from "./party.ts";
import type { PortBooks } from "./port-books.ts";
import type { RelayCommand, RelaySide, SrtpKey } from "./relay-command.ts";
import { carried, pairKind, relayChange, relaySide, transportOf } from "./relay-plan.ts";
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
  /** By number, which begin at 0 and come back: a Map makes a new table every few hundred calls. */
  readonly #pairs: (OpenPair | undefined)[] = [];
  #size = 0;
  /** Numbers that were used and are free again; beyond them the next number never used. */
  readonly #returned: number[] = [];
  /**
   * Keys that a closed pair of a living session sent under, each as it may go on: not at all. A new context would begin its
   * indices again, and so use some of them twice.
   */
  readonly #spent = new WeakMap<SrtpKey, SrtpKey>();
  /** How many pairs have ports that stand for a bundle. */
  readonly #held = new Map<Local, number>();
  #next = 0;

  constructor(emit: (command: RelayCommand) => void, books: PortBooks, maxPairs: number) {
    this.#maxPairs = maxPairs;
    this.#emit = emit;
    this.#books = books;
  }

  /** Pairs open or closing. */
  get size(): number {
    return this.#size;
  }

  get(pair: number): OpenPair | undefined {
    return this.#pairs[pair];
  }

  /** Is there a pair for every line that would need a new one? */
  suffice(session: Session, state: State): boolean {
    let needed = 0;
    for (const [index, line] of state.lines.entries()) {
      if (line !== undefined && !serves(session.relays[index], line)) needed++;
    }
    return needed <= this.#maxPairs - this.#size;
  }

  /**
   * Would a line have other ports on one side alone? The relay cannot bind those of the other side again while it lets go of
   * them: an answer that bundles otherwise than an earlier one to the same offer comes to this.
   */
  wouldMoveHalf(session: Session, state: State): boolean {
    return state.lines.some((line, index) => {
      const relay = session.relays[index];
      if (relay === undefined || line === undefined || serves(relay, line)) return false;
      return relay.locals[0] === line.sides[0].local || relay.locals[1] === line.sides[1].local;
    });
  }

  /** Makes the relay do what `state` says. */
  follow(session: Session, state: State): void {
    const count = Math.max(state.lines.length, session.relays.length);
    for (let index = 0; index < count; index++) {
      const line = state.lines[index];
      const relay = session.relays[index];
      if (line === undefined) {
        if (relay !== undefined) this.#end(session, state, index, relay);
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

  /** A change of nothing: the relay takes such a pair back to its sockets, and looks anew what may carry it. */
  lookAgain(realms: ReadonlySet<string>): void {
    for (const open of this.#pairs) {
      if (open === undefined) continue;
      const { closing, locals, session, stream } = open;
      const relay = session.relays[stream];
      if (closing || relay === undefined || !locals.some(({ realm }) => realms.has(realm))) continue;
      this.#emit({ word: "change", pair: relay.pair, side: 0, set: {} });
    }
  }

  closeAll(session: Session): void {
    for (const [index, relay] of session.relays.entries()) if (relay !== undefined) this.#close(session, index, relay);
  }

  /**
   * The NAT of this side has given it another place, as its signalling shows: its source is learnt again, from there. With
   * keys only what authenticates is learnt; the old source is heard until then. ICE finds its way by itself. `was`: where its
   * signalling came from before; media that was told to be elsewhere has not moved with it.
   */
  moved(session: Session, side: 0 | 1, was: string, source: string): void {
    for (const relay of session.relays) {
      const before = relay?.sides[side];
      if (relay === undefined || before?.remote === undefined || before.ice !== undefined) continue;
      const { latch, latchFrom } = before;
      const { ip } = before.remote;
      if (latch === "off" || (latch === "signalled" && ip !== source && ip !== was)) continue;
      const remote = ip === latchFrom || ip === was ? { ...before.remote, ip: source } : before.remote;
      const set = { remote, latch, latchFrom: latch === "source" ? source : undefined };
      relay.sides[side] = { ...before, ...set };
      this.#emit({ word: "change", pair: relay.pair, side, set: { ...set, relatch: true } });
    }
  }

  /** The relay has let go: ports and number are free. `undefined`: it was not asked to. */
  closed(pair: number): OpenPair | undefined {
    const open = this.#pairs[pair];
    if (open === undefined || !open.closing) return undefined;
    this.#pairs[pair] = undefined;
    this.#size--;
    this.#returned.push(pair);
    for (const local of open.locals) this.#letGo(local);
    open.session.pairs--;
    return open;
  }

  /** Another fork may take the stream that this one declined: then its ports must still be bound. */
  #end(session: Session, state: State, index: number, relay: Relay): void {
    const offered = session.pending?.offered[index];
    const sharing = ([0, 1] as const).map((side) => carriedBy(relay, side, state));
    const stays = (offered !== undefined && serves(relay, offered)) || sharing.some((line) => line !== undefined);
    if (!stays) return this.#leave(session, index, relay);
    for (const side of [0, 1] as const) {
      const before = relay.sides[side];
      const off = { ...before, receive: false, send: false, silenceLimitMs: 0 };
      const line = sharing[side];
      this.#tell(relay, side, before, line === undefined ? off : this.#transport(session, state, off, line, side));
    }
  }

  /** A pair without a stream of its own whose transport goes on for others. */
  #transport(session: Session, { legs }: State, off: RelaySide, line: Line, side: SideIndex): RelaySide {
    const lead = this.#unspent(relaySide(line, side, legs[side], session.confirmed, undefined));
    const bundle = off.bundle === undefined ? undefined : { ...off.bundle, mid: "", midId: 0, payloadTypes: NO_TYPES };
    return { ...off, ...transportOf(lead), bundle };
  }

  #open(session: Session, state: State, index: number, line: Line): void {
    const pair = this.#returned.pop() ?? this.#next++;
    const locals = [line.sides[0].local, line.sides[1].local] as const;
    const sides = this.#desired(session, state, line, index, pair);
    for (const side of [0, 1] as const) if (sides[side].bundle !== undefined) this.#hold(locals[side]);
    session.relays[index] = { pair, kind: line.kind, locals, sides, secured: [undefined, undefined] };
    session.pairs++;
    this.#pairs[pair] = { session, stream: index, kind: line.kind, locals, codecs: line.codecs, closing: false };
    this.#size++;
    this.#emit({ word: "open", pair, kind: pairKind(line.kind), sides: [sides[0], sides[1]] });
  }

  #change(session: Session, state: State, relay: Relay, line: Line, index: number): void {
    const after = this.#desired(session, state, line, index, relay.pair);
    (this.#pairs[relay.pair] as OpenPair).codecs = line.codecs;
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

  #desired(session: Session, { legs }: State, line: Line, index: number, pair: number): [RelaySide, RelaySide] {
    const { gates } = session;
    const gate = gates?.[Math.min(index, gates.length - 1)];
    const desired = (side: SideIndex): RelaySide => {
      const carrier = carrierOf(session, line, index, side, pair);
      const wanted = this.#unspent(relaySide(line, side, legs[side], session.confirmed, gate, carrier));
      return carrier === undefined || carrier === pair ? wanted : carried(wanted);
    };
    return [desired(0), desired(1)];
  }

  /** Ports that several pairs have: they are free when all have let go. */
  #hold(local: Local): void {
    this.#held.set(local, (this.#held.get(local) ?? 0) + 1);
  }

  #letGo(local: Local): void {
    const left = (this.#held.get(local) ?? 1) - 1;
    if (left === 0) this.#held.delete(local);
    else this.#held.set(local, left);
    if (left === 0) this.#books.release(local);
  }

  #unspent(side: RelaySide): RelaySide {
    const tx = side.tx === undefined ? undefined : this.#spent.get(side.tx);
    return tx === undefined ? side : { ...side, tx };
  }

  #close(session: Session, index: number, relay: Relay): void {
    session.relays[index] = undefined;
    const { relays } = session;
    session.locals = session.locals.filter(
      (local) => !relay.locals.includes(local) || relays.some((other) => other?.locals.includes(local)),
    );
    (this.#pairs[relay.pair] as OpenPair).closing = true;
    this.#emit({ word: "close", pair: relay.pair });
  }
}

const NO_TYPES: readonly number[] = [];

/**
 * The pair whose sockets the line has on that side; `undefined`: it has nothing to do with bundles. What is offered in one may
 * come to carry others, by this answer or by that of another fork.
 */
function carrierOf({ pending, relays }: Session, line: Line, index: number, side: SideIndex, pair: number) {
  const { bundled, local } = line.sides[side];
  if (bundled) return relays.find((relay) => relay?.locals[side] === local)?.sides[side].bundle?.pair ?? pair;
  const offered = pending?.offered[index]?.sides[side];
  const relay = relays[index];
  const may = (offered?.bundled === true && offered.local === local) || relay?.sides[side].bundle !== undefined;
  return may && (relay === undefined || relay.pair === pair) ? pair : undefined;
}

/** A line that goes by the transport of this pair, whose own line is off. */
const carriedBy = (relay: Relay, side: SideIndex, { lines }: State): Line | undefined =>
  relay.sides[side].bundle?.pair === relay.pair
    ? lines.find((line) => line?.sides[side].bundled === true && line.sides[side].local === relay.locals[side])
    : undefined;

const serves = (relay: Relay | undefined, line: Line): boolean =>
  relay !== undefined && relay.locals[0] === line.sides[0].local && relay.locals[1] === line.sides[1].local;
