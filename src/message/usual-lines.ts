/** The header lines that every message is asked for, as nearly everybody writes them: name, value and CRLF at once. */
import { usualCallId } from "./headers/call-id.ts";
import { usualNameAddr } from "./headers/name-addr.ts";
import { usualVia } from "./headers/via.ts";
import * as names from "./names.ts";
import { USUAL_BYTES } from "./usual.ts";

const line = (name: string, value: string): RegExp => new RegExp(`${name}: ${value}\\r\\n`, "y");

// A pattern for each spelling: one for both takes longer.
const VIA = line("Via", usualVia);
const V = line("v", usualVia);
const FROM = line("From", usualNameAddr);
const F = line("f", usualNameAddr);
const TO = line("To", usualNameAddr);
const T = line("t", usualNameAddr);
const CONTACT = line("Contact", usualNameAddr);
const M = line("m", usualNameAddr);
const CALL_ID = line("Call-ID", usualCallId);
const I = line("i", usualCallId);
const CSEQ = line("CSeq", "\\d{1,9} [\\w\\-.!%*+`'~]+");
const MAX_FORWARDS = line("Max-Forwards", "\\d\\d?");
const CONTENT_LENGTH = line("Content-Length", "\\d{1,4}");
const L = line("l", "\\d{1,4}");

const NUMBER_BITS = 4;
const NUMBER_MASK = (1 << NUMBER_BITS) - 1;

/** What `usualLine` has found: the number of the name. */
export const numberIn = (found: number): number => found & NUMBER_MASK;

/** What `usualLine` has found: where the next line begins. */
export const nextIn = (found: number): number => found >> NUMBER_BITS;

/**
 * The line at `at`, when it is such a one and its value is valid; else 0. `first` is its first byte. Behind the name
 * stand one colon and one space, and behind the value nothing.
 */
export function usualLine(text: string, at: number, first: number): number {
  switch (first) {
    case 0x56: // V
      return match(VIA, names.VIA, text, at);
    case 0x46: // F
      return match(FROM, names.FROM, text, at);
    case 0x54: // T
      return text.charCodeAt(at + 1) === 0x6f ? match(TO, names.TO, text, at) : 0;
    case 0x43: // C
      return beginsWithC(text, at);
    case 0x4d: // M
      return text.charCodeAt(at + 1) === 0x61 ? match(MAX_FORWARDS, names.MAX_FORWARDS, text, at) : 0;
    case 0x76: // v
      return match(V, names.VIA, text, at);
    case 0x66: // f
      return match(F, names.FROM, text, at);
    case 0x74: // t
      return match(T, names.TO, text, at);
    case 0x69: // i
      return match(I, names.CALL_ID, text, at);
    case 0x6d: // m
      return match(M, names.CONTACT, text, at);
    case 0x6c: // l
      return match(L, names.CONTENT_LENGTH, text, at);
  }
  return 0;
}

function beginsWithC(text: string, at: number): number {
  switch (text.charCodeAt(at + 1)) {
    case 0x61: // a
      return match(CALL_ID, names.CALL_ID, text, at);
    case 0x53: // S
      return match(CSEQ, names.CSEQ, text, at);
    case 0x6f: // o
      if (text.charCodeAt(at + 4) === 0x61) return match(CONTACT, names.CONTACT, text, at);
      if (text.charCodeAt(at + 8) === 0x4c) return match(CONTENT_LENGTH, names.CONTENT_LENGTH, text, at);
  }
  return 0;
}

function match(pattern: RegExp, number: number, text: string, at: number): number {
  pattern.lastIndex = at;
  if (!pattern.test(text)) return 0;
  const next = pattern.lastIndex;
  return next - at > USUAL_BYTES ? 0 : (next << NUMBER_BITS) | number;
}
