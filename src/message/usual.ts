/**
 * What nearly everybody writes, told and checked in one go over the bytes, with the places of its parts kept: request
 * line, the header lines that every message is asked for, and their values. It spares the careful look and is never
 * the only judge: what is not known here gets that look.
 *
 * A byte of an array costs a third of what a char of a string does. There is one array: whoever asks here loads his
 * text first. Constants of this file are constants for the compiler as well, while imported ones are looked up at
 * every use: hence it is one file, and its own names for those of the grammar.
 */
import * as grammar from "./grammar.ts";
import type { CSeqValue } from "./headers/cseq.ts";
import type { NameAddr } from "./headers/name-addr.ts";
import type { ViaValue } from "./headers/via.ts";
import { limits } from "./limits.ts";
import { methodOf } from "./methods.ts";
import * as names from "./names.ts";
import { NO_PARAMS, Params } from "./params.ts";
import * as layout from "./row.ts";
import type { SipUri } from "./uri.ts";

const { kinds, DIGIT, HOST, LOWER_HOST, PLAIN_PARAM, PLAIN_QUOTED, PLAIN_USER, TOKEN, UPPER, URI, VALUE, WORD } =
  grammar;
const { COLON, CR, EQUALS, GREATER, LESS, LF, QUOTE, SEMICOLON, SP } = grammar;
const { CALL_ID, CONTACT, CONTENT_LENGTH, CSEQ, FROM, MAX_FORWARDS, TO, UNKNOWN, VIA } = names;
const { FULL, KIND_BITS, TO_BE_NAMED } = layout;
const AT = 0x40;
const DASH = 0x2d;
const DOT = 0x2e;

/** Limit: so much of a text is loaded, in bytes: more than usual header sections have. What stands behind is not usual. */
const ROOM = 4_096;
/** For `four`, which looks ahead. */
const SPARE = 16;

/**
 * Limit: no usual line or value is longer, in bytes, so that nothing in it (a host, a URI) is over a limit of its own.
 * What is longer gets the careful look.
 */
const USUAL_BYTES = 255;
const METHOD_BYTES = limits.methodBytes;
const LINE_BYTES = limits.lineBytes;

const bytes = Buffer.alloc(ROOM + SPARE);
const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** The kinds that two bytes share, by the number they are for the machine. */
const pairs = new Uint16Array(65_536);
for (let pair = 0; pair < 65_536; pair++) pairs[pair] = kinds[pair >> 8]! & kinds[pair & 255]!;

/** Where the parts of what was seen last stand, in the order of the text. */
const seen = {
  methodEnd: 0,
  displayEnd: 0,
  uriStart: 0,
  uriEnd: 0,
  hostStart: 0,
  hostEnd: 0,
  /** 0: none. */
  port: 0,
  paramsStart: 0,
  digitsEnd: 0,
  lineEnd: 0,
};

/** The text that everything here is about from now on. */
export function load(text: string): void {
  const length = Math.min(text.length, ROOM);
  bytes.write(text, 0, length, "latin1");
  bytes[length] = 0; // It is of no kind and in no word: nothing is found beyond.
}

/** Where the run of `kind` that begins at `at` ends. Two bytes at a time: the guesses at where a loop ends cost most here. */
function run(kind: number, at: number): number {
  while ((pairs[view.getUint16(at, true)]! & kind) !== 0) at += 2;
  return (kinds[bytes[at]!]! & kind) !== 0 ? at + 1 : at;
}

/** The four bytes at `at` as one number. */
const four = (at: number): number => view.getInt32(at, true);

/** The number that `four` gives for these four bytes. */
const asFour = (word: string): number =>
  (word.charCodeAt(3) << 24) | (word.charCodeAt(2) << 16) | (word.charCodeAt(1) << 8) | word.charCodeAt(0);

/** The number that the digits from `start` to `end` say; there are at most nine. */
function digitsBetween(start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = value * 10 + bytes[at]! - 0x30;
  return value;
}

// ---- The lines of a header section

/** The values of usual header lines: the first of each name. */
export class UsualValues {
  via: ViaValue | undefined = undefined;
  from: NameAddr | undefined = undefined;
  to: NameAddr | undefined = undefined;
  callId: string | undefined = undefined;
  cseq: CSeqValue | undefined = undefined;
  contact: NameAddr | "*" | undefined = undefined;
  /** In bytes; -1: no such line. */
  contentLength = -1;
  /** There is such a line. */
  maxForwards = false;
}

