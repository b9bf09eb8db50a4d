/**
 * A Map for what comes and goes with every call. The engine's Map makes a new table after as many additions as it has
 * room for, and chains the old one to it; a chain that has reached the old generation keeps every table, and every call
 * that stood in one, from the cheap collections. A small map does so every few calls. This one holds ballast, so that
 * its table is large and lasts for thousands of changes.
 */
export class SteadyMap<K, V> {
  readonly #map = new Map<K | object, V>();

  constructor() {
    for (const ballast of BALLAST) this.#map.set(ballast, undefined as V);
  }

  get size(): number {
    return this.#map.size - BALLAST.length;
  }

  get(key: K): V | undefined {
    return this.#map.get(key);
  }

  has(key: K): boolean {
    return this.#map.has(key);
  }

  set(key: K, value: V): void {
    this.#map.set(key, value);
  }

  delete(key: K): boolean {
    return this.#map.delete(key);
  }

  /** In the order in which they came. Walks over the ballast: not for what happens with every message. */
  values(): IteratorObject<V> {
    return this.#map.values().drop(BALLAST.length);
  }
}

/** It came first and never goes, so it stands before everything else. */
const BALLAST: readonly object[] = Array.from({ length: 1_024 }, () => ({}));

/** What a holder of such a map needs of it; a Map will do as well. */
export interface Registry<K, V> {
  get(key: K): V | undefined;
  has(key: K): boolean;
  set(key: K, value: V): unknown;
  delete(key: K): boolean;
}
