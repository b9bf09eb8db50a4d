/**
 * What crosses from leg to leg inside the dialogs: re-INVITE, UPDATE and PRACK with their offers and answers, and every
 * other request. RFC 3261 §14, RFC 3311, RFC 3262, RFC 6337.
 */
import { below, type Millis, PeerError } from "../base/index.ts";
import {
  ALLOW,
  type Dialog,
  type InviteServer,
  type Leg,
  type LegClient,
  NOTHING,
  type Parcel,
  type PrackNote,
  type ServerTransaction,
} from "../leg/index.ts";
import type { Message, Request, Response } from "../message/index.ts";
import { mapStatus } from "../policy/index.ts";
import { contentOf, offerIn } from "./bodies.ts";
import type { Call } from "./call.ts";
import { Change } from "./change.ts";
import { otherParcelOf, parcelOf, sdpParcel } from "./crossing.ts";
import { dialogHeaders } from "./dialog-names.ts";
import { maxForwards, reply } from "./replies.ts";

/** Methods that cross inside a dialog as they are. */
const CARRIED: ReadonlySet<string> = new Set(["INFO", "MESSAGE", "NOTIFY", "OPTIONS", "REFER", "SUBSCRIBE"]);

/** A 481 to one of these says that the call is gone; to any other, that a subscription is (RFC 5057 §5.1). */
const OF_THE_CALL: ReadonlySet<string> = new Set(["INFO", "MESSAGE", "UPDATE"]);

/** RFC 3261 §14.2, RFC 3311 §5.2. */
const RETRY_AFTER_SECONDS = 10;

export class Changes {
  readonly #call: Call;
  /** The re-INVITE on its way across, or whose 2xx waits for its ACK. */
  #change: Change | undefined;

