/**
 * The B2BUA: takes every request that is not the engine's own, keeps the book of dialogs, and starts a call for each
 * INVITE outside of one.
 */
import {
  type Agenda,
  addressText,
  type EndCause,
  type Fact,
  familyOf,
  isSecure,
  isWeb,
  type Millis,
  PeerError,
  type PeerSettings,
  type Random,
  type RealmSettings,
  type Settings,
  TextMap,
  token,
} from "../base/index.ts";
import {
  type Dialog,
  endLateFork,
  type Hop,
  Leg,
  receive,
  receiveAck,
  type ServerTransaction,
  type Transactions,
  tooShort,
} from "../leg/index.ts";
import type { MediaNews, MediaParty, MediaSessions } from "../media/index.ts";
import { parseUri, type Request, type Response, type Uri } from "../message/index.ts";
import { accessVerdict } from "../policy/index.ts";
import type { Accounts, Admission, PhoneBook, RegisteredCaller, TrunkBook } from "../registration/index.ts";
import type { Routing } from "../routing/index.ts";
import { Aliases } from "./aliases.ts";
import { forwardsLeft, isNated, wantsSips } from "./arrival.ts";
import { offerIn } from "./bodies.ts";
import { Call } from "./call.ts";
import type { CallStart } from "./call-start.ts";
import type { CallTransport } from "./call-transport.ts";
import type { CallView } from "./call-view.ts";
import { type CallHouse, productFor } from "./house.ts";
import { isEcho, Loops } from "./loops.ts";
import { Outside, type Refused } from "./outside.ts";
import { phonesIn } from "./phones.ts";
import { foreignDialog, pickupFor } from "./pickup.ts";
import { hasPreconditions } from "./preconditions.ts";
import { asked100rel } from "./reliability.ts";
import { answerOptions, headersFor, respond, statusOutside, unsupportedIn } from "./strangers.ts";

export interface CallsOptions {
  readonly settings: Settings;
  readonly random: Random;
  readonly agenda: Agenda;
  readonly transactions: Transactions;
  readonly transport: CallTransport;
  readonly media: MediaSessions;
  readonly routing: Routing;
  readonly accounts?: Accounts | undefined;
  readonly trunks?: TrunkBook | undefined;
  readonly phones?: PhoneBook | undefined;
  readonly fact: (fact: Fact, now: Millis) => void;
  /** As User-Agent and Server show it on trusted sides. */
  readonly version: string;
}

export interface CallCounts {
  readonly calls: number;
  readonly legs: number;
  readonly dialogs: number;
  /** Single requests outside of calls that wait for their answer. */
  readonly exchanges: number;
  readonly subscriptions: number;
  /** Requests that have made subscriptions, or are about to. */
  readonly subscribers: number;
}

const CALL_ID_CHARS = 16;
const TAG_CHARS = 16;

/** Retry-After of a call that the box has no room for, in seconds. */
const RETRY_AFTER = "5";

export class Calls {
  readonly #house: CallHouse;
  readonly #calls = new TextMap<Call>();
  readonly #outsideCalls: Outside;
  readonly #loops = new Loops((call) => this.#calls.get(call)?.searching ?? false);
  #closing = false;

