/**
 * One SUBSCRIBE from outside of a dialog (or a REFER, which subscribes to its own progress) on its way to somebody, and the
 * subscriptions that it makes: one for each notifier that a proxy behind has sent it to. RFC 6665 §4.4.1.
 */
import { addressText, type Millis, PeerError, token } from "../base/index.ts";
import { type ClientTransaction, Dialog, type ServerTransaction, timing } from "../leg/index.ts";
import type { EventValue, Request, RequestDraft, Response } from "../message/index.ts";
import { crossingHeaders, mapStatus } from "../policy/index.ts";
import { isNated, wantsSips } from "./arrival.ts";
import { Asking, type AskingOwner, type Place } from "./asking.ts";
import { acceptAcross, bodyOf } from "./carried-body.ts";
import { dialogHeaders } from "./dialog-names.ts";
import { answerTo, draftOf, type Errand } from "./errand.ts";
import { eventOf, eventText } from "./event-words.ts";
import type { CallHouse } from "./house.ts";
import type { Refusal } from "./setup.ts";
import { addBody, LONGEST_SECONDS, Subscription, type SubscriptionCause, secondsOf } from "./subscription.ts";
import { type SideDialog, SubscriptionSide } from "./subscription-side.ts";

const TAG_CHARS = 20;
const CALL_ID_CHARS = 26;

/** Limit: notifiers of one SUBSCRIBE; a NOTIFY of another one gets 481, which ends it there. */
const FORK_LIMIT = 8;

/** Who keeps the tables and the counts. */
export interface SubscribingOwner {
  /** Our tag toward the notifiers. */
  knowFar(tag: string, subscribing: Subscribing): void;
  forgetFar(tag: string): void;
  /** False: there are too many. */
  admit(subscription: Subscription, errand: Errand): boolean;
  began(tag: string, errand: Errand): void;
  /** The request has its answer. */
  ended(tag: string): void;
  over(subscription: Subscription, errand: Errand): void;
}

export class Subscribing implements AskingOwner {
  readonly host: string;
  readonly event: EventValue;
  readonly near: SubscriptionSide;
  far!: SubscriptionSide;
  readonly errand: Errand;
  readonly #house: CallHouse;
  readonly #owner: SubscribingOwner;
  readonly #asking: Asking;
  /** Those that live, and until the answer those that have ended. */
  #subscriptions: Subscription[] = [];
  #place: Place | undefined;
  #callId = "";
  #tag = "";
  #target = "";
  #local = "";
  #remote = "";
  #answered = false;
  #answeredAt: Millis = 0;

  /** Throws PeerError: a request that makes no dialog. */
  constructor(house: CallHouse, errand: Errand, owner: SubscribingOwner) {
    const { request, hop, realm, fromPeer } = errand;
    this.#house = house;
    this.errand = errand;
    this.#owner = owner;
    this.event = eventOf(request);
    this.near = new SubscriptionSide(house, realm, hop, {
      secure: wantsSips(request, hop),
      nated: errand.phone !== undefined || isNated(request, hop),
      tcpForLargeRequests: fromPeer?.tcpForLargeRequests ?? false,
      authenticator: house.accounts?.of(fromPeer),
      phone: errand.phone?.binding,
    });
    this.host = house.transport.localFor(hop).host;
    this.#asking = new Asking(house, this, errand.uri, errand.peers, errand.contact);
    try {
      this.#nearDialog(); // Tried once before anybody is asked: what is wrong with the request is told now.
    } catch (error) {
      this.near.release();
      throw error;
    }
  }

  start(now: Millis): void {
    this.#asking.start(now);
  }

  // — Asking

