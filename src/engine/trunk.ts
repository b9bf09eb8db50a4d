/** One registration of ours at a peer, at work. The figure is in registration/trunk-state.ts. */
import {
  type Destination,
  type Fact,
  type Hop,
  type Millis,
  type PeerSettings,
  type Punctual,
  type Random,
  type RegisterSettings,
  SECOND,
  type SendToken,
  TimerTable,
  token,
} from "../base/index.ts";
import { ALLOW, type Authentication, type Authenticator, contactOf, nextAttempt } from "../leg/index.ts";
import type { RequestDraft, Response } from "../message/index.ts";
import {
  type Accounts,
  backOff,
  bulkContact,
  type Grant,
  grantOf,
  keepaliveAfter,
  minExpiresIn,
  refreshAfter,
  registerDraft,
  retryAfterIn,
  soon,
  type TrunkEffect,
  type TrunkEvent,
  type TrunkState,
  trunkFigure,
} from "../registration/index.ts";
import type { Routing } from "../routing/index.ts";
import type { ClientOwner, ClientTransaction, Transactions } from "../transaction/index.ts";
import type { Transport } from "../transport/index.ts";
import { type TrunkPlace, TrunkRound } from "./trunk-round.ts";

const CALL_ID_CHARS = 24;
const TAG_CHARS = 16;
/** A place that says nothing for so long loses to the next one, when there is one. */
const SILENT_PLACE: Millis = 8 * SECOND;
/** Limit: 423s heeded in one round; the next one is a refusal, or a registrar could have us ask without end. */
const BRIEFS = 3;
/** Limit: the longest time that a registrar can make us ask for by 423, in seconds. */
const LONGEST_ASKED = 86_400;

/** What all registrations share. */
export interface TrunkHouse {
  readonly random: Random;
  readonly agenda: { watch(owner: Punctual): void; drop(owner: Punctual): void };
  readonly transport: Transport;
  readonly transactions: Transactions;
  readonly routing: Routing;
  readonly accounts: Accounts;
  readonly fact: (fact: Fact, now: Millis) => void;
  /** User-Agent toward this realm; `undefined`: none. */
  readonly product: (realm: string) => string | undefined;
}

export interface TrunkView {
  readonly state: TrunkState;
  readonly aor: string;
  /** Where we are registered, or were last. */
  readonly target: string | undefined;
  /** How long the registration still holds, in seconds; 0: it does not. */
  readonly expiresSeconds: number;
  /** What went wrong last; empty: nothing since it was taken. */
  readonly reason: string;
  /** RFC 7315 §4.1. */
  readonly associated: readonly string[];
}

/** The connection that a registration lives on: it hears of its end. */
export class TrunkFlow implements SendToken {
  waiting = true;
  readonly connection: number;
  readonly #trunk: Trunk;

  constructor(trunk: Trunk, connection: number) {
    this.#trunk = trunk;
    this.connection = connection;
  }

  lost(now: Millis): void {
    this.waiting = false;
    this.#trunk.lost("its connection broke", now);
  }
}

export class Trunk implements Punctual, ClientOwner {
  readonly peer: PeerSettings;
  readonly settings: RegisterSettings;
  readonly #house: TrunkHouse;
  readonly #closed: (now: Millis) => void;
  readonly #timers = new TimerTable<"refresh" | "retry" | "silent" | "keepalive">();
  readonly #callId: string;
  readonly #fromTag: string;
  #state: TrunkState = "idle";
  #seq = 0;
  #asking: number;
  #failures = 0;
  /** It was told that we are not registered: so it is told when we are again. */
  #isMissed = false;
  #reason = "";
  #kind: "silence" | "refusal" = "silence";
  #retryAfter: number | undefined;
  // The round of now: whom it still may ask, and what it asked.
  #round: TrunkRound | undefined;
  #briefs = 0;
  #place: TrunkPlace | undefined;
  #contact = "";
  #draft: RequestDraft | undefined;
  #proof: Authentication | undefined;
  #account: Authenticator | undefined;
  #transaction: ClientTransaction | undefined;
  // What holds.
  #grant: Grant | undefined;
  #home: TrunkPlace | undefined;
  #hop: Hop | undefined;
  #flow: TrunkFlow | undefined;
  #until: Millis = 0;

