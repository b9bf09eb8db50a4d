/**
 * The called side of one INVITE: reliable and other 1xx, the one final answer, and the 2xx that is sent again until its
 * ACK comes. RFC 3261 §13.3.1, RFC 3262 §3. The same for the INVITE that makes a leg and for those inside it.
 */
import { type Hop, type Millis, type Punctual, TimerTable } from "../base/index.ts";
import { type RAckValue, type Request, type ResponseDraft, responseTo } from "../message/index.ts";
import type { Dialog } from "./dialog.ts";
import type { Loss } from "./leg-owner.ts";
import { carriesSdp, fill, type Parcel } from "./parcel.ts";
import type { LegHouse, ServerOwner, ServerTransaction } from "./ports.ts";
import { type PrackNote, Reliable, type ReliableOwner, requires100rel, type Unacknowledged } from "./reliable.ts";
import { markAnswer } from "./session-ids.ts";
import { ACK_LIMIT, PRACK_LIMIT, T1, T2 } from "./timing.ts";

export interface InviteServerOwner {
  /** The headers that the leg itself writes into a response which makes or refreshes the dialog. */
  dress(draft: ResponseDraft, server: InviteServer): void;
  /** The 2xx is on the wire. */
  answerSent(server: InviteServer, now: Millis): void;
  cancelled(server: InviteServer, cancel: Request, now: Millis): void;
  /** A response could not be delivered, or a reliable 1xx was never acknowledged. */
  lost(server: InviteServer, cause: Loss, now: Millis): void;
  unacknowledged(server: InviteServer, now: Millis): void;
}

export class InviteServer implements ServerOwner, ReliableOwner, Punctual {
  readonly request: Request;
  readonly hop: Hop;
  /** CSeq of the INVITE. */
  readonly seq: number;
  /** The dialog of the 2xx, once there was one. */
  dialog: Dialog | undefined;
  /** The ACK for the 2xx has come. */
  acknowledged = false;
  readonly #server: ServerTransaction;
  readonly #owner: InviteServerOwner;
  readonly #house: LegHouse;
  readonly #timers = new TimerTable<"again" | "limit">();
  #againAfter: Millis = T1;
  #final = 0;
  /** The final answer is on the wire, not held. */
  #answered = false;
  /** By fork, once there is one. */
  #reliables: Reliable[] | undefined;
  #blocked = false;
  /** A 2xx that may not overtake an offer or answer in a reliable 1xx (RFC 3262 §3). */
  #held: { readonly dialog: Dialog; readonly parcel: Parcel } | undefined;

  constructor(house: LegHouse, owner: InviteServerOwner, request: Request, server: ServerTransaction) {
    this.#house = house;
    this.#owner = owner;
    this.#server = server;
    this.request = request;
    this.hop = server.hop;
    this.seq = request.cseq.number;
    server.setOwner(this);
  }

  /** No final answer was given yet; one that is held counts as given. */
  get pending(): boolean {
    return this.#final === 0;
  }

  /** A 2xx was sent, or is held, and its ACK is still to come. */
  get awaitingAck(): boolean {
    return this.#final >= 200 && this.#final < 300 && !this.acknowledged;
  }

  /** True when a PRACK will tell that this 1xx came, with the note. */
  progress(
    dialog: Dialog,
    status: number,
    parcel: Parcel,
    reliably: boolean,
    note: PrackNote | undefined,
    now: Millis,
  ): boolean {
    if (!this.pending) return false;
    const reliable = reliably ? this.#reliableOf(dialog) : undefined;
    if (reliable?.full === true && requires100rel(this.request)) return false;
    const draft = this.#draft(dialog, status, parcel);
    if (reliable === undefined || reliable.full) {
      this.#server.respond(draft, now);
      return false;
    }
    if (reliable.dead) return false;
    reliable.send(draft, carriesSdp(parcel), note, now);
    return true;
  }

  /** `undefined`: this PRACK answers nothing that we sent (481). */
  pracked(dialog: Dialog, rack: RAckValue, now: Millis): Unacknowledged | undefined {
    if (rack.cseq !== this.seq || rack.method !== "INVITE") return undefined;
    // It may cross the final answer; behind that nothing more is sent.
    return this.#reliables?.find((one) => one.dialog === dialog)?.pracked(rack, !this.#answered, now);
  }

  /** Has this dialog an offer or answer of ours that no PRACK has confirmed? */
  describing(dialog: Dialog): boolean {
    return this.#reliables?.some((one) => one.dialog === dialog && one.describing) === true;
  }

  /** From now on a 2xx waits until the other end has its resources (RFC 3312 §6). Limit: PRACK_LIMIT, then `unmet`. */
  block(): void {
    this.#blocked = true;
  }

  unblock(now: Millis): void {
    this.#blocked = false;
    this.#timers.stop("limit");
    this.releaseHeld(now);
  }

