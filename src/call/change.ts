/**
 * One offer, or wish for an offer, on its way from one leg to the other, and the answer on its way back: re-INVITE, UPDATE
 * or PRACK. RFC 3261 §14, RFC 3311, RFC 3262 §5, RFC 6337.
 */
import { type Millis, PeerError, type Side } from "../base/index.ts";
import {
  type Dialog,
  type InviteServer,
  type LegClient,
  NOTHING,
  type Parcel,
  type PrackNote,
  type Reinvite,
  type ReinviteOwner,
  type ServerTransaction,
} from "../leg/index.ts";
import { type Request, Require, type Response } from "../message/index.ts";
import { mapStatus } from "../policy/index.ts";
import { contentOf, offerIn } from "./bodies.ts";
import type { Call } from "./call.ts";
import { parcelOf, sdpParcel } from "./crossing.ts";
import { restoreEarly } from "./early-offer.ts";
import { bothWait, toldStatus } from "./preconditions.ts";
import { later, maxForwards, reply } from "./replies.ts";
import { refusalHeaders } from "./warning.ts";

/** Answers to an UPDATE that say that it is not known there. */
const NO_UPDATE: ReadonlySet<number> = new Set([405, 501]);

/** Who asked: a re-INVITE, an UPDATE, or a PRACK with a new offer. */
type Source =
  | { readonly invite: InviteServer }
  | { readonly request: Request; readonly server: ServerTransaction; readonly prack?: PrackNote };

export class Change implements ReinviteOwner, LegClient {
  readonly #call: Call;
  readonly #dialog: Dialog;
  readonly #twin: Dialog;
  readonly #source: Source;
  /** The other end knows no UPDATE: for it the same is a re-INVITE. */
  #byReinvite: boolean;
  #parcel: Parcel = NOTHING;
  afterwards: ((now: Millis) => void) | undefined;
  #late = false;
  #reinvite: Reinvite | undefined;

  constructor(call: Call, dialog: Dialog, twin: Dialog, source: Source, byReinvite = "invite" in source) {
    this.#call = call;
    this.#dialog = dialog;
    this.#twin = twin;
    this.#source = source;
    this.#byReinvite = byReinvite;
  }

  get invite(): InviteServer | undefined {
    return "invite" in this.#source ? this.#source.invite : undefined;
  }

  /** Who asks to change the media from elsewhere sends its media from there: nobody else knows this dialog's tags. */
  #follow(): void {
    const dialog = this.#dialog;
    if (!dialog.moved || dialog.hop === undefined) return;
    dialog.moved = false;
    this.#call.house.media.moved(this.#call.id, this.#side, dialog.hop.remote.ip);
  }

  start(request: Request, now: Millis): void {
    const call = this.#call;
    this.#follow();
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
    this.#send(request, parcel, now);
  }

  #send(request: Request, parcel: Parcel, now: Millis): void {
    const other = this.#twin.leg;
    this.#parcel = parcel;
    if (this.#byReinvite || "invite" in this.#source) {
      const hasty = this.invite === undefined;
      this.#reinvite = other.startReinvite(this, this.#twin, parcel, maxForwards(request), now, hasty);
    } else if (this.#source.prack !== undefined) {
      other.prack(this.#source.prack, parcel, this, now);
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
    if (this.invite === undefined || this.invite.request.lists(Require, "100rel")) return;
    const parcel = parcelOf(response, this.#back, true, undefined);
    this.invite.progress(this.#dialog, mapStatus(response.status).status, parcel, false, undefined, now);
  }

  accepted(reinvite: Reinvite, response: Response, now: Millis): void {
    this.#accepted(response, reinvite.seq, now);
  }

  refused(_reinvite: Reinvite, response: Response, now: Millis): void {
    this.#refusedBy(response, now);
  }

  /** A re-INVITE ends with its own leg, or has to come again when that lives on; an UPDATE has nobody else to end it. */
  dropped(now: Millis): void {
    const source = this.#source;
    if ("invite" in source) return;
    const { request, server } = source;
    if (this.#dialog.leg.state === "up") later(this.#call.house.random, request, server, this.#dialog, now);
    else reply(request, server, this.#dialog, 487, NOTHING, now); // RFC 3261 §15.1.2.
  }

  // — LegClient: the answer to UPDATE or PRACK; and `failed` of both.

  response(response: Response, _transaction: unknown, now: Millis): void {
    if (response.status < 200) return;
    if (this.#forsaken) return this.#refuse(481, NOTHING, now);
    if (NO_UPDATE.has(response.status) && this.#instead(now)) return;
    if (response.status < 300) this.#accepted(response, undefined, now);
    else this.#refusedBy(response, now);
  }

  failed(_request: unknown, _cause: unknown, now: Millis): void {
    if (this.#forsaken) return this.#refuse(481, NOTHING, now);
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

  /** UPDATE is not known there, whatever Allow said or did not say: the same is asked by re-INVITE, when one may go. */
  #instead(now: Millis): boolean {
    const source = this.#source;
    if ("invite" in source || source.prack !== undefined) return false;
    this.#twin.refuses("UPDATE");
    if (this.#call.state !== "up" || !this.#twin.leg.idle) return false;
    this.#byReinvite = true;
    this.#send(source.request, this.#parcel, now);
    return true;
  }

  #refusedBy(response: Response, now: Millis): void {
    this.#withdraw();
    // RFC 3311 §5.2: who would have to ask somebody first cannot answer an UPDATE.
    const asksSomebody = this.invite === undefined && response.status === 487;
    const { status } = mapStatus(asksSomebody ? 504 : toldStatus(response.status, bothWait(this.#call)));
    this.#refuse(status, parcelOf(response, this.#back, true, undefined), now);
    if (response.status === 408 || response.status === 481) this.#call.lost(response.status, now);
  }

  #withdraw(): void {
    if (this.#late) return;
    this.#call.house.media.withdraw(this.#call.id, this.#side);
    this.#mark("settled", "settled");
    restoreEarly(this.#call, this.#side === "caller" ? this.#dialog : this.#twin);
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

  /** Another fork has answered the call: what is said in this early dialog is of no account any more. */
  get #forsaken(): boolean {
    const { dialog } = this.#twin.leg;
    return dialog !== undefined && dialog !== this.#twin;
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
