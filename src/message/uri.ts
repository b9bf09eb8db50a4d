/** URIs as values. RFC 3261 §19.1 and §25.1, RFC 3966 for `tel:`, RFC 5954 for IPv6 references. */
import { hostText, PeerError, withoutPasswords } from "../base/index.ts";
import { COLON, kinds, lower, SEMICOLON, skip, TOKEN, URI, USER } from "./grammar.ts";
import { hostEnd, parseHost, sameHost } from "./host.ts";
import { limits } from "./limits.ts";
import { NO_PARAMS, type ParamMap } from "./params.ts";
import { usualUri } from "./usual.ts";

export interface SipUri {
  readonly scheme: "sip" | "sips";
  /** Still escaped. */
  readonly user?: string;
  /** Still escaped. */
  readonly password?: string;
  /** Lower case; IPv6 without brackets. */
  readonly host: string;
  readonly port?: number;
  /** Names lower case and unescaped, values as they stand. */
  readonly params: ParamMap;
  /** What stands behind the question mark. */
  readonly headers?: string;
}

export interface TelUri {
  readonly scheme: "tel";
  /** As written, with its visual separators. */
  readonly number: string;
  readonly params: ParamMap;
}

export interface OtherUri {
  readonly scheme: "other";
  readonly text: string;
}

export type Uri = SipUri | TelUri | OtherUri;

/** Throws PeerError(400) when `text` is no URI, or a `sip:`, `sips:` or `tel:` one that breaks its grammar. */
export function parseUri(text: string): Uri {
  return usualUri(text) ?? readUri(text);
}

function readUri(text: string): Uri {
  if (text.length > limits.uriBytes) throw bad(text, `is longer than ${limits.uriBytes} bytes`);
  if (!isUriText(text, 0, text.length)) throw bad(text, "is no URI");
  const colon = text.indexOf(":");
  switch (colon) {
    case 3:
      if (isScheme(text, "sip")) return parseSip(text, "sip", 4);
      if (isScheme(text, "tel")) return parseTel(text);
      break;
    case 4:
      if (isScheme(text, "sips")) return parseSip(text, "sips", 5);
  }
  return { scheme: "other", text };
}

/** A scheme, a colon, something behind it, and no byte that a URI cannot hold. RFC 3261 §25.1 absoluteURI. */
export function isUriText(text: string, start: number, end: number): boolean {
  const first = lower[text.charCodeAt(start)]!;
  if (start === end || first < 0x61 || first > 0x7a) return false;
  let at = start + 1;
  while (at < end && (kinds[text.charCodeAt(at)]! & TOKEN) !== 0) at++;
  if (at + 1 >= end || text.charCodeAt(at) !== COLON) return false;
  return skip(URI, text, at, end) === end;
}

const isScheme = (text: string, scheme: string): boolean => {
  for (let i = 0; i < scheme.length; i++) if (lower[text.charCodeAt(i)] !== scheme.charCodeAt(i)) return false;
  return true;
};

function parseSip(text: string, scheme: "sip" | "sips", start: number): SipUri {
  // A user part may hold ";" and "?", so only the "@" tells where it ends; nothing behind it can hold one.
  const at = text.indexOf("@", start);
  const uri: { -readonly [K in keyof SipUri]: SipUri[K] } = { scheme, host: "", params: NO_PARAMS };
  if (at >= 0) readUser(text, start, at, uri);

  const hostStart = at < 0 ? start : at + 1;
  const afterHost = hostEnd(text, hostStart, text.length);
  const host = parseHost(text, hostStart, afterHost);
  if (host === undefined) throw bad(text, "has no valid host");
  uri.host = host;

  let rest = afterHost;
  if (text.charCodeAt(rest) === COLON) {
    rest = digitsEnd(text, rest + 1);
    const port = Number(text.slice(afterHost + 1, rest));
    if (rest === afterHost + 1 || port < 1 || port > 65_535) throw bad(text, "has no valid port");
    uri.port = port;
  }
  const question = text.indexOf("?", rest);
  const paramsEnd = question < 0 ? text.length : question;
  if (rest < paramsEnd) uri.params = readUriParams(text, rest, paramsEnd);
  if (question >= 0) uri.headers = text.slice(question + 1);
  return uri;
}

function readUser(text: string, start: number, end: number, uri: { user?: string; password?: string }): void {
  let colon = text.indexOf(":", start);
  if (colon < 0 || colon > end) colon = end;
  if (colon === start || skip(USER, text, start, colon) !== colon) throw bad(text, "has no valid user part");
  if (!escapesHold(text, start, end)) throw bad(text, "has a broken escape");
  uri.user = text.slice(start, colon);
  if (colon === end) return;
  if (skip(USER, text, colon + 1, end) !== end) throw bad(text, "has no valid password");
  uri.password = text.slice(colon + 1, end);
}

function digitsEnd(text: string, at: number): number {
  while (at < text.length && text.charCodeAt(at) >= 0x30 && text.charCodeAt(at) <= 0x39) at++;
  return at;
}

/** `;name=value;flag` in a URI: other characters than in a header, and escapes in place of quotes. */
function readUriParams(text: string, start: number, end: number): ParamMap {
  if (text.charCodeAt(start) !== SEMICOLON) throw bad(text, "has something other than parameters behind its host");
  if (!escapesHold(text, start, end)) throw bad(text, "has a broken escape");
  const params = new Map<string, string | undefined>();
  for (let at = start + 1; at <= end; ) {
    let next = text.indexOf(";", at);
    if (next < 0 || next > end) next = end;
    const equals = text.indexOf("=", at);
    const nameEnd = equals < 0 || equals > next ? next : equals;
    if (nameEnd === at) throw bad(text, "has a parameter without a name");
    const name = unescaped(text.slice(at, nameEnd)).toLowerCase();
    if (!params.has(name)) params.set(name, nameEnd === next ? undefined : text.slice(nameEnd + 1, next));
    at = next + 1;
  }
  return params;
}

