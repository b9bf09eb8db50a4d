/**
 * One side of a call: its dialogs, the INVITEs in both directions, and its end. The figure is in leg-state.ts; what comes
 * inside the dialogs is read in incoming.ts.
 */
import { type Destination, type Hop, isSecure, type Millis, type Registry, token } from "../base/index.ts";
import {
  INITIAL_MAX_FORWARDS,
  type Request,
  RequestDraft,
  type Response,
  type ResponseDraft,
} from "../message/index.ts";
import { FinalOnly, IGNORED, UNWANTED } from "./answers.ts";
import { type Authenticator, Challenged } from "./challenged.ts";
import { Dialog } from "./dialog.ts";
import type { Branch } from "./fork.ts";
import { Invitation, type InvitationOwner, type Progress } from "./invitation.ts";
import { InviteServer, type InviteServerOwner } from "./invite-server.ts";
import { type Ending, type LegOptions, type LegOwner, type Loss, reasonHeaders } from "./leg-owner.ts";
import { type LegEffect, type LegEvent, type LegState, legFigure } from "./leg-state.ts";
import { fill, NOTHING, type Parcel, withHeaders } from "./parcel.ts";
import type { FlowHolder, LegClient, LegHouse, ServerTransaction } from "./ports.ts";
import { Reinvite, type ReinviteOwner } from "./reinvite.ts";
import type { PrackNote } from "./reliable.ts";
import { Noted, Session } from "./session.ts";
import { heeding, mark, type SessionIds } from "./session-ids.ts";
import { UPDATE_PATIENCE } from "./timing.ts";
import { Wording } from "./wording.ts";

const TAG_CHARS = 20;
const CALL_ID_CHARS = 26;

export class Leg implements InviteServerOwner, InvitationOwner {
  readonly house: LegHouse;
  side: "caller" | "callee";
  readonly realm: string;
  secure: boolean;
  readonly tcpForLargeRequests: boolean;
  readonly nated: boolean;
  readonly phones: readonly FlowHolder[] | undefined;
  /** Early forks; the first is the one that was prepared with the INVITE. */
  readonly dialogs: Dialog[] = [];
  /** The confirmed one. */
  dialog: Dialog | undefined;
  /** The INVITE that came last on this leg. */
  inviteServer: InviteServer | undefined;
  /** The INVITE that made it a leg. */
  firstInvite: InviteServer | undefined;
  invitation: Invitation | undefined;
  reinvite: Reinvite | undefined;
  readonly session: Session;
  readonly ids: SessionIds | undefined;
  readonly wording: Wording;
  owner: LegOwner;
  readonly authenticator: Authenticator | undefined;
  /** Credentials of the INVITE of ours with this CSeq: its ACK bears them too (RFC 3261 §22.1). */
  proof: { readonly seq: number; readonly headers: Parcel["headers"] } | undefined;
  readonly #book: Registry<string, Dialog>;
  callId = "";
  /** The connection that the peer is reached by; 0: none. */
  #connection = 0;
  #state: LegState;
  /** How it ends, once it does. */
  ending: Ending = { status: 487, reason: "" };

  constructor(options: LegOptions, state: "invited" | "inviting") {
    this.house = options.house;
    this.side = options.side;
    this.realm = options.realm;
    this.secure = options.secure;
    this.nated = options.nated;
    this.phones = options.phones;
    this.tcpForLargeRequests = options.tcpForLargeRequests;
    this.owner = options.owner;
    this.authenticator = options.authenticator;
    this.ids = options.ids;
    this.#book = options.book;
    this.#state = state;
    this.session = new Session(this, options.sessionTimer);
    this.wording = new Wording(this, options.product);
  }

