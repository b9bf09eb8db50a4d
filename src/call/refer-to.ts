/**
 * What a Refer-To asks for: whom to call, whose dialog to take over there, and what else the INVITE should say. RFC 3515
 * §2.1, RFC 3891 §4, RFC 3261 §19.1.5.
 */
import { PeerError, type RealmSettings } from "../base/index.ts";
import {
  type DialogName,
  isToken,
  Join,
  parseMessage,
  parseUri,
  ReferTo,
  Replaces,
  type Request,
  type Uri,
} from "../message/index.ts";
import { crossingHeaders } from "../policy/index.ts";

export interface ReferTarget {
  /** Without method and headers. */
  readonly uri: Uri;
  /** `INVITE` unless the URI names another. */
  readonly method: string;
  readonly replaces: DialogName | undefined;
  /** It asks to join a dialog (RFC 3911), which nobody here can. */
  readonly joins: boolean;
  /** What else stood behind the question mark, of the headers that may stand there at all. Not judged yet. */
  readonly embedded: readonly Header[];
}

type Header = readonly [name: string, value: string];

/** Headers that whoever refers may write into the INVITE: what it is about, never who or where anybody is. */
const EMBEDDED: ReadonlyMap<string, string> = new Map(
  ["Accept-Contact", "Accept-Language", "Priority", "Subject", "User-to-User"].map((name) => [
    name.toLowerCase(),
    name,
  ]),
);

/** Limit: headers in one URI; those beyond are not read. */
const EMBEDDED_LIMIT = 16;

/** Throws PeerError(400) without exactly one Refer-To that can be read (RFC 3515 §2.4.2). */
export function referTarget(request: Request): ReferTarget {
  const all = request.getAll(ReferTo);
  const [one] = all;
  if (one === undefined || all.length > 1) throw new PeerError(400, "Refer-To: exactly one is needed");
  return targetOf(one.uri);
}

/** Throws PeerError(400). */
export function targetOf(text: string): ReferTarget {
  const uri = parseUri(text);
  if (!("host" in uri)) return { uri, method: "INVITE", replaces: undefined, joins: false, embedded: [] };
  const { headers, ...rest } = uri;
  const params = new Map(uri.params);
  const method = params.get("method")?.toUpperCase() ?? "INVITE";
  if (!isToken(method)) throw new PeerError(400, "Refer-To: the method is none");
  params.delete("method");
  let replaces: DialogName | undefined;
  let joins = false;
  const embedded: Header[] = [];
  for (const [name, value] of headersIn(headers)) {
    if (name === "replaces") replaces = Replaces.parse(value);
    else if (name === Join.name.toLowerCase()) joins = true;
    else if (EMBEDDED.has(name)) embedded.push([EMBEDDED.get(name) as string, value]);
  }
  return { uri: { ...rest, params }, method, replaces, joins, embedded };
}

/** Names lower case, values unescaped. Throws PeerError(400): a value that breaks a line is an attack. */
function headersIn(text: string | undefined): readonly Header[] {
  const found: Header[] = [];
  if (text === undefined) return found;
  for (const header of text.split("&", EMBEDDED_LIMIT)) {
    const equals = header.indexOf("=");
    if (equals < 1) continue;
    const value = unescaped(header.slice(equals + 1));
    if (/[\0-\x1f\x7f]/.test(value)) throw new PeerError(400, "Refer-To: a control character in a header");
    found.push([unescaped(header.slice(0, equals)).toLowerCase(), value]);
  }
  return found;
}

/** Byte by byte: our texts are binary strings. */
const unescaped = (text: string): string =>
  text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

/** For a value behind the question mark: what is not plainly harmless is escaped. */
export const escapedValue = (text: string): string =>
  text.replace(
    /[^\w.!~*'()-]/g,
    (char) => `%${(char.charCodeAt(0) & 0xff).toString(16).toUpperCase().padStart(2, "0")}`,
  );

/** The embedded headers that may cross, judged like those of any message. */
export function embeddedAcross(embedded: readonly Header[], from: RealmSettings, to: RealmSettings): readonly Header[] {
  if (embedded.length === 0) return embedded;
  const message = parseMessage(requestText("INVITE", "sip:nobody@anonymous.invalid", embedded));
  return crossingHeaders(message, { from, to, kind: "request", inDialog: false });
}

/** A request that never was on any wire, to be read by those who read requests. */
export function requestText(method: string, uri: string, headers: readonly Header[], people: People = NOBODY): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return (
    `${method} ${uri} SIP/2.0\r\nVia: SIP/2.0/UDP anonymous.invalid;branch=z9hG4bK-0\r\n` +
    `From: ${people.from};tag=0\r\nTo: ${people.to}\r\nCall-ID: ${people.callId}\r\nCSeq: 1 ${method}\r\n` +
    `${lines}Content-Length: 0\r\n\r\n`
  );
}

export interface People {
  readonly from: string;
  readonly to: string;
  readonly callId: string;
}

const NOBODY: People = {
  from: "<sip:anonymous@anonymous.invalid>",
  to: "<sip:anonymous@anonymous.invalid>",
  callId: "0",
};