/** Where the line begins that `usualLines` has not taken. */
export const stoppedAt = (): number => seen.lineEnd;

/**
 * Takes the lines from `at` on for as long as they are usual: the first of each name that every message is asked for,
 * with its value, and any other that has a name and a colon and is not too long. Their rows go to `rows`, from `filled`
 * on. Gives how far `rows` is filled then.
 */
export function usualLines(text: string, at: number, rows: number[], filled: number, values: UsualValues): number {
  for (; filled < FULL && at < ROOM; filled++) {
    let number = coreLine(text, at, rows, values);
    if (number !== UNKNOWN) rows[number] = filled;
    else {
      number = otherLine(text, at);
      if (number === UNKNOWN) break;
    }
    rows[filled] = (at << KIND_BITS) | number;
    at = seen.lineEnd;
  }
  seen.lineEnd = at;
  return filled;
}

/** TO_BE_NAMED when the line is one that has some other name, and a colon behind it; else UNKNOWN. */
function otherLine(text: string, at: number): number {
  const nameEnd = run(TOKEN, at);
  if (nameEnd === at || bytes[nameEnd] !== COLON || names.coreAt(text, at, bytes[at]!) !== UNKNOWN) return UNKNOWN;
  const lf = text.indexOf("\n", nameEnd);
  if (lf < 0 || text.charCodeAt(lf - 1) !== CR || lf - at > LINE_BYTES) return UNKNOWN;
  seen.lineEnd = lf + 1;
  return TO_BE_NAMED;
}

const VIA_COLON = asFour("Via:");
const FROM_WORD = asFour("From");
const CALL = asFour("Call");
const ID_COLON = asFour("-ID:");
const CSEQ_WORD = asFour("CSeq");
const MAX_DASH = asFour("Max-");
const FORW = asFour("Forw");
const ARDS = asFour("ards");
const CONT = asFour("Cont");
const ACT_COLON = asFour("act:");
const ENT_DASH = asFour("ent-");
const LENG = asFour("Leng");

/** The number of the core name of the line at `at` when it is the first of that name and all of it is usual; else UNKNOWN. */
function coreLine(text: string, at: number, rows: readonly number[], values: UsualValues): number {
  switch (bytes[at]) {
    case 0x56: // V
      return four(at) === VIA_COLON && rows[VIA] === 0 ? viaLine(text, at, at + 3, values) : UNKNOWN;
    case 0x46: // F
      return four(at) === FROM_WORD && rows[FROM] === 0 ? fromLine(text, at, at + 4, values) : UNKNOWN;
    case 0x54: // T
      return bytes[at + 1] === 0x6f && rows[TO] === 0 ? toLine(text, at, at + 2, values) : UNKNOWN;
    case 0x43: // C
      return beginsWithC(text, at, rows, values);
    case 0x4d: // M
      if (four(at) !== MAX_DASH || four(at + 4) !== FORW || four(at + 8) !== ARDS) return UNKNOWN;
      return rows[MAX_FORWARDS] === 0 ? maxForwardsLine(at, at + 12, values) : UNKNOWN;
    case 0x76: // v
      return rows[VIA] === 0 ? viaLine(text, at, at + 1, values) : UNKNOWN;
    case 0x66: // f
      return rows[FROM] === 0 ? fromLine(text, at, at + 1, values) : UNKNOWN;
    case 0x74: // t
      return rows[TO] === 0 ? toLine(text, at, at + 1, values) : UNKNOWN;
    case 0x69: // i
      return rows[CALL_ID] === 0 ? callIdLine(text, at, at + 1, values) : UNKNOWN;
    case 0x6d: // m
      return rows[CONTACT] === 0 ? contactLine(text, at, at + 1, values) : UNKNOWN;
    case 0x6c: // l
      return rows[CONTENT_LENGTH] === 0 ? contentLengthLine(at, at + 1, values) : UNKNOWN;
  }
  return UNKNOWN;
}