  /** The leg of a caller. Throws PeerError(400) when the INVITE makes no dialog; nothing was kept then. */
  static invited(options: LegOptions, request: Request, server: ServerTransaction): Leg {
    const leg = new Leg(options, "invited");
    leg.callId = request.callId;
    leg.wording.standAt(server.hop);
    const dialog = new Dialog(leg, leg.callId, token(leg.house.random, TAG_CHARS), "", 0);
    dialog.takeRequest(request, server.hop);
    leg.#adopt(dialog, request);
    leg.inviteServer = new InviteServer(leg.house, leg, request, server);
    leg.firstInvite = leg.inviteServer;
    return leg;
  }

  /** The leg toward a callee; `invite` sends. */
  static inviting(options: LegOptions): Leg {
    return new Leg(options, "inviting");
  }

  get state(): LegState {
    return this.#state;
  }

  get first(): Dialog {
    return this.dialogs[0] as Dialog;
  }

  /** May an INVITE of ours go out now? RFC 3261 §14.1. */
  get idle(): boolean {
    return (
      this.#state === "up" &&
      this.inviteServer?.pending !== true &&
      this.inviteServer?.awaitingAck !== true &&
      this.reinvite?.pending !== true
    );
  }

  // — The calling side: what we answer.

  /** One more early dialog with a tag of its own, for another fork of the callee's side. RFC 3261 §12.1.1. */
  forkTowardCaller(): Dialog {
    const request = (this.inviteServer as InviteServer).request;
    const dialog = new Dialog(this, this.callId, token(this.house.random, TAG_CHARS), "", 0);
    dialog.takeRequest(request, (this.inviteServer as InviteServer).hop);
    return this.#adopt(dialog, request);
  }

