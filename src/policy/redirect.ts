/** The Contacts of a 3xx: read and put in order, or rebuilt so that they lead through us. RFC 3261 §8.1.3.4, §21.3. */
import { type Protocol, type RealmSettings, transportParam } from "../base/index.ts";
import {
  Contact,
  parseUri,
  type Response,
  type SipUri,
  splitList,
  type TelUri,
  type Uri,
  unescapeUser,
} from "../message/index.ts";
import { SideNames } from "./leaks.ts";
import { ourHost, requestUriFor } from "./topology.ts";

/** Limit: Contacts of one 3xx that are looked at, in their order; the rest is as if it were not there. */
const CONTACTS = 10;

/**
 * 305 names a proxy, which is a place and nobody to be called; 380 leaves what it offers to its body. Any other 3xx
 * reads as 300 (RFC 3261 §8.1.3.2), which says less than it seems: it is not followed either.
 */
const LEADING: ReadonlySet<number> = new Set([300, 301, 302]);

/** Somebody to ask instead: what the Contact says besides (expires, methods) is of no use for one call. */
export interface Redirection {
  readonly uri: (SipUri | TelUri) & Uri;
  /** 0 to 1 in thousandths; 1 when the Contact says none. */
  readonly q: number;
}

/** Those who can be asked instead, best first; equal ones as they stand. What cannot be read is left out. */
export function redirectionsIn(response: Response): readonly Redirection[] {
  if (!LEADING.has(response.status)) return [];
  const found: Redirection[] = [];
  for (const line of response.headers.rawAll("contact")) {
    for (const text of splitList(line)) {
      if (found.length === CONTACTS) break;
      const one = redirectionOf(text);
      if (one !== undefined) found.push(one);
    }
  }
  return found.sort((a, b) => b.q - a.q);
}

function redirectionOf(text: string): Redirection | undefined {
  try {
    const contact = Contact.parse(text);
    const uri = contact === "*" ? undefined : parseUri(contact.uri);
    if (contact === "*" || uri === undefined || uri.scheme === "other" || userOf(uri) === "") return undefined;
    return { uri, q: qOf(contact.params.get("q")) };
  } catch {
    return undefined; // One Contact that cannot be read says nothing about the others.
  }
}

const qOf = (text: string | undefined): number =>
  text !== undefined && /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text) ? Number(text) : 1;

/** Whom a URI names at its place: the part of it that crosses. */
export const userOf = (uri: Uri): string =>
  uri.scheme === "tel" ? uri.number : uri.scheme === "other" ? uri.text : (uri.user ?? "");

/**
 * The Contacts as the caller may see them: its next call for one of these users comes to us, where the routes decide.
 * `dialled`: whom it called; to be told the same again would be a circle. Empty: nothing is left to be shown.
 */
export function contactsToward(
  response: Response,
  sides: { readonly from: RealmSettings; readonly to: RealmSettings },
  place: { readonly host: string; readonly port: number; readonly protocol: Protocol },
  dialled: Uri,
): readonly string[] {
  const { from, to } = sides;
  const names = new SideNames(response, response.headers.entries(), from, new Set([...to.publicDomains, ourHost(to)]));
  const shown = new Set<string>();
  for (const { uri, q } of redirectionsIn(response)) {
    const user = unescapeUser(userOf(uri));
    if (userOf(uri) === userOf(dialled) || user.includes("@") || names.inUri(user)) continue;
    const scheme = uri.scheme === "sips" ? "sips" : "sip";
    const ours = requestUriFor(uri, { ...place, scheme }, to);
    const text = `<${ours}${transportParam(place.protocol, scheme === "sips")}>`;
    shown.add(q === 1 ? text : `${text};q=${q}`);
  }
  return [...shown];
}
