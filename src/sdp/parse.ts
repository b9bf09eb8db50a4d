/**
 * Session description text to values: RFC 8866 §5 and §9, one pass over the lines. Total: whatever the bytes are, the
 * result is a value or a PeerError 400.
 *
 * It takes what is harmless and common: LF alone as line end, session lines out of order, missing `s=` or `t=`, empty
 * lines at the end, spaces at the end of structured lines.
 */
import { type Family, PeerError } from "../base/index.ts";
import { sdpLimits } from "./limits.ts";
import type { Attribute, Bandwidth, Connection, Line, Media, Origin, Sdp, Time } from "./sdp.ts";

type Draft<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };
type MediaDraft = Draft<Media>;
type SdpDraft = Omit<Draft<Sdp>, "origin" | "media"> & { origin: Origin | undefined; media: MediaDraft[] };

/** Throws PeerError(400). */
export function parseSdp(text: string): Sdp {
  if (text.length > sdpLimits.textBytes) throw bad(`${text.length} bytes are more than ${sdpLimits.textBytes}`);
  if (FORBIDDEN.test(text)) throw bad("a NUL, or a CR inside a line");
  if (!text.startsWith("v=0\r\n") && !text.startsWith("v=0\n")) throw bad("it does not begin with v=0");

  const sdp: SdpDraft = {
    origin: undefined,
    name: "-",
    connection: undefined,
    bandwidths: [],
    times: [],
    attributes: [],
    others: [],
    media: [],
  };
  let media: MediaDraft | undefined;
  let lines = 0;
  let ended = false;
  for (let start = text.indexOf("\n") + 1; start < text.length; ) {
    let next = text.indexOf("\n", start);
    if (next < 0) next = text.length;
    const end = text.charCodeAt(next - 1) === CR && next > start ? next - 1 : next;
    if (end === start) ended = true;
    else {
      if (ended) throw bad("an empty line in the middle");
      if (++lines > sdpLimits.lines) throw bad(`more than ${sdpLimits.lines} lines`);
      if (end - start > sdpLimits.lineBytes) throw bad(`a line of more than ${sdpLimits.lineBytes} bytes`);
      if (text.charCodeAt(start + 1) !== EQUALS) throw bad("a line is not type=value");
      const type = text.charCodeAt(start);
      if (type === A) (media ?? sdp).attributes.push(parseAttribute(text, start + 2, end));
      else if (type === M) media = addMedia(sdp, text.slice(start + 2, end));
      else if (media === undefined) sessionLine(sdp, text.charAt(start), text.slice(start + 2, end));
      else mediaLine(media, text.charAt(start), text.slice(start + 2, end));
    }
    start = next + 1;
  }
  if (sdp.origin === undefined) throw bad("no o= line");
  if (sdp.times.length === 0) sdp.times.push({ start: "0", stop: "0", repeats: [] });
  return sdp as Sdp;
}

const FORBIDDEN = /\0|\r(?!\n)/;
const CR = 13;
const EQUALS = 61;
const A = 97;
const M = 109;

