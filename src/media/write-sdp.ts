/**
 * Our own description toward one leg, written anew: nothing of the other leg's is copied but what stands in the lists
 * below. Line order is RFC 8866 §5.
 */
import { type Family, familyOf, type MediaRules } from "../base/index.ts";
import {
  type Attribute,
  type Bandwidth,
  type Direction,
  formatFingerprint,
  type Media,
  type Sdp,
  type Setup,
  type Time,
} from "../sdp/index.ts";
import type { LineDtls } from "./association.ts";
import { MID_URI } from "./bundle.ts";
import { isFaxAttribute, isFaxProfile } from "./fax.ts";
import type { LineIce } from "./ice.ts";
import type { LineSide, Local, OwnKey } from "./line.ts";
import { cryptoText } from "./sdes.ts";
import type { Leg } from "./session.ts";

/**
 * Attributes of an m-line that may cross, with their values: what codecs, packets and pictures are like. Everything
 * else describes transport, keys or persons, and is ours to say or nobody's.
 */
const CROSSING = new Set([
  "rtpmap",
  "fmtp",
  "ptime",
  "maxptime",
  "minptime",
  "maxprate",
  "framerate",
  "framesize",
  "quality",
  "orient",
  "imageattr",
  "content",
  "label",
  "lang",
  "sdplang",
  "extmap",
  "extmap-allow-mixed",
  "silenceSupp",
  "rid",
  "simulcast",
  "rtcp-rsize",
  "hlang-send",
  "hlang-recv",
]);

/** Attributes of the session that may cross. Direction stands at each m-line. */
const CROSSING_SESSION = new Set(["lang", "sdplang", "extmap", "extmap-allow-mixed"]);

/** RFC 8866 §5.8, RFC 3556, RFC 3890. */
const BANDWIDTHS = new Set(["AS", "CT", "TIAS", "RR", "RS"]);

/** One m-line of ours. `undefined` side: the position stays, with port 0. */
export interface Writing {
  /** Whose codecs and attributes cross. */
  readonly source: Media;
  readonly side: LineSide | undefined;
  readonly mid: string | undefined;
  readonly protocol: string;
  readonly feedback: boolean;
  readonly direction: Direction;
  readonly keys: readonly OwnKey[];
  /** Lines of DTLS, with their ends. */
  readonly dtls: string | undefined;
  /** RTCP has no port of its own to fall back to: RFC 8858. */
  readonly muxOnly: boolean;
  /** Precondition lines for the side that is told. */
  readonly preconditions: readonly Attribute[];
  /** An offer that would share ports says where RTCP goes when the answer does not. RFC 5761 §5.1.1. */
  readonly offer: boolean;
  /** Another line of its bundle says how they all are reached and secured: RFC 9143 §7.1.3. */
  readonly led: boolean;
  /** The line that this one answers, as it came: what both ends must have is told as far as it was offered. */
  readonly asked: Media | undefined;
}

/** What a line says of DTLS: RFC 8122, RFC 4145, RFC 8842. */
export function handshakeLines(leg: Leg, { tlsId, named, identity }: LineDtls, setup: Setup): string {
  const shown = identity === undefined ? leg.fingerprint : formatFingerprint(identity.fingerprint);
  const lines = `a=fingerprint:${shown}\r\na=setup:${setup}\r\n`;
  return named ? `${lines}a=tls-id:${tlsId}\r\n` : lines;
}

/** What our offers say of time: the call lives until it ends. RFC 3264 §5. */
export const ALWAYS: readonly Time[] = [{ start: "0", stop: "0", repeats: [] }];

/** What belongs to the session as a whole. */
export interface Frame {
  /** Whose session attributes and bandwidths cross. */
  readonly source: Sdp;
  /** An answer repeats those of its offer. RFC 3264 §6. */
  readonly times: readonly Time[];
  /** `a=group` lines, with their ends. */
  readonly groups: string;
  /** A line has ICE. */
  readonly ice: boolean;
  /** Of the side that is told. */
  readonly rules: MediaRules | undefined;
}

/** Everything after `o=`. `shown`: the address for `c=` when no line has one. */
export function writeBody(
  { source, times, groups, ice, rules }: Frame,
  shown: string,
  lines: readonly Writing[],
): string {
  let text = `s=-\r\n${connectionLine(shown)}${bandwidthLines(source.bandwidths)}`;
  for (const { start, stop } of times) text += `t=${start} ${stop}\r\n`;
  text += groups;
  if (ice) text += "a=ice-lite\r\na=ice-options:ice2\r\n"; // RFC 8839 §4.2.1.
  for (const attribute of source.attributes) {
    if (CROSSING_SESSION.has(attribute.name) && !namesLines(attribute)) text += attributeLine(attribute);
  }
  const more = rules?.allowAttributes ?? NO_NAMES;
  for (const line of lines)
    text += line.side === undefined ? declinedLine(line) : mediaLines(line, line.side, shown, more);
  return text;
}

