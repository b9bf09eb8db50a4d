/** From text to messages. RFC 3261 §7, §8.1.1, §18.3, §20. */
import { PeerError } from "../base/index.ts";
import { MessageError, malformed } from "./errors.ts";
import { CR, readNumber, SP, skip, TOKEN } from "./grammar.ts";
import { readCallId } from "./headers/call-id.ts";
import { readContact } from "./headers/contact.ts";
import { readCSeq } from "./headers/cseq.ts";
import { type NameAddr, readNameAddr } from "./headers/name-addr.ts";
import { readVia, Via, type ViaValue } from "./headers/via.ts";
import { HeaderIndex } from "./headers.ts";
import { limits } from "./limits.ts";
import { type Core, type Message, Request, Response } from "./message.ts";
import { methodAt } from "./methods.ts";
import * as names from "./names.ts";
import { NO_PARAMS } from "./params.ts";
import { parseUri } from "./uri.ts";
import { load, methodSeen, reasonSeen, requestLineEnd, requestUriSeen, statusLineEnd, statusSeen } from "./usual.ts";

const VERSION = "SIP/2.0";

/** What stands before the headers. */
interface StartLine {
  /** Empty in a response. */
  readonly method: string;
  readonly uri: string;
  /** 0 in a request. */
  readonly status: number;
  readonly reason: string;
  /** The Request-URI is valid: it needs no other look. */
  readonly usual: boolean;
  /** Where the header section begins. */
  readonly end: number;
}

/**
 * What arrived as one whole message: a datagram, or cut from a stream. Bytes behind Content-Length are left out; a
 * body that is shorter is refused (RFC 3261 §18.3). Empty lines before the start line are skipped (RFC 3261 §7.5).
 *
 * Throws MessageError: 400, 413 (too large), 414 (Request-URI too long), 505 (not SIP/2.0).
 */
export function parseMessage(text: string): Message {
  try {
    return read(text);
  } catch (error) {
    if (error instanceof PeerError) throw answerable(text, error);
    throw error;
  }
}

function read(text: string): Message {
  if (text.length > limits.messageBytes)
    throw new PeerError(413, `a message of more than ${limits.messageBytes} bytes`);
  load(text);
  const start = readStartLine(text);
  const index = new HeaderIndex(text, start.end, true);
  if (index.problem !== undefined) throw new PeerError(400, index.problem);
  cutBody(index);
  const core = readCore(index, start.status === 0);
  return start.status === 0 ? requestOf(start, index, core) : new Response(start.status, start.reason, index, core);
}

function requestOf(start: StartLine, index: HeaderIndex, core: Core): Request {
  checkRequest(start, index, core);
  return new Request(start.method, start.uri, index, core);
}

function skipEmptyLines(text: string): number {
  let at = 0;
  while (text.charCodeAt(at) === 0x0d && text.charCodeAt(at + 1) === 0x0a) at += 2;
  return at;
}

function readStartLine(text: string): StartLine {
  const end = requestLineEnd();
  if (end < 0) return usualStatusLine(text) ?? readCarefully(text, skipEmptyLines(text));
  return { method: methodSeen(text), uri: requestUriSeen(text, end), status: 0, reason: "", usual: true, end };
}

function usualStatusLine(text: string): StartLine | undefined {
  const end = statusLineEnd();
  if (end < 0) return undefined;
  return { method: "", uri: "", status: statusSeen(), reason: reasonSeen(text, end), usual: false, end };
}

function readCarefully(text: string, at: number): StartLine {
  const end = text.indexOf("\n", at) - 1;
  if (end < at || text.charCodeAt(end) !== CR) throw new PeerError(400, "no start line");
  const methodEnd = skip(TOKEN, text, at, Math.min(end, at + limits.methodBytes + 1));
  if (text.charCodeAt(methodEnd) === SLASH && text.startsWith("SIP/", at)) return readStatusLine(text, at, end);
  return readRequestLine(text, at, methodEnd, end);
}

const SLASH = 0x2f;

