/**
 * The small words of RFC 3261 §25.1. Strings are latin1: one char, one byte. Everything works on a range of a larger
 * string, so that a header can be read where it stands, without cutting it out first.
 */

export const TAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const QUOTE = 0x22;
export const BACKSLASH = 0x5c;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;
export const LESS = 0x3c;
export const EQUALS = 0x3d;
export const GREATER = 0x3e;

/** What a byte may be part of. */
export const TOKEN = 1;
/** In a parameter value beside tokens: hosts with ports, IPv6 references and what real equipment leaves unquoted. */
export const VALUE = 2;
/** In a URI, unescaped: RFC 3261 §25.1, with the brackets of IPv6 references and "%" of escapes. */
export const URI = 4;
/** In a host name, or in an IPv4 address. "_" is not allowed there, but common. */
export const HOST = 8;
/** In an unquoted display name: tokens, white space and the odd characters that real equipment leaves unquoted. */
export const DISPLAY = 16;
/** In a Call-ID: RFC 3261 §25.1 word and "@". */
export const WORD = 32;
export const DIGIT = 64;
/** In the user part of a SIP URI: RFC 3261 §25.1 unreserved, user-unreserved and escapes. */
export const USER = 128;
/** In a host name without capitals. */
export const LOWER_HOST = 256;
/** In the user part of a SIP URI without escapes and question marks. */
export const PLAIN_USER = 512;
/** In a parameter of a SIP URI without escapes: RFC 3261 §25.1 paramchar, without brackets. */
export const PLAIN_PARAM = 1_024;
/** Between quotes, where no backslash and no tab stands: RFC 3261 §25.1 qdtext. */
export const PLAIN_QUOTED = 2_048;
export const UPPER = 4_096;

export const kinds = new Uint16Array(256);

const CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const ALPHANUM = `0123456789abcdefghijklmnopqrstuvwxyz${CAPITALS}`;

function mark(chars: string, kind: number): void {
  for (let i = 0; i < chars.length; i++) kinds[chars.charCodeAt(i)]! |= kind;
}

mark(ALPHANUM, TOKEN | VALUE | URI | HOST | DISPLAY | WORD | USER);
mark("-.!%*_+`'~", TOKEN | VALUE | DISPLAY | WORD);
mark("[]:/@?&$", VALUE);
mark("-_.!~*'();/?:@&=+$,%[]", URI);
mark("-._", HOST);
mark(" \t!#$%&'()*+-./=?@[]^_`{|}~:", DISPLAY);
mark('()<>:\\"/[]?{}@', WORD);
mark("0123456789", DIGIT);
mark("-_.!~*'()&=+$,;?/%", USER);
mark(ALPHANUM, LOWER_HOST | PLAIN_USER | PLAIN_PARAM);
for (let i = 0; i < CAPITALS.length; i++) kinds[CAPITALS.charCodeAt(i)]! ^= LOWER_HOST;
mark(CAPITALS, UPPER);
mark("-._", LOWER_HOST);
mark("-_.!~*'()&=+$,;/", PLAIN_USER);
mark("-_.!~*'()/:&+$", PLAIN_PARAM);
for (let byte = 0x20; byte < 0x100; byte++) kinds[byte]! |= PLAIN_QUOTED;
for (const byte of [QUOTE, BACKSLASH, 0x7f]) kinds[byte]! ^= PLAIN_QUOTED;
for (let byte = 0x80; byte < 0x100; byte++) kinds[byte]! |= DISPLAY | VALUE;

/** Lower case of every byte: ASCII letters only. */
export const lower = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) lower[byte] = byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte;

/** Where the run of `kind` that begins at `at` ends. */
export function skip(kind: number, text: string, at: number, end: number): number {
  while (at < end && (kinds[text.charCodeAt(at)]! & kind) !== 0) at++;
  return at;
}

export function skipSpace(text: string, at: number, end: number): number {
  while (at < end) {
    const code = text.charCodeAt(at);
    if (code !== SP && code !== TAB) break;
    at++;
  }
  return at;
}

/** Where the text ends once white space at its end is left out. */
export function trimEnd(text: string, start: number, end: number): number {
  while (end > start) {
    const code = text.charCodeAt(end - 1);
    if (code !== SP && code !== TAB) break;
    end--;
  }
  return end;
}

/** `String.trim` would also take the byte 0xA0, which ends many a UTF-8 character. */
export function trimmed(text: string): string {
  const start = skipSpace(text, 0, text.length);
  return text.slice(start, trimEnd(text, start, text.length));
}

export const isToken = (text: string): boolean => text.length > 0 && skip(TOKEN, text, 0, text.length) === text.length;

/**
 * `at` is on a quote: where the quoted string ends, behind its closing quote; -1 when it is not closed or holds a
 * control character that no backslash allows (RFC 3261 §25.1 quoted-string).
 */
export function skipQuoted(text: string, at: number, end: number): number {
  for (at++; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    if (code === BACKSLASH) at++;
    else if ((code < SP && code !== TAB) || code === 0x7f) return -1;
  }
  return -1;
}

/** The text of a quoted string; `start` and `end` leave its quotes out. */
export function unquote(text: string, start: number, end: number): string {
  const inner = text.slice(start, end);
  return inner.includes("\\") ? inner.replace(/\\([\s\S])/g, "$1") : inner;
}

/** The quoted string that says `text`. CR and LF cannot be said: they are left out. */
export const quote = (text: string): string =>
  `"${/["\\\0-\x1f\x7f]/.test(text) ? text.replace(/[\r\n]/g, "").replace(/["\\\0-\x08\x0b-\x1f\x7f]/g, "\\$&") : text}"`;

/**
 * A number of decimal digits and nothing else; -1 when it is none, `bound` when it is `bound` or more. Any number of
 * leading zeros may stand before it.
 */
export function readNumber(text: string, start: number, end: number, bound: number): number {
  if (start >= end) return -1;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
    if (value > bound) value = bound;
  }
  return value;
}

/**
 * Where the next comma of a header line stands that separates values: outside quotes and angle brackets. `end` when
 * there is none. Unclosed quotes reach to the end, where the value's own parser will find them.
 */
export function nextComma(text: string, at: number, end: number): number {
  let inBrackets = false;
  for (; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE && !inBrackets) {
      const after = skipQuoted(text, at, end);
      if (after < 0) return end;
      at = after - 1;
    } else if (code === LESS) inBrackets = true;
    else if (code === GREATER) inBrackets = false;
    else if (code === COMMA && !inBrackets) return at;
  }
  return end;
}
