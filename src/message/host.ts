/** Hosts: names, IPv4 addresses and IPv6 references. RFC 3261 §25.1, RFC 5954 §4.1, RFC 5952. */
import { HOST, skip } from "./grammar.ts";

const OPEN = 0x5b;
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
      const bytes = last && i === parts.length - 1 ? ip4Bytes(part) : undefined;
      if (bytes === undefined) return undefined;
      words.push((bytes[0]! << 8) | bytes[1]!, (bytes[2]! << 8) | bytes[3]!);
    }
  }
  return words;
}

function ip4Bytes(text: string): number[] | undefined {
  if (!/^(?:\d{1,3}\.){3}\d{1,3}$/.test(text)) return undefined;
  const bytes = text.split(".").map(Number);
  return bytes.every((byte) => byte < 256) ? bytes : undefined;
}

export const isIp4 = (text: string): boolean => ip4Bytes(text) !== undefined;

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
