/**
 * Writes into a request's top Via where the request really came from, before anybody reads it: `received`
 * (RFC 3261 §18.2.1) and the value of `rport` (RFC 3581 §4). Works on the text, so that the message is parsed once.
 * What is broken is left as it is: the parser will say so.
 */
import { type Address, hostText } from "../base/index.ts";

const TAB = 0x09;
const CR = 0x0d;
const LF = 0x0a;
const SP = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

/** Limit: header lines looked through for the first Via; behind them the request stays as it is. */
const LINES = 256;

/** Where the two parameters stand in the text: behind the name, and behind the value if there is one. */
interface Found {
  end: number;
  rportName: number;
  rportEnd: number;
  receivedName: number;
  receivedEnd: number;
}

export function stampVia(text: string, remote: Address): string {
  const start = topVia(text);
  if (start < 0) return text;
  const found = scan(text, start);
  const hasRport = found.rportName >= 0;
  if (!hasRport && found.receivedName < 0 && sentByIs(text, start, hostText(remote.ip))) return text;

  const received = `=${remote.ip}`;
  const atEnd = found.receivedName < 0 ? `;received${received}` : "";
  const tail = atEnd + text.slice(found.end);
  const rport = { from: found.rportName, to: found.rportEnd, with: `=${remote.port}` };
  const source = { from: found.receivedName, to: found.receivedEnd, with: received };
  const [first, second] = rport.from <= source.from ? [rport, source] : [source, rport];
  let head = "";
  let at = 0;
  for (const edit of [first, second]) {
    if (edit.from < 0) continue;
    head += text.slice(at, edit.from) + edit.with;
    at = edit.to;
  }
  return head + text.slice(at, found.end) + tail;
}

/** Where the value of the first Via line begins; -1 when there is none. */
function topVia(text: string): number {
  let at = 0;
  while (text.charCodeAt(at) === CR || text.charCodeAt(at) === LF) at++; // RFC 3261 §7.5.
  at = text.indexOf("\n", at) + 1;
  for (let line = 0; at > 0 && line < LINES; line++) {
    const first = text.charCodeAt(at) | 0x20;
    if (first === 0x76) {
      let colon = at + 1;
      if ((text.charCodeAt(at + 1) | 0x20) === 0x69 && (text.charCodeAt(at + 2) | 0x20) === 0x61) colon = at + 3;
      colon = skipSpace(text, colon);
      if (text.charCodeAt(colon) === COLON) return colon + 1;
    } else if (text.charCodeAt(at) === CR || text.charCodeAt(at) === LF) return -1;
    at = text.indexOf("\n", at) + 1;
  }
  return -1;
}

/** Finds the end of the first value and the parameters in it. */
function scan(text: string, start: number): Found {
  const found: Found = { end: text.length, rportName: -1, rportEnd: -1, receivedName: -1, receivedEnd: -1 };
  let at = start;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = closingQuote(text, at);
    else if (code === COMMA || lineEndsAt(text, at, code)) break;
    else if (code === SEMICOLON) note(text, at + 1, found);
  }
  while (at > start && isSpace(text.charCodeAt(at - 1))) at--;
  found.end = at;
  return found;
}

/** The line ends here unless the next one is folded. */
function lineEndsAt(text: string, at: number, code: number): boolean {
  if (code !== CR && code !== LF) return false;
  const next = code === CR && text.charCodeAt(at + 1) === LF ? at + 2 : at + 1;
  return !(text.charCodeAt(next) === SP || text.charCodeAt(next) === TAB);
}

/** Of two parameters with one name the first counts, as it does for the parser. */
function note(text: string, from: number, found: Found): void {
  const name = skipFolds(text, from);
  if (found.rportName < 0 && isWord(text, name, "rport")) {
    found.rportName = name + 5;
    found.rportEnd = valueEnd(text, name + 5);
  } else if (found.receivedName < 0 && isWord(text, name, "received")) {
    found.receivedName = name + 8;
    found.receivedEnd = valueEnd(text, name + 8);
  }
}

function isWord(text: string, at: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) if ((text.charCodeAt(at + i) | 0x20) !== word.charCodeAt(i)) return false;
  return endsWord(text.charCodeAt(at + word.length));
}

const isSpace = (code: number): boolean => code === SP || code === TAB;

const endsWord = (code: number): boolean =>
  isSpace(code) ||
  code === SEMICOLON ||
  code === EQUALS ||
  code === COMMA ||
  code === CR ||
  code === LF ||
  Number.isNaN(code);

function valueEnd(text: string, at: number): number {
  const equals = skipFolds(text, at);
  if (text.charCodeAt(equals) !== EQUALS) return at;
  let end = skipFolds(text, equals + 1);
  if (text.charCodeAt(end) === QUOTE) return Math.min(closingQuote(text, end) + 1, text.length);
  while (!endsWord(text.charCodeAt(end)) || text.charCodeAt(end) === EQUALS) end++;
  return end;
}

/** The position of the closing quote, or the end of the text. */
function closingQuote(text: string, at: number): number {
  for (at++; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) at++;
    else if (code === QUOTE) return at;
  }
  return text.length;
}

function skipSpace(text: string, at: number): number {
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

/** White space inside a value, which may go over to the next line. RFC 3261 §7.3.1. */
function skipFolds(text: string, at: number): number {
  for (;;) {
    at = skipSpace(text, at);
    if (text.charCodeAt(at) !== CR || lineEndsAt(text, at, CR)) return at;
    at += 2;
  }
}

/** Is the sent-by host the address that the request came from? `SIP/2.0/UDP host:port;…` */
function sentByIs(text: string, start: number, host: string): boolean {
  let at = skipSpace(text, start);
  while (at < text.length && !isSpace(text.charCodeAt(at)) && text.charCodeAt(at) !== CR) at++;
  at = skipSpace(text, at);
  if (!text.startsWith(host, at)) return false;
  const after = text.charCodeAt(at + host.length);
  return after === COLON || endsWord(after);
}
