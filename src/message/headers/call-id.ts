import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { skip, WORD } from "../grammar.ts";

/**
 * Names a dialog or a series of registrations, byte by byte: RFC 3261 §20.8, with its callid taken as one run of word
 * characters and "@". Throws PeerError(400).
 */
export function readCallId(text: string, start: number, end: number): string {
  if (start === end || skip(WORD, text, start, end) !== end) throw malformed("Call-ID", "not made of word characters");
  return text.slice(start, end);
}

export const CallId: HeaderField<string> = {
  name: "Call-ID",
  compact: "i",
  parse: (text) => readCallId(text, 0, text.length),
  format: (value) => value,
};
