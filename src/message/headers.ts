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
  LF,
  nextComma,
  QUOTE,
  SP,
  skip,
  skipQuoted,
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

/** Numbers per line in `rows`: what it is, where its name, its value and its value's end stand. */
const ROW = 4;
const FOLDED = 0x100;
const NUMBER = 0xff;

/** Lines are gathered here and copied out once: growing an array line by line costs more than the search. */
const scratch: number[] = new Array(ROW * limits.headerLines).fill(0);

export class HeaderIndex implements Headers {
  text: string;
  /** Where the body begins; behind the last line when the header section is not closed. */
  bodyStart = 0;
  /** First thing that is wrong with the section. Lines that are wrong are not in the index. */
  problem: string | undefined;
  /** The lines cannot be told apart for certain: no answer may quote from them. */
  hopeless = false;
  /** The header section ended with an empty line. */
  closed = false;
  /** Rows of the first line of each; -1 when absent. */
  via = -1;
  viaCount = 0;
  from = -1;
  to = -1;
  callId = -1;
  cseq = -1;
  maxForwards = -1;
  contentLength = -1;
  contact = -1;
  #rows: number[] = [];

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
    const lines: HeaderLine[] = [];
    for (let row = 0; row < this.#rows.length; row += ROW) {
      const number = this.#rows[row]! & NUMBER;
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
    if (number !== names.UNKNOWN) {
      for (let row = from; row < rows.length; row += ROW) if ((rows[row]! & NUMBER) === number) return row;
      return -1;
    }
    const key = name.toLowerCase();
    for (let row = from; row < rows.length; row += ROW) {
      if ((rows[row]! & NUMBER) === names.UNKNOWN && this.#nameAt(row).toLowerCase() === key) return row;
    }
    return -1;
  }

  nextRow(name: string, row: number): number {
    return this.row(name, row + ROW);
  }

  isFolded(row: number): boolean {
    return (this.#rows[row]! & FOLDED) !== 0;
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
    return this.isFolded(row) ? unfold(text) : text;
  }

  #nameAt(row: number): string {
    const start = this.#rows[row + 1]!;
    return this.text.slice(start, skip(TOKEN, this.text, start, this.#rows[row + 2]!));
  }

  #scan(at: number): void {
    const text = this.text;
    const end = this.#sectionEnd(at);
    let filled = 0;
    let lineStart = at;
    while (at < end) {
      const first = text.charCodeAt(at);
      const folded = first === SP || first === TAB;
      let value = at;
      if (!folded) {
        if (filled === ROW * limits.headerLines)
          return this.#giveUp(filled, `more than ${limits.headerLines} header lines`);
        lineStart = at;
        value = this.#name(at, filled);
      }
      const stop = plainEnd(text, value < 0 ? at : value);
      if (stop + 1 >= end || text.charCodeAt(stop) !== CR || text.charCodeAt(stop + 1) !== LF)
        return this.#giveUp(filled, "CR, LF or NUL alone in the headers");
      if (stop - lineStart > limits.lineBytes) this.#complain(`a header line of more than ${limits.lineBytes} bytes`);
      if (folded) this.#fold(at, stop, filled);
      else if (value >= 0) {
        scratch[filled + 3] = trimEnd(text, value, stop);
        filled += ROW;
      }
      at = stop + 2;
    }
    this.#rows = scratch.slice(0, filled);
  }

  /** Where the last header line ends. All lines before it end with CRLF, so that a search for line ends needs no bound. */
  #sectionEnd(at: number): number {
    // The line before the first header has a CRLF of its own: with one more behind it, there are no headers at all.
    const from = at >= 2 ? at - 2 : at;
    const empty = this.text.startsWith("\r\n", at);
    const close = empty ? from : this.text.indexOf("\r\n\r\n", from);
    if (close >= 0) {
      this.closed = true;
      this.bodyStart = empty ? at + 2 : close + 4;
      return empty ? at : close + 2;
    }
    this.#complain("the header section does not end with an empty line");
    this.bodyStart = this.text.length;
    const end = this.text.lastIndexOf("\r\n") + 2;
    if (end < this.text.length) this.hopeless = true; // Half a line is left: who knows what it was to say.
    return Math.max(end, 0);
  }

  /** Notes a line's name and where its value begins; returns the latter, or -1 when the line has no name and colon. */
  #name(start: number, filled: number): number {
    const text = this.text;
    let at = start;
    let code = text.charCodeAt(at);
    while ((kinds[code]! & TOKEN) !== 0) code = text.charCodeAt(++at);
    const nameEnd = at;
    while (code === SP || code === TAB) code = text.charCodeAt(++at);
    if (code !== COLON || nameEnd === start) {
      this.#complain("a header line without a name and a colon");
      return -1;
    }
    do code = text.charCodeAt(++at);
    while (code === SP || code === TAB);
    const number = names.numberAt(text, start, nameEnd);
    scratch[filled] = number;
    scratch[filled + 1] = start;
    scratch[filled + 2] = at;
    if (number !== names.UNKNOWN && number <= names.CONTENT_TYPE) this.#core(number, filled);
    return at;
  }