  /** `closed`: it is over, and nothing of it is left. */
  constructor(
    house: TrunkHouse,
    peer: PeerSettings,
    settings: RegisterSettings,
    now: Millis,
    closed: (now: Millis) => void,
  ) {
    this.#house = house;
    this.peer = peer;
    this.settings = settings;
    this.#closed = closed;
    this.#asking = settings.everySeconds;
    this.#callId = token(house.random, CALL_ID_CHARS);
    this.#fromTag = token(house.random, TAG_CHARS);
    this.#timers.set("retry", now + soon(house.random)); // All of them at once would be a burst.
    house.agenda.watch(this);
  }

  get registered(): boolean {
    return this.#state === "registered" || this.#state === "refreshing";
  }

  /** Routes for a request that goes where we are registered. */
  routesTo(destination: Destination): readonly string[] {
    const home = this.#home?.destination;
    if (!this.registered || home === undefined || home.remote.ip !== destination.remote.ip) return [];
    return this.#grant?.routes ?? [];
  }

  view(now: Millis): TrunkView {
    const left = this.registered ? Math.max(0, Math.ceil((this.#until - now) / SECOND)) : 0;
    return {
      state: this.#state,
      aor: this.settings.aor,
      target: this.#home?.target.id,
      expiresSeconds: left,
      reason: this.#reason,
      associated: this.registered ? (this.#grant?.associated ?? []) : [],
    };
  }

  /** After a reload. The account may have another password: then what was refused may be taken now. */
  reloaded(now: Millis): void {
    const account = this.#house.accounts.of(this.peer);
    const same = account === this.#account;
    this.#account = account;
    if (same || this.#state !== "waiting") return;
    this.#failures = 0;
    this.#timers.set("retry", now + soon(this.#house.random));
    this.#house.agenda.watch(this);
  }

  leave(now: Millis): void {
    this.#happen("leave", now);
  }

  /** What carried it is not there any more. */
  lost(reason: string, now: Millis): void {
    this.#reason = reason;
    this.#happen("lost", now);
  }

  /** The target that we are registered at went down, and there is a better one. */
  targetDown(id: string, now: Millis): void {
    if (!this.registered || this.#home?.target.id !== id) return;
    const [best] = this.#house.routing.targets(this.peer, now);
    if (best !== undefined && best.id !== id) this.lost("its target went down", now);
  }

  // — ClientOwner

  response(response: Response, transaction: ClientTransaction, now: Millis): void {
    if (transaction !== this.#transaction) return;
    this.#timers.stop("silent");
    if (response.status < 200) return;
    if (this.#draft !== undefined && this.#proof?.again(response, transaction.hop, now) === true) {
      this.#seq += 1;
      return this.#send(nextAttempt(this.#draft), now);
    }
    this.#transaction = undefined;
    this.#hop = transaction.hop;
    this.#happen(this.#verdict(response, now), now);
  }

  failed(cause: "timeout" | "unreachable", transaction: ClientTransaction, now: Millis): void {
    if (transaction !== this.#transaction) return;
    this.#transaction = undefined;
    if (this.#place !== undefined) this.#house.routing.outcome(this.#place.target, cause, undefined, now);
    this.#wrong("silence", cause === "timeout" ? "no answer" : "nobody is there", undefined);
    this.#happen("no answer", now);
  }

  // — Punctual

  nextDeadline(): Millis | undefined {
    return this.#timers.next();
  }

  expire(now: Millis): void {
    for (let due = this.#timers.takeDue(now); due !== undefined; due = this.#timers.takeDue(now)) {
      if (due === "refresh") this.#happen("time to refresh", now);
      else if (due === "retry") this.#happen(this.#state === "idle" ? "begin" : "time to retry", now);
      else if (due === "silent") this.#onSilence(now);
      else this.#keepAlive(now);
    }
  }

  // — The figure at work

  #happen(event: TrunkEvent, now: Millis): void {
    const rule = trunkFigure[this.#state][event];
    if (rule === undefined) return;
    const [next, ...effects] = rule;
    this.#state = next;
    for (const effect of effects) this.#do(effect, now);
    this.#house.agenda.watch(this);
  }

  #do(effect: TrunkEffect, now: Millis): void {
    switch (effect) {
      case "ask the best place":
        return this.#askBest(now);
      case "ask again":
        if (this.#place !== undefined) this.#ask(this.#place, this.#asking, now);
        return;
      case "ask the next place":
        return this.#askNext(now);
      case "take over":
        return this.#takeOver(now);
      case "back off":
        return this.#backOff(now);
      case "come back soon":
        this.#letGo();
        this.#timers.set("retry", now + soon(this.#house.random));
        this.#tellFailed(0, now);
        return;
      case "ask to leave":
        return this.#askToLeave(now);
      case "close":
        this.#letGo();
        this.#house.agenda.drop(this);
        return this.#closed(now);
      default:
        effect satisfies never;
    }
  }

  /** What an answer means, with what it leaves to be told. */
  #verdict(response: Response, now: Millis): TrunkEvent {
    const { status } = response;
    const { routing } = this.#house;
    const target = this.#place?.target;
    const after = retryAfterIn(response);
    if (target !== undefined) {
      const result = status === 503 ? "503" : status === 408 ? "timeout" : "answered";
      routing.outcome(target, result, after, now);
    }
    if (status < 300) {
      this.#grant = grantOf(response, this.#contact, this.#asking);
      return "accepted";
    }
    const brief = status === 423 ? minExpiresIn(response) : undefined;
    if (brief !== undefined && brief > this.#asking && brief <= LONGEST_ASKED && this.#briefs < BRIEFS) {
      this.#briefs += 1;
      this.#asking = brief;
      return "too brief";
    }
    if (status === 408 || status >= 500) {
      this.#wrong("silence", `answered ${status}`, after);
      return status < 600 ? "no answer" : "refused";
    }
    this.#wrong("refusal", `refused with ${status}`, after);
    return "refused";
  }

  #wrong(kind: "silence" | "refusal", reason: string, retryAfter: number | undefined): void {
    this.#kind = kind;
    this.#reason = reason;
    this.#retryAfter = retryAfter;
  }

  // — Asking

  #askBest(now: Millis): void {
    const { transport, routing } = this.#house;
    this.#round?.end();
    this.#briefs = 0;
    this.#round = new TrunkRound(transport, routing, [...routing.targets(this.peer, now)]);
    this.#wrong("silence", "its targets have no address", undefined);
    this.#askNext(now);
  }

  #askNext(now: Millis): void {
    this.#round?.next((place, at) => {
      if (place === undefined) this.#happen("no place", at);
      else this.#ask(place, this.#asking, at);
    }, now);
  }

  #ask(place: TrunkPlace, seconds: number, now: Millis): void {
    const { transport, accounts, product } = this.#house;
    const { settings, peer } = this;
    const { destination } = place;
    this.#place = place;
    const local = transport.localFor(destination);
    const user = settings.gin ? "-" : settings.contactUser;
    const plain = contactOf(user, local, destination.protocol, settings.scheme === "sips");
    this.#contact = settings.gin ? bulkContact(plain) : plain;
    this.#seq += 1;
    const draft = registerDraft({
      settings,
      contact: this.#contact,
      callId: this.#callId,
      fromTag: this.#fromTag,
      seq: this.#seq,
      seconds,
      allow: ALLOW,
      product: product(peer.realm),
    });
    this.#draft = draft;
    this.#account = accounts.of(peer);
    this.#proof = this.#account?.begin(draft, destination);
    this.#send(draft, now);
  }

  #send(draft: RequestDraft, now: Millis): void {
    if (this.#place === undefined) return;
    this.#transaction = this.#house.transactions.request(draft, this.#place.destination, this, now);
    if (this.#state !== "leaving" && this.#round?.more === true) {
      this.#timers.set("silent", now + SILENT_PLACE);
      this.#house.agenda.watch(this);
    }
  }

  #onSilence(now: Millis): void {
    this.#transaction?.forget();
    this.#transaction = undefined;
    if (this.#place !== undefined) this.#house.routing.outcome(this.#place.target, "timeout", undefined, now);
    this.#wrong("silence", "no answer", undefined);
    this.#happen("no answer", now);
  }

  /** To where we are registered; when that is nowhere yet, to where we were about to be. */
  #askToLeave(now: Millis): void {
    this.#round?.end();
    this.#transaction?.forget();
    this.#timers.clear();
    const place = this.#home ?? this.#place;
    if (place === undefined) return this.#happen("no place", now);
    this.#ask(place, 0, now);
  }

  // — What comes of it

  #takeOver(now: Millis): void {
    const place = this.#place;
    const grant = this.#grant;
    const hop = this.#hop;
    if (place === undefined || grant === undefined || hop === undefined) return;
    const { random, fact } = this.#house;
    const isNews = this.#isMissed || this.#until === 0 || this.#home?.target.id !== place.target.id;
    this.#failures = 0;
    this.#isMissed = false;
    this.#reason = "";
    this.#home = place;
    this.#until = now + grant.seconds * SECOND;
    this.#timers.clear();
    this.#timers.set("refresh", now + refreshAfter(random, grant.seconds));
    this.#liveOn(hop, now);
    const expiresSeconds = grant.seconds;
    if (isNews) fact({ fact: "trunk.registered", peer: this.peer.name, target: place.target.id, expiresSeconds }, now);
  }