/** `SIP/2.0 200 OK`; the reason phrase may be empty and hold any byte but controls. RFC 3261 §7.2. */
function readStatusLine(text: string, at: number, end: number): StartLine {
  if (end - at > limits.startLineBytes) throw new PeerError(400, "a status line that is too long");
  if (!text.startsWith("SIP/2.0 ", at)) throw versionProblem(text.slice(at, end).split(" ", 1)[0]!);
  const codeStart = at + VERSION.length + 1;
  const codeEnd = codeStart + 3;
  const status = readNumber(text, codeStart, Math.min(codeEnd, end), 1_000);
  // RFC 3261 asks for a space behind the code even where no reason follows; its absence harms nobody.
  const separated = codeEnd === end || (codeEnd < end && text.charCodeAt(codeEnd) === 0x20);
  if (status < 100 || status > 699 || !separated) throw new PeerError(400, "no status code between 100 and 699");
  const reason = text.slice(Math.min(codeEnd + 1, end), end);
  if (/[\0\r\n]/.test(reason)) throw new PeerError(400, "control characters in the reason phrase");
  return { method: "", uri: "", status, reason, usual: false, end: end + 2 };
}

/** `INVITE sip:bob@example.com SIP/2.0`, with one space between each two. RFC 3261 §7.1. */
function readRequestLine(text: string, at: number, methodEnd: number, end: number): StartLine {
  if (methodEnd === at || text.charCodeAt(methodEnd) !== SP) throw new PeerError(400, "no valid method");
  const uriStart = methodEnd + 1;
  const uriEnd = text.startsWith(" SIP/2.0", end - 8) ? end - 8 : oddVersion(text, uriStart, end);
  if (uriEnd <= uriStart) throw new PeerError(400, "no Request-URI");
  if (uriEnd - uriStart > limits.uriBytes || end - at > limits.startLineBytes)
    throw new PeerError(414, `a Request-URI of more than ${limits.uriBytes} bytes`);
  const method = methodAt(text, at, methodEnd);
  return { method, uri: text.slice(uriStart, uriEnd), status: 0, reason: "", usual: false, end: end + 2 };
}

/** The version is not written as it ought to be: where the URI before it ends, if it is 2.0 all the same. */
function oddVersion(text: string, uriStart: number, end: number): number {
  const space = text.lastIndexOf(" ", end - 1);
  if (space < uriStart) throw new PeerError(400, "no SIP version in the start line");
  const version = text.slice(space + 1, end);
  if (version.toUpperCase() !== VERSION) throw versionProblem(version); // In any case: RFC 3261 §7.1.
  return space;
}

const versionProblem = (version: string): PeerError =>
  /^SIP\/\d+\.\d+$/i.test(version) && version.toUpperCase() !== VERSION
    ? new PeerError(505, "a SIP version other than 2.0")
    : new PeerError(400, "no valid SIP version");

/** Leaves out what follows the body. Without a Content-Length the body goes to the end of the datagram. */
function cutBody(index: HeaderIndex): void {
  if (index.first(names.CONTENT_LENGTH) === 0) return;
  const end = index.bodyStart + contentLength(index);
  if (end > index.text.length) throw malformed("Content-Length", "more than the body has");
  if (end < index.text.length) index.cut(end);
}

/** Of the header section; -1 when it says none. Throws PeerError: 400 when it is no number, 413 when too large. */
export function contentLength(index: HeaderIndex): number {
  const row = index.first(names.CONTENT_LENGTH);
  if (row === 0) return -1;
  if (index.usual.contentLength >= 0) return index.usual.contentLength;
  const length = whole(index, row, bodyLength);
  if (length < 0) throw malformed("Content-Length", "not a number");
  if (length > limits.messageBytes) throw new PeerError(413, `a body of more than ${limits.messageBytes} bytes`);
  return length;
}

const bodyLength = (text: string, start: number, end: number) => readNumber(text, start, end, limits.messageBytes + 1);

/** Reads a row where it stands; a folded one is unfolded first. */
function whole<T>(index: HeaderIndex, row: number, read: (text: string, start: number, end: number) => T): T {
  if (row === 0) throw new PeerError(400, "a header is missing");
  if (!index.folded) return read(index.text, index.start(row), index.end(row));
  const value = index.value(row);
  return read(value, 0, value.length);
}

const topVia = (text: string, start: number, end: number) => readVia(text, start, end, true);
const readFrom = (text: string, start: number, end: number) => readNameAddr("From", text, start, end);
const readTo = (text: string, start: number, end: number) => readNameAddr("To", text, start, end);
const firstContact = (text: string, start: number, end: number) => readContact(text, start, end, true);
const maxForwards = (text: string, start: number, end: number) => readNumber(text, start, end, 256);

