/**
 * What crosses from leg to leg inside the dialogs: re-INVITE, UPDATE and PRACK with their offers and answers, and every
 * other request. RFC 3261 §14, RFC 3311, RFC 3262, RFC 6337.
 */
import { below, type Millis, PeerError, type Side } from "../base/index.ts";
import type {
  Dialog,
  InviteServer,
  Leg,
  LegClient,
  Parcel,
  PrackNote,
  Reinvite,
  ReinviteOwner,
  ServerTransaction,
} from "../leg/index.ts";
import { ALLOW, fill, NOTHING } from "../leg/index.ts";
import { type Message, type Request, Require, type Response, responseTo } from "../message/index.ts";
import { mapStatus } from "../policy/index.ts";
import { contentOf, offerIn } from "./bodies.ts";
import type { Call } from "./call.ts";
import { otherParcelOf, parcelOf, sdpParcel } from "./crossing.ts";
import { dialogHeaders } from "./dialog-names.ts";
import { lists } from "./strangers.ts";
import { refusalHeaders } from "./warning.ts";

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

/** Who asked: a re-INVITE, an UPDATE, or a PRACK with a new offer. */
type Source =
  | { readonly invite: InviteServer }
  | { readonly request: Request; readonly server: ServerTransaction; readonly prack?: PrackNote };

/** One offer or wish for an offer on its way from one leg to the other, and the answer on its way back. */
class Change implements ReinviteOwner, LegClient {
  readonly #call: Call;
  readonly #dialog: Dialog;
  readonly #twin: Dialog;
  readonly #source: Source;
  byReinvite = false;
  afterwards: ((now: Millis) => void) | undefined;
  #late = false;
  #reinvite: Reinvite | undefined;

  constructor(call: Call, dialog: Dialog, twin: Dialog, source: Source) {
    this.#call = call;
    this.#dialog = dialog;
    this.#twin = twin;
    this.#source = source;
  }

  get invite(): InviteServer | undefined {
    return "invite" in this.#source ? this.#source.invite : undefined;
  }

