/**
 * What is left of finished transactions, which stay only to absorb copies: at 1,000 calls/s some hundred thousand. As
 * objects they would be most of what the collector has to look at, and each would be copied twice before it is old.
 * So they are numbers in columns and bytes in pages, in the order in which they end.
 */
import type { Agenda, Hop, Millis, Punctual } from "../base/index.ts";
import { inviteClient } from "./invite-client.ts";
import { inviteServer } from "./invite-server.ts";
import { nonInviteClient } from "./non-invite-client.ts";
import { nonInviteServer } from "./non-invite-server.ts";
import { TEXT_LIMIT, TextPages } from "./text-pages.ts";

/** The states in which nothing but copies is awaited. Their machines' tables say what becomes of those. */
const LAST_STATES = {
  "INVITE server accepted": [inviteServer.steps, "accepted"],
  "INVITE server confirmed": [inviteServer.steps, "confirmed"],
  "server completed": [nonInviteServer.steps, "completed"],
  "INVITE client accepted": [inviteClient.steps, "accepted"],
  "INVITE client completed": [inviteClient.steps, "completed"],
  "client completed": [nonInviteClient.steps, "completed"],
} as const;

export type LastState = keyof typeof LAST_STATES;

type Row = Readonly<Record<string, { readonly effects: readonly LateEffect[] } | undefined>>;

/** All that these states do. */
export type LateEffect = "resend response" | "pass ACK up" | "resend ACK" | "pass up";

export type LateEvent = "INVITE" | "request" | "ACK" | "1xx" | "2xx" | "3xx-6xx" | "200-699";

const NAMES = Object.keys(LAST_STATES) as readonly LastState[];
const NOTHING: readonly never[] = [];

/** How long a transaction stays: 64*T1 or 32 s, or T4. Each waits among its like, so they end as they came. */
export type Wait = "long" | "short";

export interface Remains {
  readonly state: LastState;
  /** The way and the text of what is sent again, or the way to whoever is told. */
  readonly hop: Hop | undefined;
  readonly text: string;
  readonly wait: Wait;
  /** It stays until then at least. */
  readonly endAt: Millis;
  /** To tags of forks as numbers, of an INVITE that was accepted: who answered, and who did so too late. */
  readonly winner: number | undefined;
  readonly late: readonly number[] | undefined;
}

/** They may stay this much longer, so that many end at one time: to be woken for each costs more than its end. */
const TOGETHER_MS = 100;

/**
 * Limit: bytes of keys and texts, per transaction of the limit, and at least so many: a stranger's requests are answered
 * with what he wrote into them. Beyond, the oldest end before their time.
 */
const BYTES_EACH = 2_048;
const LEAST_BYTES = 8 * 1024 * 1024;

/** Places at the start; doubled whenever they are all taken. */
const FIRST_PLACES = 256;
export const NONE = -1;

/**
 * Those of one table of the layer, by key.
 *
 * Limit: `limit` transactions, and bytes; beyond, the oldest ends before its time, and `shed` is told. A text longer than
 * TEXT_LIMIT is not kept.
 */
export class Finished implements Punctual {
  agendaEntry: Punctual["agendaEntry"];
  readonly #agenda: Agenda;
  readonly #limit: number;
  readonly #mostBytes: number;
  readonly #shed: () => void;
  readonly #pages = new TextPages();
  readonly #lanes = [new Lane(), new Lane()] as const;
  /** By the low bits of the hash: the place of the first. Each knows the next; free places are chained alike. */
  #heads = new Int32Array(FIRST_PLACES).fill(NONE);
  #columns = columnsOf(FIRST_PLACES);
  readonly #hops: (Hop | undefined)[] = [];
  /** By place: forks that answered too late. */
  readonly #late = new Map<number, readonly number[]>();
  #free = NONE;
  #size = 0;

  constructor(agenda: Agenda, limit: number, shed: () => void) {
    this.#agenda = agenda;
    this.#limit = limit;
    this.#mostBytes = Math.max(LEAST_BYTES, limit * BYTES_EACH);
    this.#shed = shed;
  }

  get size(): number {
    return this.#size;
  }