/** What was not usual is read with care. A Contact that cannot be read is a reason to refuse only a request. */
function readCore(index: HeaderIndex, isRequest: boolean): Core {
  const core = index.usual;
  core.via ??= whole(index, present(index, names.VIA), topVia);
  core.from ??= whole(index, present(index, names.FROM), readFrom);
  core.to ??= whole(index, present(index, names.TO), readTo);
  core.callId ??= whole(index, present(index, names.CALL_ID), readCallId);
  core.cseq ??= whole(index, present(index, names.CSEQ), readCSeq);
  if (isRequest && core.contact === undefined && index.first(names.CONTACT) !== 0)
    core.contact = whole(index, index.first(names.CONTACT), firstContact);
  return core as Core;
}

function present(index: HeaderIndex, number: number): number {
  const row = index.first(number);
  if (row === 0) throw malformed(names.canonical[number]!, "missing");
  return row;
}

/** What only requests promise. */
function checkRequest(start: StartLine, index: HeaderIndex, core: Core): void {
  if (core.cseq.method !== start.method) throw malformed("CSeq", "its method is not the one of the start line");
  if (!start.usual) checkUri(start.uri);
  if (index.first(names.MAX_FORWARDS) !== 0 && !index.usual.maxForwards) {
    const hops = whole(index, index.first(names.MAX_FORWARDS), maxForwards);
    if (hops < 0 || hops > 255) throw malformed("Max-Forwards", "not a number from 0 to 255");
  }
}

function checkUri(text: string): void {
  const uri = parseUri(text);
  // RFC 3261 §19.1.1 (table 1): no headers in a Request-URI; taking them for ours would let anyone write headers.
  if ((uri.scheme === "sip" || uri.scheme === "sips") && uri.headers !== undefined)
    throw new PeerError(400, "a Request-URI with headers");
}

/** The error with what it takes to answer it, when the message has that. */
function answerable(text: string, error: PeerError): MessageError {
  return new MessageError(error.status, error.message, answerTo(text.slice(0, limits.messageBytes)));
}

const NOBODY: NameAddr = { uri: "", params: NO_PARAMS };

/**
 * A request that is good enough for an answer: its headers can be told apart and Via says where to. From, To, Call-ID
 * and CSeq may be what is wrong: they are copied as they stand, and left out where they are missing (RFC 4475 §3.3.1).
 */
export function answerTo(text: string): Request | undefined {
  const at = skipEmptyLines(text);
  const end = text.indexOf("\r\n", at);
  const methodEnd = skip(TOKEN, text, at, at + limits.methodBytes + 1);
  // An ACK is never answered, and neither is an answer.
  if (end < 0 || methodEnd === at || text.charCodeAt(methodEnd) !== 0x20 || text.startsWith("ACK ", at))
    return undefined;
  const index = new HeaderIndex(text, end + 2);
  if (index.hopeless || index.first(names.VIA) === 0) return undefined;
  const via =
    attempt(() => whole(index, index.first(names.VIA), topVia)) ?? sentBy(index.value(index.first(names.VIA)));
  if (via === undefined) return undefined;
  const method = text.slice(at, methodEnd);
  return new Request(method, "", index, {
    via,
    from: attempt(() => whole(index, index.first(names.FROM), readFrom)) ?? NOBODY,
    to: attempt(() => whole(index, index.first(names.TO), readTo)) ?? NOBODY,
    callId: index.first(names.CALL_ID) === 0 ? "" : index.value(index.first(names.CALL_ID)),
    cseq: attempt(() => whole(index, index.first(names.CSEQ), readCSeq)) ?? { number: 0, method },
    contact: undefined,
  });
}

/** The least that a broken Via must say, so that its sender hears of it: transport and address, in any version. */
function sentBy(value: string): ViaValue | undefined {
  const match = /^[^/\s]{1,16}[ \t]*\/[ \t]*[^/\s]{1,16}[ \t]*\/[ \t]*(\w{1,16}[ \t]+[\w.:[\]-]{1,255})/.exec(value);
  return match === null ? undefined : attempt(() => Via.parse(`SIP/2.0/${match[1]}`));
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof PeerError) return undefined;
    throw error;
  }
}
