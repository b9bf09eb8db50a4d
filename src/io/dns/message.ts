/** DNS messages: a question as bytes, and what an answer says to it. RFC 1035 §4, RFC 2308, RFC 6891. Every byte is hostile. */
import { a, aaaa, cname, encode, name as nameCodec, naptr, RECURSION_DESIRED, soa, srv } from "dns-packet";
import type { TransportInput, TransportOutput } from "../../engine/index.ts";

export type Question = Pick<Extract<TransportOutput, { out: "resolve" }>, "type" | "name">;
export type DnsRecord = Extract<TransportInput, { in: "resolved" }>["records"][number];

export type Verdict =
  | { readonly says: "records"; readonly records: readonly DnsRecord[] }
  /** No such name, or no such record there; for so long, when the zone tells. RFC 2308 §5. */
  | { readonly says: "nothing"; readonly seconds: number | undefined }
  /** The name stands for another one, which must be asked for; for so long. */
  | { readonly says: "alias"; readonly name: string; readonly seconds: number }
  /** The whole answer needs TCP. */
  | { readonly says: "truncated" }
  /** This server cannot tell: ask the next one. */
  | { readonly says: "failure"; readonly reason: string }
  /** Not the answer to this question: forged, or late. */
  | { readonly says: "stray" };

/** What we take in one datagram: no fragments. RFC 9715 §3.1. In bytes. */
const UDP_PAYLOAD = 1_232;
/** Limit: an answer over this is a failure: what we use of one fits, and names that point to and fro cost little. In bytes. */
const ANSWER_BYTES = 8_192;
/** Limit: records walked in one answer; those behind are not seen. */
const WALKED = 128;
/** Limit: aliases followed within one answer; a longer chain is a failure. */
const ALIASES = 8;
/** RFC 2181 §8: a time to live has 31 bits; one that has more counts as none. */
const LONGEST_TTL_SECONDS = 2 ** 31 - 1;

const HEADER_BYTES = 12;
const RESPONSE = 0x8000;
const OPCODE = 0x7800;
const AUTHORITATIVE = 0x0400;
const TRUNCATED = 0x0200;
const RECURSION_AVAILABLE = 0x0080;
const RCODE = 0x000f;
const CLASS_IN = 1;
const CNAME = 5;
const SOA = 6;
const TYPES: Readonly<Record<Question["type"], number>> = { A: 1, AAAA: 28, SRV: 33, NAPTR: 35 };
const RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];

/** `id`: 16 bits that nobody can guess. */
export function questionBytes(id: number, { type, name }: Question, isEdns: boolean): Buffer {
  return encode({
    type: "query",
    id,
    flags: RECURSION_DESIRED,
    questions: [{ type, name }],
    additionals: isEdns ? [{ type: "OPT", name: ".", udpPayloadSize: UDP_PAYLOAD, options: [] }] : [],
  });
}

/** Throws nothing. What is not an answer to exactly this question is a stray, whatever else is wrong with it. */
export function readAnswer(bytes: Buffer, id: number, question: Question): Verdict {
  let isAnswer = false;
  try {
    if (bytes.readUInt16BE(0) !== id || (bytes.readUInt16BE(2) & (RESPONSE | OPCODE)) !== RESPONSE)
      return { says: "stray" };
    const rcode = rcodeOf(bytes);
    // A server that does not understand the question need not repeat it.
    if (bytes.readUInt16BE(4) === 0 && rcode !== "NOERROR") return { says: "failure", reason: rcode };
    const answersAt = afterQuestion(bytes, question);
    if (answersAt === undefined) return { says: "stray" };
    isAnswer = true;
    if (bytes.length > ANSWER_BYTES) return { says: "failure", reason: "too long" };
    return verdictOf(bytes, rcode, answersAt, question);
  } catch {
    // RangeError of Buffer, or whatever the decoders throw at bytes that make no sense.
    return isAnswer ? { says: "failure", reason: "malformed" } : { says: "stray" };
  }
}

function rcodeOf(bytes: Buffer): string {
  const code = bytes.readUInt16BE(2) & RCODE;
  return RCODES[code] ?? `rcode ${code}`;
}

/** Where the answers begin; `undefined` when they are to another question. */
function afterQuestion(bytes: Buffer, question: Question): number | undefined {
  if (bytes.readUInt16BE(4) !== 1) return undefined;
  const name = nameCodec.decode(bytes, HEADER_BYTES);
  const at = HEADER_BYTES + nameCodec.decode.bytes;
  const isSame =
    bytes.readUInt16BE(at) === TYPES[question.type] &&
    bytes.readUInt16BE(at + 2) === CLASS_IN &&
    plainName(name) === plainName(question.name);
  return isSame ? at + 4 : undefined;
}

