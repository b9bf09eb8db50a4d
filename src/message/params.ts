/** Parameters behind a semicolon: `;name=value;flag`. RFC 3261 §25.1 generic-param, uri-parameter. */
import {
  COMMA,
  EQUALS,
  isToken,
  lower,
  QUOTE,
  quote,
  SEMICOLON,
  skip,
  skipQuoted,
  skipSpace,
  TOKEN,
  unquote,
  VALUE,
} from "./grammar.ts";

export type ParamMap = ReadonlyMap<string, string | undefined>;

export const NO_PARAMS: ParamMap = new Map();

/**
 * Walks over `*( ; name [= value] )` from `at`, which stands on a semicolon, a comma, white space or at the end.
 * Returns where it stopped: at `end`, or on a comma; -1 when something there is no parameter.
 */
export function skipParams(text: string, at: number, end: number): number {
  for (;;) {
    at = skipSpace(text, at, end);
    if (at === end) return end;
    const code = text.charCodeAt(at);
    if (code === COMMA) return at;
    if (code !== SEMICOLON) return -1;
    const name = skipSpace(text, at + 1, end);
    at = skip(TOKEN, text, name, end);
    if (at === name) return -1;
    const equals = skipSpace(text, at, end);
    if (equals === end || text.charCodeAt(equals) !== EQUALS) continue;
    at = skipValue(text, skipSpace(text, equals + 1, end), end);
    if (at < 0) return -1;
  }
}

function skipValue(text: string, at: number, end: number): number {
  if (at < end && text.charCodeAt(at) === QUOTE) return skipQuoted(text, at, end);
  const after = skip(VALUE, text, at, end);
  return after === at ? -1 : after;
}

/**
 * Parameters that `skipParams` has accepted, read from where they stand: most messages are only ever asked for one
 * or two of them. Names are lower case, values without quotes; of two with one name the first counts.
 */
export class Params implements ParamMap {
  readonly #text: string;
  readonly #start: number;
  readonly #end: number;
  readonly #plain: boolean;
  #map: Map<string, string | undefined> | undefined = undefined;

  /** `plain`: no white space, and nothing in quotes: every semicolon begins a parameter. */
  constructor(text: string, start: number, end: number, plain = false) {
    this.#text = text;
    this.#start = start;
    this.#end = end;
    this.#plain = plain;
  }

  get(name: string): string | undefined {
    if (this.#map !== undefined) return this.#map.get(name);
    const at = this.#find(name);
    return at < 0 ? undefined : this.#valueAt(at);
  }

  has(name: string): boolean {
    return this.#map !== undefined ? this.#map.has(name) : this.#find(name) >= 0;
  }

  get size(): number {
    return this.#all().size;
  }

  forEach(visit: (value: string | undefined, name: string, map: ParamMap) => void): void {
    for (const [name, value] of this.#all()) visit(value, name, this);
  }

  entries(): MapIterator<[string, string | undefined]> {
    return this.#all().entries();
  }

  keys(): MapIterator<string> {
    return this.#all().keys();
  }

  values(): MapIterator<string | undefined> {
    return this.#all().values();
  }

  [Symbol.iterator](): MapIterator<[string, string | undefined]> {
    return this.#all().entries();
  }

  /** Where the name of the wanted parameter ends; -1 when it is absent. `name` is lower case. */
  #find(name: string): number {
    if (this.#plain) return this.#findPlain(name);
    const text = this.#text;
    const end = this.#end;
    let at = skipSpace(text, this.#start, end);
    while (at < end) {
      const start = skipSpace(text, at + 1, end);
      at = skip(TOKEN, text, start, end);
      if (at - start === name.length && sameName(text, start, name)) return at;
      at = skipSpace(text, this.#afterValue(at), end);
    }
    return -1;
  }

  #findPlain(name: string): number {
    const text = this.#text;
    const end = this.#end;
    for (let at = this.#start; at >= 0 && at < end; at = text.indexOf(";", at + 1)) {
      const nameEnd = at + 1 + name.length;
      if (nameEnd > end || !sameName(text, at + 1, name)) continue;
      if (nameEnd === end) return nameEnd;
      const next = text.charCodeAt(nameEnd);
      if (next === EQUALS || next === SEMICOLON) return nameEnd;
    }
    return -1;
  }

  /** Where the value begins, when there is one behind the name that ends at `at`; else -1. */
  #valueStart(at: number): number {
    const equals = skipSpace(this.#text, at, this.#end);
    if (equals === this.#end || this.#text.charCodeAt(equals) !== EQUALS) return -1;
    return skipSpace(this.#text, equals + 1, this.#end);
  }

  #afterValue(at: number): number {
    const start = this.#valueStart(at);
    return start < 0 ? at : skipValue(this.#text, start, this.#end);
  }

  #valueAt(at: number): string | undefined {
    if (this.#plain) return this.#plainValueAt(at);
    const start = this.#valueStart(at);
    if (start < 0) return undefined;
    const end = skipValue(this.#text, start, this.#end);
    if (this.#text.charCodeAt(start) === QUOTE) return unquote(this.#text, start + 1, end - 1);
    return this.#text.slice(start, end);
  }

  #plainValueAt(at: number): string | undefined {
    if (at === this.#end || this.#text.charCodeAt(at) !== EQUALS) return undefined;
    return this.#text.slice(at + 1, this.#before(";", at));
  }

  #plainNameEnd(start: number): number {
    return Math.min(this.#before("=", start), this.#before(";", start));
  }

  /** Where the next such byte stands; at the end when there is none. */
  #before(byte: string, at: number): number {
    const found = this.#text.indexOf(byte, at);
    return found < 0 || found > this.#end ? this.#end : found;
  }

  #all(): Map<string, string | undefined> {
    if (this.#map !== undefined) return this.#map;
    const map = new Map<string, string | undefined>();
    const end = this.#end;
    let at = this.#plain ? this.#start : skipSpace(this.#text, this.#start, end);
    while (at < end) {
      const start = this.#plain ? at + 1 : skipSpace(this.#text, at + 1, end);
      const nameEnd = this.#plain ? this.#plainNameEnd(start) : skip(TOKEN, this.#text, start, end);
      const name = this.#text.slice(start, nameEnd).toLowerCase();
      if (!map.has(name)) map.set(name, this.#valueAt(nameEnd));
      at = this.#plain ? this.#before(";", nameEnd) : skipSpace(this.#text, this.#afterValue(nameEnd), end);
    }
    this.#map = map;
    return map;
  }
}

function sameName(text: string, start: number, name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    if (lower[text.charCodeAt(start + at)] !== name.charCodeAt(at)) return false;
  }
  return true;
}

/** The parameters of the whole range; `undefined` when it is not made of parameters alone. */
export function readParams(text: string, start: number, end: number): ParamMap | undefined {
  if (start === end) return NO_PARAMS;
  return skipParams(text, start, end) === end ? new Params(text, start, end) : undefined;
}

/** Values that are no tokens (nor hosts with ports) are put in quotes. */
export function formatParams(params: ParamMap): string {
  if (params === NO_PARAMS) return "";
  let text = "";
  for (const [name, value] of params) text += value === undefined ? `;${name}` : `;${name}=${paramValue(value)}`;
  return text;
}

const paramValue = (value: string): string => (isToken(value) || HOST_AND_PORT.test(value) ? value : quote(value));

const HOST_AND_PORT = /^[\w.:[\]-]+$/;
