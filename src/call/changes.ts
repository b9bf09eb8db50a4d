/**
 * What crosses from leg to leg inside the dialogs: re-INVITE, UPDATE and PRACK with their offers and answers, and every
 * other request. RFC 3261 §14, RFC 3311, RFC 3262, RFC 6337.
 */
import type { Millis } from "../base/index.ts";
import {
  ALLOW,
  type Dialog,
  type InviteServer,
  type Leg,
  type LegClient,
  NOTHING,
  type Parcel,
  type ServerTransaction,
} from "../leg/index.ts";
import { type Request, Require, type Response } from "../message/index.ts";
import { mapStatus } from "../policy/index.ts";
import { offerIn } from "./bodies.ts";
import type { Call } from "./call.ts";
import { Change } from "./change.ts";
import { otherParcelOf, parcelOf, sdpParcel } from "./crossing.ts";
import { dialogHeaders } from "./dialog-names.ts";
import { playsInfo } from "./digits.ts";
import { answerHere, offerVerdict } from "./early-offer.ts";
import { packagesInstead } from "./info.ts";
import { passesUnknown } from "./outside.ts";
import { numbered, ReferNumbers } from "./refer-numbers.ts";
import { executes, refer } from "./referral.ts";
import { later, maxForwards, reply } from "./replies.ts";

/** Methods that cross inside a dialog as they are. */
const CARRIED: ReadonlySet<string> = new Set(["INFO", "MESSAGE", "NOTIFY", "OPTIONS", "REFER", "SUBSCRIBE"]);

/** A 481 to one of these says that the call is gone; to any other, that a subscription is (RFC 5057 §5.1). */
const OF_THE_CALL: ReadonlySet<string> = new Set(["INFO", "MESSAGE", "UPDATE"]);

export class Changes {
  readonly #call: Call;
  /** The re-INVITE on its way across, or whose 2xx waits for its ACK. */
  #change: Change | undefined;
  #refers: ReferNumbers | undefined;
  /** Requests that wait for the other side. */
  #open: Set<Relay> | undefined;

  constructor(call: Call) {
    this.#call = call;
  }

