/** Topology hiding in URIs: users cross, places do not. RFC 3323 §4.1, RFC 5853 §3.1. */
import { PeerError, type RealmSettings } from "../base/index.ts";
import {
  formatUri,
  type NameAddr,
  NO_PARAMS,
  type ParamMap,
  parseUri,
  type SipUri,
  type TelUri,
  type Uri,
} from "../message/index.ts";
import { leaksHost, mentionsAddress, mentionsUri } from "./leaks.ts";

export interface HidingContext {
  /** The realm that will see the value. */
  readonly to: RealmSettings;
  /** Our name on that side, as in `ourHost`. */
  readonly host: string;
  /** Stands instead of `host`: the peer's own name, in the To of a request that goes to it. */
  readonly peerHost?: string;
  /** Header parameters that may stay. Lower case. Default: none, so that no tag is ever copied. */
  readonly params?: readonly string[];
}

/** URI parameters that describe the user, not the way to it. `phone-context` joins when it is a number or public. */
const USER_PARAMS: ReadonlySet<string> = new Set(["user", "cpc", "isub", "ext", "rn", "npdi", "cic", "postd"]);

/** Numbers and single words: no dot, no escape, hence no address and no name of several labels. */
const HOSTLESS = /^[\w+*#()-]{1,64}$/;

/** What we are called in a realm: its `domain`, else the address that stands in Via and Contact there. */
export const ourHost = (realm: RealmSettings): string =>
  realm.domain ?? realm.advertise ?? realm.listeners[0]?.address.ip ?? "anonymous.invalid";

/**
 * The value as the other side may see it: display name and user kept, the host ours (or the peer's), password, headers,
 * and all parameters cut to those that describe a user. `anonymous@anonymous.invalid` stays as it is, and so do the
 * realm's public domains. Throws PeerError(400) when the URI is malformed.
 */
export function hideNameAddr(value: NameAddr, context: HidingContext): NameAddr {
  const uri = parseUri(value.uri);
  const params = context.params === undefined ? NO_PARAMS : shownParams(value.params, context.params, uri);
  const hidden = { uri: hideUri(uri, context), params };
  return value.display === undefined || tells(value.display, uri) ? hidden : { display: value.display, ...hidden };
}

function shownParams(params: ParamMap, names: readonly string[], uri: Uri): ParamMap {
  const shown = new Map<string, string | undefined>();
  for (const name of names) {
    const text = params.get(name);
    if (params.has(name) && !tells(text ?? "", uri)) shown.set(name, text);
  }
  return shown;
}

/** The URI of a person, as the other side may see it. */
function hideUri(uri: Uri, context: HidingContext): string {
  const fallback = context.peerHost ?? context.host;
  if (uri.scheme === "tel") return formatUri({ ...uri, params: userParams(uri.params, context.to) });
  // A urn: is a name (urn:service:sos, RFC 5031). Other schemes may hold any host: only the fact that there was one stays.
  if (uri.scheme === "other") {
    return uri.text.toLowerCase().startsWith("urn:") ? uri.text : formatUri(bare("sip", fallback));
  }
  const keeps = uri.host === "anonymous.invalid" || context.to.publicDomains.includes(uri.host);
  const shown = { scheme: uri.scheme, host: unbracket(keeps ? uri.host : fallback) };
  const params = userParams(uri.params, context.to);
  return formatUri(
    uri.user === undefined ? { ...shown, params } : { ...shown, user: cleanUser(uri.user, context.to), params },
  );
}

const bare = (scheme: "sip" | "sips", host: string): SipUri => ({ scheme, host: unbracket(host), params: NO_PARAMS });

const unbracket = (host: string): string => (host.startsWith("[") ? host.slice(1, -1) : host);

function userParams(params: ParamMap, to: RealmSettings): ParamMap {
  if (params === NO_PARAMS) return NO_PARAMS;
  const kept = new Map<string, string | undefined>();
  for (const [name, value] of params) if (mayDescribeUser(name, value, to)) kept.set(name, value);
  return kept;
}

function mayDescribeUser(name: string, value: string | undefined, to: RealmSettings | undefined): boolean {
  if (name === "phone-context") return value !== undefined && (/^\+[\d.()-]+$/.test(value) || isPublic(value, to));
  return USER_PARAMS.has(name) && (value === undefined || HOSTLESS.test(value));
}

const isPublic = (host: string, to: RealmSettings | undefined): boolean =>
  to?.publicDomains.includes(host.toLowerCase()) ?? false;

/** A telephone-subscriber carries its parameters in the user part: RFC 3261 §19.1.6. */
function cleanUser(user: string, to: RealmSettings | undefined): string {
  if (!user.includes(";")) return user;
  const [number = "", ...params] = user.split(";");
  const kept = params.filter((param) => {
    const equals = param.indexOf("=");
    const name = (equals < 0 ? param : param.slice(0, equals)).toLowerCase();
    return mayDescribeUser(name, equals < 0 ? undefined : param.slice(equals + 1), to);
  });
  return [number, ...kept].join(";");
}

/** Letters, digits and spaces make no address and no URI. */
const MERE_WORDS = /^[\w ]*$/;

/** Some phones put `100@10.0.0.1` or `100@pbx.lan` into the display name. */
const tells = (text: string, uri: Uri): boolean =>
  (!MERE_WORDS.test(text) && (text.includes("@") || mentionsAddress(text) || mentionsUri(text))) ||
  ((uri.scheme === "sip" || uri.scheme === "sips") && leaksHost(text, uri.host));

/**
 * The Request-URI toward a target: the user as dialled, the target's host and port, and no parameter but those of the
 * user. A tel: URI becomes its SIP form (RFC 3261 §19.1.6), a urn: goes on as it is. Throws PeerError(416) on other
 * schemes. `port` undefined: none is written. A `phone-context` goes on when it is a number, or a public domain of `to`.
 */
export function requestUriFor(
  uri: Uri,
  target: { readonly host: string; readonly port?: number | undefined; readonly scheme: "sip" | "sips" },
  to?: RealmSettings,
): string {
  const base = { scheme: target.scheme, host: unbracket(target.host) };
  const place = target.port === undefined ? base : { ...base, port: target.port };
  if (uri.scheme === "tel") return formatUri({ ...place, user: cleanUser(telUser(uri), to), params: PHONE });
  if (uri.scheme === "other") {
    if (uri.text.toLowerCase().startsWith("urn:")) return uri.text;
    throw new PeerError(416, "Request-URI: neither sip:, sips:, tel: nor urn:");
  }
  const phone = uri.params.get("user")?.toLowerCase() === "phone";
  const params = phone ? PHONE : NO_PARAMS;
  return formatUri(uri.user === undefined ? { ...place, params } : { ...place, user: cleanUser(uri.user, to), params });
}

const PHONE: ParamMap = new Map([["user", "phone"]]);

/** Parameters of a tel: URI move into the user part, in their own order. */
function telUser(uri: TelUri): string {
  let user = uri.number;
  for (const [name, value] of uri.params) user += value === undefined ? `;${name}` : `;${name}=${value}`;
  return user;
}