function beginsWithC(text: string, at: number, rows: readonly number[], values: UsualValues): number {
  const next = four(at + 4);
  switch (four(at)) {
    case CALL:
      return next === ID_COLON && rows[CALL_ID] === 0 ? callIdLine(text, at, at + 7, values) : UNKNOWN;
    case CSEQ_WORD:
      return rows[CSEQ] === 0 ? cseqLine(text, at, at + 4, values) : UNKNOWN;
    case CONT:
      if (next === ACT_COLON) return rows[CONTACT] === 0 ? contactLine(text, at, at + 7, values) : UNKNOWN;
      if (next !== ENT_DASH || four(at + 8) !== LENG || bytes[at + 12] !== 0x74 || bytes[at + 13] !== 0x68) break;
      return rows[CONTENT_LENGTH] === 0 ? contentLengthLine(at, at + 14, values) : UNKNOWN;
  }
  return UNKNOWN;
}

// `colon`: where it ought to stand.

function viaLine(text: string, at: number, colon: number, values: UsualValues): number {
  const end = separated(colon) ? viaEnd(colon + 2) : -1;
  if (!closed(at, end)) return UNKNOWN;
  values.via = viaSeen(text, colon + 2, end);
  return VIA;
}

function fromLine(text: string, at: number, colon: number, values: UsualValues): number {
  const end = separated(colon) ? nameAddrEnd(colon + 2) : -1;
  if (!closed(at, end)) return UNKNOWN;
  values.from = nameAddrSeen(text, colon + 2, end);
  return FROM;
}

function toLine(text: string, at: number, colon: number, values: UsualValues): number {
  const end = separated(colon) ? nameAddrEnd(colon + 2) : -1;
  if (!closed(at, end)) return UNKNOWN;
  values.to = nameAddrSeen(text, colon + 2, end);
  return TO;
}

function contactLine(text: string, at: number, colon: number, values: UsualValues): number {
  const end = separated(colon) ? nameAddrEnd(colon + 2) : -1;
  if (!closed(at, end)) return UNKNOWN;
  values.contact = nameAddrSeen(text, colon + 2, end);
  return CONTACT;
}

function callIdLine(text: string, at: number, colon: number, values: UsualValues): number {
  const end = separated(colon) ? run(WORD, colon + 2) : -1;
  if (end === colon + 2 || !closed(at, end)) return UNKNOWN;
  values.callId = text.slice(colon + 2, end);
  return CALL_ID;
}

function cseqLine(text: string, at: number, colon: number, values: UsualValues): number {
  const end = separated(colon) ? cseqEnd(colon + 2) : -1;
  if (!closed(at, end)) return UNKNOWN;
  values.cseq = cseqSeen(text, colon + 2, end);
  return CSEQ;
}

function contentLengthLine(at: number, colon: number, values: UsualValues): number {
  const end = separated(colon) ? numberEnd(colon + 2, 4) : -1;
  if (!closed(at, end)) return UNKNOWN;
  values.contentLength = digitsBetween(colon + 2, end);
  return CONTENT_LENGTH;
}

function maxForwardsLine(at: number, colon: number, values: UsualValues): number {
  const end = separated(colon) ? numberEnd(colon + 2, 2) : -1;
  if (!closed(at, end)) return UNKNOWN;
  values.maxForwards = true;
  return MAX_FORWARDS;
}

const separated = (colon: number): boolean => bytes[colon] === COLON && bytes[colon + 1] === SP;

/** The line from `at` has a value, which ends at `end`, and ends behind it. */
function closed(at: number, end: number): boolean {
  if (end < 0 || bytes[end] !== CR || bytes[end + 1] !== LF || end - at > USUAL_BYTES) return false;
  seen.lineEnd = end + 2;
  return true;
}

// ---- Values: where each ends, or -1 when there is none; and the value that was seen last

const SIP_SLASH = asFour("SIP/");
const TWO_ZERO_SLASH = asFour("2.0/");
const UDP = asFour("UDP ");
const TCP = asFour("TCP ");
const TLS = asFour("TLS ");
const PROTOCOL_AT = 8;
const HOST_AT = 12;

function viaEnd(at: number): number {
  if (four(at) !== SIP_SLASH || four(at + 4) !== TWO_ZERO_SLASH) return -1;
  const protocol = four(at + PROTOCOL_AT);
  if (protocol !== UDP && protocol !== TCP && protocol !== TLS) return -1;
  const end = hostPortEnd(LOWER_HOST, at + HOST_AT);
  return end < 0 ? -1 : paramsEnd(end);
}

