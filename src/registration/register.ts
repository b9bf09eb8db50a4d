/** The REGISTER of a trunk, and what its answer grants. RFC 3261 §10.2, RFC 3327, RFC 3608, RFC 6140. */
import { PeerError, type RegisterSettings } from "../base/index.ts";
import {
  Contact,
  Expires,
  formatNameAddr,
  INITIAL_MAX_FORWARDS,
  MinExpires,
  type NameAddr,
  PAssociatedUri,
  RequestDraft,
  type Response,
  RetryAfter,
  ServiceRoute,
  type SipUri,
  sameUri,
} from "../message/index.ts";
import { sipUriIn } from "./uris.ts";

/** Limit: routes taken of Service-Route; with more of them none is: half a way leads nowhere. */
const ROUTES = 8;
/** Limit: identities kept of P-Associated-URI; the others are not shown. */
const ASSOCIATED = 64;
/** Limit: of one route or identity, in bytes; a longer one counts as malformed. */
const VALUE_BYTES = 512;
/** Limit: shorter grants are treated as this, so that no registrar can make us hurry. In seconds. */
const SHORTEST_GRANT = 30;
/** Limit: longer ones as this. In seconds. */
const LONGEST_GRANT = 86_400;

export interface RegisterInput {
  readonly settings: RegisterSettings;
  /** `<sip:…>`, as the registrar is to find us. */
  readonly contact: string;
  readonly callId: string;
  readonly fromTag: string;
  readonly seq: number;
  /** 0: takes us out. */
  readonly seconds: number;
  readonly allow: string;
  readonly product: string | undefined;
}

export function registerDraft({
  settings,
  contact,
  callId,
  fromTag,
  seq,
  seconds,
  ...more
}: RegisterInput): RequestDraft {
  const draft = new RequestDraft("REGISTER", `${settings.scheme}:${settings.host}`)
    .add("Max-Forwards", String(INITIAL_MAX_FORWARDS))
    .add("From", `<${settings.aor}>;tag=${fromTag}`)
    .add("To", `<${settings.aor}>`)
    .add("Call-ID", callId)
    .add("CSeq", `${seq} REGISTER`)
    .add("Contact", contact)
    .add("Expires", String(seconds));
  // RFC 6140 §5.1: proxies must know it, too, and may put themselves on the way back.
  if (settings.gin) draft.add("Require", "gin").add("Proxy-Require", "gin");
  draft.add("Supported", "path").add("Allow", more.allow);
  if (more.product !== undefined) draft.add("User-Agent", more.product);
  return draft;
}

/** RFC 6140 §5.1: no user, and "bnc". `plain`: a Contact with the user part `-`, as others have it. */
export const bulkContact = (plain: string): string => plain.replace(/-@/, "").replace(/(;|>)/, ";bnc$1");

export interface Grant {
  /** Until when it holds, in seconds from now: 30 to 86 400. */
  readonly seconds: number;
  /** Values of Route for requests by this trunk: RFC 3608 §6.1. */
  readonly routes: readonly string[];
  /** Other identities of the account: RFC 7315 §4.1. */
  readonly associated: readonly string[];
}

/** `contact`: as we wrote it; `asked`: in seconds. */
export function grantOf(response: Response, contact: string, asked: number): Grant {
  const seconds = grantedSeconds(response, contact) ?? readOr(() => response.get(Expires)) ?? asked;
  const routes = valuesOf(() => response.getAll(ServiceRoute));
  return {
    seconds: Math.min(LONGEST_GRANT, Math.max(SHORTEST_GRANT, seconds)),
    routes: routes.length > ROUTES || routes.some((route) => route.length > VALUE_BYTES) ? [] : routes,
    associated: valuesOf(() => response.getAll(PAssociatedUri))
      .filter((value) => value.length <= VALUE_BYTES)
      .slice(0, ASSOCIATED),
  };
}

/** `expires` of our own Contact among all that are bound; of the only one, where a box on the way has rewritten it. */
function grantedSeconds(response: Response, contact: string): number | undefined {
  const bound = readOr(() => response.getAll(Contact)) ?? [];
  const ours = sipUriIn(contact.slice(1, contact.indexOf(">")));
  const mine =
    bound.find((one) => one !== "*" && sameBinding(sipUriIn(one.uri), ours)) ??
    (bound.length === 1 ? bound[0] : undefined);
  const text = mine === undefined || mine === "*" ? undefined : mine.params.get("expires");
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function sameBinding(a: SipUri | undefined, b: SipUri | undefined): boolean {
  return a !== undefined && b !== undefined && sameUri(a, b);
}

export const minExpiresIn = (response: Response): number | undefined => readOr(() => response.get(MinExpires));

/** In seconds; `undefined`: it does not say. */
export const retryAfterIn = (response: Response): number | undefined => readOr(() => response.get(RetryAfter));

function valuesOf(read: () => readonly NameAddr[]): readonly string[] {
  return (readOr(read) ?? []).map(formatNameAddr);
}

/** A header that cannot be read is as good as none: the registrar has taken us in all the same. */
function readOr<T>(read: () => T | undefined): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof PeerError) return undefined;
    throw error;
  }
}