  /** True when a PRACK will tell that it came, with the note. */
  progress(
    dialog: Dialog,
    status: number,
    parcel: Parcel,
    reliably: boolean,
    note: PrackNote | undefined,
    now: Millis,
  ): boolean {
    if (this.#state !== "invited" || this.inviteServer === undefined) return false;
    return this.inviteServer.progress(dialog, status, parcel, reliably, note, now);
  }

  /** 200 to the caller: `dialog` is the one that is confirmed by it. */
  answer(dialog: Dialog, parcel: Parcel, now: Millis): void {
    if (this.#state !== "invited") return;
    this.#choose(dialog);
    this.happen("hold", now);
    this.inviteServer?.answer(dialog, parcel, now);
  }

  refuse(status: number, parcel: Parcel, now: Millis, phrase?: string): void {
    if (this.#state !== "invited") return;
    this.inviteServer?.refuse(this.first, status, parcel, now, phrase);
    this.happen("refusal", now);
  }

  // — The called side: what we ask.

  /**
   * Sends the INVITE. `from` without tag and `to` are complete header values; `target` is the Request-URI. `branches`: to
   * all of these at once, each by its own Request-URI.
   */
  invite(
    invite: { readonly target: string; readonly from: string; readonly to: string; readonly maxForwards: number },
    parcel: Parcel,
    destination: Destination,
    now: Millis,
    branches?: readonly Branch[],
  ): void {
    this.callId = token(this.house.random, CALL_ID_CHARS);
    this.wording.standAt(destination);
    const dialog = new Dialog(this, this.callId, token(this.house.random, TAG_CHARS), invite.target, 1);
    dialog.local = `${invite.from};tag=${dialog.localTag}`;
    dialog.remote = invite.to;
    this.dialogs.push(dialog);
    this.#book.set(dialog.localTag, dialog);
    const draft = new RequestDraft("INVITE", invite.target)
      .add("Max-Forwards", String(invite.maxForwards))
      .add("From", dialog.local)
      .add("To", invite.to)
      .add("Call-ID", this.callId)
      .add("CSeq", "1 INVITE");
    this.wording.dressRequest(draft, "INVITE");
    mark(draft, dialog);
    fill(draft, parcel);
    this.invitation = new Invitation(this, this, 1);
    if (branches === undefined) this.invitation.start(draft, destination, now);
    else this.invitation.fork(draft, branches, now);
  }

  /** Of several that were asked, by several ways, this one answered. */
  standAt(hop: Hop): void {
    this.secure = isSecure(hop.protocol);
    this.wording.moveTo(hop);
  }

  /** One more early dialog of our INVITE: same Call-ID and local tag, another peer. */
  addFork(seq: number): Dialog {
    const { first } = this;
    const fork = new Dialog(this, this.callId, first.localTag, first.target, seq);
    fork.local = first.local;
    this.dialogs.push(fork);
    return fork;
  }

  // — Both sides, inside a dialog.

  /**
   * The peer speaks to us over this connection: it stays open for as long as the leg lives, though nothing may be said
   * on it from the answer to the BYE. 0: it speaks over UDP.
   */
  hold(connection: number): void {
    if (connection === this.#connection || this.#state === "gone") return;
    if (connection !== 0) this.house.transport.hold(connection);
    if (this.#connection !== 0) this.house.transport.release(this.#connection);
    this.#connection = connection;
  }

  /** The ACK for the 2xx that `dialog` gave to our INVITE with this CSeq. */
  ack(dialog: Dialog, seq: number, parcel: Parcel, now: Millis): void {
    if (dialog.acked !== undefined && dialog.acked.seq >= seq) return;
    dialog.reach(now, (destination, at) => {
      if (destination === undefined) return; // The peer's 2xx comes again, and ends by its own timer.
      if (dialog.acked !== undefined && dialog.acked.seq >= seq) return; // It was asked for twice while we looked for the way.
      const draft = dialog.draft("ACK", seq, INITIAL_MAX_FORWARDS);
      // The peer may have sent us to somebody else by its Contact: he gets the ACK, and no digest of our password.
      if (this.proof?.seq === seq && this.authenticator?.isPeer(destination)) {
        for (const [name, value] of this.proof.headers) draft.add(name, value);
      }
      mark(draft, dialog);
      fill(draft, parcel);
      dialog.acked = { seq, handle: this.house.transactions.ack(draft, destination, at) };
    });
  }

  /** `hasty`: it stands for somebody's UPDATE. Limit: UPDATE_PATIENCE. */
  startReinvite(
    owner: ReinviteOwner,
    dialog: Dialog,
    parcel: Parcel,
    maxForwards: number,
    now: Millis,
    hasty = false,
  ): Reinvite {
    this.reinvite = new Reinvite(owner, dialog, parcel, maxForwards);
    if (hasty) this.reinvite.limit(now + UPDATE_PATIENCE);
    this.reinvite.start(now);
    return this.reinvite;
  }

  /** Any request but INVITE, ACK and BYE. */
  send(dialog: Dialog, method: string, parcel: Parcel, owner: LegClient, maxForwards: number, now: Millis): void {
    dialog.reach(now, (destination, at) => {
      if (destination === undefined) return owner.failed("unreachable", undefined, at);
      const draft = dialog.draft(method, numberOf(dialog, owner), maxForwards);
      this.wording.dressRequest(draft, method);
      mark(draft, dialog);
      fill(draft, parcel);
      const heeded = this.ids === undefined ? owner : heeding(dialog, owner);
      const client = method === "UPDATE" && this.session.wanted ? new Noted(this.session, heeded) : heeded;
      const { transactions } = this.house;
      const { authenticator } = this;
      if (authenticator === undefined) transactions.request(draft, destination, client, at);
      else
        new Challenged(transactions, authenticator, draft, destination, client, () => numberOf(dialog, owner)).start(
          at,
        );
    });
  }

  /** An INVITE that was refused since, or is asked again with credentials, has forgotten its 1xx. */
  wantsPrack({ seq }: PrackNote): boolean {
    return this.#state !== "gone" && seq === this.invitation?.seq;
  }

  /** RFC 3262 §4: RAck names the 1xx and the INVITE that it answered. */
  prack(note: PrackNote, parcel: Parcel, owner: LegClient, now: Millis): void {
    if (!this.wantsPrack(note)) return;
    const { dialog, rseq, seq } = note;
    const rack: readonly [string, string] = ["RAck", `${rseq} ${seq} INVITE`];
    this.send(dialog, "PRACK", { ...parcel, headers: [rack, ...parcel.headers] }, owner, INITIAL_MAX_FORWARDS, now);
  }

  /** It belongs to another call from now on, on that side of it. An INVITE that was to cross has to come again. */
  moveTo(owner: LegOwner, side: "caller" | "callee", now: Millis): void {
    const invite = this.inviteServer;
    if (invite?.pending && invite !== this.firstInvite) invite.refuse(this.dialog ?? this.first, 491, NOTHING, now);
    this.owner = owner;
    this.side = side;
  }

  /** It has registered again, from elsewhere. */
  phoneMoved(): void {
    const source = this.dialog?.followPhone();
    if (source !== undefined) this.house.moved?.(this, source);
  }

  /** The call is over: however far this leg came, it ends, once. */
  end(ending: Ending, now: Millis): void {
    this.ending = ending;
    this.happen("end", now);
  }

  // — InviteServerOwner

  dress(draft: ResponseDraft, invite: InviteServer): void {
    this.wording.dress(draft, invite);
  }

  answerSent(invite: InviteServer, now: Millis): void {
    this.session.answerSent(now);
    if (invite === this.firstInvite) this.happen("answer", now);
  }

  cancelled(invite: InviteServer, cancel: Request, now: Millis): void {
    if (invite === this.firstInvite) this.owner.legCancelled(this, cancel, now);
    else this.owner.legReinviteCancelled(this, invite, cancel, now);
  }

  lost(_invite: InviteServer, cause: Loss, now: Millis): void {
    this.owner.legLost(this, cause, now);
  }

  unacknowledged(_invite: InviteServer, now: Millis): void {
    this.ending = { status: 408, reason: 'SIP;cause=408;text="No ACK"' };
    this.happen(this.#state === "up" ? "end" : "no ACK", now);
    this.owner.legUnacknowledged(this, now);
  }

  // — InvitationOwner

  invitationTrying(now: Millis): void {
    if (this.#state === "inviting") this.owner.legTrying(this, now);
  }

  invitationProgress(progress: Progress, now: Millis): void {
    if (this.#state === "inviting") this.owner.legProgress(this, progress, now);
  }

  invitationAccepted(dialog: Dialog, response: Response, now: Millis): void {
    const wanted = this.#state === "inviting";
    this.#choose(dialog);
    this.happen("2xx", now);
    if (wanted) this.session.answered(response, now);
    if (wanted) this.owner.legAnswered(this, dialog, response, now);
  }

  invitationUnwanted(dialog: Dialog, now: Millis): void {
    this.ack(dialog, this.invitation?.seq ?? 1, NOTHING, now);
    this.send(dialog, "BYE", withHeaders(["Reason", UNWANTED]), IGNORED, INITIAL_MAX_FORWARDS, now);
  }

  invitationRefused(response: Response, now: Millis): void {
    const wanted = this.#state === "inviting";
    this.happen("3xx-6xx", now);
    if (wanted) this.owner.legRefused(this, response, now);
  }

  invitationFailed(cause: "timeout" | "unreachable" | "protocol-error", now: Millis): void {
    const wanted = this.#state === "inviting";
    this.happen("failed", now);
    if (wanted) this.owner.legFailed(this, cause, now);
  }

  /** A name for `dialog` that tells nothing about it, for those who are to ask us to replace it (RFC 3891). */
  aliasOf(dialog: Dialog): string {
    if (dialog.alias === undefined) {
      dialog.alias = token(this.house.random, TAG_CHARS);
      // Of a leg that is gone nobody would take the name out of the book again.
      if (this.#state !== "gone") this.#book.set(dialog.alias, dialog);
    }
    return dialog.alias;
  }

  // — The figure at work: events come from the INVITEs above and from incoming.ts.

  happen(event: LegEvent, now: Millis): void {
    const rule = legFigure[this.#state][event];
    if (rule === undefined) return;
    this.#state = rule[0];
    if (this.#state === "leaving" || this.#state === "gone" || this.#state === "parting") this.#dropChanges(now);
    for (let i = 1; i < rule.length; i++) this.#do(rule[i] as LegEffect, now);
  }

  #do(effect: LegEffect, now: Millis): void {
    switch (effect) {
      case "refuse": {
        const { status, phrase, headers = [] } = this.ending;
        this.inviteServer?.refuse(this.first, status, { headers, body: "", type: undefined }, now, phrase);
        return;
      }
      case "send CANCEL":
        this.invitation?.cancel(reasonHeaders(this.ending), now);
        return;
      case "send ACK":
        if (this.dialog !== undefined) this.ack(this.dialog, this.invitation?.seq ?? 1, NOTHING, now);
        return;
      case "send BYE":
        this.#sendBye(now);
        return;
      case "close":
        this.#close(now);
        return;
      default:
        effect satisfies never;
    }
  }

  #sendBye(now: Millis): void {
    const dialog = this.dialog ?? this.first;
    // A 2xx that waited for an answer of the other side gets its ACK all the same: it must stop.
    if (this.invitation !== undefined) this.ack(dialog, this.invitation.seq, NOTHING, now);
    const parcel = withHeaders(...reasonHeaders(this.ending));
    const done = (at: Millis): void => this.happen("BYE done", at);
    const send = (at: Millis): void => this.send(dialog, "BYE", parcel, client, INITIAL_MAX_FORWARDS, at);
    const client = new FinalOnly(done, dialog.hop?.connection ? send : undefined);
    send(now);
  }

  /** INVITEs inside the dialog end with it: RFC 3261 §15.1.2. */
  #dropChanges(now: Millis): void {
    this.session.close();
    this.reinvite?.close(now);
    const invite = this.inviteServer;
    if (invite?.pending && invite !== this.firstInvite) invite.refuse(this.first, 487, NOTHING, now);
  }

  #close(now: Millis): void {
    if (this.#connection !== 0) this.house.transport.release(this.#connection);
    for (const phone of this.phones ?? NO_PHONES) {
      if (phone.followers?.delete(this) && phone.followers.size === 0) phone.followers = undefined;
    }
    this.reinvite?.forget();
    this.inviteServer?.close();
    this.invitation?.close();
    for (const dialog of this.dialogs) {
      this.#book.delete(dialog.localTag);
      if (dialog.alias !== undefined) this.#book.delete(dialog.alias);
    }
    this.owner.legOver(this, now);
  }

  // — Making dialogs.

  /** A dialog of the called role, filled from the INVITE that makes it. */
  #adopt(dialog: Dialog, request: Request): Dialog {
    const { headers } = request;
    dialog.remote = headers.raw("from") ?? "";
    dialog.remoteTag = request.fromTag;
    dialog.local = `${headers.raw("to") ?? ""};tag=${dialog.localTag}`;
    dialog.remoteSeq = request.cseq.number;
    this.dialogs.push(dialog);
    this.#book.set(dialog.localTag, dialog);
    return dialog;
  }

  #choose(dialog: Dialog): void {
    this.dialog = dialog;
    dialog.confirmed = true;
    const { phone } = dialog;
    if (phone !== undefined) {
      phone.followers ??= new Set();
      phone.followers.add(this);
    }
    for (const other of this.dialogs) {
      if (other.localTag !== dialog.localTag) this.#book.delete(other.localTag);
    }
    this.#book.set(dialog.localTag, dialog);
  }
}

const NO_PHONES: readonly FlowHolder[] = [];

/** The CSeq of the next request. Whoever needs to know it is told. */
function numberOf(dialog: Dialog, owner: LegClient): number {
  dialog.localSeq += 1;
  owner.sent?.(dialog.localSeq);
  return dialog.localSeq;
}
