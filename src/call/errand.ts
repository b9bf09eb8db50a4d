/** A request outside of any dialog that crosses: what is known of it, and how it is written for the other side. */
import type { Millis, PeerSettings, RealmSettings } from "../base/index.ts";
import type { Hop, ServerTransaction } from "../leg/index.ts";
import { From, type Request, RequestDraft, type ResponseDraft, responseTo, To, type Uri } from "../message/index.ts";
import { crossingHeaders, hideNameAddr, requestUriFor } from "../policy/index.ts";
import type { Binding, RegisteredCaller } from "../registration/index.ts";
import type { Place } from "./asking.ts";
import { type CallHouse, productFor } from "./house.ts";
import { hostsAt } from "./invite-words.ts";
import { assertedIn } from "./phones.ts";
import type { Refusal } from "./setup.ts";
import { headersFor } from "./strangers.ts";

export interface Errand {
  readonly request: Request;
  readonly server: ServerTransaction;
  readonly hop: Hop;
  readonly uri: Uri;
  readonly realm: RealmSettings;
  readonly fromPeer: PeerSettings | undefined;
  readonly peers: readonly PeerSettings[];
  readonly maxForwards: number;
  readonly beganAt: Millis;
  /** The errand that this one is the echo of: our own request came back. */
  readonly cameFrom: Errand | undefined;
  /** The registered phone that asks. */
  readonly phone?: RegisteredCaller | undefined;
  /** The one contact that is meant. */
  readonly contact?: Binding | undefined;
}

/** What names the request on the other side. */
export interface Names {
  readonly callId: string;
  readonly tag: string;
}

/** As it goes to `place`, without Contact and body. Throws PeerError. */
export function draftOf(house: CallHouse, errand: Errand, place: Place, { callId, tag }: Names): RequestDraft {
  const { request, realm: from } = errand;
  const { destination, target, realm: to, scheme, phone } = place;
  const { theirs, host } = hostsAt(house, target, destination, errand.phone);
  const there = phone === undefined ? theirs : { host: phone.domain };
  const draft = new RequestDraft(request.method, phone?.contact ?? requestUriFor(errand.uri, { ...there, scheme }));
  for (const route of routesTo(house, errand, place)) draft.add("Route", route);
  draft
    .add("Max-Forwards", String(errand.maxForwards - 1))
    .add("From", `${From.format(hideNameAddr(request.from, { to, host }))};tag=${tag}`)
    .add("To", To.format(hideNameAddr(request.to, { to, host, peerHost: there.host })))
    .add("Call-ID", callId)
    .add("CSeq", `1 ${request.method}`);
  for (const [name, value] of assertedIn(errand.phone, to)) draft.add(name, value);
  for (const [name, value] of crossingHeaders(request, { from, to, kind: "request", inDialog: false }))
    draft.add(name, value);
  const product = productFor(to, house.version);
  if (product !== undefined) draft.add("User-Agent", product);
  return draft;
}

function routesTo(house: CallHouse, { phone }: Errand, place: Place): readonly string[] {
  const { target, destination } = place;
  if (target === undefined) return place.phone?.path ?? [];
  const served = phone === undefined ? [] : (house.phones?.routesOf(phone.binding, target.peer) ?? []);
  return served.length > 0 ? served : (house.trunks?.routesTo(target.peer, destination) ?? []);
}

/** An answer to whoever asked, with what belongs to its status: RFC 3261 §21.4. */
export function answerTo(house: CallHouse, errand: Errand, tag: string, { status, phrase, headers }: Refusal) {
  const { request, realm } = errand;
  const draft: ResponseDraft = responseTo(request, status, tag, phrase);
  for (const [name, value] of headers) draft.add(name, value);
  for (const [name, value] of headersFor(status, request.method))
    if (draft.get(name) === undefined) draft.add(name, value);
  const product = productFor(realm, house.version);
  if (product !== undefined) draft.add("Server", product);
  return draft;
}
