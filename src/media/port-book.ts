/**
 * The media ports of one address of a realm, in pairs: an even port for RTP and the odd one after it for RTCP
 * (RFC 3550 §11). The pair that has been free longest is next, so that late packets of an ended call meet nobody; the
 * first order is shuffled, so that the next port cannot be guessed.
 */
import { assert, below, type Random } from "../base/index.ts";

export class PortBook {
  #firstRtpPort: number;
  /** Free pairs, oldest first, as a ring. */
  #ring: Uint16Array;
  #head = 0;
  #free: number;
  /** By number of pair: 1 while it is out. */
  #taken: Uint8Array;

  /** Ports `firstPort` to `lastPort`, both included. */
  constructor(firstPort: number, lastPort: number, random: Random) {
    this.#firstRtpPort = evenFrom(firstPort);
    this.#taken = new Uint8Array(pairsIn(firstPort, lastPort));
    this.#ring = shuffled(this.#taken, random);
    this.#free = this.#ring.length;
  }

  /** Pairs that are out. */
  get inUse(): number {
    return this.#taken.length - this.#free;
  }

  /** Is this port, even or odd, one of a pair that is out? */
  isOut(port: number): boolean {
    return this.#taken[Math.floor((port - this.#firstRtpPort) / 2)] === 1;
  }

  /** The RTP port of a pair; `undefined` when all are out. */
  reserve(): number | undefined {
    if (this.#free === 0) return undefined;
    const pair = this.#ring[this.#head] as number;
    this.#head = this.#head + 1 === this.#ring.length ? 0 : this.#head + 1;
    this.#free--;
    this.#taken[pair] = 1;
    return this.#firstRtpPort + 2 * pair;
  }

  /** A port that a reload took out of the range is forgotten. */
  release(rtpPort: number): void {
    const pair = (rtpPort - this.#firstRtpPort) / 2;
    if (pair < 0 || pair >= this.#taken.length) return;
    assert(this.#taken[pair] === 1, "a media port is released once");
    this.#taken[pair] = 0;
    let tail = this.#head + this.#free;
    if (tail >= this.#ring.length) tail -= this.#ring.length;
    this.#ring[tail] = pair;
    this.#free++;
  }

  /** A reload changed the range: pairs that are out and inside it stay out. */
  resize(firstPort: number, lastPort: number, random: Random): void {
    const firstRtpPort = evenFrom(firstPort);
    const taken = new Uint8Array(pairsIn(firstPort, lastPort));
    if (firstRtpPort === this.#firstRtpPort && taken.length === this.#taken.length) return;
    const shift = (this.#firstRtpPort - firstRtpPort) / 2;
    for (const [pair, out] of this.#taken.entries()) {
      const now = pair + shift;
      if (out === 1 && now >= 0 && now < taken.length) taken[now] = 1;
    }
    this.#firstRtpPort = firstRtpPort;
    this.#taken = taken;
    const free = shuffled(taken, random);
    this.#ring = new Uint16Array(taken.length);
    this.#ring.set(free);
    this.#head = 0;
    this.#free = free.length;
  }
}

const evenFrom = (firstPort: number): number => firstPort + (firstPort & 1);

const pairsIn = (firstPort: number, lastPort: number): number =>
  Math.max(0, Math.floor((lastPort - evenFrom(firstPort) + 1) / 2));

/** The pairs that are not taken, in an order nobody can guess. */
function shuffled(taken: Uint8Array, random: Random): Uint16Array<ArrayBuffer> {
  const order = new Uint16Array(taken.length);
  let count = 0;
  for (let pair = 0; pair < taken.length; pair++) {
    if (taken[pair] === 1) continue;
    const other = below(random, count + 1);
    order[count++] = order[other] as number;
    order[other] = pair;
  }
  return order.slice(0, count);
}
