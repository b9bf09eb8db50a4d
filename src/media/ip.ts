/** IP addresses of session descriptions: strict text to canonical text and kind. Nothing here asks a resolver. */
import type { Family } from "../base/index.ts";

export type IpKind =
  | "public"
  | "private"
  | "link-local"
  | "loopback"
  | "unspecified"
  | "multicast"
  | "reserved"
  | "mapped";

export interface Ip {
  /** Shortest text: RFC 5952 for IPv6. */
  readonly text: string;
  readonly family: Family;
  readonly kind: IpKind;
}

/** `undefined`: no IP address (a host name, a zone, leading zeros). */
export const readIp = (text: string): Ip | undefined => (text.includes(":") ? readIp6(text) : readIp4(text));

function readIp4(text: string): Ip | undefined {
  const value = ip4Value(text);
  return value < 0 ? undefined : { text: ip4Text(value), family: 4, kind: kind4(value) };
}

/** Written anew: a piece cut out of a message would keep the whole message in memory for the life of the call. */
const ip4Text = (value: number): string =>
  `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;

/** -1 when it is not four decimal numbers without leading zeros: other readings (octal, short forms) differ by program. */
function ip4Value(text: string): number {
  if (text.length > 15) return -1;
  let value = 0;
  let part = -1;
  let parts = 1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (part < 0 || parts === 4) return -1;
      value = value * 256 + part;
      part = -1;
      parts++;
      continue;
    }
    const digit = code - 48;
    if (digit < 0 || digit > 9 || part === 0) return -1;
    part = part < 0 ? digit : part * 10 + digit;
    if (part > 255) return -1;
  }
  return parts === 4 && part >= 0 ? value * 256 + part : -1;
}

const DOT = 46;

/** RFC 6890 and RFC 5771, as far as they matter to media. */
function kind4(value: number): IpKind {
  const first = Math.floor(value / 0x100_0000);
  const second = Math.floor(value / 0x1_0000) & 255;
  if (first === 0) return value === 0 ? "unspecified" : "reserved";
  if (first === 127) return "loopback";
  if (first >= 240) return "reserved";
  if (first >= 224) return "multicast";
  if (first === 10 || (first === 172 && second >= 16 && second < 32) || (first === 192 && second === 168))
    return "private";
  if (first === 100 && second >= 64 && second < 128) return "private";
  if (first === 169 && second === 254) return "link-local";
  return "public";
}

function readIp6(text: string): Ip | undefined {
  const groups = ip6Groups(text);
  return groups === undefined ? undefined : { text: ip6Text(groups), family: 6, kind: kind6(groups) };
}

function ip6Groups(text: string): number[] | undefined {
  if (text.length > 45) return undefined;
  const gap = text.indexOf("::");
  if (gap < 0) {
    const all = groupsOf(text, true);
    return all?.length === 8 ? all : undefined;
  }
  if (text.indexOf("::", gap + 1) >= 0) return undefined;
  const head = gap === 0 ? [] : groupsOf(text.slice(0, gap), false);
  const tail = gap + 2 === text.length ? [] : groupsOf(text.slice(gap + 2), true);
  if (head === undefined || tail === undefined || head.length + tail.length > 7) return undefined;
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

/** `atEnd`: the last two groups may be written as an IPv4 address. RFC 4291 §2.2. */
function groupsOf(text: string, atEnd: boolean): number[] | undefined {
  const groups: number[] = [];
  const parts = text.split(":", 9);
  for (const [index, part] of parts.entries()) {
    if (atEnd && index === parts.length - 1 && part.includes(".")) {
      const value = ip4Value(part);
      if (value < 0) return undefined;
      groups.push(Math.floor(value / 0x1_0000), value & 0xffff);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}

/** The longest run of zero groups, the first of equals, two at least, becomes "::". RFC 5952 §4.2. */
function ip6Text(groups: readonly number[]): string {
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > bestLength) {
      best = i;
      bestLength = length;
    }
    i += length;
  }
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(":");
  return best < 0 ? hex(groups) : `${hex(groups.slice(0, best))}::${hex(groups.slice(best + bestLength))}`;
}

/** RFC 4291 §2.4, RFC 6890. */
function kind6(groups: readonly number[]): IpKind {
  const [first = 0] = groups;
  if (first === 0) {
    const text = ip6Text(groups);
    // ::a.b.c.d, ::ffff:a.b.c.d and their kin reach IPv4 by a side door, past the rules for IPv4.
    return text === "::" ? "unspecified" : text === "::1" ? "loopback" : "mapped";
  }
  if (first >= 0xff00) return "multicast";
  if (first >= 0xfe80 && first < 0xfec0) return "link-local";
  if (first >= 0xfc00 && first < 0xfe00) return "private";
  return "public";
}
