/**
 * Answers to STUN binding requests on a SIP port: the keepalive of phones on UDP (RFC 5626 §3.5.2, §8), by which they
 * learn that their NAT has given them another address. No credentials, no other method, and nothing that is kept.
 */
import type { Address } from "../base/index.ts";

const HEADER_BYTES = 20;
const BINDING_REQUEST = 0x0001;
const COOKIE = "\x21\x12\xa4\x42";
/** Limit: bytes of a request that is looked at; a keepalive has 20, some more with SOFTWARE and FINGERPRINT. */
const REQUEST_BYTES = 548;
/** Attributes from here up may be passed over when they are not known: RFC 8489 §14. */
const OPTIONAL = 0x8000;

/** Text as bytes. `undefined`: no binding request of RFC 8489, to which nothing is said. */
export function stunAnswer(text: string, remote: Address): string | undefined {
  if (text.length < HEADER_BYTES || text.length > REQUEST_BYTES || text.length % 4 !== 0) return undefined;
  if (word(text, 0) !== BINDING_REQUEST || word(text, 2) !== text.length - HEADER_BYTES) return undefined;
  if (text.slice(4, 8) !== COOKIE) return undefined;
  const unknown = unknownAttributes(text);
  if (unknown === undefined) return undefined;
  const id = text.slice(4, HEADER_BYTES);
  if (unknown.length === 0) return message("\x01\x01", id, attribute("\x00\x20", xorMapped(remote, id)));
  // RFC 8489 §6.3.1: 420 with what we do not know.
  const list = unknown.map(two).join("");
  const padding = "\0\0".repeat(unknown.length % 2);
  return message("\x01\x11", id, attribute("\x00\x09", "\0\0\x04\x14") + attribute("\x00\x0a", list) + padding);
}

/** `undefined`: they do not fill the message. */
function unknownAttributes(text: string): readonly number[] | undefined {
  const unknown: number[] = [];
  for (let at = HEADER_BYTES; at < text.length; ) {
    const type = word(text, at);
    const length = word(text, at + 2);
    at += 4 + length + ((4 - (length % 4)) % 4);
    if (at > text.length) return undefined;
    if (type < OPTIONAL && unknown.length < 4) unknown.push(type);
  }
  return unknown;
}

/** RFC 8489 §14.2; `key`: cookie and transaction id. */
function xorMapped({ ip, port }: Address, key: string): string {
  const address = ip.includes(":") ? bytes6(ip) : ip.split(".").map(Number);
  let text = `\0${address.length === 4 ? "\x01" : "\x02"}${two(port ^ word(key, 0))}`;
  for (const [i, byte] of address.entries()) text += String.fromCharCode(byte ^ key.charCodeAt(i));
  return text;
}

/** Of an address in its shortest form, as all of ours are. */
function bytes6(ip: string): number[] {
  const [head = "", tail] = ip.split("::");
  const groups = (part: string | undefined): string[] => (part === undefined || part === "" ? [] : part.split(":"));
  const left = groups(head);
  const right = groups(tail);
  const zeros = new Array<string>(8 - left.length - right.length).fill("0");
  return [...left, ...zeros, ...right].flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

const message = (type: string, id: string, attributes: string): string =>
  `${type}${two(attributes.length)}${id}${attributes}`;

const attribute = (type: string, value: string): string => `${type}${two(value.length)}${value}`;

const two = (value: number): string => String.fromCharCode(value >> 8, value & 0xff);

const word = (text: string, at: number): number => (text.charCodeAt(at) << 8) | text.charCodeAt(at + 1);
