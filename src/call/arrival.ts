/** What a request from outside of any dialog tells of the way it came. */
import { isSecure, isWeb, type Millis, SECOND } from "../base/index.ts";
import type { Hop } from "../leg/index.ts";
import {
  Contact,
  INITIAL_MAX_FORWARDS,
  isIp4,
  isIp6,
  parseUri,
  RecordRoute,
  type Request,
  sameHost,
} from "../message/index.ts";

/** The parser takes no request whose Max-Forwards is anything but a number up to 255. */
export function forwardsLeft({ headers }: Request): number {
  const text = headers.raw("max-forwards");
  return text === undefined ? INITIAL_MAX_FORWARDS : Number(text);
}

/** How long the caller lets us look for an answer: RFC 3261 §13.3.1. What says nothing useful, or zero, sets no limit. */
export function patienceOf({ headers }: Request): Millis {
  const text = headers.raw("expires");
  if (text === undefined || !/^\d{1,10}$/.test(text) || Number(text) === 0) return Number.POSITIVE_INFINITY;
  return Number(text) * SECOND;
}

/** RFC 3261 §12.1.1: when the caller is to be called back by sips: only, so are we. */
export function wantsSips(request: Request, hop: Hop): boolean {
  if (isSips(request.uri)) return true;
  if (!isSecure(hop.protocol)) return false;
  const recorded = request.get(RecordRoute);
  if (recorded !== undefined) return isSips(recorded.uri);
  const contact = request.get(Contact);
  return contact !== undefined && contact !== "*" && isSips(contact.uri);
}

const isSips = (uri: string): boolean => uri.slice(0, 5).toLowerCase() === "sips:";

/**
 * A peer that names an address which its messages do not come from, with no proxy between (RFC 3581 §1); whoever comes by
 * WebSocket has no address that it could name (RFC 7118 §5).
 */
export function isNated(request: Request, hop: Hop): boolean {
  if (isWeb(hop.protocol)) return true;
  if (request.headers.has("record-route")) return false;
  const contact = request.get(Contact);
  if (contact === undefined || contact === "*") return false;
  const uri = parseUri(contact.uri);
  if (!("host" in uri) || !(isIp4(uri.host) || isIp6(uri.host))) return false;
  return !sameHost(uri.host, hop.remote.ip);
}
