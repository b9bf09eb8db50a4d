/**
 * The last texts as bytes outside of the heap: as strings they would live just long enough for the collector to copy
 * each of them twice and then to find them dead among the old.
 *
 * A few wait until they are encoded, one after the other: that costs a fraction of what it costs between two messages.
 *
 * Limit: `bytes` in all and `texts` by number; the oldest are forgotten for the newest. Of a text of more than a quarter
 * of the bytes only the beginning is held.
 */
/** Limit: texts that wait. */
const WAITING = 32;

export class TextRing {
  /** The ring, and behind its end the desk where a text is written before its place is known. */
  readonly #bytes: Uint8Array;
  readonly #desk: Uint8Array;
  readonly #size: number;
  /** By number: where each begins, counted on and on as if the ring had no end, and how many bytes it has. */
  readonly #starts: Float64Array;
  readonly #lengths: Uint32Array;
  readonly #encoder = new TextEncoder();
  readonly #waiting: string[] = new Array<string>(WAITING).fill("");
  #waits = 0;
  /** Where the next one begins. */
  #end = 0;
  /** Those that are encoded. */
  #count = 0;
  #oldest = 0;

  constructor(bytes: number, texts: number) {
    this.#size = bytes;
    this.#bytes = new Uint8Array(bytes + (bytes >> 2));
    this.#desk = this.#bytes.subarray(bytes);
    this.#starts = new Float64Array(texts);
    this.#lengths = new Uint32Array(texts);
  }

  /** The numbers of the oldest that is held and of the next that will come. */
  get oldest(): number {
    this.#settle();
    return this.#oldest;
  }

  get count(): number {
    return this.#count + this.#waits;
  }

  /** Where columns of others keep what belongs to this number. */
  indexOf(number: number): number {
    return number % this.#starts.length;
  }

  add(text: string): void {
    this.#waiting[this.#waits++] = text;
    if (this.#waits === WAITING) this.#settle();
  }

  /** One that is held still. */
  text(number: number): string {
    this.#settle();
    const index = this.indexOf(number);
    const at = (this.#starts[index] as number) % this.#size;
    return new TextDecoder().decode(this.#bytes.subarray(at, at + (this.#lengths[index] as number)));
  }

  #settle(): void {
    const waits = this.#waits;
    this.#waits = 0;
    for (let i = 0; i < waits; i++) {
      this.#encode(this.#waiting[i] as string);
      this.#waiting[i] = "";
    }
  }

  #encode(text: string): void {
    const { written } = this.#encoder.encodeInto(text, this.#desk);
    const size = this.#size;
    let at = this.#end % size;
    if (at + written > size) {
      this.#end += size - at; // A text stands in one piece.
      at = 0;
    }
    const starts = this.#starts;
    const first = this.#end + written - size;
    while (this.#oldest < this.#count && (starts[this.indexOf(this.#oldest)] as number) < first) this.#oldest++;
    if (this.#count - this.#oldest === starts.length) this.#oldest++;
    this.#bytes.copyWithin(at, size, size + written);
    const index = this.indexOf(this.#count++);
    starts[index] = this.#end;
    this.#lengths[index] = written;
    this.#end += written;
  }
}
