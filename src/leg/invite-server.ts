/**
 * The called side of one INVITE: reliable and other 1xx, the one final answer, and the 2xx that is sent again until its
 * ACK comes. RFC 3261 §13.3.1, RFC 3262 §3. The same for the INVITE that makes a leg and for those inside it.
 */
import { below, type Hop, type Millis, type Punctual, type Random, TimerTable } from "../base/index.ts";
import { type RAckValue, type Request, type ResponseDraft, responseTo } from "../message/index.ts";
import type { Dialog } from "./dialog.ts";
import { carriesSdp, fill, type Parcel } from "./parcel.ts";
import type { LegHouse, ServerOwner, ServerTransaction } from "./ports.ts";
import { ACK_LIMIT, PRACK_LIMIT, RELIABLE_QUEUE_LIMIT, T1, T2 } from "./timing.ts";

export interface InviteServerOwner {
  /** The headers that the leg itself writes into a response which makes or refreshes the dialog. */
  dress(draft: ResponseDraft, server: InviteServer): void;
  /** The 2xx is on the wire. */
  answerSent(server: InviteServer, now: Millis): void;
  cancelled(server: InviteServer, cancel: Request, now: Millis): void;
  /** A response could not be delivered, or a reliable 1xx was never acknowledged. */
  lost(server: InviteServer, cause: "unreachable" | "no-prack", now: Millis): void;
  unacknowledged(server: InviteServer, now: Millis): void;
}

/** What the call wants to know again when the PRACK for a reliable 1xx comes. */
export interface PrackNote {
  readonly dialog: Dialog;
  readonly rseq: number;
}

interface Reliable {
  readonly rseq: number;
  readonly dialog: Dialog;
  readonly draft: ResponseDraft;
  readonly sdp: boolean;
  readonly note: PrackNote | undefined;
}

export class InviteServer implements ServerOwner, Punctual {
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
  #rseq = 0;
  /** The first one is on the wire, the others wait for its PRACK. */
  #reliable: Reliable[] = [];
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

  progress(
    dialog: Dialog,
    status: number,
    parcel: Parcel,
    reliably: boolean,
    note: PrackNote | undefined,
    now: Millis,
  ): void {
    if (!this.pending) return;
    const draft = this.#draft(dialog, status, parcel);
    if (!reliably || this.#reliable.length >= RELIABLE_QUEUE_LIMIT) {
      this.#server.respond(draft, now);
      return;
    }
    this.#rseq = this.#rseq === 0 ? firstRSeq(this.#house.random) : this.#rseq + 1;
    draft.add("Require", "100rel").add("RSeq", String(this.#rseq));
    this.#reliable.push({ rseq: this.#rseq, dialog, draft, sdp: carriesSdp(parcel), note });
    if (this.#reliable.length === 1) this.#sendReliable(now);
  }

  /** `undefined`: this PRACK answers nothing that we sent (481). */
  pracked(
    dialog: Dialog,
    rack: RAckValue,
    now: Millis,
  ): { readonly note: PrackNote | undefined; readonly sdp: boolean } | undefined {
    const first = this.#reliable[0];
    if (first === undefined || first.rseq !== rack.rseq || first.dialog !== dialog) return undefined;
    if (rack.cseq !== this.seq || rack.method !== "INVITE") return undefined;
    this.#reliable.shift();
    if (this.#answered) return { note: first.note, sdp: first.sdp }; // It crossed the final answer.
    this.#quiet();
    this.#sendReliable(now);
    return { note: first.note, sdp: first.sdp };
  }

  /** What was held back until the PRACK may go now. Called after the PRACK was answered. */
  releaseHeld(now: Millis): void {
    const held = this.#held;
    if (held === undefined || this.#reliable.some((one) => one.sdp)) return;
    this.#held = undefined;
    this.#sendAnswer(held.dialog, held.parcel, now);
  }

  /** 200 OK. */
  answer(dialog: Dialog, parcel: Parcel, now: Millis): void {
    if (!this.pending) return;
    this.#final = 200;
    this.dialog = dialog;
    if (this.#reliable.some((one) => one.sdp)) this.#held = { dialog, parcel };
    else this.#sendAnswer(dialog, parcel, now);
  }

  /** 300 to 699. `dialog` gives the tag. */
  refuse(dialog: Dialog, status: number, parcel: Parcel, now: Millis, reason?: string): void {
    if (!this.pending && this.#held === undefined) return;
    this.#held = undefined;
    this.#final = status;
    this.#answered = true;
    this.#quiet();
    const draft = responseTo(this.request, status, dialog.localTag, reason);
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
      if (due === "limit") return this.#giveUp(now);
      this.#sendAgain(now);
    }
  }

  #sendAgain(now: Millis): void {
    const first = this.#reliable[0];
    if (this.#answered) this.#server.resendFinal(now);
    else if (first !== undefined) this.#server.respond(first.draft, now);
    // RFC 3262 §3 doubles without a ceiling, RFC 3261 §13.3.1.4 stops at T2.
    this.#againAfter = this.#answered ? Math.min(2 * this.#againAfter, T2) : 2 * this.#againAfter;
    this.#timers.set("again", now + this.#againAfter);
  }

  #giveUp(now: Millis): void {
    this.#quiet();
    if (!this.#answered) this.#owner.lost(this, "no-prack", now);
    else this.#owner.unacknowledged(this, now);
  }

  #sendReliable(now: Millis): void {
    const first = this.#reliable[0];
    if (first === undefined) return;
    this.#server.respond(first.draft, now);
    this.#startTimers(PRACK_LIMIT, now);
  }

  #sendAnswer(dialog: Dialog, parcel: Parcel, now: Millis): void {
    this.#quiet();
    this.#answered = true;
    this.#server.respond(this.#draft(dialog, 200, parcel), now);
    this.#startTimers(ACK_LIMIT, now);
    this.#owner.answerSent(this, now);
  }

  #draft(dialog: Dialog, status: number, parcel: Parcel): ResponseDraft {
    const draft = responseTo(this.request, status, dialog.localTag);
    for (const value of this.request.headers.rawAll("record-route")) draft.add("Record-Route", value);
    this.#owner.dress(draft, this);
    fill(draft, parcel);
    return draft;
  }

  #startTimers(limit: Millis, now: Millis): void {
    this.#againAfter = T1;
    this.#timers.set("again", now + T1);
    this.#timers.set("limit", now + limit);
    this.#house.agenda.watch(this);
  }

  #quiet(): void {
    this.#timers.clear();
    this.#house.agenda.drop(this);
  }
}

/** RFC 3262 §3: between 1 and 2^31 - 1; kept low enough that it never wraps. */
const firstRSeq = (random: Random): number => 1 + below(random, 0x7fff_0000);
