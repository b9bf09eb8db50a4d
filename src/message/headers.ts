/**
 * The header section as an index over the message text: found in one pass, read on demand. RFC 3261 §7.3.
 *
 * A name means the same in any spelling: case, compact form, and white space before the colon make no difference, so
 * that nothing can be smuggled past a rule that names a header.
 */
import {
  COLON,
  CR,
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
  entries(): readonly HeaderLine[];
}

/** Numbers per line in `rows`: what it is, where the line, its value and its value's end stand. */
const ROW = 4;
/** The line has not been named yet: only what every message is asked for is named at once. */
const UNNAMED = -1;
/** The line's name is no name: the line does not exist for anybody. */
const NAMELESS = -2;

/** Lines are gathered here and copied out once: growing an array line by line costs more than the search. */
const scratch: number[] = new Array(ROW * limits.headerLines).fill(0);

/** The first row of each core header, by its number; -1 when there is none. */
const firstRows: number[] = new Array(names.LAST_CORE + 1).fill(-1);

export class HeaderIndex implements Headers {
  text: string;
  /** Where the body begins; at the end of the text when the header section is not closed. */
  bodyStart = 0;
  /** First thing that is wrong with the section. */
  problem: string | undefined;
  /** The lines cannot be told apart for certain: no answer may quote from them. */
  hopeless = false;
  /** Rows of the first line of each; -1 when absent. */
  via = -1;
  from = -1;
  to = -1;
  callId = -1;
  cseq = -1;
  maxForwards = -1;
  contentLength = -1;
  contact = -1;
  /** Some line is folded: no value may be read where it stands. */
  folded = false;
  #viaCount = 0;
  #rows: number[] = [];
  #named = false;

  /** `at`: where the line behind the start line begins. */
  constructor(text: string, at: number) {
    this.text = text;
    this.#scan(at);
  }

  /** The message ends at `end`: what follows is not part of it. Positions stay as they are. */
  cut(end: number): void {
    this.text = this.text.slice(0, end);
  }

  raw(name: string): string | undefined {
    const row = this.row(name);
    return row < 0 ? undefined : this.value(row);
  }

  rawAll(name: string): readonly string[] {
    const values: string[] = [];
    for (let row = this.row(name); row >= 0; row = this.row(name, row + ROW)) values.push(this.value(row));
    return values;
  }

  has(name: string): boolean {
    return this.row(name) >= 0;
  }

