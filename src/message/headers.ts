/**
 * The header section as an index over the message text: found in one pass, read on demand. RFC 3261 §7.3.
 *
 * A name means the same in any spelling: case, compact form, and white space before the colon make no difference, so
 * that nothing can be smuggled past a rule that names a header.
 */
import {
  COLON,
  CR,
  kinds,
  nextComma,
  QUOTE,
  SP,
  skip,
  skipQuoted,
  skipSpace,
  TAB,
  TOKEN,
  trimEnd,
  trimmed,
} from "./grammar.ts";
import { limits } from "./limits.ts";
import * as names from "./names.ts";
import * as layout from "./row.ts";
import { load, stoppedAt, UsualValues, usualLines } from "./usual.ts";

export interface HeaderLine {
  /** Canonical spelling when we know the name, else as received. */
  readonly name: string;
  /** Lower-case long name. */
  readonly key: string;
  /** Unfolded and trimmed. */
  readonly value: string;
}

export interface Headers {
  raw(name: string): string | undefined;
  rawAll(name: string): readonly string[];
  has(name: string): boolean;
  /** Does `word` stand anywhere in the lines of that name, in any case? It is lower case. */
  mentions(name: string, word: string): boolean;
  /** All lines, or those whose key is `wanted`. */
  entries(wanted?: (key: string) => boolean): readonly HeaderLine[];
}

// Its own names for what is imported: a constant of this file is one for the compiler too.
const { FIRST_ROW, FULL, KIND, KIND_BITS, NAMELESS, TO_BE_NAMED, UNNAMED } = layout;

/** How long the known names are, by their numbers. */
const nameBytes = Uint8Array.from({ length: KIND + 1 }, (_, number) => names.canonical[number]?.length ?? 0);

/** Rows are gathered here and copied out once: growing an array line by line costs more than the search. */
const scratch: number[] = new Array(FULL).fill(0);
const NO_ROWS: number[] = [];

export class HeaderIndex implements Headers {
  text: string;
  /** Where the body begins; at the end of the text when the header section is not closed. */
  bodyStart = 0;
  /** First thing that is wrong with the section. */
  problem: string | undefined = undefined;
  /** The lines cannot be told apart for certain: no answer may quote from them. */
  hopeless = false;
  /** Some line is folded: no value may be read where it stands. */
  folded = false;
  /** The values of the core headers whose first line is a usual one. */
  usual = new UsualValues();
  /** The first Via line holds no list for certain. */
  #usualVia = false;
  /** Via lines behind the first. */
  #moreVias = 0;
  #rows: number[] = NO_ROWS;
  /** Where the line behind the last one begins. */
  #end = 0;
  #named = false;

  /** `at`: where the line behind the start line begins. `loaded`: the text is what `load` was given last. */
  constructor(text: string, at: number, loaded = false) {
    this.text = text;
    if (!loaded) load(text);
    this.#scan(at);
  }

  /** The message ends at `end`: what follows is not part of it. Positions stay as they are. */
  cut(end: number): void {
    this.text = this.text.slice(0, end);
  }

  raw(name: string): string | undefined {
    const row = this.row(name);
    return row === 0 ? undefined : this.value(row);
  }

  rawAll(name: string): readonly string[] {
    const values: string[] = [];
    for (let row = this.row(name); row !== 0; row = this.row(name, row + 1)) values.push(this.value(row));
    return values;
  }

  has(name: string): boolean {
    return this.row(name) !== 0;
  }

  mentions(name: string, word: string): boolean {
    for (let row = this.row(name); row !== 0; row = this.row(name, row + 1)) {
      if (this.value(row).toLowerCase().includes(word)) return true;
    }
    return false;
  }

