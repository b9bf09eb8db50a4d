import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { run } from "../usual.ts";

/** RFC 3261 §25.1 callid, taken as one run of word characters and "@". */
export const usualCallId = run("[\\w\\-.!%*+`'~()<>:\\\\\"/[\\]?{}@]");

const ALL_WORD = new RegExp(usualCallId, "y");

/** Names a dialog or a series of registrations, byte by byte. RFC 3261 §20.8. Throws PeerError(400). */
export function readCallId(text: string, start: number, end: number): string {
  ALL_WORD.lastIndex = start;
  if (!ALL_WORD.test(text) || ALL_WORD.lastIndex !== end) throw malformed("Call-ID", "not made of word characters");
  return text.slice(start, end);
}

export const CallId: HeaderField<string> = {
  name: "Call-ID",
  compact: "i",
  parse: (text) => readCallId(text, 0, text.length),
  format: (value) => value,
};