  /** What was held back until the PRACK may go now. Called after the PRACK was answered. */
  releaseHeld(now: Millis): void {
    const held = this.#held;
    if (held === undefined || this.#blocked || this.describing(held.dialog)) return;
    this.#held = undefined;
    this.#sendAnswer(held.dialog, held.parcel, now);
  }

  /** 200 OK. */
  answer(dialog: Dialog, parcel: Parcel, now: Millis): void {
    if (!this.pending) return;
    // The other end was told of this dialog what it never confirmed: there is nothing that a 2xx could build on.
    if (this.#isDead(dialog)) return this.#owner.lost(this, "no-prack", now);
    this.#final = 200;
    this.dialog = dialog;
    if (!this.#blocked && !this.describing(dialog)) return this.#sendAnswer(dialog, parcel, now);
    this.#held = { dialog, parcel };
    if (!this.#blocked) return;
    this.#timers.set("limit", now + PRACK_LIMIT);
    this.#house.agenda.watch(this);
  }

  /** 300 to 699. `dialog` gives the tag. */
  refuse(dialog: Dialog, status: number, parcel: Parcel, now: Millis, reason?: string): void {
    if (!this.pending && this.#held === undefined) return;
    this.#held = undefined;
    this.#final = status;
    this.#answered = true;
    this.#quiet();
    const draft = responseTo(this.request, status, dialog.localTag, reason);
    markAnswer(draft, dialog);
    fill(draft, parcel);
    this.#server.respond(draft, now);
  }

  /** True when this ACK is for our 2xx and the first one. */
  acked(): boolean {
    if (!this.awaitingAck || !this.#answered) return false;
    this.acknowledged = true;
    this.close();
    return true;
  }

  /** Nothing is sent again from now on: the leg is over. */
  close(): void {
    this.#quiet();
    this.#server.forget();
  }

  cancelled(cancel: Request, now: Millis): void {
    if (this.pending || this.#held !== undefined) this.#owner.cancelled(this, cancel, now);
  }

  failed(cause: "no-ack" | "unreachable", now: Millis): void {
    if (cause === "unreachable" && !this.acknowledged) this.#owner.lost(this, cause, now);
  }

  nextDeadline(): Millis | undefined {
    return this.#timers.next();
  }

  expire(now: Millis): void {
    for (let due = this.#timers.takeDue(now); due !== undefined; due = this.#timers.takeDue(now)) {
      if (due === "limit") {
        this.#quiet();
        return this.#answered ? this.#owner.unacknowledged(this, now) : this.#owner.lost(this, "unmet", now);
      }
      this.#server.resendFinal(now);
      this.#againAfter = Math.min(2 * this.#againAfter, T2); // RFC 3261 §13.3.1.4.
      this.#timers.set("again", now + this.#againAfter);
    }
  }

  // — ReliableOwner

  sendReliable(draft: ResponseDraft, now: Millis): void {
    this.#server.respond(draft, now);
  }

  /** RFC 3262 §3 refuses the INVITE. Where other forks still ring, only this one is given up. */
  neverAcknowledged({ dialog }: Reliable, now: Millis): void {
    const held = this.#held?.dialog;
    const rings = (one: Dialog): boolean => one.twin?.leg.state === "inviting" && !this.#isDead(one);
    if (held === dialog || (held === undefined && !dialog.leg.dialogs.some(rings))) {
      this.#owner.lost(this, "no-prack", now);
    }
  }

  #isDead(dialog: Dialog): boolean {
    return this.#reliables?.some((one) => one.dialog === dialog && one.dead) === true;
  }

  #reliableOf(dialog: Dialog): Reliable {
    this.#reliables ??= [];
    let reliable = this.#reliables.find((one) => one.dialog === dialog);
    if (reliable === undefined) this.#reliables.push((reliable = new Reliable(this.#house, this, dialog)));
    return reliable;
  }

  #sendAnswer(dialog: Dialog, parcel: Parcel, now: Millis): void {
    this.#quiet();
    this.#answered = true;
    if (dialog.confirmed && dialog.leg.firstInvite !== this) dialog.refresh(this.request, this.hop);
    this.#server.respond(this.#draft(dialog, 200, parcel), now);
    this.#againAfter = T1;
    this.#timers.set("again", now + T1);
    this.#timers.set("limit", now + ACK_LIMIT);
    this.#house.agenda.watch(this);
    this.#owner.answerSent(this, now);
  }

  #draft(dialog: Dialog, status: number, parcel: Parcel): ResponseDraft {
    const draft = responseTo(this.request, status, dialog.localTag);
    for (const value of this.request.headers.rawAll("record-route")) draft.add("Record-Route", value);
    this.#owner.dress(draft, this);
    markAnswer(draft, dialog);
    fill(draft, parcel);
    return draft;
  }

  #quiet(): void {
    this.#timers.clear();
    this.#house.agenda.drop(this);
    if (this.#reliables !== undefined) for (const one of this.#reliables) one.quiet();
  }
}