  compose(place: Place, now: Millis): RequestDraft {
    const house = this.#house;
    const { request, realm } = this.errand;
    this.#dropAttempt(now);
    this.#place = place;
    this.#callId = token(house.random, CALL_ID_CHARS);
    this.#tag = token(house.random, TAG_CHARS);
    this.far = new SubscriptionSide(house, place.realm, place.destination, {
      secure: place.scheme === "sips",
      nated: place.phone !== undefined,
      tcpForLargeRequests: place.destination.tcpForLargeRequests ?? false,
      authenticator: house.accounts?.of(place.peer),
      phone: place.phone,
    });
    const way = { from: realm, to: place.realm, host: this.far.host };
    const draft = draftOf(house, this.errand, place, { callId: this.#callId, tag: this.#tag });
    draft.add("Contact", this.far.contact);
    if (request.method === "SUBSCRIBE") draft.set("Event", eventText(this.event));
    const accept = acceptAcross(request, way);
    if (accept !== undefined) draft.add("Accept", accept);
    for (const [name, value] of dialogHeaders(request, way, this.far.host, house.book)) draft.add(name, value);
    addBody(draft, bodyOf(house, request, way));
    this.#target = draft.uri;
    this.#local = draft.get("From") ?? "";
    this.#remote = draft.get("To") ?? "";
    this.#owner.knowFar(this.#tag, this);
    this.#owner.began(this.#tag, this.errand);
    return draft;
  }

  answered(response: Response, place: Place, transaction: ClientTransaction, now: Millis): void {
    const { status, reason } = mapStatus(response.status);
    const crossing = { from: place.realm, to: this.errand.realm, kind: "response", inDialog: false } as const;
    const headers = crossingHeaders(response, crossing);
    if (status >= 300) return this.refused({ status, phrase: reason, headers }, now);
    const subscription = this.#subscriptionOf(response.toTag, undefined);
    if (subscription === undefined) return this.refused({ status: 503, headers: [["Retry-After", "5"]] }, now);
    const { far } = subscription;
    try {
      // What a NOTIFY has told before stands (RFC 6665 §4.4.1).
      if (!far.confirmed) far.takeResponse(response, transaction.hop);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      return this.refused({ status: 502, headers: [] }, now);
    }
    const seconds = this.event.package === "refer" ? undefined : this.#granted(response);
    const told = seconds === undefined ? [] : [["Expires", String(seconds)] as const];
    const others = headers.filter(([name]) => name !== "Expires");
    this.#answer(
      { status, phrase: reason, headers: [["Contact", this.near.contact], ...told, ...others] },
      subscription,
      now,
    );
    // RFC 4488 §4: the notifier has said that there is no subscription.
    if (response.headers.raw("refer-sub")?.toLowerCase() === "false") subscription.refused(now);
    else subscription.granted(seconds, now);
    this.#tidy(now);
  }

  refused(refusal: Refusal, now: Millis): void {
    this.#answer(refusal, undefined, now);
    this.#dropAttempt(now);
    this.near.release();
  }

  #granted(response: Response): number {
    return secondsOf(response) ?? secondsOf(this.errand.request) ?? LONGEST_SECONDS;
  }

