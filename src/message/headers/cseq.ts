import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { readNumber, SP, skip, skipSpace, TAB, TOKEN } from "../grammar.ts";
import { limits } from "../limits.ts";
import { methodAt } from "../methods.ts";

/** Orders the requests of a dialog. RFC 3261 §20.16, §8.1.1.5. */
export interface CSeqValue {
  /** Below 2^31. */
  readonly number: number;
  readonly method: string;
}

/** Throws PeerError(400). */
export function readCSeq(text: string, start: number, end: number): CSeqValue {
  let at = start;
  while (at < end && text.charCodeAt(at) !== SP && text.charCodeAt(at) !== TAB) at++;
  const number = readNumber(text, start, at, limits.cseqNumber);
  if (number < 0) throw malformed("CSeq", "no number");
  if (number === limits.cseqNumber) throw malformed("CSeq", "a number of 2^31 or more");
  const method = skipSpace(text, at, end);
  if (method === end || skip(TOKEN, text, method, end) !== end) throw malformed("CSeq", "no method");
  return { number, method: methodAt(text, method, end) };
}

export const CSeq: HeaderField<CSeqValue> = {
  name: "CSeq",
  parse: (text) => readCSeq(text, 0, text.length),
  format: ({ number, method }) => `${number} ${method}`,
};
