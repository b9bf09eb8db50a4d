/** IP addresses as numbers, strictly read: a leading zero, a zone or a short form is no address here. RFC 5952, RFC 6943 §3.1.1. */

/** Four 32-bit words; an IPv4 address sits in the last, as ::ffff:a.b.c.d. */
export type IpWords = readonly [number, number, number, number];

export interface Cidr {
  readonly words: IpWords;
  /** 0 to 128; an IPv4 prefix counts 96 more. */
  readonly bits: number;
}

const IPV4_PREFIX = 0xffff;

/** `undefined` when the text is not an IP address. */
export function parseIp(text: string): IpWords | undefined {
  if (text.length > 45) return undefined;
  if (!text.includes(":")) {
    const word = parseIpv4(text);
    return word === undefined ? undefined : [0, 0, IPV4_PREFIX, word];
  }
  return parseIpv6(text);
}

/** `undefined` when the text is neither `address/bits` nor an address. Bits below the prefix must be zero-able: they are ignored. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf("/");
  const words = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (words === undefined) return undefined;
  const offset = text.includes(":") ? 0 : 96;
  if (slash < 0) return { words, bits: 128 };
  const length = text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) + offset > 128) return undefined;
  return { words, bits: Number(length) + offset };
}

export function cidrContains(cidr: Cidr, ip: IpWords): boolean {
  let bits = cidr.bits;
  for (let i = 0; i < 4 && bits > 0; i++, bits -= 32) {
    const mask = bits >= 32 ? 0xffff_ffff : ~(0xffff_ffff >>> bits);
    if ((((cidr.words[i] as number) ^ (ip[i] as number)) & mask) !== 0) return false;
  }
  return true;
}

/** One text for every spelling of an address, so that it can be a key. Text that is no address is only lower-cased. */
export function canonicalIp(text: string): string {
  const colon = text.includes(":");
  if (!colon) return text.toLowerCase();
  const words = parseIpv6(text);
  if (words === undefined) return text.toLowerCase();
  const [a, b, c, d] = words;
  if (a === 0 && b === 0 && c === IPV4_PREFIX) return `${d >>> 24}.${(d >>> 16) & 255}.${(d >>> 8) & 255}.${d & 255}`;
  return words.map((word) => word.toString(16)).join(":");
}

function parseIpv4(text: string): number | undefined {
  let word = 0;
  let octet = -1;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2e) {
      if (octet < 0 || ++dots > 3) return undefined;
      word = (word << 8) | octet;
      octet = -1;
    } else if (code >= 0x30 && code <= 0x39) {
      if (octet === 0) return undefined; // 010.1.1.1 is octal to some readers and decimal to others.
      octet = (octet < 0 ? 0 : octet * 10) + code - 0x30;
      if (octet > 255) return undefined;
    } else return undefined;
  }
  if (dots !== 3 || octet < 0) return undefined;
  return ((word << 8) | octet) >>> 0;
}

function parseIpv6(text: string): IpWords | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = groups(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1] ?? "", true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const all = [...head, ...new Array<number>(missing).fill(0), ...tail];
  const word = (i: number): number => (((all[2 * i] as number) << 16) | (all[2 * i + 1] as number)) >>> 0;
  return [word(0), word(1), word(2), word(3)];
}

/** 16-bit groups; `last`: an IPv4 address may stand at the end. */
function groups(text: string, last: boolean): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const found: number[] = [];
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as string;
    if (last && i === parts.length - 1 && part.includes(".")) {
      const v4 = parseIpv4(part);
      if (v4 === undefined) return undefined;
      found.push(v4 >>> 16, v4 & 0xffff);
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) found.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return found.length > 8 ? undefined : found;
}