  start(request: Request, now: Millis): void {
    const call = this.#call;
    let parcel: Parcel;
    try {
      const sdp = offerIn(request);
      this.#late = sdp === undefined;
      const offer = sdp === undefined ? undefined : call.house.media.offer(call.id, this.#side, sdp);
      parcel = parcelOf(request, call.directionFrom(this.#dialog.leg), true, offer);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      const host = this.#dialog.leg.wording.contactHost;
      const parcel = { ...NOTHING, headers: refusalHeaders(error, host) };
      return this.#refuse(error.status, parcel, now); // The session stays as it was (RFC 3261 §14.2).
    }
    if (!this.#late) this.#mark("theirs", "ours");
    const other = this.#twin.leg;
    if (this.byReinvite || "invite" in this.#source) {
      this.#reinvite = other.startReinvite(this, this.#twin, parcel, maxForwards(request), now);
    } else if (this.#source.prack !== undefined) {
      other.prack(this.#twin, this.#source.prack.rseq, parcel, this, now);
    } else {
      other.send(this.#twin, "UPDATE", parcel, this, maxForwards(request), now);
    }
  }

  cancel(cancel: Request, now: Millis): void {
    const { headers } = parcelOf(cancel, this.#call.directionFrom(this.#dialog.leg), true, undefined);
    this.#reinvite?.cancel(
      headers.filter(([name]) => name === "Reason"),
      now,
    );
  }

  // — ReinviteOwner

  progress(_reinvite: Reinvite, response: Response, now: Millis): void {
    // Whoever takes reliable 1xx only gets none: they say nothing of weight here.
    if (this.invite === undefined || lists(this.invite.request, Require, "100rel")) return;
    const parcel = parcelOf(response, this.#back, true, undefined);
    this.invite.progress(this.#dialog, mapStatus(response.status).status, parcel, false, undefined, now);
  }

  accepted(reinvite: Reinvite, response: Response, now: Millis): void {
    this.#accepted(response, reinvite.seq, now);
  }

  refused(_reinvite: Reinvite, response: Response, now: Millis): void {
    this.#refusedBy(response, now);
  }

  // — LegClient: the answer to UPDATE or PRACK; and `failed` of both.

  response(response: Response, _transaction: unknown, now: Millis): void {
    if (response.status < 200) return;
    if (response.status < 300) this.#accepted(response, undefined, now);
    else this.#refusedBy(response, now);
  }

  failed(_request: unknown, _cause: unknown, now: Millis): void {
    this.#withdraw();
    this.#refuse(this.#reinvite === undefined ? 504 : 408, NOTHING, now);
    this.#call.lost(408, now);
  }

  /** The ACK of a re-INVITE that came without an offer carries the answer to ours. */
  acked(ack: Request, now: Millis): void {
    if (!this.#late || this.#dialog.exchange !== "ours") return;
    const call = this.#call;
    try {
      const { sdp } = contentOf(ack);
      if (sdp === undefined) throw new PeerError(400, "an ACK without the answer");
      const answer = call.house.media.answer(call.id, this.#side, sdp, { provisional: false });
      this.#mark("settled", "settled");
      this.#twin.leg.ack(this.#twin, this.#reinvite?.seq ?? 0, sdpParcel(answer), now);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      call.badAnswer(this.#side, 488, now);
    }
  }

  /** `seq`: that of our INVITE, which wants an ACK. */
  #accepted(response: Response, seq: number | undefined, now: Millis): void {
    const call = this.#call;
    let sdp: string | undefined;
    try {
      const hop = this.#twin.hop;
      if (hop !== undefined) this.#twin.refresh(response, hop);
      sdp = this.#described(response);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      if (seq !== undefined) this.#twin.leg.ack(this.#twin, seq, NOTHING, now);
      this.#refuse(500, NOTHING, now);
      return call.badAnswer(this.#otherSide, 488, now);
    }
    // Before the other side hears of it: a lost ACK must not outlive what follows.
    if (seq !== undefined && !this.#late) this.#twin.leg.ack(this.#twin, seq, NOTHING, now);
    this.#accept(parcelOf(response, this.#back, true, sdp), now);
  }

  #described(response: Response): string | undefined {
    const { media } = this.#call.house;
    const { sdp } = contentOf(response);
    if (sdp === undefined) throw new PeerError(500, "a 2xx without SDP");
    if (this.#late) {
      const offer = media.offer(this.#call.id, this.#otherSide, sdp);
      this.#mark("ours", "theirs");
      return offer;
    }
    const answer = media.answer(this.#call.id, this.#otherSide, sdp, { provisional: false });
    this.#call.settled = true;
    this.#mark("settled", "settled");
    return answer;
  }

  #refusedBy(response: Response, now: Millis): void {
    this.#withdraw();
    const { status } = mapStatus(response.status);
    this.#refuse(status, parcelOf(response, this.#back, true, undefined), now);
    if (response.status === 408 || response.status === 481) this.#call.lost(response.status, now);
  }

  #withdraw(): void {
    if (this.#late) return;
    this.#call.house.media.withdraw(this.#call.id, this.#side);
    this.#mark("settled", "settled");
  }

  #accept(parcel: Parcel, now: Millis): void {
    if ("invite" in this.#source) this.#source.invite.answer(this.#dialog, parcel, now);
    else reply(this.#source.request, this.#source.server, this.#dialog, 200, parcel, now);
    this.afterwards?.(now);
  }

  #refuse(status: number, parcel: Parcel, now: Millis): void {
    if ("invite" in this.#source) this.#source.invite.refuse(this.#dialog, status, parcel, now);
    else reply(this.#source.request, this.#source.server, this.#dialog, status, parcel, now);
    this.afterwards?.(now);
  }

  #mark(here: "ours" | "theirs" | "settled", there: "ours" | "theirs" | "settled"): void {
    this.#dialog.exchange = here;
    this.#twin.exchange = there;
  }

  get #side(): Side {
    return this.#dialog.leg.side;
  }

  get #otherSide(): Side {
    return this.#twin.leg.side;
  }

  get #back() {
    return this.#call.directionFrom(this.#twin.leg);
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

const maxForwards = (request: Request): number => Number(request.headers.raw("max-forwards") ?? 70) - 1;

const hostToward = (leg: Leg): string => leg.wording.contactHost;

function reply(
  request: Request,
  server: ServerTransaction,
  dialog: Dialog,
  status: number,
  parcel: Parcel,
  now: Millis,
): void {
  const draft = responseTo(request, status, dialog.localTag);
  if (status < 300) dialog.leg.wording.dressResponse(draft, request, now);
  fill(draft, parcel);
  server.respond(draft, now);
}
