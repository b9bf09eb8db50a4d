/** Header fields that are one number. */
import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { readNumber } from "../grammar.ts";
import { limits } from "../limits.ts";

/** RFC 3261 §20.22: 0 to 255. */
export const MaxForwards: HeaderField<number> = numberField("Max-Forwards", 255);

/** RFC 3261 §20.14, in bytes. */
export const ContentLength: HeaderField<number> = numberField("Content-Length", limits.messageBytes, "l");

/** RFC 3262 §7.1: 1 to 2^32 - 1. */
export const RSeq: HeaderField<number> = numberField("RSeq", 2 ** 32 - 1);

/** RFC 3261 §20.19, in seconds. A number that is too large is taken as the largest. */
export const Expires: HeaderField<number> = secondsField("Expires");

/** RFC 3261 §20.23, in seconds. */
export const MinExpires: HeaderField<number> = secondsField("Min-Expires");

/** RFC 5626 §8, in seconds. */
export const FlowTimer: HeaderField<number> = secondsField("Flow-Timer");

function numberField(name: string, largest: number, compact?: string): HeaderField<number> {
  return {
    name,
    ...(compact === undefined ? {} : { compact }),
    parse(text) {
      const value = readNumber(text, 0, text.length, largest + 1);
      if (value < 0) throw malformed(name, "not a number");
      if (value > largest) throw malformed(name, `more than ${largest}`);
      return value;
    },
    format: (value) => `${value}`,
  };
}

function secondsField(name: string): HeaderField<number> {
  return {
    name,
    parse(text) {
      const value = readNumber(text, 0, text.length, limits.deltaSeconds);
      if (value < 0) throw malformed(name, "not a number of seconds");
      return value;
    },
    format: (value) => `${value}`,
  };
}
