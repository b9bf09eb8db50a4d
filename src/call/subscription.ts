/**
 * One subscription as two dialogs that know nothing of each other: `near` with the subscriber, `far` with the notifier.
 * SUBSCRIBE crosses one way, NOTIFY the other. The figure is in subscription-state.ts.
 */
import { type Fact, type Millis, PeerError, type Punctual, SECOND, TimerTable, token } from "../base/index.ts";
import { Challenged, type ClientOwner, type ServerTransaction, timing } from "../leg/index.ts";
import {
  type EventValue,
  Expires,
  INITIAL_MAX_FORWARDS,
  type Request,
  type RequestDraft,
  type Response,
  type ResponseDraft,
  responseTo,
} from "../message/index.ts";
import { crossingHeaders, mapStatus } from "../policy/index.ts";
import { forwardsLeft } from "./arrival.ts";
import { acceptAcross, bodyOf, eventBodyOf } from "./carried-body.ts";
import { eventOf, eventText, sameEvent, standingOf } from "./event-words.ts";
import type { CallHouse } from "./house.ts";
import { respond } from "./strangers.ts";
import type { SideDialog, SubscriptionSide } from "./subscription-side.ts";
import {
  type SubscriptionEffect,
  type SubscriptionEvent,
  type SubscriptionState,
  subscriptionFigure,
} from "./subscription-state.ts";

/** RFC 6665 §4.1.2: Timer N. The same patience for the last refresh of one that runs out. */
const TIMER_N: Millis = 64 * timing.T1;

/** Limit: a longer time is told as this, to both ends; who wants more refreshes. */
export const LONGEST_SECONDS = 86_400;

/** Limit: a notifier that says nothing of time (RFC 3515 lets it) is believed for so long at a time. */
const UNTOLD_SECONDS = 3_600;

/** Limit: NOTIFYs of one subscription on their way at once; more get 500 with Retry-After. */
const UNDER_WAY = 8;
/** Limit: NOTIFYs of one subscription in a second; more get 500 with Retry-After. */
const PER_SECOND = 20;

const ID_CHARS = 16;

/** Answers that end a subscription, whichever end gives them. RFC 6665 §4.1.2.2, §4.2.2; RFC 5057 §5.1. */
const ENDING: ReadonlySet<number> = new Set([404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604]);

type Timer = "N" | "expiry";

export type SubscriptionCause = Extract<Fact, { fact: "subscription.ended" }>["cause"];

export interface SubscriptionOwner {
  readonly near: SubscriptionSide;
  readonly far: SubscriptionSide;
  readonly event: EventValue;
  /** It has been granted, or a NOTIFY has come. */
  subscriptionBegan(subscription: Subscription, now: Millis): void;
  subscriptionOver(subscription: Subscription, cause: SubscriptionCause, now: Millis): void;
}

export class Subscription implements Punctual {
  /** Our own id of it: it never appears on the wire. */
  readonly id: string;
  readonly near: SideDialog;
  readonly far: SideDialog;
  /** NOTIFYs that went on to the subscriber. */
  notifies = 0;
  began: Millis | undefined;
  readonly #house: CallHouse;
  readonly #owner: SubscriptionOwner;
  readonly #timers = new TimerTable<Timer>();
  #state: SubscriptionState = "fresh";
  #seconds = UNTOLD_SECONDS;
  #underWay = 0;
  #second = 0;
  #thisSecond = 0;

  constructor(house: CallHouse, owner: SubscriptionOwner, near: SideDialog, far: SideDialog) {
    this.#house = house;
    this.#owner = owner;
    this.near = near;
    this.far = far;
    this.id = token(house.random, ID_CHARS);
  }

  get state(): SubscriptionState {
    return this.#state;
  }

  // — The subscriber's word

  /** A 2xx to the SUBSCRIBE that made it, or to a later one. `seconds` undefined: a REFER's. */
  granted(seconds: number | undefined, now: Millis): void {
    if (seconds !== undefined) this.#seconds = seconds;
    this.#begin(now);
    this.#happen(seconds === 0 ? "last grant" : "grant", now);
  }