function parseTel(text: string): TelUri {
  const semicolon = text.indexOf(";");
  const number = semicolon < 0 ? text.slice(4) : text.slice(4, semicolon);
  // RFC 3966 §3: a global number has digits only; a local one also letters, "*" and "#" ("#" escaped in SIP).
  if (!/^(?:\+[-.()]*\d[-.()\d]*|(?:[-.()*A-Fa-f\d]|%23)+)$/.test(number)) throw bad(text, "has no valid number");
  return { scheme: "tel", number, params: semicolon < 0 ? NO_PARAMS : readUriParams(text, semicolon, text.length) };
}

/** Every "%" is followed by two hexadecimal digits. */
function escapesHold(text: string, start: number, end: number): boolean {
  for (let at = text.indexOf("%", start); at >= 0 && at < end; at = text.indexOf("%", at + 1)) {
    if (at + 2 >= end || !isHex(text.charCodeAt(at + 1)) || !isHex(text.charCodeAt(at + 2))) return false;
  }
  return true;
}

const isHex = (code: number): boolean => (code >= 0x30 && code <= 0x39) || ((code | 32) >= 0x61 && (code | 32) <= 0x66);

export function formatUri(uri: Uri): string {
  if (uri.scheme === "other") return uri.text;
  if (uri.scheme === "tel") return `tel:${uri.number}${formatUriParams(uri.params)}`;
  let text = `${uri.scheme}:`;
  if (uri.user !== undefined) text += uri.password === undefined ? `${uri.user}@` : `${uri.user}:${uri.password}@`;
  text += hostText(uri.host);
  if (uri.port !== undefined) text += `:${uri.port}`;
  if (uri.params.size > 0) text += formatUriParams(uri.params);
  return uri.headers === undefined ? text : `${text}?${uri.headers}`;
}

function formatUriParams(params: ParamMap): string {
  let text = "";
  for (const [name, value] of params) {
    const paramName = escapedText(name, PARAM_CHARS);
    text += value === undefined ? `;${paramName}` : `;${paramName}=${value}`;
  }
  return text;
}

/** RFC 3261 §19.1.4; for `tel:` RFC 3966 §4; other URIs are the same only byte by byte. */
export function sameUri(a: Uri, b: Uri): boolean {
  if (a.scheme === "other") return b.scheme === "other" && a.text === b.text;
  if (a.scheme === "tel") return b.scheme === "tel" && sameTel(a, b);
  if (a.scheme !== b.scheme) return false;
  return (
    sameEscaped(a.user, b.user) &&
    sameEscaped(a.password, b.password) &&
    sameHost(a.host, b.host) &&
    a.port === b.port &&
    sameParams(a.params, b.params) &&
    sameUriHeaders(a.headers, b.headers)
  );
}

function sameTel(a: TelUri, b: TelUri): boolean {
  const bare = (number: string): string =>
    unescaped(number)
      .replace(/[-.()]/g, "")
      .toLowerCase();
  if (bare(a.number) !== bare(b.number) || a.params.size !== b.params.size) return false;
  for (const [name, value] of a.params) {
    if (
      !b.params.has(name) ||
      unescaped(value ?? "").toLowerCase() !== unescaped(b.params.get(name) ?? "").toLowerCase()
    )
      return false;
  }
  return true;
}

const sameEscaped = (a: string | undefined, b: string | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && unescaped(a) === unescaped(b));

/** These must stand in both or in neither; any other that stands in only one does not count. */
const DECISIVE = ["user", "ttl", "method", "maddr", "transport"];

function sameParams(a: ParamMap, b: ParamMap): boolean {
  for (const name of DECISIVE) if (a.has(name) !== b.has(name)) return false;
  for (const [name, value] of a) {
    if (b.has(name) && unescaped(value ?? "").toLowerCase() !== unescaped(b.get(name) ?? "").toLowerCase())
      return false;
  }
  return true;
}

/** Order does not matter; names in any case. Values are compared as text: their own grammars are not opened. */
function sameUriHeaders(a: string | undefined, b: string | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined) return false;
  return sortedHeaders(a) === sortedHeaders(b);
}

const sortedHeaders = (text: string): string =>
  text
    .split("&")
    .map((header) => {
      const equals = header.indexOf("=");
      const name = equals < 0 ? header : header.slice(0, equals);
      return `${unescaped(name).toLowerCase()}=${equals < 0 ? "" : unescaped(header.slice(equals + 1))}`;
    })
    .sort()
    .join("\n");

const unescaped = (text: string): string =>
  text.includes("%")
    ? text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    : text;

/** The bytes that the user part stands for. */
export const unescapeUser = (user: string): string => unescaped(user);

/** The other way: `formatUri` with this user part gives a URI whose user part means `user`. */
export const escapeUser = (user: string): string => escapedText(user, /[^A-Za-z0-9\-_.!~*'()&=+$,;?/]/g);

/** What a URI parameter cannot hold unescaped. */
const PARAM_CHARS = /[^A-Za-z0-9\-_.!~*'()[\]/:&+$]/g;

const escapedText = (text: string, others: RegExp): string =>
  text.replace(others, (char) => `%${(char.charCodeAt(0) & 0xff).toString(16).toUpperCase().padStart(2, "0")}`);

/** The text goes into the error cut short and without a password: it is the peer's, and errors are logged. */
function bad(text: string, problem: string): PeerError {
  const shown = withoutPasswords(text);
  return new PeerError(400, `URI "${shown.length > 80 ? `${shown.slice(0, 80)}...` : shown}" ${problem}`);
}