  entries(wanted?: (key: string) => boolean): readonly HeaderLine[] {
    if (!this.#named) this.#nameAll();
    const rows = this.#rows;
    const lines: HeaderLine[] = [];
    for (let row = FIRST_ROW; row < rows.length; row++) {
      const number = rows[row]! & KIND;
      if (number === NAMELESS) continue;
      const name = number === names.UNKNOWN ? this.#nameAt(row) : names.canonical[number]!;
      const key = number === names.UNKNOWN ? name.toLowerCase() : names.keys[number]!;
      if (wanted === undefined || wanted(key)) lines.push({ name, key, value: this.value(row) });
    }
    return lines;
  }

  /** There is one Via line, and it holds no list. */
  get hasOneVia(): boolean {
    const row = this.first(names.VIA);
    if (row === 0 || this.#moreVias > 0) return false;
    return this.#usualVia || !this.value(row).includes(",");
  }

  /** The row of the first line of a core header, by its number; 0 when it is absent. */
  first(number: number): number {
    return this.#rows[number]!;
  }

  /** The row of the first line of that name at or behind row `from`; 0 when there is none. */
  row(name: string, from = FIRST_ROW): number {
    const number = names.numberOf(name);
    const rows = this.#rows;
    if (number !== names.UNKNOWN && number <= names.LAST_CORE && from === FIRST_ROW) return rows[number]!;
    if (!this.#named && (number > names.LAST_CORE || number === names.UNKNOWN)) this.#nameAll();
    if (number !== names.UNKNOWN) {
      for (let row = from; row < rows.length; row++) if ((rows[row]! & KIND) === number) return row;
      return 0;
    }
    const key = name.toLowerCase();
    for (let row = from; row < rows.length; row++) {
      if ((rows[row]! & KIND) === names.UNKNOWN && this.#nameAt(row).toLowerCase() === key) return row;
    }
    return 0;
  }

  /** Where a row's value begins; of a folded message not all white space is left out. */
  start(row: number): number {
    return skipSpace(this.text, this.#colon(row) + 1, this.lineEnd(row));
  }

  end(row: number): number {
    return trimEnd(this.text, this.start(row), this.lineEnd(row));
  }

  /** Where the CRLF stands that ends the line with its folds. */
  lineEnd(row: number): number {
    const rows = this.#rows;
    return (row + 1 < rows.length ? rows[row + 1]! >> KIND_BITS : this.#end) - 2;
  }

  /** Unfolded: each fold, with the white space around it, has become one space. RFC 3261 §7.3.1. */
  value(row: number): string {
    const colon = this.#colon(row);
    const lineEnd = this.lineEnd(row);
    const start = skipSpace(this.text, colon + 1, lineEnd);
    const text = this.text.slice(start, trimEnd(this.text, start, lineEnd));
    return text.includes("\r") ? unfold(this.text.slice(colon + 1, lineEnd)) : text;
  }

  /** A line without a colon is nameless, so that nobody asks for its value. */
  #colon(row: number): number {
    const start = this.#rows[row]! >> KIND_BITS;
    const behindName = start + nameBytes[this.#rows[row]! & KIND]!;
    // In full and without a space behind it, as nearly always. Behind the first letter of a compact name the name is over.
    const isLong = (kinds[this.text.charCodeAt(start + 1)]! & TOKEN) !== 0;
    return isLong && this.text.charCodeAt(behindName) === COLON ? behindName : this.text.indexOf(":", start);
  }

  #nameAt(row: number): string {
    const start = this.#rows[row]! >> KIND_BITS;
    return this.text.slice(start, skip(TOKEN, this.text, start, this.#colon(row)));
  }

  /** Finds the lines. Each ends with CRLF: an LF without its CR leaves two ideas of where a line ends. */
  #scan(start: number): void {
    const text = this.text;
    let at = start;
    let filled = FIRST_ROW;
    for (let number = 0; number < FIRST_ROW; number++) scratch[number] = 0;
    for (;;) {
      filled = usualLines(text, at, scratch, filled, this.usual);
      at = stoppedAt();
      const lf = text.indexOf("\n", at);
      if (lf < 0) {
        this.#complain("the header section does not end with an empty line");
        this.hopeless ||= at < text.length; // Half a line is left: who knows what it was to say.
        this.bodyStart = text.length;
        break;
      }
      if (text.charCodeAt(lf - 1) !== CR || lf === at) return this.#giveUp(filled, at, "LF alone in the headers");
      if (lf === at + 1) {
        this.bodyStart = lf + 1;
        break;
      }
      const first = text.charCodeAt(at);
      if (first === SP || first === TAB) this.#fold(filled);
      else {
        if (filled === FULL) {
          this.#complain(`over ${limits.headerLines} header lines`);
          return this.#stop(filled, at); // The lines so far can be told, so whoever wrote them hears of it.
        }
        scratch[filled] = (at << KIND_BITS) | this.#kindOf(at, first, lf, filled);
        filled++;
      }
      const lineStart = filled > FIRST_ROW ? scratch[filled - 1]! >> KIND_BITS : start;
      if (lf - lineStart > limits.lineBytes) this.#complain(`a header line of more than ${limits.lineBytes} bytes`);
      at = lf + 1;
    }
    this.#keep(filled, at);
    const nul = text.indexOf("\0");
    if (nul >= 0 && nul < this.bodyStart) this.#checkNuls();
  }

  /** Of a line that is not one of the usual ones. */
  #kindOf(start: number, first: number, end: number, row: number): number {
    const number = names.coreAt(this.text, start, first);
    if (number !== names.UNKNOWN) {
      if (scratch[number] === 0) scratch[number] = row;
      else this.#another(number);
      return number;
    }
    const colon = this.text.indexOf(":", start);
    if (colon >= 0 && colon < end) return UNNAMED;
    this.#complain("a header line without a colon");
    return NAMELESS;
  }

  #fold(filled: number): void {
    this.folded = true;
    if (filled === FIRST_ROW) this.#complain("a continuation line without a line before it");
  }

  /** From here on, from `at`, nothing can be told for certain. */
  #giveUp(filled: number, at: number, problem: string): void {
    this.#complain(problem);
    this.hopeless = true;
    this.#stop(filled, at);
  }

  /** No line is looked at from here on, from `at`, and there is no body. */
  #stop(filled: number, at: number): void {
    this.#keep(filled, at);
    this.bodyStart = this.text.length;
  }

  /** Takes what was gathered; the last line ends before `end`. */
  #keep(filled: number, end: number): void {
    this.#rows = scratch.slice(0, filled);
    this.#end = end;
    if (this.folded) this.usual = new UsualValues();
    this.#usualVia = this.usual.via !== undefined;
  }

  /** All core headers but Via and Contact may stand only once: RFC 3261 §7.3.1. */
  #another(number: number): void {
    if (number === names.CONTACT) return;
    if (number !== names.VIA) return this.#complain(`more than one ${names.canonical[number]}`);
    if (++this.#moreVias === limits.viaCount) this.#complain(`over ${limits.viaCount} Via lines`);
  }

  /** Names the lines that were not asked for until now. */
  #nameAll(): void {
    this.#named = true;
    const rows = this.#rows;
    for (let row = FIRST_ROW; row < rows.length; row++) {
      const kind = rows[row]! & KIND;
      if (kind === TO_BE_NAMED) {
        const start = rows[row]! >> KIND_BITS;
        rows[row] = (start << KIND_BITS) | names.numberAt(this.text, start, this.text.indexOf(":", start));
      } else if (kind === UNNAMED) this.#name(row);
    }
  }

