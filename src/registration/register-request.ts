/** What a REGISTER asks for. RFC 3261 §10.2, RFC 5626 §4.2, RFC 8599 §4.1. Total: what is broken throws PeerError(400). */
import { PeerError } from "../base/index.ts";
import {
  Contact,
  Expires,
  formatNameAddr,
  type NameAddr,
  Path,
  type Request,
  Supported,
  Via,
} from "../message/index.ts";
import { aorOf, contactUri, ownText, sameContact } from "./addresses.ts";
import type { PushParams } from "./bindings.ts";
import { sipUriIn } from "./uris.ts";

/** Limit: contacts in one REGISTER; more are refused as a whole. */
const CONTACTS = 32;
/** Limit: of a Contact URI, in bytes. */
const URI_BYTES = 1_024;
/** Limit: of an instance and of a push parameter, in bytes. */
const VALUE_BYTES = 512;
/** Limit: proxies between the phone and us (Path). */
const PATHS = 8;
/** RFC 3261 §10.2.1.1: where nothing is said the registrar decides. In seconds. */
const DEFAULT_SECONDS = 3_600;
const LONGEST_SECONDS = 2 ** 31;

/** One Contact of a REGISTER. */
export interface Wish {
  readonly uri: string;
  readonly seconds: number;
  /** In thousandths. */
  readonly q: number;
  readonly instance: string | undefined;
  readonly regId: number;
  readonly push: PushParams | undefined;
}

export interface RegisterRequest {
  readonly aor: string;
  /** `Contact: *` with nothing left of it: RFC 3261 §10.2.2. */
  readonly all: boolean;
  readonly wishes: readonly Wish[];
  /** Values of Route toward the phone, the one nearest to us first. */
  readonly path: readonly string[];
}

export function registerIn(request: Request): RegisterRequest {
  const to = sipUriIn(request.to.uri);
  const aor = to === undefined ? undefined : aorOf(to);
  if (aor === undefined) throw new PeerError(400, "To: no address of record");
  const seconds = request.headers.has("expires") ? clamped(request.get(Expires)) : DEFAULT_SECONDS;
  const contacts = request.getAll(Contact);
  if (contacts.length > CONTACTS) throw new PeerError(400, `Contact: more than ${CONTACTS}`);
  const all = contacts.includes("*");
  if (all && (contacts.length > 1 || !request.headers.has("expires") || seconds !== 0))
    throw new PeerError(400, "Contact: * is not alone, or not with Expires: 0");
  const path = pathIn(request);
  const written = all ? [] : contacts.map((contact) => wishIn(contact as NameAddr, seconds));
  checkTwins(written);
  const wishes = written.some(({ regId }) => regId > 0) ? flowsIn(request, written, path) : written;
  return { aor: ownText(aor), all, wishes, path };
}

/**
 * RFC 5626 §6: one REGISTER is for one flow, and somebody on the way who does not know of flows makes it none: 439 where the
 * phone counts on it, else a plain Contact. The first hop is the one that is written last in Path.
 */
function flowsIn(request: Request, wishes: readonly Wish[], path: readonly string[]): readonly Wish[] {
  if (wishes.filter(({ seconds }) => seconds > 0).length > 1) throw new PeerError(400, "Contact: reg-id is not alone");
  if (request.getAll(Via).length === 1 || HAS_OB.test(path.at(-1) ?? "")) return wishes;
  if (asksOutbound(request)) throw new PeerError(439, "the first hop does not know of flows");
  return wishes.map((wish) => ({ ...wish, regId: 0 }));
}

/** RFC 5626 §11.5: a parameter of the URI. */
const HAS_OB = /;ob(?=[;>=])/i;

/** Does the phone know of flows, and count on us to? */
export const asksOutbound = (request: Request): boolean =>
  request.headers.has("supported") && request.getAll(Supported).some((option) => option.toLowerCase() === "outbound");

function wishIn({ uri, params }: NameAddr, seconds: number): Wish {
  if (uri.length > URI_BYTES) throw new PeerError(400, `Contact: more than ${URI_BYTES} bytes`);
  const parsed = contactUri(uri);
  const instance = params.get("+sip.instance");
  const regId = params.get("reg-id");
  if ((instance?.length ?? 0) > VALUE_BYTES) throw new PeerError(400, "Contact: a long +sip.instance");
  return {
    uri: ownText(uri),
    seconds: params.has("expires") ? clamped(numberIn(params.get("expires"))) : seconds,
    q: qIn(params.get("q")),
    instance: instance === undefined ? undefined : ownText(instance),
    // RFC 5626 §6: without an instance a reg-id says nothing.
    regId: instance === undefined ? 0 : regIdIn(regId),
    push: pushIn(parsed.params),
  };
}

/** Two wishes for one Contact would leave it open which holds. */
function checkTwins(wishes: readonly Wish[]): void {
  for (const [at, one] of wishes.entries()) {
    const twin = wishes.slice(0, at).some((other) => isSameFlowOf(one, other) || sameContact(one.uri, other.uri));
    if (twin) throw new PeerError(400, "Contact: one of them twice");
  }
}

const isSameFlowOf = (a: Wish, b: Wish): boolean => a.regId > 0 && a.regId === b.regId && a.instance === b.instance;

function pathIn(request: Request): readonly string[] {
  if (!request.headers.has("path")) return [];
  const path = request.getAll(Path);
  if (path.length > PATHS) throw new PeerError(400, `Path: more than ${PATHS}`);
  return path.map((value) => ownText(formatNameAddr(value)));
}

function pushIn(params: ReadonlyMap<string, string | undefined>): PushParams | undefined {
  if (!params.has("pn-provider")) return undefined;
  const [provider, param, prid] = [params.get("pn-provider"), params.get("pn-param"), params.get("pn-prid")];
  if (provider === undefined || prid === undefined) return undefined; // RFC 8599 §4.1.1: it asks what we can do.
  if ([provider, param ?? "", prid].some((value) => value.length > VALUE_BYTES))
    throw new PeerError(400, "Contact: a long push parameter");
  return { provider: ownText(provider), param: param === undefined ? undefined : ownText(param), prid: ownText(prid) };
}

/** RFC 3261 §25.1 qvalue; no q counts as 1 (§10.2.1.2 leaves it open). */
function qIn(text: string | undefined): number {
  if (text === undefined) return 1_000;
  if (!/^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text)) throw new PeerError(400, "Contact: no q");
  return Math.round(Number(text) * 1_000);
}

function regIdIn(text: string | undefined): number {
  if (text === undefined) return 0;
  const value = numberIn(text);
  if (value === undefined || value < 1 || value >= LONGEST_SECONDS) throw new PeerError(400, "Contact: no reg-id");
  return value;
}

/** RFC 3261 §10.2.1.1: what cannot be read counts as an hour. */
const clamped = (seconds: number | undefined): number => Math.min(seconds ?? DEFAULT_SECONDS, LONGEST_SECONDS);

const numberIn = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
