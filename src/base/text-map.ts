/**
 * A Map whose keys are texts that come and go with every message. The engine's own Map keeps a copy of each text that it is
 * asked for, among the old objects and in a table of all names of the process, before it looks: dearer than the rest of
 * a look-up, and left to the full collections. It also chains each table that it has outgrown to the next. This one hashes and
 * compares the texts themselves, and keeps the room that it once needed.
 */
import { hash32, tokenHash } from "./hash.ts";

/** Places at the start; doubled whenever they are all taken. */
const FIRST_PLACES = 256;
const NONE = -1;

export class TextMap<V extends object> {
  readonly #seed: number | undefined;
  /** By the low bits of the hash: the place of the first entry. Each entry knows the next; free places are chained alike. */
  #heads = new Int32Array(FIRST_PLACES).fill(NONE);
  #next = new Int32Array(FIRST_PLACES);
  #hashes = new Int32Array(FIRST_PLACES);
  readonly #keys: string[] = [];
  readonly #values: (V | undefined)[] = [];
  #free = NONE;
  #size = 0;

  /** `seed`: where strangers choose the keys, a random one, so that they cannot aim at one chain. Without: keys are tokens. */
  constructor(seed?: number) {
    this.#seed = seed;
  }

  get size(): number {
    return this.#size;
  }

  /** For those who ask more than once for one key. They may as well bring a hash of their own making, the same each time. */
  hash(key: string): number {
    return this.#seed === undefined ? tokenHash(key) : hash32(key, this.#seed) | 0;
  }

  get(key: string, hash = this.hash(key)): V | undefined {
    const place = this.#find(key, hash);
    return place === NONE ? undefined : this.#values[place];
  }

  has(key: string, hash = this.hash(key)): boolean {
    return this.#find(key, hash) !== NONE;
  }

  set(key: string, value: V, hash = this.hash(key)): void {
    let place = this.#find(key, hash);
    if (place === NONE) place = this.#add(key, hash);
    this.#values[place] = value;
  }

  delete(key: string, hash = this.hash(key)): boolean {
    const place = this.#find(key, hash);
    if (place === NONE) return false;
    const next = this.#next;
    const head = hash & (this.#heads.length - 1);
    const first = this.#heads[head] as number;
    if (first === place) this.#heads[head] = next[place] as number;
    else {
      let before = first;
      while (next[before] !== place) before = next[before] as number;
      next[before] = next[place] as number;
    }
    this.#keys[place] = "";
    this.#values[place] = undefined;
    this.#hashes[place] = 0;
    next[place] = this.#free;
    this.#free = place;
    this.#size--;
    return true;
  }

  /** In no order that means anything, yet in the same one in a run that is replayed. */
  *values(): Generator<V> {
    for (const value of this.#values) if (value !== undefined) yield value;
  }

  #find(key: string, hash: number): number {
    const hashes = this.#hashes;
    const next = this.#next;
    let place = this.#heads[hash & (this.#heads.length - 1)] as number;
    while (place !== NONE && (hashes[place] !== hash || this.#keys[place] !== key)) place = next[place] as number;
    return place;
  }

  #add(key: string, hash: number): number {
    let place = this.#free;
    if (place !== NONE) this.#free = this.#next[place] as number;
    else {
      place = this.#keys.length;
      if (place === this.#heads.length) this.#grow();
      this.#keys.push("");
      this.#values.push(undefined);
    }
    this.#keys[place] = key;
    this.#hashes[place] = hash;
    this.#chain(place, hash);
    this.#size++;
    return place;
  }

  #chain(place: number, hash: number): void {
    const head = hash & (this.#heads.length - 1);
    this.#next[place] = this.#heads[head] as number;
    this.#heads[head] = place;
  }

  /** Only when every place is taken, so all of them are chained anew. */
  #grow(): void {
    const places = 2 * this.#heads.length;
    const hashes = new Int32Array(places);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    this.#next = new Int32Array(places);
    this.#heads = new Int32Array(places).fill(NONE);
    for (let place = 0; place < this.#keys.length; place++) this.#chain(place, hashes[place] as number);
  }
}

/** What a holder of such a map needs of it; a Map will do as well. */
export interface Registry<K, V> {
  get(key: K): V | undefined;
  has(key: K): boolean;
  set(key: K, value: V): unknown;
  delete(key: K): boolean;
}
