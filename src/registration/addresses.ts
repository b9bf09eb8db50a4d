/** Addresses of record and contacts in the one form that they are compared by. RFC 3261 §10.3, §19.1.4. */
import { PeerError } from "../base/index.ts";
import { escapeUser, parseUri, type SipUri, sameUri, type Uri, unescapeUser } from "../message/index.ts";

/** Limit: of a user part, in bytes; a longer one is nobody's. */
const USER_BYTES = 128;

/**
 * RFC 3261 §10.3 step 5: without parameters, escapes undone where they need not be, the host in lower case. `sips:` names
 * the same user as `sip:` (RFC 5630 §5.1.1.2). `undefined`: it names nobody.
 */
export function aorOf(uri: Uri): string | undefined {
  if (uri.scheme !== "sip" && uri.scheme !== "sips") return undefined;
  const { user, host } = uri;
  if (user === undefined || user === "" || user.length > USER_BYTES) return undefined;
  return `sip:${escapeUser(unescapeUser(user))}@${host}`;
}

/** The user of an address of record as it goes into a digest: no escapes. */
export const userIn = (aor: string): string => unescapeUser(aor.slice(4, aor.lastIndexOf("@")));

export const hostIn = (aor: string): string => aor.slice(aor.lastIndexOf("@") + 1);

/** Are these the same Contact? Spelling aside. */
export function sameContact(a: string, b: string): boolean {
  return a === b || sameUri(parsed(a), parsed(b));
}

/** Throws PeerError(400): no SIP URI. */
export function contactUri(text: string): SipUri {
  const uri = parsed(text);
  if (!("host" in uri)) throw new PeerError(400, "Contact: no SIP URI");
  return uri;
}

const parsed = (text: string): Uri => parseUri(text);

/**
 * A copy that stands alone: a piece of a message keeps the whole message in memory, and bindings live long.
 */
export const ownText = (text: string): string => (text.length < SHARED_FROM ? text : ` ${text}`.slice(1));

/** Shorter pieces are copies anyway. */
const SHARED_FROM = 13;