/** RFC 3264 §6: the formats of a declined stream mean nothing, but one must stand there. */
const declinedLine = ({ source, protocol, mid }: Writing): string =>
  `m=${source.kind} 0 ${protocol} ${source.formats[0] ?? "0"}\r\n${midLine(mid)}`;

const midLine = (mid: string | undefined): string => (mid === undefined ? "" : `a=mid:${mid}\r\n`);

/** Names of lines inside of packets serve a bundle alone, and they are another leg's. RFC 9143 §15. */
const namesLines = ({ name, value }: Attribute): boolean => name === "extmap" && value?.includes(MID_URI) === true;

const NO_NAMES: readonly string[] = [];

/** `more`: names of attributes that may cross, too. */
function mediaLines(
  line: Writing,
  { local, mux, ice, midId }: LineSide,
  shown: string,
  more: readonly string[],
): string {
  const { source } = line;
  const fax = isFaxProfile(line.protocol);
  let text = `m=${source.kind} ${local.rtpPort} ${line.protocol}`;
  for (const format of source.formats) text += ` ${format}`;
  text += "\r\n";
  if (local.shown !== shown) text += connectionLine(local.shown);
  text += bandwidthLines(source.bandwidths);
  for (const attribute of source.attributes) {
    const { name } = attribute;
    const known = fax ? isFaxAttribute(name, attribute.value) : CROSSING.has(name) && !namesLines(attribute);
    const crosses = known || (!CROSSING.has(name) && more.includes(name));
    if ((crosses || (line.feedback && name === "rtcp-fb")) && isAsked(attribute, line.asked)) {
      text += attributeLine(attribute);
    }
  }
  for (const attribute of line.preconditions) text += attributeLine(attribute);
  text += midLine(line.mid);
  if (midId !== 0) text += `a=extmap:${midId} ${MID_URI}\r\n`;
  // Fax machines are old, and know no more than what they must.
  if (fax) text += line.dtls ?? "";
  if (fax) return line.direction === "sendrecv" ? text : `${text}a=${line.direction}\r\n`;
  // Each line says this one, which serves all: browsers look for it in each.
  if (line.led) return `${text}a=rtcp-mux\r\na=${line.direction}\r\n`;
  if (!mux || (line.offer && !line.muxOnly)) text += `a=rtcp:${local.rtcpPort}\r\n`;
  if (mux) text += "a=rtcp-mux\r\n";
  if (line.muxOnly && line.offer) text += "a=rtcp-mux-only\r\n";
  if (ice !== undefined) text += candidateLines(ice, local, mux && (!line.offer || line.muxOnly));
  if (line.dtls !== undefined) text += line.dtls;
  for (const own of line.keys) {
    text += `a=crypto:${cryptoText(own)}\r\n`;
  }
  return `${text}a=${line.direction}\r\n`;
}

/** `alone`: RTP's is the only component. Priorities are those of one host address: RFC 8445 §5.1.2. */
function candidateLines({ ufrag, password }: LineIce, { shown, rtpPort, rtcpPort }: Local, alone: boolean): string {
  let text = `a=ice-ufrag:${ufrag}\r\na=ice-pwd:${password.reveal()}\r\n`;
  text += `a=candidate:1 1 UDP 2130706431 ${shown} ${rtpPort} typ host\r\n`;
  if (!alone) text += `a=candidate:1 2 UDP 2130706430 ${shown} ${rtcpPort} typ host\r\n`;
  return `${text}a=end-of-candidates\r\n`;
}

/**
 * Header extensions (RFC 8285 §6) and feedback (RFC 4585 §4.2) that an answer names without their being in the offer are a
 * fault of the answerer, which ends strict offerers.
 */
function isAsked({ name, value = "" }: Attribute, asked: Media | undefined): boolean {
  if (asked === undefined || (name !== "extmap" && name !== "rtcp-fb")) return true;
  const words = wordsIn(name, value);
  return asked.attributes.some((each) => each.name === name && sameWords(wordsIn(name, each.value ?? ""), words));
}

/** `1/sendonly URI …` is the same extension as `1 URI …`; a format's feedback may have been offered for all. */
function wordsIn(name: string, value: string): readonly string[] {
  const words = value.trim().toLowerCase().split(/ +/, 8);
  return name === "extmap" ? [(words[0] ?? "").replace(/\/.*/, ""), words[1] ?? ""] : words;
}

const sameWords = (some: readonly string[], others: readonly string[]): boolean =>
  some.length === others.length && some.every((word, index) => word === others[index] || (index === 0 && word === "*"));

export const connectionLine = (ip: string): string => `c=${typedAddress(ip)}\r\n`;

export const typedAddress = (ip: string): string => `IN IP${familyOf(ip) satisfies Family} ${ip}`;

const attributeLine = ({ name, value }: Attribute): string =>
  value === undefined ? `a=${name}\r\n` : `a=${name}:${value}\r\n`;

function bandwidthLines(bandwidths: readonly Bandwidth[]): string {
  let text = "";
  for (const { type, value } of bandwidths) {
    if (BANDWIDTHS.has(type) && /^[0-9]{1,10}$/.test(value)) text += `b=${type}:${value}\r\n`;
  }
  return text;
}