function verdictOf(bytes: Buffer, rcode: string, answersAt: number, question: Question): Verdict {
  const flags = bytes.readUInt16BE(2);
  if (rcode !== "NOERROR" && rcode !== "NXDOMAIN") return { says: "failure", reason: rcode };
  if ((flags & TRUNCATED) !== 0) return { says: "truncated" };

  const answers = walk(bytes, answersAt, bytes.readUInt16BE(6), WALKED);
  const end = followAliases(answers.records, question);
  if (end === undefined) return { says: "failure", reason: "aliases without end" };
  const { name, seconds } = end;
  const found = answers.records.filter((record) => record.type === TYPES[question.type] && record.name === name);
  if (found.length > 0) return { says: "records", records: found.map((one) => recordOf(one, question.type, seconds)) };

  const authority = walk(bytes, answers.end, bytes.readUInt16BE(8), WALKED - answers.records.length);
  const zone = authority.records.find((record) => record.type === SOA && isWithin(name, record.name));
  if (zone === undefined) {
    if (rcode === "NOERROR" && end.isAlias) {
      return isHostName(name) ? { says: "alias", name, seconds } : { says: "failure", reason: "alias of no name" };
    }
    const canTell = (flags & (AUTHORITATIVE | RECURSION_AVAILABLE)) !== 0;
    return canTell ? { says: "nothing", seconds: undefined } : { says: "failure", reason: "no recursion" };
  }
  return { says: "nothing", seconds: Math.min(seconds, zone.ttlSeconds, soa.decode(zone.upToEnd, zone.at).minimum) };
}

/** A record as it stands: its data from `at` (their length first) to the end of `upToEnd`, which begins with the message. */
interface RawRecord {
  /** Lower case, without the final dot. */
  readonly name: string;
  readonly type: number;
  readonly ttlSeconds: number;
  readonly upToEnd: Buffer;
  readonly at: number;
}

/** Reads `count` records, `limit` at most. Throws when one leaves the message. Types that nobody asked for are stepped over. */
function walk(bytes: Buffer, from: number, count: number, limit: number): { records: RawRecord[]; end: number } {
  const records: RawRecord[] = [];
  let at = from;
  for (let i = 0; i < Math.min(count, limit); i++) {
    const name = plainName(nameCodec.decode(bytes, at));
    at += nameCodec.decode.bytes;
    const type = bytes.readUInt16BE(at);
    const isInternet = bytes.readUInt16BE(at + 2) === CLASS_IN;
    const ttl = bytes.readUInt32BE(at + 4);
    const end = at + 10 + bytes.readUInt16BE(at + 8);
    if (end > bytes.length) throw new RangeError("a record leaves the message");
    const ttlSeconds = ttl > LONGEST_TTL_SECONDS ? 0 : ttl;
    if (isInternet) records.push({ name, type, ttlSeconds, upToEnd: bytes.subarray(0, end), at: at + 8 });
    at = end;
  }
  return { records, end: at };
}

/** From the name asked for along the aliases of the answer; `undefined` when they go on too long, or in a circle. */
function followAliases(
  records: readonly RawRecord[],
  question: Question,
): { name: string; seconds: number; isAlias: boolean } | undefined {
  let name = plainName(question.name);
  let seconds = LONGEST_TTL_SECONDS;
  for (let followed = 0; followed <= ALIASES; followed++) {
    const alias = records.find((record) => record.type === CNAME && record.name === name);
    if (alias === undefined) return { name, seconds, isAlias: followed > 0 };
    name = plainName(cname.decode(alias.upToEnd, alias.at));
    seconds = Math.min(seconds, alias.ttlSeconds);
  }
  return undefined;
}

/** Throws when the data are not of this type. `seconds`: of the aliases that led here; no record is held longer. */
function recordOf(raw: RawRecord, type: Question["type"], seconds: number): DnsRecord {
  const ttlSeconds = Math.min(raw.ttlSeconds, seconds);
  const { upToEnd, at } = raw;
  switch (type) {
    case "A":
    case "AAAA": {
      const { decode } = type === "A" ? a : aaaa;
      const ip = decode(upToEnd, at);
      whole(decode, raw);
      return { type, ttlSeconds, ip };
    }
    case "SRV": {
      const { priority, weight, port, target } = srv.decode(upToEnd, at);
      return { type, ttlSeconds, priority, weight, port, target };
    }
    case "NAPTR": {
      const { order, preference, flags, services, regexp, replacement } = naptr.decode(upToEnd, at);
      whole(naptr.decode, raw);
      return { type, ttlSeconds, order, preference, flags, service: services, regexp, replacement };
    }
  }
}

/** Throws when the decoder took more or less than the data. */
function whole(decode: { readonly bytes: number }, { upToEnd, at }: RawRecord): void {
  if (at + decode.bytes !== upToEnd.length) throw new RangeError("a record of another length");
}

/** As names are compared: lower case, without the final dot. RFC 4343. */
export const plainName = (name: string): string => (name.endsWith(".") ? name.slice(0, -1) : name).toLowerCase();

const isHostName = (name: string): boolean => /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/.test(name);

const isWithin = (name: string, zone: string): boolean => zone === "" || name === zone || name.endsWith(`.${zone}`);
