/** Addresses as operators write them. Each function returns `undefined`, or a text that says what is wrong. */
import { isIP, SocketAddress } from "node:net";
import type { Address, Family, Protocol, TargetSettings } from "../../base/index.ts";
import { familyOf } from "../../base/index.ts";

/** What is wrong with a text, and what to do. */
export class Malformed {
  readonly problem: string;
  readonly remedy: string;

  constructor(problem: string, remedy: string) {
    this.problem = problem;
    this.remedy = remedy;
  }
}

/** The shortest text form (RFC 5952 for IPv6); `undefined` when it is not an IP address, or has a zone. */
export function canonicalIp(text: string): string | undefined {
  const version = isIP(text);
  if (version === 0 || text.includes("%")) return undefined;
  return version === 4 ? text : new SocketAddress({ address: text, family: "ipv6" }).address;
}

export const isWildcard = (ip: string): boolean => ip === "0.0.0.0" || ip === "::";

/** A host name by RFC 1123: labels of letters, digits and inner hyphens, the last not all digits. */
export function isHostName(text: string): boolean {
  if (text.length > 253 || !/^[A-Za-z0-9.-]+$/.test(text)) return false;
  const labels = text.split(".");
  if (labels.at(-1) === "") labels.pop();
  const last = labels.at(-1);
  return (
    last !== undefined &&
    !/^\d+$/.test(last) &&
    labels.every((label) => label.length <= 63 && /^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$/.test(label))
  );
}

/** `udp:127.0.0.1:5060`, `tls:[::1]:5061`: a protocol, an IP address and a port. */
export function parseListen(text: string): { protocol: Protocol; address: Address } | Malformed {
  const parts = splitTarget(text);
  if (parts instanceof Malformed) return parts;
  const ip = canonicalIp(parts.host);
  if (ip === undefined)
    return new Malformed(`"${parts.host}" is not an IP address`, "write an address of this machine, IPv6 in [ ]");
  return { protocol: parts.protocol, address: { ip, port: parts.port } };
}

/** `udp:host:port`, or a SIP URI for RFC 3263. */
export function parseTarget(text: string): TargetSettings | Malformed {
  if (/^sips?:/i.test(text)) {
    return /^sips?:(?:[\w.!~*'()&=+$,;?/%-]+@)?(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:;[\w.!~*'()[\]/:&+$%-]+(?:=[\w.!~*'()[\]/:&+$%-]+)?)*$/i.test(
      text,
    )
      ? { kind: "uri", uri: text }
      : new Malformed(`"${text}" is not a SIP URI`, "write one as in sip:carrier.example.com;transport=tcp");
  }
  const parts = splitTarget(text);
  if (parts instanceof Malformed) return parts;
  const ip = canonicalIp(parts.host);
  if (ip !== undefined && isWildcard(ip)) return new Malformed(`nobody can be reached at ${ip}`, "write its address");
  if (ip === undefined && !isHostName(parts.host))
    return new Malformed(`"${parts.host}" is neither an IP address nor a host name`, "write one of them, IPv6 in [ ]");
  return { kind: "host", protocol: parts.protocol, host: ip ?? parts.host.toLowerCase(), port: parts.port };
}

const isProtocol = (word: string): word is Protocol => /^(?:udp|tcp|tls|wss?)$/.test(word);

function splitTarget(text: string): { protocol: Protocol; host: string; port: number } | Malformed {
  const colon = text.indexOf(":");
  const protocol = text.slice(0, colon).toLowerCase();
  if (!isProtocol(protocol))
    return new Malformed(
      `"${text}" does not begin with udp:, tcp:, tls:, ws: or wss:`,
      "write it as in udp:192.0.2.1:5060",
    );
  const match = /^(\[[^\]]*\]|[^:[\]]*):(\d{1,5})$/.exec(text.slice(colon + 1));
  if (match === null)
    return new Malformed(`"${text}" is not ${protocol}:host:port`, `write it as in ${protocol}:192.0.2.1:5060`);
  const port = Number(match[2]);
  if (port < 1 || port > 65_535) return new Malformed(`${port} is not a port`, "write 1 to 65535");
  const host = match[1] as string;
  return { protocol, host: host.startsWith("[") ? host.slice(1, -1) : host, port };
}

/** `10.0.0.0/8` or one address. Returned as address/prefix. */
export function parseCidr(text: string): string | Malformed {
  const [address = "", prefix, ...rest] = text.split("/");
  const ip = canonicalIp(address);
  if (ip === undefined || rest.length > 0)
    return new Malformed(`"${text}" is not a CIDR`, "write it as in 192.0.2.0/24 or 2001:db8::/32");
  const bits = familyOf(ip) === 4 ? 32 : 128;
  if (prefix === undefined) return `${ip}/${bits}`;
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > bits)
    return new Malformed(`/${prefix} is not a prefix length`, `write /0 to /${bits}`);
  const network = networkOf(ip, Number(prefix));
  if (network !== ip)
    return new Malformed(`${ip} has bits beyond /${prefix}`, `write ${network}/${prefix}, or ${ip}/${bits}`);
  return `${ip}/${prefix}`;
}

/** The address with every bit beyond the prefix cleared. */
function networkOf(ip: string, prefix: number): string {
  const family = familyOf(ip);
  const words = family === 4 ? ip.split(".").map(Number) : ipv6Words(ip);
  const wordBits = family === 4 ? 8 : 16;
  const kept = words.map((value, index) => {
    const bits = Math.min(wordBits, Math.max(0, prefix - index * wordBits));
    return value & ~((1 << (wordBits - bits)) - 1);
  });
  const text = family === 4 ? kept.join(".") : kept.map((value) => value.toString(16)).join(":");
  return canonicalIp(text) ?? text;
}

/** The eight words of a canonical IPv6 address. */
function ipv6Words(ip: string): number[] {
  const hex = ip.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [(Number(a) << 8) | Number(b), (Number(c) << 8) | Number(d)].map((value) => value.toString(16)).join(":"),
  );
  const [head = "", tail] = hex.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const gap = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array.from({ length: gap }, () => "0"), ...right].map((word) => Number.parseInt(word, 16));
}

/** `20000-29999`, from an even or odd port; RTP takes even ones (RFC 3550 §11). */
export function parsePorts(text: string): { first: number; last: number } | Malformed {
  const match = /^(\d{1,5})\s*-\s*(\d{1,5})$/.exec(text);
  if (match === null) return new Malformed(`"${text}" is not a range of ports`, "write it as in 20000-29999");
  const first = Number(match[1]);
  const last = Number(match[2]);
  if (first < 1_024 || last > 65_535) return new Malformed(`${text} leaves 1024-65535`, "write a range inside it");
  if (first > last) return new Malformed(`${first} is above ${last}`, `write ${last}-${first}`);
  return { first, last };
}

/** How many RTP ports, each with the RTCP port above it, a range holds. */
export function pairsIn(first: number, last: number): number {
  const even = first + (first & 1);
  return Math.max(0, Math.floor((last - even + 1) / 2));
}

export const familyName = (family: Family): string => (family === 4 ? "IPv4" : "IPv6");