  #answer(refusal: Refusal, subscription: Subscription | undefined, now: Millis): void {
    const { request, server, realm, hop, fromPeer, beganAt } = this.errand;
    this.#answered = true;
    this.#answeredAt = now;
    this.#owner.ended(this.#tag);
    const tag = subscription?.near.localTag ?? token(this.#house.random, TAG_CHARS);
    server.respond(answerTo(this.#house, this.errand, tag, refusal), now);
    if (subscription !== undefined) return;
    const to = this.#place?.peer.name;
    const target = this.#place?.target?.id;
    const { status } = refusal;
    const source = addressText(hop.remote);
    const told = { method: request.method, realm: realm.name, source, peer: fromPeer?.name, to, target, status };
    this.#house.fact({ fact: "request.relayed", ...told, ms: now - beganAt }, now);
  }

  // — The notifiers' side

  /** Is this message of our dialogs with the notifiers? */
  owns(request: Request, realm: string): boolean {
    return request.callId === this.#callId && realm === this.far.realm;
  }

  /** Any request that a notifier sends. False: it is of no subscription that there is or may be. Throws PeerError(400). */
  receive(request: Request, server: ServerTransaction, now: Millis): boolean {
    const known = this.#subscriptions.find(({ far }) => far.remoteTag === request.fromTag);
    const subscription =
      known ?? (this.#mayFork(request, now) ? this.#subscriptionOf(request.fromTag, request) : undefined);
    if (subscription === undefined || subscription.state === "over") return false;
    if (!subscription.far.admits(server.hop.protocol)) return false;
    this.#asking.heard();
    subscription.notified(request, server, now);
    return true;
  }

  /** Others may still announce themselves until Timer N. RFC 6665 §4.1.2.4. */
  #mayFork(request: Request, now: Millis): boolean {
    return request.method === "NOTIFY" && (!this.#answered || now < this.#answeredAt + FORK_TIME);
  }

  /** The one of the notifier with this tag, made when it is new. `undefined`: there are too many. */
  #subscriptionOf(remoteTag: string | undefined, notify: Request | undefined): Subscription | undefined {
    for (const one of this.#subscriptions) if (one.far.remoteTag === remoteTag) return one;
    if (this.#subscriptions.length >= FORK_LIMIT) return undefined;
    const far: SideDialog = new Dialog(this.far, this.#callId, this.#tag, this.#target, this.#asking.seq);
    far.local = this.#local;
    far.remote = notify?.headers.raw("from") ?? this.#remote;
    far.remoteTag = remoteTag;
    const near = this.#nearDialog();
    near.twin = far;
    far.twin = near;
    const subscription = new Subscription(this.#house, this, near, far);
    if (!this.#owner.admit(subscription, this.errand)) return undefined;
    this.#subscriptions.push(subscription);
    return subscription;
  }

  /** One more dialog with the subscriber, with a tag of its own. Throws PeerError(400). */
  #nearDialog(): SideDialog {
    const { request, hop } = this.errand;
    const tag = token(this.#house.random, TAG_CHARS);
    const dialog: SideDialog = new Dialog(this.near, request.callId, tag, "", 0);
    dialog.takeRequest(request, hop);
    dialog.remote = request.headers.raw("from") ?? "";
    dialog.remoteTag = request.fromTag;
    dialog.local = `${request.headers.raw("to") ?? ""};tag=${tag}`;
    dialog.remoteSeq = request.cseq.number;
    return dialog;
  }

  // — SubscriptionOwner

  subscriptionBegan(subscription: Subscription, now: Millis): void {
    const { request, realm, fromPeer, hop } = this.errand;
    const place = this.#place;
    this.#house.fact(
      {
        fact: "subscription.started",
        subscription: subscription.id,
        event: this.event.package,
        method: request.method,
        realm: realm.name,
        source: addressText(hop.remote),
        peer: fromPeer?.name,
        to: place?.peer.name,
        target: place?.target?.id,
      },
      now,
    );
  }

  subscriptionOver(subscription: Subscription, cause: SubscriptionCause, now: Millis): void {
    this.#owner.over(subscription, this.errand);
    this.#tidy(now);
    if (subscription.began === undefined) return;
    this.#house.fact(
      {
        fact: "subscription.ended",
        subscription: subscription.id,
        event: this.event.package,
        cause,
        notifies: subscription.notifies,
        totalMs: now - subscription.began,
      },
      now,
    );
  }

  /** A target that was given up: what it still has to say finds nobody. */
  #dropAttempt(now: Millis): void {
    const tag = this.#tag;
    if (tag === "") return;
    this.#tag = "";
    for (const subscription of this.#subscriptions) subscription.refused(now);
    this.#subscriptions = [];
    this.#owner.forgetFar(tag);
    this.#owner.ended(tag);
    this.far.release();
  }

  /** Once it is answered, those that are over are forgotten; with the last one everything is. */
  #tidy(now: Millis): void {
    if (!this.#answered || this.#tag === "") return;
    this.#subscriptions = this.#subscriptions.filter(({ state }) => state !== "over");
    if (this.#subscriptions.length > 0) return;
    this.#dropAttempt(now);
    this.near.release();
  }
}

/** RFC 6665 §4.1.2.4: for so long after the answer other notifiers may still announce themselves. */
const FORK_TIME: Millis = 64 * timing.T1;
