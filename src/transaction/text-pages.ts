/**
 * Texts as bytes outside of the collector's heap. They are kept in pages, in lanes: texts that go at about the same time
 * share a page, so that pages come free as a whole and are written anew.
 */

/** Bytes of a page. */
const PAGE = 1 << 18;

/** Limit: characters of a text; none that is longer can be kept. Each may take three bytes. */
export const TEXT_LIMIT = Math.floor(PAGE / 3);

/** Limit: empty pages that are kept for what comes next; others are given back. */
const SPARE_PAGES = 8;

const NONE = -1;

export class TextPages {
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();
  readonly #pages: (Uint8Array | undefined)[] = [];
  /** By page: the texts that stand on it. */
  readonly #texts: number[] = [];
  /** By lane: the page that is being written, and how far it is. */
  readonly #open: number[] = [];
  readonly #ends: number[] = [];
  readonly #spare: number[] = [];
  readonly #returned: number[] = [];
  /** Of the last `put`. */
  written = 0;

  /** Where the text stands from now on; `written` says how many bytes it takes. Needs `text.length <= TEXT_LIMIT`. */
  put(lane: number, text: string): number {
    let page = this.#open[lane] ?? NONE;
    if (page === NONE || !this.#write(page, lane, text)) {
      page = this.#turn(lane);
      this.#write(page, lane, text);
    }
    const at = this.#ends[lane] as number;
    this.#ends[lane] = at + this.written;
    this.#texts[page] = (this.#texts[page] as number) + 1;
    return page * PAGE + at;
  }

  text(place: number, bytes: number): string {
    const at = place % PAGE;
    return this.#decoder.decode((this.#pages[(place - at) / PAGE] as Uint8Array).subarray(at, at + bytes));
  }

  /** Once for each `put`. */
  drop(place: number): void {
    const page = Math.floor(place / PAGE);
    const texts = (this.#texts[page] as number) - 1;
    this.#texts[page] = texts;
    if (texts > 0) return;
    const lane = this.#open.indexOf(page);
    if (lane === NONE) this.#clear(page);
    else this.#ends[lane] = 0;
  }

  /** Bytes of all pages. */
  get bytes(): number {
    return (this.#pages.length - this.#returned.length) * PAGE;
  }

  /** False: it needs more room than is left. */
  #write(page: number, lane: number, text: string): boolean {
    const rest = (this.#pages[page] as Uint8Array).subarray(this.#ends[lane]);
    const { read, written } = this.#encoder.encodeInto(text, rest);
    this.written = written;
    return read === text.length;
  }

  #turn(lane: number): number {
    const full = this.#open[lane] ?? NONE;
    const page = this.#spare.pop() ?? this.#fresh();
    this.#open[lane] = page;
    this.#ends[lane] = 0;
    if (full !== NONE && this.#texts[full] === 0) this.#clear(full);
    return page;
  }

  #fresh(): number {
    const page = this.#returned.pop() ?? this.#pages.length;
    this.#pages[page] = new Uint8Array(PAGE);
    this.#texts[page] = 0;
    return page;
  }

  #clear(page: number): void {
    if (this.#spare.length < SPARE_PAGES) {
      this.#spare.push(page);
      return;
    }
    this.#pages[page] = undefined;
    this.#returned.push(page);
  }
}
