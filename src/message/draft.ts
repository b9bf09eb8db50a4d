/** Messages on their way out: ordered header lines that become text in one go. */
import { assert } from "../base/index.ts";
import { isToken } from "./grammar.ts";
import * as names from "./names.ts";
import { phraseOf } from "./phrases.ts";

/** Of a request that begins here: RFC 3261 §8.1.1.6. */
export const INITIAL_MAX_FORWARDS = 70;

/**
 * Names may come in any spelling, and go out as they were given. Content-Length belongs to `toText`. A name or value
 * that would break out of its line is our own bug, wherever it came from: whoever read it from a message got it
 * without CR and LF.
 */
abstract class Draft {
  body = "";
  /** Of each line: the number of its name, what stands before its value (with the end of the line above), its value. */
  readonly #numbers: number[] = [];
  readonly #heads: string[] = [];
  readonly #values: string[] = [];

  protected abstract startLine(): string;

  add(name: string, value: string): this {
    const number = checked(name, value);
    this.#numbers.push(number);
    this.#heads.push(headOf(name, number));
    this.#values.push(value);
    return this;
  }

  /** What was read from a message: its header values are lines, so it needs no other look. */
  echo(name: string, value: string): this {
    const number = names.numberOf(name);
    this.#numbers.push(number);
    this.#heads.push(headOf(name, number));
    this.#values.push(value);
    return this;
  }

  prepend(name: string, value: string): this {
    const number = checked(name, value);
    this.#numbers.unshift(number);
    this.#heads.unshift(headOf(name, number));
    this.#values.unshift(value);
    return this;
  }

  /** The first line of that name gets the value and the others go; a new one goes to the end. */
  set(name: string, value: string): this {
    const first = this.#find(name);
    if (first < 0) return this.add(name, value);
    checked(name, value);
    this.#values[first] = value;
    for (let at = this.#find(name, first + 1); at >= 0; at = this.#find(name, at)) this.#drop(at);
    return this;
  }

  remove(name: string): this {
    for (let at = this.#find(name); at >= 0; at = this.#find(name, at)) this.#drop(at);
    return this;
  }

  /** The first line's value. */
  get(name: string): string | undefined {
    const at = this.#find(name);
    return at < 0 ? undefined : this.#values[at];
  }

  protected takeLines(other: Draft): void {
    this.#numbers.push(...other.#numbers);
    this.#heads.push(...other.#heads);
    this.#values.push(...other.#values);
    this.body = other.body;
  }

  toText(): string {
    return this.behind(this.startLine());
  }

  /** `start`: all that stands before the lines. */
  protected behind(start: string): string {
    const heads = this.#heads;
    const values = this.#values;
    let text = start;
    // From left to right: a line of its own would be one more joint in the text.
    for (let at = 0; at < heads.length; at++) text = `${text}${heads[at]}${values[at]}`;
    return `${text}\r\nContent-Length: ${this.body.length}\r\n\r\n${this.body}`;
  }

  #find(name: string, from = 0): number {
    const number = names.numberOf(name);
    if (number !== names.UNKNOWN) return this.#numbers.indexOf(number, from);
    const head = headOf(name, number).toLowerCase();
    return this.#heads.findIndex((other, at) => at >= from && other.toLowerCase() === head);
  }

  #drop(at: number): void {
    this.#numbers.splice(at, 1);
    this.#heads.splice(at, 1);
    this.#values.splice(at, 1);
  }
}

export class RequestDraft extends Draft {
  method: string;
  uri: string;

  constructor(method: string, uri: string) {
    super();
    this.method = method;
    this.uri = uri;
  }

  /** The same to somebody else. */
  copy(uri: string): RequestDraft {
    const draft = new RequestDraft(this.method, uri);
    draft.takeLines(this);
    return draft;
  }

  /** With this Via on top: the draft itself has none, since each way that it goes has its own. */
  toTextBy(via: string): string {
    if (!isOneLine(via)) assert(false, "a header value is one line");
    return this.behind(`${this.startLine()}${usualHeads[names.VIA]}${via}`);
  }

  protected startLine(): string {
    assert(isToken(this.method), "a draft's method is a token");
    assert(this.uri !== "" && !/[\0-\x20]/.test(this.uri), "a draft's URI has no white space");
    return `${this.method} ${this.uri} SIP/2.0`;
  }
}

export class ResponseDraft extends Draft {
  status: number;
  reason: string;

  /** `reason`: the RFC's phrase for the status unless given. */
  constructor(status: number, reason: string = phraseOf(status)) {
    super();
    this.status = status;
    this.reason = reason;
  }

  protected startLine(): string {
    assert(this.status >= 100 && this.status <= 699, "a draft's status is from 100 to 699");
    assert(isOneLine(this.reason), "a draft's reason phrase is one line");
    return `SIP/2.0 ${this.status} ${this.reason}`;
  }
}

/** The number of the name of a line that may be written so. */
function checked(name: string, value: string): number {
  const number = names.numberOf(name);
  if (number === names.CONTENT_LENGTH) assert(false, "Content-Length is written by toText");
  if (number === names.UNKNOWN) assert(isToken(name), "a header name is a token");
  if (!isOneLine(value)) assert(false, "a header value is one line");
  return number;
}

const isOneLine = (text: string): boolean => text.indexOf("\n") < 0 && text.indexOf("\r") < 0;

/** Of the usual spellings, made once. */
const usualHeads = names.canonical.map((name) => `\r\n${name}: `);

const headOf = (name: string, number: number): string =>
  name === names.canonical[number] ? usualHeads[number]! : `\r\n${name}: `;