  /**
   * This end goes to another call: whoever it asked something answers for nobody any more. A 481 of that one, or no answer
   * at all, would tell it that its own dialog is gone (RFC 5057 §5.1).
   */
  leaves(dialog: Dialog, now: Millis): void {
    for (const relay of [...(this.#open ?? [])]) if (relay.dialog === dialog) relay.leave(now);
  }

  opened(relay: Relay): void {
    this.#open ??= new Set();
    this.#open.add(relay);
  }

  closed(relay: Relay): void {
    this.#open?.delete(relay);
  }

  reinvited(leg: Leg, dialog: Dialog, invite: InviteServer, now: Millis): void {
    const other = this.#call.otherLeg(leg);
    const twin = dialog.twin;
    const busy = dialog.exchange !== "settled" || twin?.exchange !== "settled";
    // Their INVITE and ours would meet on the other leg: as if they had met here (RFC 3261 §14.2).
    if (this.#call.state !== "up" || other === undefined || twin === undefined || !other.idle || busy) {
      return invite.refuse(dialog, 491, NOTHING, now);
    }
    const change = new Change(this.#call, dialog, twin, { invite });
    this.#change = change;
    change.start(invite.request, now);
  }

  cancelled(invite: InviteServer, cancel: Request, now: Millis): void {
    if (this.#change?.invite === invite) this.#change.cancel(cancel, now);
  }

  /** The ACK for a re-INVITE of theirs. */
  acked(_leg: Leg, _dialog: Dialog, ack: Request, invite: InviteServer, now: Millis): void {
    if (this.#change?.invite === invite) this.#change.acked(ack, now);
  }

  request(leg: Leg, dialog: Dialog, request: Request, server: ServerTransaction, now: Millis): void {
    if (this.#ofTransfer(dialog, request, server, now)) return;
    const twin = dialog.twin;
    const other = twin?.leg;
    if (twin === undefined && this.#call.state !== "over" && leg.state === "up") {
      return this.#alone(dialog, request, server, now);
    }
    // A caller that has not acknowledged its 200 yet may still ask, when the callee has had its BYE.
    const gone = twin === undefined || other === undefined || this.#call.state === "over";
    if (gone) return reply(request, server, dialog, 481, NOTHING, now);
    if (request.method === "UPDATE") return this.#update(leg, dialog, twin, request, server, now);
    if (request.method === "INFO" && playsInfo(this.#call, dialog, twin, request, server, now)) return;
    const direction = this.#call.directionFrom(leg);
    const carried = CARRIED.has(request.method) || passesUnknown(request.method, direction.from);
    if (!carried || !twin.allowsMethod(request.method)) {
      const allow = ALLOW.split(", ").filter((method) => method !== request.method && twin.allowsMethod(method));
      const headers = [["Allow", allow.join(", ")] as const];
      return reply(request, server, dialog, 405, { ...NOTHING, headers }, now);
    }
    const wanted = request.method === "INFO" ? packagesInstead(request, twin) : undefined;
    if (wanted !== undefined) {
      return reply(request, server, dialog, 469, { ...NOTHING, headers: [["Recv-Info", wanted]] }, now);
    }
    const host = hostToward(other);
    const parcel = otherParcelOf(this.#call.house, request, { ...direction, host });
    const named = dialogHeaders(request, direction, host, this.#call.house.book);
    const headers = [...this.#renumbered(dialog, parcel.headers), ...named];
    let relay = new Relay(this.#call, dialog, request, server);
    if (request.method === "REFER") {
      if (request.lists(Require, "norefersub")) headers.push(["Require", "norefersub"]);
      this.#refers ??= new ReferNumbers();
      relay = new ReferRelay(this.#call, dialog, request, server, this.#refers);
    }
    other.send(twin, request.method, { ...parcel, headers }, relay, maxForwards(request), now);
  }

  /** The id of a REFER's subscription is the CSeq of the REFER, which is another one on each leg. */
  #renumbered(dialog: Dialog, headers: Parcel["headers"]): [string, string][] {
    return headers.map(([name, value]) => [name, name === "Event" ? numbered(this.#refers, dialog, value) : value]);
  }

  /** A REFER that we carry out, and what its sender asks about it. */
  #ofTransfer(dialog: Dialog, request: Request, server: ServerTransaction, now: Millis): boolean {
    const call = this.#call;
    if (request.method === "REFER" && (call.transfer?.active || executes(call, dialog))) {
      refer(call, dialog, request, server, now);
      return true;
    }
    const { transfer } = call;
    if (request.method !== "SUBSCRIBE" || transfer?.subscription.owns(dialog, request) !== true) return false;
    transfer.subscription.subscribed(request, server, now);
    return true;
  }

  /** Whoever is about to be transferred has nobody at the other end for a moment. */
  #alone(dialog: Dialog, request: Request, server: ServerTransaction, now: Millis): void {
    if (request.method === "UPDATE" && offerIn(request) === undefined) {
      return reply(request, server, dialog, 200, NOTHING, now);
    }
    later(this.#call.house.random, request, server, dialog, now);
  }

  #update(leg: Leg, dialog: Dialog, twin: Dialog, request: Request, server: ServerTransaction, now: Millis): void {
    const sdp = offerIn(request);
    if (sdp === undefined) {
      if (isRefresh(request) || !twin.allowsMethod("UPDATE")) return reply(request, server, dialog, 200, NOTHING, now);
      const parcel = parcelOf(request, this.#call.directionFrom(leg), true, undefined);
      const relay = new Relay(this.#call, dialog, request, server);
      return twin.leg.send(twin, "UPDATE", parcel, relay, maxForwards(request), now);
    }
    const verdict = offerVerdict(this.#call, dialog, twin);
    let change: Change;
    switch (verdict) {
      case "glare":
        return reply(request, server, dialog, 491, NOTHING, now);
      case "later":
        return later(this.#call.house.random, request, server, dialog, now);
      case "here": {
        const answer = answerHere(this.#call, dialog, sdp);
        if (answer === undefined) return later(this.#call.house.random, request, server, dialog, now);
        reply(request, server, dialog, 200, sdpParcel(answer), now);
        return this.#call.offered(leg, sdp, now);
      }
      case "pass":
      case "as re-INVITE":
        change = new Change(this.#call, dialog, twin, { request, server }, verdict === "as re-INVITE");
        change.afterwards = (at) => this.#call.offered(leg, sdp, at);
        return change.start(request, now);
      default:
        verdict satisfies never;
    }
  }
}

/** A request that crosses as it is, and its answer on the way back. */
class Relay implements LegClient {
  readonly dialog: Dialog;
  readonly #call: Call;
  readonly #request: Request;
  readonly #server: ServerTransaction;
  readonly #asked: Leg | undefined;
  #answered = false;

  constructor(call: Call, dialog: Dialog, request: Request, server: ServerTransaction) {
    this.#call = call;
    this.dialog = dialog;
    this.#request = request;
    this.#server = server;
    this.#asked = dialog.twin?.leg;
    call.changes.opened(this);
  }

  response(response: Response, _transaction: unknown, now: Millis): void {
    const { status } = response;
    if (status < 200) return;
    const dead = status === 481 && OF_THE_CALL.has(this.#request.method);
    // In a transfer its asker may be kept: then it is not told that its dialog is dead.
    if (dead && this.#call.transfer?.active && this.#asked !== undefined) this.#call.transfer.left(this.#asked, now);
    if (!this.#answered) {
      const direction = this.#call.directionFrom(this.#asked ?? this.dialog.leg);
      const parcel = otherParcelOf(this.#call.house, response, { ...direction, host: hostToward(this.dialog.leg) });
      this.#reply(mapStatus(status).status, parcel, now);
    }
    if (dead) this.#call.lost(481, now);
  }

  failed(cause: "timeout" | "unreachable", _transaction: unknown, now: Millis): void {
    const lost = cause === "unreachable";
    if (lost && this.#call.transfer?.active && this.#asked !== undefined) this.#call.transfer.left(this.#asked, now);
    // RFC 4320 §4.1: 408 is of no use to a non-INVITE; the layer ends it in silence.
    if (!this.#answered) this.#reply(cause === "timeout" ? 408 : 503, NOTHING, now);
    if (lost) this.#call.lost(503, now);
  }

  leave(now: Millis): void {
    this.#close();
    later(this.#call.house.random, this.#request, this.#server, this.dialog, now);
  }

  #reply(status: number, parcel: Parcel, now: Millis): void {
    this.#close();
    reply(this.#request, this.#server, this.dialog, status, parcel, now);
  }

  #close(): void {
    this.#answered = true;
    this.#call.changes.closed(this);
  }
}

/** A REFER, whose number says later which subscription is meant. */
class ReferRelay extends Relay {
  readonly #seq: number;
  readonly #numbers: ReferNumbers;

  constructor(call: Call, dialog: Dialog, request: Request, server: ServerTransaction, numbers: ReferNumbers) {
    super(call, dialog, request, server);
    this.#seq = request.cseq.number;
    this.#numbers = numbers;
  }

  sent(seq: number): void {
    if (this.dialog.twin !== undefined) this.#numbers.passed(this.dialog, this.#seq, this.dialog.twin, seq);
  }
}

/** It shows that its sender is there, and tells nothing that would be of use to the other side (RFC 4028 §7.4). */
const isRefresh = ({ headers }: Request): boolean =>
  headers.has("session-expires") && !headers.has("p-asserted-identity");

const hostToward = (leg: Leg): string => leg.wording.contactHost;
