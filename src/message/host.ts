/** Hosts: names, IPv4 addresses and IPv6 references. RFC 3261 §25.1, RFC 5954 §4.1, RFC 5952. */
import { HOST, skip } from "./grammar.ts";

const OPEN = 0x5b;
const DOT = 0x2e;
const NAME_BYTES = 255;

/** Where a host that begins at `at` ends: behind the bracket of an IPv6 reference, or behind name characters. */
export function hostEnd(text: string, at: number, end: number): number {
  if (text.charCodeAt(at) !== OPEN) return skip(HOST, text, at, end);
  const close = text.indexOf("]", at);
  return close < 0 || close >= end ? at : close + 1;
}

/** Lower case, IPv6 without brackets; `undefined` when the range holds no host. */
export function parseHost(text: string, start: number, end: number): string | undefined {
  if (start === end) return undefined;
  if (text.charCodeAt(start) !== OPEN) {
    const first = text.charCodeAt(start);
    if (end - start > NAME_BYTES || first === 0x2d || first === 0x2e) return undefined;
    return text.slice(start, end).toLowerCase();
  }
  // The grammar of RFC 3261 lets a third colon stand before an IPv4 tail; RFC 5118 §4.10 asks to bear with it.
  const ip = text
    .slice(start + 1, end - 1)
    .toLowerCase()
    .replace(/:::(?=\d{1,3}\.)/, "::");
  return ip6Words(ip) === undefined ? undefined : ip;
}

/** Names byte by byte (they are lower case already), IPv6 addresses by value. */
export function sameHost(a: string, b: string): boolean {
  if (a === b) return true;
  if (!a.includes(":") || !b.includes(":")) return false;
  const canonical = canonicalIp6(a);
  return canonical !== undefined && canonical === canonicalIp6(b);
}

/** The eight 16-bit words of an IPv6 address; `undefined` when the text is none. No zone, no prefix length. */
function ip6Words(text: string): number[] | undefined {
  if (text.length < 2 || text.length > 45) return undefined;
  const gap = text.indexOf("::");
  if (gap < 0) {
    const words = wordsOf(text);
    return words?.length === 8 ? words : undefined;
  }
  const before = gap === 0 ? [] : wordsOf(text.slice(0, gap), false);
  const after = gap + 2 === text.length ? [] : wordsOf(text.slice(gap + 2));
  if (before === undefined || after === undefined || before.length + after.length > 7) return undefined;
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}

/** Words between single colons; an IPv4 address may be the last two, where `last` allows it. */
function wordsOf(text: string, last = true): number[] | undefined {
  const parts = text.split(":");
  const words: number[] = [];
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (/^[0-9a-f]{1,4}$/i.test(part)) words.push(Number.parseInt(part, 16));
    else {
      const value = last && i === parts.length - 1 ? ip4Value(part) : -1;
      if (value < 0) return undefined;
      words.push(Math.floor(value / 0x1_0000), value & 0xffff);
    }
  }
  return words;
}

/** Four decimal numbers below 256 between dots, of at most three digits each; -1 when the text is something else. */
function ip4Value(text: string): number {
  if (text.length > 15) return -1;
  let value = 0;
  let byte = 0;
  let digits = 0;
  let dots = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      if (digits === 0 || ++dots > 3) return -1;
      value = value * 256 + byte;
      byte = 0;
      digits = 0;
      continue;
    }
    if (code < 0x30 || code > 0x39 || ++digits > 3) return -1;
    byte = byte * 10 + code - 0x30;
    if (byte > 255) return -1;
  }
  return dots === 3 && digits > 0 ? value * 256 + byte : -1;
}

export const isIp4 = (text: string): boolean => ip4Value(text) >= 0;

export const isIp6 = (text: string): boolean => ip6Words(text) !== undefined;

/** RFC 5952: the one text form of an IPv6 address, as the kernel and Node print it; `undefined` when it is none. */
export function canonicalIp6(text: string): string | undefined {
  const words = ip6Words(text);
  if (words === undefined) return undefined;
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
    return `::ffff:${[words[6]! >> 8, words[6]! & 255, words[7]! >> 8, words[7]! & 255].join(".")}`;
  }
  const { start, length } = longestZeros(words);
  const hex = (some: readonly number[]): string => some.map((word) => word.toString(16)).join(":");
  if (length < 2) return hex(words);
  return `${hex(words.slice(0, start))}::${hex(words.slice(start + length))}`;
}

function longestZeros(words: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && words[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}