function viaSeen(text: string, at: number, end: number): ViaValue {
  const second = bytes[at + PROTOCOL_AT + 1];
  const protocol = second === 0x44 ? "UDP" : second === 0x43 ? "TCP" : "TLS";
  const { hostEnd, port, paramsStart } = seen;
  const host = text.slice(at + HOST_AT, hostEnd);
  const params = paramsStart === end ? NO_PARAMS : new Params(text, paramsStart, end, true);
  return port === 0 ? { protocol, host, params } : { protocol, host, port, params };
}

/** A host of these bytes, and maybe a port from 1 to 65,535. */
function hostPortEnd(kind: number, at: number): number {
  const end = run(kind, at);
  if (end === at || bytes[at] === DASH || bytes[at] === DOT) return -1;
  seen.hostStart = at;
  seen.hostEnd = end;
  seen.port = 0;
  seen.paramsStart = end;
  if (bytes[end] !== COLON) return end;
  const portEnd = run(DIGIT, end + 1);
  if (portEnd === end + 1 || portEnd - end > 6) return -1;
  const port = digitsBetween(end + 1, portEnd);
  if (port === 0 || port > 65_535) return -1;
  seen.port = port;
  seen.paramsStart = portEnd;
  return portEnd;
}

/** Parameters of a header, maybe none, without quotes and white space. */
function paramsEnd(at: number): number {
  while (bytes[at] === SEMICOLON) {
    const name = at + 1;
    at = run(TOKEN, name);
    if (at === name) return -1;
    if (bytes[at] !== EQUALS) continue;
    const value = at + 1;
    at = run(VALUE, value);
    if (at === value) return -1;
  }
  return at;
}

const SIP_COLON = asFour("sip:");
const SIPS = asFour("sips");

function nameAddrEnd(at: number): number {
  const less = displayEnd(at);
  if (bytes[less] !== LESS) return -1;
  const rest = schemeEnd(less + 1);
  if (rest < 0) return -1;
  const end = run(URI, rest);
  if (end === rest || bytes[end] !== GREATER) return -1;
  seen.uriStart = less + 1;
  seen.uriEnd = end;
  return paramsEnd(end + 1);
}

/** Behind the display name and the space that follows. */
function displayEnd(at: number): number {
  if (bytes[at] === LESS) return at;
  if (bytes[at] === QUOTE) {
    const close = run(PLAIN_QUOTED, at + 1);
    if (bytes[close] !== QUOTE) return at;
    seen.displayEnd = close;
    return bytes[close + 1] === SP ? close + 2 : close + 1;
  }
  while (bytes[at] !== LESS) {
    const end = run(TOKEN, at);
    if (end === at || bytes[end] !== SP) return at;
    seen.displayEnd = end;
    at = end + 1;
  }
  return at;
}

function schemeEnd(at: number): number {
  const scheme = four(at);
  if (scheme === SIP_COLON) return at + 4;
  return scheme === SIPS && bytes[at + 4] === COLON ? at + 5 : -1;
}

function nameAddrSeen(text: string, at: number, end: number): NameAddr {
  const { uriStart, uriEnd } = seen;
  const params = uriEnd + 1 === end ? NO_PARAMS : new Params(text, uriEnd + 1, end, true);
  const uri = text.slice(uriStart, uriEnd);
  const first = bytes[at];
  if (first === LESS) return { uri, params };
  return { display: text.slice(first === QUOTE ? at + 1 : at, seen.displayEnd), uri, params };
}

/** A number of at most so many digits. */
function numberEnd(at: number, most: number): number {
  const end = run(DIGIT, at);
  return end === at || end - at > most ? -1 : end;
}

/** A number of at most nine digits, one space and a token. */
function cseqEnd(at: number): number {
  const space = numberEnd(at, 9);
  if (space < 0 || bytes[space] !== SP) return -1;
  seen.digitsEnd = space;
  const end = run(TOKEN, space + 1);
  return end === space + 1 ? -1 : end;
}

const cseqSeen = (text: string, at: number, end: number): CSeqValue => ({
  number: digitsBetween(at, seen.digitsEnd),
  method: methodBetween(text, seen.digitsEnd + 1, end),
});