  entries(): readonly HeaderLine[] {
    if (!this.#named) this.#nameAll();
    const rows = this.#rows;
    const lines: HeaderLine[] = [];
    for (let row = 0; row < rows.length; row += ROW) {
      const number = rows[row]!;
      if (number === NAMELESS) continue;
      const name = number === names.UNKNOWN ? this.#nameAt(row) : names.canonical[number]!;
      const key = number === names.UNKNOWN ? name.toLowerCase() : names.keys[number]!;
      lines.push({ name, key, value: this.value(row) });
    }
    return lines;
  }

  /** The row of the first line of that name at or behind row `from`; -1 when there is none. */
  row(name: string, from = 0): number {
    const number = names.numberOf(name);
    const rows = this.#rows;
    if (!this.#named && (number > names.LAST_CORE || number === names.UNKNOWN)) this.#nameAll();
    if (number !== names.UNKNOWN) {
      for (let row = from; row < rows.length; row += ROW) if (rows[row] === number) return row;
      return -1;
    }
    const key = name.toLowerCase();
    for (let row = from; row < rows.length; row += ROW) {
      if (rows[row] === names.UNKNOWN && this.#nameAt(row).toLowerCase() === key) return row;
    }
    return -1;
  }

  start(row: number): number {
    return this.#rows[row + 2]!;
  }

  end(row: number): number {
    return this.#rows[row + 3]!;
  }

  /** Unfolded: each fold, with the white space around it, has become one space. RFC 3261 §7.3.1. */
  value(row: number): string {
    const text = this.text.slice(this.#rows[row + 2]!, this.#rows[row + 3]!);
    return text.includes("\r") ? unfold(text) : text;
  }

  #nameAt(row: number): string {
    const start = this.#rows[row + 1]!;
    return this.text.slice(start, skip(TOKEN, this.text, start, this.#rows[row + 2]!));
  }

  /** Finds the lines. Each ends with CRLF: an LF without its CR leaves two ideas of where a line ends. */
  #scan(at: number): void {
    const text = this.text;
    let filled = 0;
    let lineStart = at;
    for (let number = names.VIA; number <= names.LAST_CORE; number++) firstRows[number] = -1;
    for (;;) {
      const lf = text.indexOf("\n", at);
      if (lf < 0) {
        this.#complain("the header section does not end with an empty line");
        this.hopeless ||= at < text.length; // Half a line is left: who knows what it was to say.
        this.bodyStart = text.length;
        break;
      }
      if (text.charCodeAt(lf - 1) !== CR || lf === at) return this.#giveUp(filled, "LF alone in the headers");
      if (lf === at + 1) {
        this.bodyStart = lf + 1;
        break;
      }
      const first = text.charCodeAt(at);
      if (first === SP || first === TAB) this.#fold(at, lf - 1, filled);
      else {
        if (filled === ROW * limits.headerLines) return this.#giveUp(filled, `over ${limits.headerLines} header lines`);
        this.#line(at, lf - 1, filled, names.coreAt(text, at, first));
        filled += ROW;
        lineStart = at;
      }
      if (lf - lineStart > limits.lineBytes) this.#complain(`a header line of more than ${limits.lineBytes} bytes`);
      at = lf + 1;
    }
    this.#keep(filled);
    const nul = text.indexOf("\0");
    if (nul >= 0 && nul < this.bodyStart) this.#checkNuls();
  }

  /** Notes a line; `number` is given for a core header. */
  #line(start: number, end: number, filled: number, number: number): void {
    const text = this.text;
    scratch[filled] = UNNAMED;
    scratch[filled + 1] = start;
    scratch[filled + 2] = start;
    scratch[filled + 3] = end;
    if (number !== names.UNKNOWN) {
      const behind = names.colonAt() + 1;
      // One space and then the value: so nearly everybody writes it.
      const usual = text.charCodeAt(behind) === SP && text.charCodeAt(behind + 1) > SP;
      const value = usual ? behind + 1 : skipSpace(text, behind, end);
      scratch[filled] = number;
      scratch[filled + 2] = value;
      scratch[filled + 3] = trimEnd(text, value, end);
      this.#core(number, filled);
      return;
    }
    const colon = text.indexOf(":", start);
    if (colon < 0 || colon > end) this.#complain("a header line without a colon");
  }

  #fold(start: number, end: number, filled: number): void {
    this.folded = true;
    if (filled === 0) return this.#complain("a continuation line without a line before it");
    const valueEnd = trimEnd(this.text, start, end);
    if (valueEnd > start) scratch[filled - 1] = valueEnd; // A blank continuation adds nothing.
  }

  /** From here on nothing can be told for certain. */
  #giveUp(filled: number, problem: string): void {
    this.#complain(problem);
    this.hopeless = true;
    this.#keep(filled);
    this.bodyStart = this.text.length;
  }

  /** Takes what was gathered. */
  #keep(filled: number): void {
    this.#rows = scratch.slice(0, filled);
    this.via = firstRows[names.VIA]!;
    this.from = firstRows[names.FROM]!;
    this.to = firstRows[names.TO]!;
    this.callId = firstRows[names.CALL_ID]!;
    this.cseq = firstRows[names.CSEQ]!;
    this.maxForwards = firstRows[names.MAX_FORWARDS]!;
    this.contentLength = firstRows[names.CONTENT_LENGTH]!;
    this.contact = firstRows[names.CONTACT]!;
  }

  /** Headers that every message is asked for. All but Via and Contact may stand only once: RFC 3261 §7.3.1. */
  #core(number: number, row: number): void {
    if (number === names.VIA && ++this.#viaCount > limits.viaCount) this.#complain(`over ${limits.viaCount} Via lines`);
    if (firstRows[number] === -1) firstRows[number] = row;
    else if (number !== names.VIA && number !== names.CONTACT)
      this.#complain(`more than one ${names.canonical[number]}`);
  }

  /** Names the lines that were not asked for until now. */
  #nameAll(): void {
    this.#named = true;
    const rows = this.#rows;
    for (let row = 0; row < rows.length; row += ROW) if (rows[row] === UNNAMED) this.#name(row);
  }

  #name(row: number): void {
    const text = this.text;
    const rows = this.#rows;
    const start = rows[row + 1]!;
    const end = rows[row + 3]!;
    const nameEnd = skip(TOKEN, text, start, end);
    const colon = skipSpace(text, nameEnd, end);
    const value = skipSpace(text, colon + 1, end);
    const isName = nameEnd > start && text.charCodeAt(colon) === COLON;
    rows[row] = isName ? names.numberAt(text, start, nameEnd) : NAMELESS;
    rows[row + 2] = value;
    rows[row + 3] = trimEnd(text, value, end);
  }

  /** NUL may stand only behind a backslash in a quoted string: RFC 3261 §25.1 quoted-pair, RFC 4475 §3.1.1.2. */
  #checkNuls(): void {
    for (let row = 0; row < this.#rows.length; row += ROW) {
      if (!hasLooseNul(this.text, this.start(row), this.end(row))) continue;
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