  /** Calls come back by the way that we came: it is kept open. RFC 5626 §4.4. */
  #liveOn(hop: Hop, now: Millis): void {
    const { transport, random } = this.#house;
    if (hop.connection === 0) this.#timers.set("keepalive", now + keepaliveAfter(random));
    if (this.#flow?.connection === hop.connection && this.#flow.waiting) return;
    this.#leaveFlow();
    if (hop.connection === 0) return;
    this.#flow = new TrunkFlow(this, hop.connection);
    transport.hold(hop.connection);
    transport.expect(hop.connection, this.#flow);
  }

  #keepAlive(now: Millis): void {
    const { transport, random } = this.#house;
    if (!this.registered || this.#hop === undefined) return;
    transport.keepAlive(this.#hop);
    this.#timers.set("keepalive", now + keepaliveAfter(random));
  }

  #backOff(now: Millis): void {
    this.#letGo();
    this.#failures += 1;
    const wait = backOff(this.#house.random, this.#kind, this.#failures, this.#retryAfter);
    this.#asking = this.settings.everySeconds;
    this.#timers.set("retry", now + wait);
    this.#tellFailed(Math.ceil(wait / SECOND), now);
  }

  #tellFailed(retrySeconds: number, now: Millis): void {
    const { peer } = this;
    this.#isMissed = true;
    this.#house.fact({ fact: "trunk.failed", peer: peer.name, reason: this.#reason, retrySeconds }, now);
  }

  #letGo(): void {
    this.#round?.end();
    this.#transaction?.forget();
    this.#transaction = undefined;
    this.#timers.clear();
    this.#leaveFlow();
  }

  #leaveFlow(): void {
    if (this.#flow === undefined) return;
    if (this.#flow.waiting) this.#house.transport.release(this.#flow.connection);
    this.#flow.waiting = false;
    this.#flow = undefined;
  }
}