/** RFC 8866 §9 token-char, "/" between the parts of a protocol, and the space between words. */
const MEDIA_WORDS = /^[!#-'*+\-./0-9A-Z^-~ ]+$/;
const ADDRESS = /^[0-9A-Za-z.:_-]+$/;
const DIGITS = /^[0-9]{1,20}$/;

const bad = (problem: string): PeerError => new PeerError(400, `SDP: ${problem}`);

function parseAttribute(text: string, start: number, end: number): Attribute {
  const colon = text.indexOf(":", start);
  if (colon < 0 || colon >= end) {
    if (start === end) throw bad("an attribute without a name");
    const name = end - start === 8 && text.startsWith("sendrecv", start) ? "sendrecv" : text.slice(start, end);
    return { name, value: undefined };
  }
  if (colon === start) throw bad("an attribute without a name");
  return { name: attributeName(text, start, colon), value: text.slice(colon + 1, end) };
}

/** Those that nearly all lines have are not cut out anew: a text that is known is told from others, and found, at once. */
function attributeName(text: string, start: number, end: number): string {
  if (end - start === 6 && text.startsWith("rtpmap", start)) return "rtpmap";
  if (end - start === 4 && text.startsWith("fmtp", start)) return "fmtp";
  return text.slice(start, end);
}

function addMedia(sdp: SdpDraft, value: string): MediaDraft {
  if (sdp.media.length === sdpLimits.mediaLines) throw bad(`more than ${sdpLimits.mediaLines} m= lines`);
  if (!MEDIA_WORDS.test(value)) throw bad("an m= line with characters that are none of a token");
  const [kind = "", ports = "", protocol = "", ...formats] = words(value);
  const slash = ports.indexOf("/");
  const port = numberIn(slash < 0 ? ports : ports.slice(0, slash), 65_535);
  const portCount = slash < 0 ? 1 : numberIn(ports.slice(slash + 1), 65_535);
  if (port < 0 || portCount < 1) throw bad("an m= line without a port from 0 to 65535");
  if (protocol === "" || (formats.length === 0 && port !== 0)) throw bad("an m= line without protocol or formats");
  if (formats.length > sdpLimits.formats) throw bad(`an m= line with more than ${sdpLimits.formats} formats`);
  if (tooLong(kind) || tooLong(protocol) || formats.some(tooLong)) {
    throw bad(`an m= line with a word of more than ${sdpLimits.wordBytes} bytes`);
  }
  const media: MediaDraft = {
    kind,
    port,
    portCount,
    protocol,
    formats,
    title: undefined,
    connection: undefined,
    bandwidths: [],
    attributes: [],
    others: [],
  };
  sdp.media.push(media);
  return media;
}

const tooLong = (word: string): boolean => word.length > sdpLimits.wordBytes;

function sessionLine(sdp: SdpDraft, type: string, value: string): void {
  switch (type) {
    case "o":
      if (sdp.origin !== undefined) throw bad("two o= lines");
      sdp.origin = parseOrigin(value);
      return;
    case "s":
      sdp.name = value;
      return;
    case "c":
      if (sdp.connection !== undefined) throw bad("two c= lines for the session");
      sdp.connection = parseConnection(value);
      return;
    case "b":
      sdp.bandwidths.push(parseBandwidth(value));
      return;
    case "t":
      sdp.times.push(parseTime(value));
      return;
    case "r": {
      const time = sdp.times.at(-1);
      if (time === undefined) throw bad("r= without t=");
      (time.repeats as string[]).push(value);
      return;
    }
    case "v":
      throw bad("two v= lines");
    default:
      keepOther(sdp.others, type, value, SESSION_FIRST);
  }
}

function mediaLine(media: MediaDraft, type: string, value: string): void {
  switch (type) {
    case "c":
      // The further ones of a layered multicast are kept as they are: we carry no multicast.
      if (media.connection === undefined) media.connection = parseConnection(value);
      else keepOther(media.others, type, value, MEDIA_FIRST);
      return;
    case "b":
      media.bandwidths.push(parseBandwidth(value));
      return;
    case "i":
      if (media.title !== undefined) throw bad("two i= lines for a stream");
      media.title = value;
      return;
    case "v":
    case "o":
    case "s":
    case "t":
      throw bad(`${type}= after m=`);
    default:
      keepOther(media.others, type, value, MEDIA_FIRST);
  }
}

/** Lines that stand before the others when they are written; the same two lists as in format.ts. */
const SESSION_FIRST = "iuep";
const MEDIA_FIRST = "c";

// Deviation: RFC 8866 §5 refuses a description with an unknown letter; cameras write `y=` and `f=`, and a line that we
// keep but never pass on does no harm.
function keepOther(others: Line[], type: string, value: string, first: string): void {
  if (!/^[a-z]$/.test(type)) throw bad("a line type that is no lower-case letter");
  if (!first.includes(type)) others.push({ type, value });
  else others.splice(others.filter((line) => first.includes(line.type)).length, 0, { type, value });
}

function parseOrigin(value: string): Origin {
  const fields = words(value);
  const [username = "", sessionId = "", version = "", network = "", type = "", ip = ""] = fields;
  const family = familyOf(network, type);
  if (
    family === undefined ||
    fields.length !== 6 ||
    !DIGITS.test(sessionId) ||
    !DIGITS.test(version) ||
    !isAddress(ip)
  ) {
    throw bad("a malformed o= line");
  }
  return { username, sessionId, version, ip, family };
}

function parseConnection(value: string): Connection {
  if (value.startsWith("IN IP4 ")) {
    const ip = value.slice(7);
    if (isAddress(ip)) return { ip, family: 4, suffix: "" };
  }
  const [network = "", type = "", address = "", ...rest] = words(value);
  const family = familyOf(network, type);
  const slash = address.indexOf("/");
  const ip = slash < 0 ? address : address.slice(0, slash);
  const suffix = slash < 0 ? "" : address.slice(slash);
  if (family === undefined || rest.length > 0 || !isAddress(ip) || (suffix !== "" && !MULTICAST_SUFFIX.test(suffix))) {
    throw bad("a malformed c= line");
  }
  return { ip, family, suffix };
}

const MULTICAST_SUFFIX = /^\/[0-9]{1,5}(\/[0-9]{1,5})?$/;

const isAddress = (ip: string): boolean => ip.length <= sdpLimits.addressBytes && ADDRESS.test(ip);

function familyOf(network: string, type: string): Family | undefined {
  if (network !== "IN" && network.toUpperCase() !== "IN") return undefined;
  if (type === "IP4") return 4;
  if (type === "IP6") return 6;
  const upper = type.toUpperCase();
  return upper === "IP4" ? 4 : upper === "IP6" ? 6 : undefined;
}

function parseBandwidth(value: string): Bandwidth {
  const colon = value.indexOf(":");
  if (colon < 1) throw bad("a malformed b= line");
  return { type: value.slice(0, colon), value: value.slice(colon + 1).trimEnd() };
}

function parseTime(value: string): Time {
  if (value === "0 0") return { start: "0", stop: "0", repeats: [] };
  const [start = "", stop = "", ...rest] = words(value);
  if (!DIGITS.test(start) || !DIGITS.test(stop) || rest.length > 0) throw bad("a malformed t= line");
  return { start, stop, repeats: [] };
}

/** Splits at spaces; runs of them, and those at the end, count as one. */
function words(text: string): string[] {
  const found: string[] = [];
  for (let start = 0; start < text.length; ) {
    let end = text.indexOf(" ", start);
    if (end < 0) end = text.length;
    if (end > start) found.push(start === 0 && end === text.length ? text : text.slice(start, end));
    start = end + 1;
  }
  return found;
}

/** A decimal number from 0 to `most`; -1 when it is none. */
export function numberIn(text: string, most: number): number {
  if (text.length === 0 || text.length > 10) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value <= most ? value : -1;
}