  /** A SUBSCRIBE inside the dialog: more time, other wishes, or the end. Throws PeerError(400), PeerError(415). */
  refresh(request: Request, server: ServerTransaction, now: Millis): void {
    if (!this.#inOrder(this.near, request, server, now)) return;
    if (request.method !== "SUBSCRIBE") return this.#refuse(request, server, 405, now, ["Allow", "SUBSCRIBE"]);
    // RFC 6665 §4.5.2: another subscription wants a dialog of its own.
    if (!sameEvent(eventOf(request), this.#owner.event)) return this.#refuse(request, server, 489, now);
    const { near, far } = this.#owner;
    const draft = this.#cross(request, this.far, "SUBSCRIBE", { from: near, to: far });
    const accept = acceptAcross(request, { from: near.settings, to: far.settings });
    if (accept !== undefined) draft.add("Accept", accept);
    addBody(draft, bodyOf(this.#house, request, { from: near.settings, to: far.settings, host: far.host }));
    near.hold(server.hop.connection);
    this.near.refresh(request, server.hop);
    const owner: ClientOwner = {
      response: (response, _transaction, at) => this.#refreshed(request, server, response, at),
      // The subscription stands until its time is over; the subscriber may try again.
      failed: (cause, _transaction, at) => this.#refuse(request, server, cause === "timeout" ? 408 : 503, at),
    };
    this.#send(this.far, draft, owner, now);
  }

  #refreshed(request: Request, server: ServerTransaction, response: Response, now: Millis): void {
    if (response.status < 200) return;
    const { near, far } = this.#owner;
    const draft = answerAcross(request, this.near.localTag, response, { from: far, to: near });
    if (draft.status < 300) {
      const seconds = secondsOf(response) ?? secondsOf(request) ?? UNTOLD_SECONDS;
      draft.set("Expires", String(seconds)).add("Contact", near.contact);
      if (this.far.hop !== undefined && response.headers.has("contact")) this.#retarget(response);
      this.granted(seconds, now);
    }
    if (near.product !== undefined) draft.add("Server", near.product);
    server.respond(draft, now);
    if (ENDING.has(response.status)) this.#happen("notifier gone", now);
  }

  #retarget(response: Response): void {
    try {
      if (this.far.hop !== undefined) this.far.refresh(response, this.far.hop);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error; // The address that we know stays.
    }
  }

  // — The notifier's word

  /** A NOTIFY of the notifier. Throws PeerError(400). */
  notified(request: Request, server: ServerTransaction, now: Millis): void {
    if (!this.#inOrder(this.far, request, server, now)) return;
    if (request.method !== "NOTIFY") return this.#refuse(request, server, 405, now, ["Allow", "NOTIFY"]);
    const event = eventOf(request);
    if (!sameEvent(event, this.#owner.event)) return this.#refuse(request, server, 481, now);
    const standing = standingOf(request);
    if (this.#tooMany(now)) return this.#refuse(request, server, 500, now, ["Retry-After", "1"]);
    const { near, far } = this.#owner;
    const draft = this.#cross(request, this.near, "NOTIFY", { from: far, to: near });
    draft.set("Subscription-State", standing.text);
    addBody(draft, eventBodyOf(this.#house, request, { from: far.settings, to: near.settings, host: near.host }));
    far.hold(server.hop.connection);
    if (this.far.confirmed) this.far.refresh(request, server.hop);
    else this.far.takeRequest(request, server.hop);
    this.far.confirmed = true;

    this.#begin(now);
    this.notifies += 1;
    this.#underWay += 1;
    if (standing.expires !== undefined) this.#seconds = Math.min(standing.expires, LONGEST_SECONDS);
    const owner: ClientOwner = {
      response: (response, _transaction, at) => this.#notifyAnswered(request, server, response, at),
      failed: (cause, _transaction, at) => this.#notifyLost(request, server, cause, at),
    };
    this.#send(this.near, draft, owner, now);
    this.#happen(standing.over ? "last NOTIFY" : "NOTIFY", now);
  }

  #notifyAnswered(request: Request, server: ServerTransaction, response: Response, now: Millis): void {
    if (response.status < 200) return;
    this.#underWay -= 1;
    const { near, far } = this.#owner;
    const draft = answerAcross(request, this.far.localTag, response, { from: near, to: far });
    if (draft.status < 300) draft.add("Contact", far.contact);
    if (far.product !== undefined) draft.add("Server", far.product);
    server.respond(draft, now);
    if (ENDING.has(response.status)) this.#happen("subscriber gone", now);
  }

  #notifyLost(request: Request, server: ServerTransaction, cause: "timeout" | "unreachable", now: Millis): void {
    this.#underWay -= 1;
    // 481 has the notifier end it as well; after a time-out nobody listens any more (RFC 4320).
    this.#refuse(request, server, cause === "timeout" ? 408 : 481, now);
    this.#happen("subscriber gone", now);
  }

  #tooMany(now: Millis): boolean {
    const second = Math.floor(now / SECOND);
    if (second !== this.#second) this.#thisSecond = 0;
    this.#second = second;
    this.#thisSecond += 1;
    return this.#thisSecond > PER_SECOND || this.#underWay >= UNDER_WAY;
  }

  // — Our own word

  end(now: Millis): void {
    this.#happen("told to end", now);
  }

  /** The SUBSCRIBE that should have made it was refused. */
  refused(now: Millis): void {
    this.#happen("notifier gone", now);
  }

  nextDeadline(): Millis | undefined {
    return this.#timers.next();
  }

  expire(now: Millis): void {
    for (let due = this.#timers.takeDue(now); due !== undefined; due = this.#timers.takeDue(now)) {
      this.#happen(due === "N" ? "no NOTIFY" : "expired", now);
    }
  }

  #begin(now: Millis): void {
    if (this.began !== undefined) return;
    this.began = now;
    this.#owner.subscriptionBegan(this, now);
  }

  // — Both ways

  /** RFC 3261 §12.2.2. */
  #inOrder(dialog: SideDialog, request: Request, server: ServerTransaction, now: Millis): boolean {
    const seq = request.cseq.number;
    const late = dialog.remoteSeq !== undefined && seq <= dialog.remoteSeq;
    const forwards = forwardsLeft(request);
    if (late || forwards === 0) {
      this.#refuse(request, server, late ? 500 : 483, now);
      return false;
    }
    dialog.remoteSeq = seq;
    return true;
  }

  /** A request of ours in `dialog`, with what may cross of theirs. */
  #cross(
    request: Request,
    dialog: SideDialog,
    method: string,
    { from, to }: { readonly from: SubscriptionSide; readonly to: SubscriptionSide },
  ): RequestDraft {
    const draft = dialog.draft(method, ++dialog.localSeq, forwardsLeft(request) - 1);
    const crossing = { from: from.settings, to: to.settings, kind: "request", inDialog: true } as const;
    for (const [name, value] of crossingHeaders(request, crossing)) draft.add(name, value);
    return this.#dress(draft, to);
  }

  #dress(draft: RequestDraft, side: SubscriptionSide): RequestDraft {
    draft.set("Event", eventText(this.#owner.event)).add("Contact", side.contact);
    if (side.product !== undefined) draft.add("User-Agent", side.product);
    return draft;
  }

  #send(dialog: SideDialog, draft: RequestDraft, owner: ClientOwner, now: Millis): void {
    dialog.reach(now, (destination, at) => {
      if (destination === undefined) return owner.failed("unreachable", undefined as never, at);
      const { transactions } = this.#house.legs;
      const { authenticator } = dialog.leg;
      if (authenticator === undefined) transactions.request(draft, destination, owner, at);
      else new Challenged(transactions, authenticator, draft, destination, owner, () => ++dialog.localSeq).start(at);
    });
  }

  #refuse(
    request: Request,
    server: ServerTransaction,
    status: number,
    now: Millis,
    header?: readonly [string, string],
  ): void {
    respond(request, server, status, "", now, header === undefined ? [] : [header]);
  }

  #happen(event: SubscriptionEvent, now: Millis): void {
    const rule = subscriptionFigure[this.#state][event];
    if (rule === undefined) return;
    this.#state = rule[0];
    for (let i = 1; i < rule.length; i++) this.#do(rule[i] as SubscriptionEffect, event, now);
    if (this.#state !== "over") this.#house.agenda.watch(this);
  }

  #do(effect: SubscriptionEffect, event: SubscriptionEvent, now: Millis): void {
    switch (effect) {
      case "await NOTIFY":
        this.#timers.set("N", now + TIMER_N);
        return;
      case "stop awaiting":
        this.#timers.stop("N");
        return;
      case "watch expiry":
        this.#timers.set("expiry", now + this.#seconds * SECOND + TIMER_N);
        return;
      case "tell subscriber":
        return this.#tellSubscriber(event === "expired" ? "timeout" : "probation;retry-after=30", now);
      case "tell notifier":
        return this.#tellNotifier(now);
      case "close":
        this.#timers.clear();
        this.#house.agenda.drop(this);
        this.#owner.subscriptionOver(this, causeOf(event), now);
        return;
      default:
        effect satisfies never;
    }
  }

  #tellSubscriber(reason: string, now: Millis): void {
    const draft = this.near.draft("NOTIFY", ++this.near.localSeq, INITIAL_MAX_FORWARDS);
    this.#dress(draft, this.#owner.near).add("Subscription-State", `terminated;reason=${reason}`);
    this.#send(this.near, draft, IGNORED, now);
  }

  #tellNotifier(now: Millis): void {
    if (this.#owner.event.package === "refer") return; // There is nothing to be unsubscribed from: RFC 3515 §2.4.4.
    const draft = this.far.draft("SUBSCRIBE", ++this.far.localSeq, INITIAL_MAX_FORWARDS);
    this.#dress(draft, this.#owner.far).add("Expires", "0");
    this.#send(this.far, draft, IGNORED, now);
  }
}

const IGNORED: ClientOwner = { response() {}, failed() {} };

/** What the other side has said to a request inside the subscription, as whoever sent that may hear it. */
function answerAcross(
  request: Request,
  tag: string,
  response: Response,
  { from, to }: { readonly from: SubscriptionSide; readonly to: SubscriptionSide },
): ResponseDraft {
  const { status, reason } = mapStatus(response.status);
  const draft = responseTo(request, status, tag, reason);
  const crossing = { from: from.settings, to: to.settings, kind: "response", inDialog: true } as const;
  for (const header of crossingHeaders(response, crossing)) draft.add(...header);
  return draft;
}

/** Why it is over, by what ended it. */
const CAUSES: Readonly<Partial<Record<SubscriptionEvent, SubscriptionCause>>> = {
  "no NOTIFY": "no-notify",
  expired: "expired",
  "subscriber gone": "subscriber-gone",
  "notifier gone": "notifier-gone",
  "told to end": "shutdown",
};

const causeOf = (event: SubscriptionEvent): SubscriptionCause => CAUSES[event] ?? "ended";

/** What Expires says, up to our limit; `undefined`: nothing. */
export function secondsOf(message: Request | Response): number | undefined {
  if (!message.headers.has("expires")) return undefined;
  try {
    return Math.min(message.get(Expires) ?? UNTOLD_SECONDS, LONGEST_SECONDS);
  } catch {
    return undefined;
  }
}

export function addBody(draft: RequestDraft, body: { readonly type: string; readonly body: string } | undefined): void {
  if (body === undefined) return;
  draft.add("Content-Type", body.type);
  draft.body = body.body;
}