/** A SIP URI without password, IPv6 reference, escapes and headers. */
function sipUriEnd(at: number): number {
  const start = schemeEnd(at);
  if (start < 0) return -1;
  const userEnd = run(PLAIN_USER, start);
  if (userEnd === start) return -1;
  let end = hostPortEnd(HOST, bytes[userEnd] === AT ? userEnd + 1 : start);
  if (end < 0) return -1;
  while (bytes[end] === SEMICOLON) {
    const name = end + 1;
    end = run(PLAIN_PARAM, name);
    if (end === name) return -1;
    if (bytes[end] !== EQUALS) continue;
    const value = end + 1;
    end = run(PLAIN_PARAM, value);
    if (end === value) return -1;
  }
  return end;
}

// ---- The same for texts that are one value and nothing else

export function usualVia(text: string): ViaValue | undefined {
  return isLoaded(text) && viaEnd(0) === text.length ? viaSeen(text, 0, text.length) : undefined;
}

export function usualNameAddr(text: string): NameAddr | undefined {
  return isLoaded(text) && nameAddrEnd(0) === text.length ? nameAddrSeen(text, 0, text.length) : undefined;
}

export function usualUri(text: string): SipUri | undefined {
  if (!isLoaded(text) || sipUriEnd(0) !== text.length) return undefined;
  const { hostStart, hostEnd, port, paramsStart } = seen;
  const secure = bytes[3] !== COLON;
  const start = secure ? 5 : 4;
  const host = text.slice(hostStart, hostEnd).toLowerCase();
  const params = paramsStart === text.length ? NO_PARAMS : new Params(text, paramsStart, text.length, true);
  const uri: { -readonly [K in keyof SipUri]: SipUri[K] } = { scheme: secure ? "sips" : "sip", host, params };
  if (hostStart !== start) uri.user = text.slice(start, hostStart - 1);
  if (port !== 0) uri.port = port;
  return uri;
}

function isLoaded(text: string): boolean {
  if (text.length > USUAL_BYTES) return false;
  load(text);
  return true;
}

// ---- The start line

const SPACE_SIP = asFour(" SIP");
const SLASH_TWO_ZERO = asFour("/2.0");
const TWO_ZERO_SPACE = asFour("2.0 ");
const LINE_REST = " SIP/2.0\r\n".length;

/** Where the usual request line at the beginning of the text ends, behind its CRLF; -1 when there is none. */
export function requestLineEnd(): number {
  const methodEnd = run(UPPER, 0);
  if (methodEnd === 0 || methodEnd > METHOD_BYTES || bytes[methodEnd] !== SP) return -1;
  const end = sipUriEnd(methodEnd + 1);
  if (end < 0 || end > USUAL_BYTES || four(end) !== SPACE_SIP || four(end + 4) !== SLASH_TWO_ZERO) return -1;
  seen.methodEnd = methodEnd;
  return bytes[end + 8] === CR && bytes[end + 9] === LF ? end + LINE_REST : -1;
}

export const methodSeen = (text: string): string => methodBetween(text, 0, seen.methodEnd);

/** `end`: what `requestLineEnd` has given. */
export const requestUriSeen = (text: string, end: number): string => text.slice(seen.methodEnd + 1, end - LINE_REST);

const methodBetween = (text: string, start: number, end: number): string =>
  methodOf(bytes, start, end) ?? text.slice(start, end);

const REASON_AT = "SIP/2.0 200 ".length;

/** Where the usual status line at the beginning of the text ends, behind its CRLF; -1 when there is none. */
export function statusLineEnd(): number {
  if (four(0) !== SIP_SLASH || four(4) !== TWO_ZERO_SPACE) return -1;
  if (run(DIGIT, 8) !== REASON_AT - 1 || bytes[REASON_AT - 1] !== SP) return -1;
  const status = statusSeen();
  const end = run(PLAIN_QUOTED, REASON_AT);
  if (status < 100 || status > 699 || end > USUAL_BYTES) return -1;
  return bytes[end] === CR && bytes[end + 1] === LF ? end + 2 : -1;
}

export const statusSeen = (): number => digitsBetween(8, REASON_AT - 1);

/** `end`: what `statusLineEnd` has given. */
export const reasonSeen = (text: string, end: number): string => text.slice(REASON_AT, end - 2);
