import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { readNumber, trimEnd } from "../grammar.ts";
import { limits } from "../limits.ts";

/** Seconds until it is worth another try; comment and parameters are left aside. RFC 3261 §20.33. */
export const RetryAfter: HeaderField<number> = {
  name: "Retry-After",
  parse(text) {
    const stop = text.search(/[;(]/);
    const end = trimEnd(text, 0, stop < 0 ? text.length : stop);
    const seconds = readNumber(text, 0, end, limits.deltaSeconds);
    if (seconds < 0) throw malformed("Retry-After", "not a number of seconds");
    return seconds;
  },
  format: (seconds) => `${seconds}`,
};
