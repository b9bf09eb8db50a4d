import { hostText } from "../../base/index.ts";
import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import { COLON, HOST, readNumber, skip, skipSpace, TOKEN } from "../grammar.ts";
import { hostEnd, parseHost } from "../host.ts";
import { formatParams, NO_PARAMS, type ParamMap, Params, skipParams } from "../params.ts";
import { usualVia } from "../usual.ts";

/** A hop that the request took, and where its answer goes. RFC 3261 §20.42, RFC 3581, RFC 5118 §4.5. */
export interface ViaValue {
  /** Upper case: `UDP`, `TCP`, `TLS` and whatever else a hop far away may have used. */
  readonly protocol: string;
  /** Lower case; IPv6 without brackets. */
  readonly host: string;
  readonly port?: number;
  readonly params: ParamMap;
}

const SLASH = 0x2f;
const VERSION = "SIP/2.0/";

/** The value in the range; the `first` one when it is a list. Throws PeerError(400). */
export function readVia(text: string, start: number, end: number, first = false): ViaValue {
  let at = skipProtocol(text, start, end);
  const protocolEnd = skip(TOKEN, text, at, end);
  if (protocolEnd === at) throw malformed("Via", "no transport");
  const protocol = protocolName(text, at, protocolEnd);

  const hostStart = skipSpace(text, protocolEnd, end);
  const hostStop = hostEnd(text, hostStart, end);
  const host = hostStart === protocolEnd ? undefined : parseHost(text, hostStart, hostStop);
  if (host === undefined) throw malformed("Via", "no valid sent-by host");

  at = skipSpace(text, hostStop, end);
  let port = 0;
  if (at < end && text.charCodeAt(at) === COLON) {
    const portStart = skipSpace(text, at + 1, end);
    at = skip(HOST, text, portStart, end);
    port = readNumber(text, portStart, at, 65_536);
    if (port < 1 || port > 65_535) throw malformed("Via", "no valid sent-by port");
  }
  const stop = skipParams(text, at, end);
  if (stop < 0 || (stop < end && !first)) throw malformed("Via", "broken parameters");
  const params = stop === at ? NO_PARAMS : new Params(text, at, stop);
  return port === 0 ? { protocol, host, params } : { protocol, host, port, params };
}

/** Behind `SIP / 2.0 /`, with white space allowed around the slashes. */
function skipProtocol(text: string, start: number, end: number): number {
  if (text.startsWith(VERSION, start)) return start + VERSION.length;
  const nameEnd = skip(TOKEN, text, start, end);
  const versionStart = skipSpace(text, slash(text, nameEnd, end), end);
  const versionEnd = skip(TOKEN, text, versionStart, end);
  const name = text.slice(start, nameEnd).toUpperCase();
  if (name !== "SIP" || text.slice(versionStart, versionEnd) !== "2.0") throw malformed("Via", "not SIP/2.0");
  return skipSpace(text, slash(text, versionEnd, end), end);
}

function slash(text: string, at: number, end: number): number {
  at = skipSpace(text, at, end);
  if (at >= end || text.charCodeAt(at) !== SLASH) throw malformed("Via", "no sent-protocol");
  return at + 1;
}

function protocolName(text: string, start: number, end: number): string {
  if (end - start === 3) {
    if (text.startsWith("UDP", start)) return "UDP";
    if (text.startsWith("TCP", start)) return "TCP";
    if (text.startsWith("TLS", start)) return "TLS";
  }
  return text.slice(start, end).toUpperCase();
}

export const Via: HeaderField<ViaValue> = {
  name: "Via",
  compact: "v",
  list: true,

  parse: (text) => usualVia(text) ?? readVia(text, 0, text.length),
  format: ({ protocol, host, port, params }) =>
    `${VERSION}${protocol} ${hostText(host)}${port === undefined ? "" : `:${port}`}${formatParams(params)}`,
};