  #fold(start: number, end: number, filled: number): void {
    if (filled === 0) return this.#complain("a continuation line without a line before it");
    scratch[filled - ROW]! |= FOLDED;
    const valueEnd = trimEnd(this.text, start, end);
    if (valueEnd > start) scratch[filled - 1] = valueEnd; // A blank continuation adds nothing.
  }

  /** From here on nothing can be told for certain. */
  #giveUp(filled: number, problem: string): void {
    this.#complain(problem);
    this.hopeless = true;
    this.#rows = scratch.slice(0, filled);
    this.bodyStart = this.text.length;
  }

  /** Headers that every message is asked for. All but Via and Contact may stand only once: RFC 3261 §7.3.1. */
  #core(number: number, row: number): void {
    let doubled = false;
    switch (number) {
      case names.VIA:
        if (this.via < 0) this.via = row;
        if (++this.viaCount > limits.viaCount) this.#complain(`more than ${limits.viaCount} Via lines`);
        return;
      case names.CONTACT:
        if (this.contact < 0) this.contact = row;
        return;
      case names.FROM:
        doubled = this.from >= 0;
        if (!doubled) this.from = row;
        break;
      case names.TO:
        doubled = this.to >= 0;
        if (!doubled) this.to = row;
        break;
      case names.CALL_ID:
        doubled = this.callId >= 0;
        if (!doubled) this.callId = row;
        break;
      case names.CSEQ:
        doubled = this.cseq >= 0;
        if (!doubled) this.cseq = row;
        break;
      case names.MAX_FORWARDS:
        doubled = this.maxForwards >= 0;
        if (!doubled) this.maxForwards = row;
        break;
      case names.CONTENT_LENGTH:
        doubled = this.contentLength >= 0;
        if (!doubled) this.contentLength = row;
        break;
    }
    if (doubled) this.#complain(`more than one ${names.canonical[number]}`);
  }

  #complain(problem: string): void {
    this.problem ??= problem;
  }
}

const unfold = (text: string): string => trimmed(text.replace(/\r\n[ \t]+/g, " "));

/** What may stand in a line: all but CR, LF and NUL. */
const plain = new Uint8Array(256).fill(1);
plain[0] = plain[CR] = plain[LF] = 0;

/**
 * The first CR or LF at or behind `at`, or the first NUL that no backslash in a quoted string allows (RFC 3261 §25.1
 * quoted-pair, RFC 4475 §3.1.1.2). There is a CR ahead, so the search ends.
 */
function plainEnd(text: string, start: number): number {
  let at = start;
  while (plain[text.charCodeAt(at)] === 1) at++;
  return text.charCodeAt(at) === 0 ? behindNul(text, start, at) : at;
}

/** As `plainEnd`, once a NUL was met: quoted strings are passed over whole. */
function behindNul(text: string, start: number, nul: number): number {
  const end = text.indexOf("\r", start);
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === 0 || code === LF) return at;
    if (code !== QUOTE) continue;
    const after = skipQuoted(text, at, end);
    if (after < 0) return nul;
    at = after - 1;
  }
  return end;
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
