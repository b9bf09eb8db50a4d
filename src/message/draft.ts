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
  /** Names and values in turn. */
  readonly #lines: string[] = [];

  protected abstract startLine(): string;

  add(name: string, value: string): this {
    check(name, value);
    this.#lines.push(name, value);
    return this;
  }

  prepend(name: string, value: string): this {
    check(name, value);
    this.#lines.unshift(name, value);
    return this;
  }

  /** The first line of that name gets the value and the others go; a new one goes to the end. */
  set(name: string, value: string): this {
    const first = this.#find(name);
    if (first < 0) return this.add(name, value);
    check(name, value);
    this.#lines[first + 1] = value;
    for (let at = this.#find(name, first + 2); at >= 0; at = this.#find(name, at)) this.#drop(at);
    return this;
  }

  remove(name: string): this {
    for (let at = this.#find(name); at >= 0; at = this.#find(name, at)) this.#drop(at);
    return this;
  }

  /** The first line's value. */
  get(name: string): string | undefined {
    const at = this.#find(name);
    return at < 0 ? undefined : this.#lines[at + 1];
  }

  protected takeLines(other: Draft): void {
    this.#lines.push(...other.#lines);
    this.body = other.body;
  }

  toText(): string {
    const lines = this.#lines;
    let text = this.startLine();
    // From left to right: a line of its own would be one more joint in the text.
    for (let at = 0; at < lines.length; at += 2) text = `${text}${lines[at]}: ${lines[at + 1]}\r\n`;
    return `${text}Content-Length: ${this.body.length}\r\n\r\n${this.body}`;
  }

  #find(name: string, from = 0): number {
    const key = names.keyOf(name);
    for (let at = from; at < this.#lines.length; at += 2) {
      const other = this.#lines[at]!;
      if (other === name || names.keyOf(other) === key) return at;
    }
    return -1;
  }

  #drop(at: number): void {
    this.#lines.splice(at, 2);
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

  protected startLine(): string {
    assert(isToken(this.method), "a draft's method is a token");
    assert(this.uri !== "" && !/[\0-\x20]/.test(this.uri), "a draft's URI has no white space");
    return `${this.method} ${this.uri} SIP/2.0\r\n`;
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
    return `SIP/2.0 ${this.status} ${this.reason}\r\n`;
  }
}

function check(name: string, value: string): void {
  const number = names.numberOf(name);
  if (number === names.CONTENT_LENGTH) assert(false, "Content-Length is written by toText");
  if (number === names.UNKNOWN) assert(isToken(name), "a header name is a token");
  if (!isOneLine(value)) assert(false, "a header value is one line");
}

const isOneLine = (text: string): boolean => text.indexOf("\n") < 0 && text.indexOf("\r") < 0;
