import { malformed } from "../errors.ts";
import type { HeaderField } from "../field.ts";
import {
  COMMA,
  DISPLAY,
  LESS,
  QUOTE,
  quote,
  SEMICOLON,
  SP,
  skip,
  skipQuoted,
  skipSpace,
  TAB,
  trimEnd,
  unquote,
} from "../grammar.ts";
import { limits } from "../limits.ts";
import { formatParams, NO_PARAMS, type ParamMap, Params, skipParams } from "../params.ts";
import { isUriText } from "../uri.ts";
import { usualNameAddr } from "../usual.ts";

/** `"Display" <uri>;params` or `uri;params`. RFC 3261 §20.10, §25.1 name-addr and addr-spec. */
export interface NameAddr {
  /** Without its quotes and backslashes. */
  readonly display?: string;
  /** Raw; `parseUri` looks into it. */
  readonly uri: string;
  /** Parameters of the header; those of the URI are in `uri`. */
  readonly params: ParamMap;
}

const QUESTION = 0x3f;

/** The value in the range; the `first` one when it is a list. Throws PeerError(400). */
export function readNameAddr(header: string, text: string, start: number, end: number, first = false): NameAddr {
  let at = start;
  let display: string | undefined;
  if (at < end && text.charCodeAt(at) === QUOTE) {
    const close = skipQuoted(text, at, end);
    if (close < 0) throw malformed(header, "an unclosed quoted display name");
    display = unquote(text, at + 1, close - 1);
    at = skipSpace(text, close, end);
    if (at === end || text.charCodeAt(at) !== LESS) throw malformed(header, "a display name without <URI>");
  } else if (at < end && text.charCodeAt(at) !== LESS) {
    const nameEnd = skip(DISPLAY, text, at, end);
    if (nameEnd === end || text.charCodeAt(nameEnd) !== LESS) return readAddrSpec(header, text, start, end, first);
    display = text.slice(at, trimEnd(text, at, nameEnd));
    at = nameEnd;
  }
  const uriEnd = at < end ? text.indexOf(">", at) : -1;
  if (uriEnd < 0 || uriEnd >= end) throw malformed(header, "no <URI>");
  const uri = readUriText(header, text, at + 1, uriEnd);
  const params = readHeaderParams(header, text, uriEnd + 1, end, first);
  return display === undefined ? { uri, params } : { display, uri, params };
}

/** Without brackets every parameter belongs to the header, and no comma or question mark may be in the URI. */
function readAddrSpec(header: string, text: string, start: number, end: number, first: boolean): NameAddr {
  let stop = start;
  for (; stop < end; stop++) {
    const code = text.charCodeAt(stop);
    if (code === SEMICOLON || code === COMMA || code === SP || code === TAB) break;
    if (code === QUESTION) throw malformed(header, "a URI with headers but without brackets");
  }
  return { uri: readUriText(header, text, start, stop), params: readHeaderParams(header, text, stop, end, first) };
}

function readUriText(header: string, text: string, start: number, end: number): string {
  if (end - start > limits.uriBytes) throw malformed(header, `a URI of more than ${limits.uriBytes} bytes`);
  if (!isUriText(text, start, end)) throw malformed(header, "no valid URI");
  return text.slice(start, end);
}

function readHeaderParams(header: string, text: string, start: number, end: number, first: boolean): ParamMap {
  const stop = skipParams(text, start, end);
  if (stop < 0 || (stop < end && !first)) throw malformed(header, "broken parameters");
  return stop === start ? NO_PARAMS : new Params(text, start, stop);
}

/** One value alone. Throws PeerError(400). */
export const parseNameAddr = (header: string, text: string): NameAddr =>
  usualNameAddr(text) ?? readNameAddr(header, text, 0, text.length);

export const formatNameAddr = ({ display, uri, params }: NameAddr): string =>
  `${display === undefined || display === "" ? "" : `${quote(display)} `}<${uri}>${formatParams(params)}`;

/** A field whose values are name-addrs and nothing else. */
function nameAddrField(name: string, compact: string | undefined, list: boolean): HeaderField<NameAddr> {
  return {
    name,
    ...(compact === undefined ? {} : { compact }),
    ...(list ? { list } : {}),
    parse: (text) => parseNameAddr(name, text),
    format: formatNameAddr,
  };
}

export const From = nameAddrField("From", "f", false);
export const To = nameAddrField("To", "t", false);
export const ReplyTo = nameAddrField("Reply-To", undefined, false);
export const Route = nameAddrField("Route", undefined, true);
export const RecordRoute = nameAddrField("Record-Route", undefined, true);
export const Path = nameAddrField("Path", undefined, true);
export const ServiceRoute = nameAddrField("Service-Route", undefined, true);
export const PAssertedIdentity = nameAddrField("P-Asserted-Identity", undefined, true);
export const PPreferredIdentity = nameAddrField("P-Preferred-Identity", undefined, true);
export const PAssociatedUri = nameAddrField("P-Associated-URI", undefined, true);
export const PCalledPartyId = nameAddrField("P-Called-Party-ID", undefined, false);
export const RemotePartyId = nameAddrField("Remote-Party-ID", undefined, true);
/** RFC 5806. */
export const Diversion = nameAddrField("Diversion", undefined, true);
/** RFC 7044. */
export const HistoryInfo = nameAddrField("History-Info", undefined, true);
/** RFC 3515. */
export const ReferTo = nameAddrField("Refer-To", "r", false);
/** RFC 3892. */
export const ReferredBy = nameAddrField("Referred-By", "b", false);
/** RFC 3261 §20.9, §20.4, §20.18: URIs in brackets with parameters. */
export const CallInfo = nameAddrField("Call-Info", undefined, true);
export const AlertInfo = nameAddrField("Alert-Info", undefined, true);
export const ErrorInfo = nameAddrField("Error-Info", undefined, true);