  constructor(call: Call) {
    this.#call = call;
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

  pracked(
    _leg: Leg,
    dialog: Dialog,
    prack: Request,
    server: ServerTransaction,
    note: PrackNote | undefined,
    now: Millis,
  ) {
    const call = this.#call;
    const invite = dialog.leg.inviteServer;
    const sdp = contentOf(prack).sdp;
    if (sdp === undefined || note === undefined) {
      // Nothing to wait for: the caller's PRACK is answered, and the callee's 1xx gets its own.
      reply(prack, server, dialog, 200, NOTHING, now);
      if (note !== undefined) this.#sendPrack(note, NOTHING, IGNORED, now);
      invite?.releaseHeld(now);
      return;
    }
    if (dialog.exchange === "ours") return this.#answerInPrack(dialog, prack, server, note, sdp, now);
    const change = new Change(call, dialog, note.dialog, { request: prack, server, prack: note });
    change.afterwards = (at) => invite?.releaseHeld(at);
    change.start(prack, now);
  }

  request(leg: Leg, dialog: Dialog, request: Request, server: ServerTransaction, now: Millis): void {
    const twin = dialog.twin;
    const other = twin?.leg;
    if (twin === undefined || other === undefined) return reply(request, server, dialog, 481, NOTHING, now);
    if (request.method === "UPDATE") return this.#update(leg, dialog, twin, request, server, now);
    if (!CARRIED.has(request.method) || !twin.allowsMethod(request.method)) {
      const allow = ALLOW.split(", ").filter((method) => method !== request.method && twin.allowsMethod(method));
      const headers = [["Allow", allow.join(", ")] as const];
      return reply(request, server, dialog, 405, { ...NOTHING, headers }, now);
    }
    const { other: body } = contentOf(request);
    const direction = this.#call.directionFrom(leg);
    const parcel = otherParcelOf(request, direction, body);
    const named = dialogHeaders(request, direction.to, hostToward(other), this.#call.house.book);
    const onward = { ...parcel, headers: [...parcel.headers.map(withoutNumber), ...named] };
    other.send(twin, request.method, onward, new Relay(this.#call, dialog, request, server), maxForwards(request), now);
  }

  #update(leg: Leg, dialog: Dialog, twin: Dialog, request: Request, server: ServerTransaction, now: Millis): void {
    const sdp = offerIn(request);
    if (sdp === undefined) {
      if (isRefresh(request) || !twin.allowsMethod("UPDATE")) return reply(request, server, dialog, 200, NOTHING, now);
      const parcel = parcelOf(request, this.#call.directionFrom(leg), true, undefined);
      const relay = new Relay(this.#call, dialog, request, server);
      return twin.leg.send(twin, "UPDATE", parcel, relay, maxForwards(request), now);
    }
    // RFC 3311 §5.2: their own offer is not answered yet (500), or ours is not (491).
    if (dialog.exchange === "theirs") return this.#later(request, server, dialog, now);
    const clash = dialog.exchange !== "settled" || leg.reinvite?.pending || leg.inviteServer?.awaitingAck;
    if (clash && leg.state === "up") return reply(request, server, dialog, 491, NOTHING, now);
    if (dialog.exchange !== "settled" || twin.exchange !== "settled") return this.#later(request, server, dialog, now);
    const other = twin.leg;
    const change = new Change(this.#call, dialog, twin, { request, server });
    if (twin.allowsMethod("UPDATE")) return change.start(request, now);
    if (!other.idle) return this.#later(request, server, dialog, now);
    change.byReinvite = true; // The other end knows no UPDATE: for it the same is a re-INVITE.
    this.#change = change;
    change.start(request, now);
  }

  #later(request: Request, server: ServerTransaction, dialog: Dialog, now: Millis): void {
    const seconds = String(1 + below(this.#call.house.random, RETRY_AFTER_SECONDS));
    reply(request, server, dialog, 500, { ...NOTHING, headers: [["Retry-After", seconds]] }, now);
  }

  /** The answer to an offer that the callee made in a reliable 1xx. RFC 3262 §5. */
  #answerInPrack(
    dialog: Dialog,
    prack: Request,
    server: ServerTransaction,
    note: PrackNote,
    sdp: string,
    now: Millis,
  ): void {
    const call = this.#call;
    let answer: string;
    try {
      answer = call.house.media.answer(call.id, "caller", sdp, { provisional: false });
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      reply(prack, server, dialog, error.status, NOTHING, now);
      return call.badAnswer("caller", error.status, now);
    }
    call.settled = true;
    dialog.exchange = "settled";
    note.dialog.exchange = "settled";
    reply(prack, server, dialog, 200, NOTHING, now);
    this.#sendPrack(note, sdpParcel(answer), IGNORED, now);
    dialog.leg.inviteServer?.releaseHeld(now);
  }

  #sendPrack(note: PrackNote, parcel: Parcel, client: LegClient, now: Millis): void {
    note.dialog.leg.prack(note.dialog, note.rseq, parcel, client, now);
  }
}

/** A request that crosses as it is, and its answer on the way back. */
class Relay implements LegClient {
  readonly #call: Call;
  readonly #dialog: Dialog;
  readonly #request: Request;
  readonly #server: ServerTransaction;

  constructor(call: Call, dialog: Dialog, request: Request, server: ServerTransaction) {
    this.#call = call;
    this.#dialog = dialog;
    this.#request = request;
    this.#server = server;
  }

  response(response: Response, _transaction: unknown, now: Millis): void {
    if (response.status < 200) return;
    const direction = this.#call.directionFrom(this.#dialog.twin?.leg ?? this.#dialog.leg);
    reply(
      this.#request,
      this.#server,
      this.#dialog,
      mapStatus(response.status).status,
      backParcel(response, direction),
      now,
    );
    if (response.status === 481 && OF_THE_CALL.has(this.#request.method)) this.#call.lost(481, now);
  }

  failed(cause: "timeout" | "unreachable", _transaction: unknown, now: Millis): void {
    // RFC 4320 §4.1: 408 is of no use to a non-INVITE; the layer ends it in silence.
    reply(this.#request, this.#server, this.#dialog, cause === "timeout" ? 408 : 503, NOTHING, now);
    if (cause === "unreachable") this.#call.lost(503, now);
  }
}

/** The body of an answer crosses if it may; if not, the answer goes without it. */
function backParcel(response: Message, direction: Parameters<typeof otherParcelOf>[1]): Parcel {
  try {
    return otherParcelOf(response, direction, contentOf(response).other);
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    return parcelOf(response, direction, true, undefined);
  }
}

/** The id of a REFER's subscription is its CSeq (RFC 3515 §2.4.6), which was another one on the other leg. */
const withoutNumber = (header: readonly [string, string]): readonly [string, string] =>
  header[0] === "Event" && /^refer *;/i.test(header[1]) ? ["Event", "refer"] : header;

/** It shows that its sender is there, and tells nothing that would be of use to the other side (RFC 4028 §7.4). */
const isRefresh = ({ headers }: Request): boolean =>
  headers.has("session-expires") && !headers.has("p-asserted-identity");

const IGNORED: LegClient = { response() {}, failed() {} };

const hostToward = (leg: Leg): string => leg.wording.contactHost;