  #name(row: number): void {
    const text = this.text;
    const rows = this.#rows;
    const start = rows[row]! >> KIND_BITS;
    const colon = this.#colon(row);
    const nameEnd = skip(TOKEN, text, start, colon);
    const isName = nameEnd > start && skipSpace(text, nameEnd, colon) === colon;
    rows[row] = (start << KIND_BITS) | (isName ? names.numberAt(text, start, nameEnd) : NAMELESS);
  }

  /** NUL may stand only behind a backslash in a quoted string: RFC 3261 §25.1 quoted-pair, RFC 4475 §3.1.1.2. */
  #checkNuls(): void {
    for (let row = FIRST_ROW; row < this.#rows.length; row++) {
      if (!hasLooseNul(this.text, this.#rows[row]! >> KIND_BITS, this.lineEnd(row))) continue;
      this.#complain("NUL in a header");
      this.hopeless = true;
      return;
    }
  }

  #complain(problem: string): void {
    this.problem ??= problem;
  }
}

/** A CR alone, which no core header lets pass, becomes a space as well: it must never begin a line elsewhere. */
const unfold = (text: string): string => trimmed(text.replace(/\r(?:\n[ \t]+)?/g, " "));

function hasLooseNul(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === 0) return true;
    if (code !== QUOTE) continue;
    const after = skipQuoted(text, at, end);
    if (after > 0) at = after - 1;
  }
  return false;
}

/** The values of one header line, cut at its commas. */
export function splitList(text: string): string[] {
  const values: string[] = [];
  for (let start = 0; start <= text.length; ) {
    const comma = nextComma(text, start, text.length);
    const value = trimmed(text.slice(start, comma));
    if (value !== "") values.push(value); // RFC 3261 allows no empty element, and none is worth a refusal.
    start = comma + 1;
  }
  return values;
}
