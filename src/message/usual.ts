/**
 * What nearly everybody writes, told and checked by one pattern. It spares the careful look, byte by byte, and is
 * never the only judge: what it does not match gets that look.
 */
import { COMMA } from "./grammar.ts";

/**
 * Limit: no usual line or value is longer, in bytes, so that nothing in it (a host, a URI) is over a limit of its own.
 * What is longer gets the careful look.
 */
export const USUAL_BYTES = 255;

/**
 * One or more bytes of a class: `class+`, four at a time, which takes a fifth less. Each length is matched in one way
 * alone: were there three (`x?x?x?`), a line of n such runs that fails at its end would be tried in 3^n ways.
 */
export const run = (bytes: string): string =>
  `${bytes}(?:${bytes}${bytes}${bytes}${bytes})*(?:${bytes}(?:${bytes}${bytes}?)?)?`;

/** Ports from 1 to 59,999: those above are rare, and a pattern that knows 65,535 takes longer. */
export const usualPort = "(?:[1-9]\\d{0,3}|[1-5]\\d{4})";

/** Parameters without quotes, white space and brackets of their own. */
export const usualParams = `(?:;[\\w\\-.!%*+\`'~]+(?:=${run("[\\w\\-.!%*+`'~:[\\]]")})?)*`;

/** Where the usual value at `start` ends: at `end`, or at a comma when it is the `first` of a list. -1: it is not. */
export function usualEnd(pattern: RegExp, text: string, start: number, end: number, first: boolean): number {
  pattern.lastIndex = start;
  if (!pattern.test(text)) return -1;
  const stop = pattern.lastIndex;
  if (stop - start > USUAL_BYTES || stop > end) return -1;
  return stop === end || (first && text.charCodeAt(stop) === COMMA) ? stop : -1;
}