  /** `hash`: any number that goes with the key, and that strangers cannot choose. A key is added once. */
  add(key: string, hash: number, remains: Remains): void {
    const { state, wait, endAt, winner, late, hop } = remains;
    const place = this.#place();
    const columns = this.#columns;
    const short = wait === "short" ? 1 : 0;
    const text = remains.text.length > TEXT_LIMIT ? "" : remains.text;
    columns.keyAt[place] = this.#pages.put(short, key);
    columns.keyBytes[place] = this.#pages.written;
    columns.textBytes[place] = 0;
    if (text !== "") {
      columns.textAt[place] = this.#pages.put(short, text);
      columns.textBytes[place] = this.#pages.written;
    }
    columns.state[place] = NAMES.indexOf(state);
    this.#hops[place] = hop;
    columns.winner[place] = winner ?? Number.NaN;
    if (late !== undefined) this.#late.set(place, late);
    columns.hash[place] = hash;
    this.#chain(place, hash);
    this.#size++;
    this.#lanes[short].push(columns, place, endAt);
    this.#agenda.watch(this);
    while (this.#size > this.#limit || this.#pages.bytes > this.#mostBytes) this.#shedOldest();
  }

  /** NONE when there is none. A place is good until time passes or the next one is added. */
  find(key: string, hash: number): number {
    const { hash: hashes, next } = this.#columns;
    let place = this.#heads[hash & (this.#heads.length - 1)] as number;
    while (place !== NONE && (hashes[place] !== hash || this.#key(place) !== key)) place = next[place] as number;
    return place;
  }

  /** What its machine does when this comes. */
  effects(place: number, event: LateEvent): readonly LateEffect[] {
    const name = NAMES[this.#columns.state[place] as number] as LastState;
    const [steps, state] = LAST_STATES[name];
    return (steps[state] as Row | undefined)?.[event]?.effects ?? NOTHING;
  }

  hop(place: number): Hop | undefined {
    return this.#hops[place];
  }

  text(place: number): string {
    const { textAt, textBytes } = this.#columns;
    const bytes = textBytes[place] as number;
    return bytes === 0 ? "" : this.#pages.text(textAt[place] as number, bytes);
  }

  winner(place: number): number | undefined {
    const winner = this.#columns.winner[place] as number;
    return Number.isNaN(winner) ? undefined : winner;
  }

  late(place: number): readonly number[] {
    return this.#late.get(place) ?? [];
  }

  addLate(place: number, fork: number): void {
    this.#late.set(place, [...this.late(place), fork]);
  }

  nextDeadline(): Millis | undefined {
    const [long, short] = this.#lanes;
    const at = Math.min(long.firstEnd(this.#columns), short.firstEnd(this.#columns));
    return at === NEVER ? undefined : at + TOGETHER_MS;
  }

  expire(now: Millis): void {
    for (const lane of this.#lanes) {
      while (lane.firstEnd(this.#columns) <= now) this.#remove(lane);
    }
  }

  #shedOldest(): void {
    const [long, short] = this.#lanes;
    this.#remove(long.empty ? short : long);
    this.#shed();
  }

  #key(place: number): string {
    return this.#pages.text(this.#columns.keyAt[place] as number, this.#columns.keyBytes[place] as number);
  }

  #place(): number {
    let place = this.#free;
    if (place !== NONE) {
      this.#free = this.#columns.next[place] as number;
      return place;
    }
    place = this.#hops.length;
    if (place === this.#heads.length) this.#grow();
    this.#hops.push(undefined);
    return place;
  }

  #remove(lane: Lane): void {
    const columns = this.#columns;
    const place = lane.shift(columns);
    const { next } = columns;
    const head = (columns.hash[place] as number) & (this.#heads.length - 1);
    let before = this.#heads[head] as number;
    if (before === place) this.#heads[head] = next[place] as number;
    else {
      while (next[before] !== place) before = next[before] as number;
      next[before] = next[place] as number;
    }
    this.#pages.drop(columns.keyAt[place] as number);
    if (columns.textBytes[place] !== 0) this.#pages.drop(columns.textAt[place] as number);
    this.#hops[place] = undefined;
    if (this.#late.size > 0) this.#late.delete(place);
    next[place] = this.#free;
    this.#free = place;
    this.#size--;
  }

  #chain(place: number, hash: number): void {
    const head = hash & (this.#heads.length - 1);
    this.#columns.next[place] = this.#heads[head] as number;
    this.#heads[head] = place;
  }

  /** Only when every place is taken, so all of them are chained anew. */
  #grow(): void {
    const places = 2 * this.#heads.length;
    const old = this.#columns;
    const columns = columnsOf(places);
    for (const name of Object.keys(columns) as (keyof Columns)[]) columns[name].set(old[name]);
    this.#columns = columns;
    this.#heads = new Int32Array(places).fill(NONE);
    for (let place = 0; place < this.#hops.length; place++) this.#chain(place, columns.hash[place] as number);
  }
}

type Columns = ReturnType<typeof columnsOf>;

function columnsOf(places: number) {
  return {
    hash: new Int32Array(places),
    /** Of its chain. */
    next: new Int32Array(places),
    /** The one that ends next after it. */
    younger: new Int32Array(places),
    endAt: new Float64Array(places),
    keyAt: new Float64Array(places),
    keyBytes: new Uint16Array(places),
    textAt: new Float64Array(places),
    textBytes: new Uint32Array(places),
    state: new Uint8Array(places),
    /** NaN: none. */
    winner: new Float64Array(places),
  };
}

const NEVER: Millis = Number.POSITIVE_INFINITY;

/** Those that wait equally long, from the oldest to the youngest. */
class Lane {
  #oldest = NONE;
  #youngest = NONE;

  get empty(): boolean {
    return this.#oldest === NONE;
  }

  firstEnd({ endAt }: Columns): Millis {
    return this.#oldest === NONE ? NEVER : (endAt[this.#oldest] as number);
  }

  /** One that was let go of late by its owner ends with those before it. */
  push(columns: Columns, place: number, endAt: Millis): void {
    columns.younger[place] = NONE;
    if (this.#oldest === NONE) this.#oldest = place;
    else columns.younger[this.#youngest] = place;
    columns.endAt[place] = Math.max(endAt, this.#youngest === NONE ? endAt : (columns.endAt[this.#youngest] as number));
    this.#youngest = place;
  }

  shift({ younger }: Columns): number {
    const place = this.#oldest;
    this.#oldest = younger[place] as number;
    if (this.#oldest === NONE) this.#youngest = NONE;
    return place;
  }
}