  constructor(options: CallsOptions) {
    const { settings, random, agenda, transactions, transport, media, routing, fact, version } = options;
    const book = new TextMap<Dialog>();
    const moved = (leg: Leg, source: string): void => media.moved((leg.owner as Call).id, leg.side, source);
    const legs = { random, agenda, transactions, transport, moved };
    const aliases = new Aliases(random);
    const forget = (call: Call): void => {
      this.#calls.delete(call.id);
    };
    const { accounts, trunks, phones } = options;
    const isFull = (): boolean => this.#isFull;
    const place = (start: Omit<CallStart, "id">, now: Millis): Call | undefined => this.#place(start, now);
    const told = { fact, version, aliases, book, forget, place };
    this.#house = {
      ...{ settings, random, agenda, legs, transport, media, routing, accounts, trunks, phones, ...told },
      get full() {
        return isFull();
      },
    };
    this.#outsideCalls = new Outside(this.#house);
  }

  /** Every new request but CANCEL and ACK. */
  request(request: Request, server: ServerTransaction, hop: Hop, now: Millis): void {
    this.#guarded(request, server, hop, now, () => {
      if (request.toTag === undefined) this.#outside(request, server, hop, false, now);
      else this.#inside(request, server, hop, now);
    });
  }

  /** What is wrong with a request is told to its sender. */
  #guarded(request: Request, server: ServerTransaction, hop: Hop, now: Millis, serve: () => void): void {
    try {
      serve();
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      if (!this.#knows(hop, now)) return this.#turnAway(request, server, hop, error.status, error.message, now);
      this.#refuse(request, server, hop, error.status, error.message, now, headersFor(error.status, request.method));
    }
  }

  /** The ACK for a 2xx. */
  ack(request: Request, hop: Hop, now: Millis): void {
    const dialog = this.#dialogOf(request, hop);
    if (dialog !== undefined) receiveAck(dialog, request, now);
  }

  /** A 2xx whose transaction is gone: another fork that answered late, or a copy whose ACK was lost. */
  strayResponse(response: Response, hop: Hop, now: Millis): void {
    if (response.status < 200 || response.status > 299 || response.cseq.method !== "INVITE") return;
    const dialog = this.#house.book.get(response.fromTag ?? "");
    if (dialog === undefined || dialog.callId !== response.callId) return;
    const { invitation } = dialog.leg;
    if (invitation?.seq === response.cseq.number) invitation.accept(response, hop, now);
    else if (dialog.acked?.seq === response.cseq.number) dialog.acked.handle.resend(now);
  }

  /** Another fork than the one that answered, when the call is over. `first`: no copy. */
  lateFork(response: Response, hop: Hop, first: boolean, now: Millis): void {
    endLateFork(this.#house.legs, response, hop, first, now);
  }

  media(news: MediaNews, now: Millis): void {
    this.#calls.get(news.session)?.media(news, now);
  }

  /** New calls get 503 from now on. */
  shutdown(): void {
    this.#closing = true;
  }

  endAll(cause: EndCause, now: Millis): void {
    for (const call of [...this.#calls.values()]) call.end(cause, now);
    if (cause === "shutdown") this.#outsideCalls.subscriptions.endAll(now);
  }

  /** False: there is no such call. */
  end(id: string, cause: EndCause, now: Millis): boolean {
    const call = this.#calls.get(id);
    if (call === undefined || call.state === "over") return false;
    call.end(cause, now);
    return true;
  }

  /** New calls see the new settings; live ones keep the realms they began with. */
  apply(settings: Settings): void {
    this.#house.settings = settings;
  }

  view(now: Millis): readonly CallView[] {
    const views: CallView[] = [];
    for (const call of this.#calls.values()) if (call.state !== "over") views.push(call.view(now));
    return views.sort((a, b) => b.ageMs - a.ageMs);
  }

  counts(): CallCounts {
    let legs = 0;
    for (const call of this.#calls.values()) legs += call.legs;
    return {
      calls: this.#calls.size,
      legs,
      dialogs: this.#house.book.size,
      exchanges: this.#outsideCalls.size,
      subscriptions: this.#outsideCalls.subscriptions.size,
      subscribers: this.#outsideCalls.subscriptions.asked,
    };
  }

  // — Inside a dialog

  #inside(request: Request, server: ServerTransaction, hop: Hop, now: Millis): void {
    const dialog = this.#dialogOf(request, hop);
    if (dialog === undefined) {
      if (this.#outsideCalls.subscriptions.receive(request, server, hop, now)) return;
      if (this.#knows(hop, now)) return respond(request, server, 481, "", now);
      return this.#turnAway(request, server, hop, 481, "no such dialog", now);
    }
    // A BYE goes no further than this: the other leg's is one of ours.
    if (forwardsLeft(request) === 0 && request.method !== "BYE") return respond(request, server, 483, "", now);
    const unsupported = unsupportedIn(request, this.#timers, undefined, dialog.leg.wording.preconditions);
    if (unsupported !== undefined) return respond(request, server, 420, "", now, [["Unsupported", unsupported]]);
    receive(dialog, request, server, now);
  }

  /** Our tag finds it; the rest must fit, the side included. RFC 3261 §12.2.2. */
  #dialogOf(request: Request, hop: Hop): Dialog | undefined {
    const tag = request.toTag;
    const found = tag === undefined ? undefined : this.#house.book.get(tag);
    if (found === undefined || found.localTag !== tag || found.callId !== request.callId) return undefined;
    if (found.leg.realm !== hop.realm || !found.admits(hop.protocol)) return undefined;
    if (found.remoteTag === request.fromTag) return found;
    return found.leg.dialogs.find((fork) => fork.localTag === tag && fork.remoteTag === request.fromTag);
  }

  // — Outside

  /** `proven`: the phone has shown its password. */
  #outside(request: Request, server: ServerTransaction, hop: Hop, proven: boolean, now: Millis): void {
    const { settings, routing } = this.#house;
    const realm = settings.realms.get(hop.realm);
    // A reload has taken the realm away while the request was under way.
    if (realm === undefined) return this.#refuse(request, server, hop, 480, "the realm is gone", now);
    const requested = parseUri(request.uri);
    const called = this.#house.trunks?.calledAt(requested, hop);
    const phones = phonesIn(this.#house, request, requested, hop, now);
    const { caller, contact } = phones;
    if (phones.lost) return this.#refuse(request, server, hop, 430, "the flow of this phone is gone", now);
    // A phone that registered from here is that phone, whoever else may live at its address.
    const peer = called === undefined ? routing.recognise(hop, now) : settings.peers.get(called.peer);
    const from = caller === undefined ? peer : undefined;
    if (caller !== undefined && !proven && this.#asksProof(caller, request)) {
      return this.#prove(caller, request, server, hop, now);
    }
    const pickup = request.headers.has("replaces") ? pickupFor(this.#house, request, hop) : undefined;
    const uri = contact === undefined ? (called?.uri ?? requested) : parseUri(contact.aor);
    const { method } = request;
    const told = { caller: caller !== undefined, callee: phones.callee };
    const route = routing.route({ from, realm: realm.name, trust: realm.trust, method, uri, phones: told, now });
    const known = from !== undefined || caller !== undefined || realm.trust === "full";
    // RFC 3891 §3 wants more than the name of a dialog: whoever takes it over has to be somebody who may call.
    const picks = pickup !== undefined && known;
    const carried = method !== "INVITE" && this.#outsideCalls.carries(method, realm);
    const routed = picks || (route !== "no route" && (method === "INVITE" || method === "OPTIONS" || carried));
    const verdict = accessVerdict({ trust: realm.trust, recognised: known, method, routed });
    if (verdict.verdict !== "serve" && (method === "INVITE" || carried || !known)) {
      const status = verdict.verdict === "refuse" ? verdict.status : 403;
      if (!known) return this.#turnAway(request, server, hop, status, verdict.reason, now);
      return this.#refuse(request, server, hop, status, verdict.reason, now);
    }
    const fitting = method === "INVITE" || method === "OPTIONS" || carried;
    const unfit = fitting ? this.#unfit(request, uri, from) : undefined;
    if (unfit !== undefined) return this.#refuse(request, server, hop, unfit.status, unfit.reason, now, unfit.headers);
    if (method === "OPTIONS") {
      return answerOptions(request, server, realm, this.#house.version, this.#timers, this.#tag(), now);
    }
    if (carried && route !== "no route") {
      if (this.#closing) return this.#full(request, server, hop, "shutting down", now);
      const came = { uri, realm, fromPeer: from, peers: route, phone: caller, contact };
      const refused = this.#outsideCalls.begin(request, server, hop, came, now);
      if (refused !== undefined)
        this.#refuse(request, server, hop, refused.status, refused.reason, now, refused.headers);
      return;
    }
    if (method !== "INVITE") {
      const status = statusOutside(method);
      return this.#refuse(request, server, hop, status, `${method} outside a call`, now, headersFor(status, method));
    }
    const replaces = pickup === undefined ? foreignDialog(this.#house, request, realm) : undefined;
    if (request.headers.has("replaces") && pickup === undefined && replaces === undefined) {
      return this.#refuse(request, server, hop, 481, "Replaces names no dialog of ours", now);
    }
    if (pickup?.unfit !== undefined) {
      return this.#refuse(request, server, hop, pickup.unfit, "Replaces names a dialog that cannot be taken", now);
    }
    const came = { uri, realm, fromPeer: from, peers: route === "no route" ? [] : route, phone: caller, contact };
    this.#invite(request, server, hop, { ...came, pickup, replaces }, now);
  }

  /** OPTIONS starts nothing, and is what keeps many a phone's NAT open. */
  #asksProof(caller: RegisteredCaller, { method }: Request): boolean {
    return method !== "OPTIONS" && this.#house.phones?.asksProof(caller) === true;
  }

  #prove(caller: RegisteredCaller, request: Request, server: ServerTransaction, hop: Hop, now: Millis): void {
    const judged = (admission: Admission, at: Millis): void => {
      if (admission.verdict === "right") {
        return this.#guarded(request, server, hop, at, () => this.#outside(request, server, hop, true, at));
      }
      if (admission.verdict === "later") return this.#full(request, server, hop, "nobody to ask about the user", at);
      const asks = admission.challenges.map((challenge) => ["Proxy-Authenticate", challenge] as const);
      respond(request, server, 407, this.#tag(), at, asks);
    };
    this.#house.phones?.admit(caller, request, judged, now);
  }

  /** What no element can serve, whoever is meant: RFC 3261 §8.2.2.1 and §8.2.2.3. */
  #unfit(request: Request, uri: Uri, from: PeerSettings | undefined): Refused | undefined {
    if (uri.scheme === "other") return { status: 416, reason: "a Request-URI of an unknown scheme", headers: [] };
    // RFC 3911: nobody is joined here, and a call that only looks so would be a lie.
    if (request.headers.has("join")) {
      return { status: 420, reason: "a dialog to join", headers: [["Unsupported", "join"]] };
    }
    const unsupported = unsupportedIn(request, this.#timers, from);
    if (unsupported === undefined) return this.#shortSession(request);
    return { status: 420, reason: "unknown extension", headers: [["Unsupported", unsupported]] };
  }

  /** A session interval that is shorter than we take. RFC 4028 §9. */
  #shortSession(request: Request): Refused | undefined {
    const minimum = request.method === "INVITE" ? tooShort(request, this.#house.settings.sessionTimer) : undefined;
    if (minimum === undefined) return undefined;
    return { status: 422, reason: "session interval too small", headers: [["Min-SE", String(minimum)]] };
  }

  get #timers(): boolean {
    return this.#house.settings.sessionTimer.seconds > 0;
  }

  #invite(
    request: Request,
    server: ServerTransaction,
    hop: Hop,
    came: Pick<CallStart, "uri" | "realm" | "fromPeer" | "peers" | "phone" | "contact" | "pickup" | "replaces">,
    now: Millis,
  ): void {
    const house = this.#house;
    const { realm, fromPeer, uri } = came;
    const maxForwards = forwardsLeft(request);
    if (maxForwards === 0) return this.#refuse(request, server, hop, 483, "Max-Forwards is 0", now);
    const cameFrom = this.#echoOf(request);
    if (isEcho(cameFrom, uri, fromPeer, realm))
      return this.#refuse(request, server, hop, 482, "our own call again", now);
    // RFC 5393 §5.3.3. We ask one after the other, which takes no breadth; what came with the INVITE goes on with it.
    if (request.headers.raw("max-breadth") === "0") {
      return this.#refuse(request, server, hop, 440, "Max-Breadth is 0", now);
    }
    if (this.#isFull) {
      return this.#full(request, server, hop, this.#closing ? "shutting down" : "limits.calls is reached", now);
    }
    // A phone is where it speaks from, by the way that it registered.
    const nated = came.phone !== undefined || isNated(request, hop);
    const start: CallStart = {
      ...came,
      id: token(house.random, CALL_ID_CHARS),
      request,
      party: partyOf(hop, nated, fromPeer),
      remote: addressText(hop.remote),
      maxForwards,
      sdp: offerIn(request),
      caller100rel: asked100rel(request, fromPeer),
      cameFrom,
    };
    if (this.#loops.returned(start)) return this.#refuse(request, server, hop, 482, "a call that is under way", now);
    const admitted = house.routing.admit(fromPeer, now);
    if (!admitted.admitted) {
      const retryAfter = String(admitted.retryAfterSeconds);
      return this.#refuse(request, server, hop, 503, admitted.limit, now, [["Retry-After", retryAfter]]);
    }
    const call = new Call(house, start);
    const caller = this.#callerLeg(call, request, server, realm, nated);
    caller.wording.preconditions = hasPreconditions(fromPeer);
    this.#calls.set(call.id, call);
    call.begin(caller, now);
  }

  get #isFull(): boolean {
    return this.#closing || this.#calls.size >= this.#house.settings.limits.calls;
  }

  #place(start: Omit<CallStart, "id">, now: Millis): Call | undefined {
    const house = this.#house;
    if (this.#isFull || !house.routing.admit(start.introduction?.charged, now).admitted) return undefined;
    const call = new Call(house, { ...start, id: token(house.random, CALL_ID_CHARS) });
    this.#calls.set(call.id, call);
    return call;
  }

  #callerLeg(call: Call, request: Request, server: ServerTransaction, realm: RealmSettings, nated: boolean): Leg {
    const house = this.#house;
    try {
      return Leg.invited(
        {
          house: house.legs,
          owner: call,
          side: "caller",
          realm: realm.name,
          secure: wantsSips(request, server.hop),
          product: productFor(realm, house.version),
          tcpForLargeRequests: call.start.fromPeer?.tcpForLargeRequests ?? false,
          nated: nated || !request.headers.has("contact"), // RFC 2543: where it came from is all we know of its place.
          phones: call.start.phone === undefined ? undefined : [call.start.phone.binding],
          sessionTimer: house.settings.sessionTimer,
          authenticator: house.accounts?.of(call.start.fromPeer),
          ids: call.ids,
          book: house.book,
        },
        request,
        server,
      );
    } catch (error) {
      house.routing.release(call.start.fromPeer);
      throw error;
    }
  }

  /** Our own INVITE has the tag of one of our legs in From: the call that sent it. */
  #echoOf(request: Request): Call | undefined {
    const dialog = this.#house.book.get(request.fromTag ?? "");
    return dialog !== undefined && dialog.callId === request.callId ? callOf(dialog) : undefined;
  }

  #full(request: Request, server: ServerTransaction, hop: Hop, reason: string, now: Millis): void {
    this.#refuse(request, server, hop, 503, reason, now, [["Retry-After", RETRY_AFTER]]);
  }

  #refuse(
    request: Request,
    server: ServerTransaction,
    hop: Hop,
    status: number,
    reason: string,
    now: Millis,
    headers: readonly (readonly [string, string])[] = [],
  ): void {
    respond(request, server, status, this.#tag(), now, headers);
    const peer = this.#house.routing.recognise(hop, now)?.name;
    const source = addressText(hop.remote);
    this.#house.fact(
      { fact: "call.refused", realm: hop.realm, source, peer, method: request.method, status, reason },
      now,
    );
  }

  /** As `#refuse`, to a stranger: he gets one short answer and leaves nothing behind. */
  #turnAway(request: Request, server: ServerTransaction, hop: Hop, status: number, reason: string, now: Millis): void {
    server.refuseOnce(status, now);
    const source = addressText(hop.remote);
    const { method } = request;
    this.#house.fact({ fact: "call.refused", realm: hop.realm, source, peer: undefined, method, status, reason }, now);
  }

  #knows(hop: Hop, now: Millis): boolean {
    const trust = this.#house.settings.realms.get(hop.realm)?.trust;
    return trust === "full" || this.#house.routing.recognise(hop, now) !== undefined;
  }

  #tag(): string {
    return token(this.#house.random, TAG_CHARS);
  }
}

const callOf = (dialog: Dialog): Call | undefined => (dialog.leg.owner instanceof Call ? dialog.leg.owner : undefined);

const partyOf = (hop: Hop, nat: boolean, peer: PeerSettings | undefined): MediaParty => ({
  realm: hop.realm,
  secureSignalling: isSecure(hop.protocol),
  web: isWeb(hop.protocol),
  family: familyOf(hop.remote.ip),
  signallingSource: hop.remote.ip,
  nat,
  rules: peer?.media,
  preconditions: peer?.preconditions,
});
