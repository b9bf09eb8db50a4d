/**
 * An INVITE that we send inside a dialog. When both ends ask at once (491) it is tried again by itself: the owner of the
 * Call-ID waits 2.1 to 4 s, the other 0 to 2 s, in steps of 10 ms. RFC 3261 §14.1.
 */
import { below, type Destination, type Millis, type Punctual, SECOND } from "../base/index.ts";
import type { RequestDraft, Response } from "../message/index.ts";
import type { Authentication } from "./challenged.ts";
import type { Dialog } from "./dialog.ts";
import { fill, NOTHING, type Parcel } from "./parcel.ts";
import type { ClientOwner, ClientTransaction } from "./ports.ts";
import { mark } from "./session-ids.ts";
import { GLARE_RETRIES } from "./timing.ts";

export interface ReinviteOwner {
  progress(reinvite: Reinvite, response: Response, now: Millis): void;
  /** The first 2xx. The ACK is the owner's to send, by `Leg.ack`. */
  accepted(reinvite: Reinvite, response: Response, now: Millis): void;
  refused(reinvite: Reinvite, response: Response, now: Millis): void;
  failed(reinvite: Reinvite, cause: "timeout" | "unreachable", now: Millis): void;
  /** The leg ended first: nothing more is heard of it. For whoever owes somebody else the outcome. */
  dropped?(now: Millis): void;
}

/** Kept where the peer may challenge it. */
interface SentInvite {
  readonly draft: RequestDraft;
  readonly destination: Destination;
  readonly authentication: Authentication;
}

export class Reinvite implements ClientOwner, Punctual {
  readonly dialog: Dialog;
  readonly parcel: Parcel;
  seq = 0;
  /** No final answer yet, or waiting to try again. */
  pending = true;
  /** It was accepted, and its owner has the ACK to send. */
  #awaited = false;
  readonly #owner: ReinviteOwner;
  readonly #maxForwards: number;
  #transaction: ClientTransaction | undefined;
  #cancelled: readonly (readonly [string, string])[] | undefined;
  #sent: SentInvite | undefined;
  #retries = 0;
  #againAt: Millis | undefined;
  #limitAt: Millis | undefined;

  constructor(owner: ReinviteOwner, dialog: Dialog, parcel: Parcel, maxForwards: number) {
    this.#owner = owner;
    this.dialog = dialog;
    this.parcel = parcel;
    this.#maxForwards = maxForwards;
  }

  /** A request of ours is on its way; false while we wait to try again, so that the peer's own INVITE has its chance. */
  get inFlight(): boolean {
    return this.pending && this.#againAt === undefined;
  }

  /** Whoever asks for it can wait until then: it is cancelled, or not tried again. */
  limit(at: Millis): void {
    this.#limitAt = at;
    this.dialog.leg.house.agenda.watch(this);
  }

  start(now: Millis): void {
    this.dialog.reach(now, (destination, at) => this.#send(destination, at));
  }

  cancel(headers: readonly (readonly [string, string])[], now: Millis): void {
    if (!this.pending || this.#cancelled !== undefined) return;
    this.#cancelled = headers;
    this.#transaction?.cancel(headers, now);
  }

  response(response: Response, transaction: ClientTransaction, now: Millis): void {
    const { status } = response;
    this.dialog.leg.ids?.learn(this.dialog, response);
    if (status < 200) {
      if (status > 100 && this.pending) this.#owner.progress(this, response, now);
      return;
    }
    const again = this.pending && this.#sent?.authentication.again(response, transaction.hop, now) === true;
    if (status < 300) return this.#onAccepted(response, now);
    if (!this.pending) return;
    if (again && this.#cancelled === undefined) return this.#proveAgain(now);
    if (status === 491 && this.#mayTryAgain()) return this.#backOff(now);
    if (status === 422 && this.#cancelled === undefined && this.dialog.leg.session.mayRaise(response)) {
      return this.start(now); // RFC 4028 §7.3: the same with a longer session interval.
    }
    this.pending = false;
    this.#owner.refused(this, response, now);
  }

  failed(cause: "timeout" | "unreachable", _transaction: ClientTransaction | undefined, now: Millis): void {
    if (!this.pending) return;
    this.pending = false;
    this.#owner.failed(this, cause, now);
  }

  /** The leg is over: nothing is tried again. */
  close(now: Millis): void {
    const { pending } = this;
    this.pending = false;
    // Whoever still owes the answer will not give it any more; the 2xx gets its ACK all the same, before the BYE.
    if (this.#awaited) this.dialog.leg.ack(this.dialog, this.seq, NOTHING, now);
    this.#awaited = false;
    this.#againAt = undefined;
    this.dialog.leg.house.agenda.drop(this);
    if (pending) this.#owner.dropped?.(now);
  }

  /** After `close`. Copies of a final answer go to whoever takes strays; an answer still to come is waited for. */
  forget(): void {
    if (this.dialog.acked?.seq === this.seq) this.#transaction?.forget();
  }

  nextDeadline(): Millis | undefined {
    const [again, limit] = [this.#againAt, this.pending ? this.#limitAt : undefined];
    return again === undefined || limit === undefined ? (again ?? limit) : Math.min(again, limit);
  }

  expire(now: Millis): void {
    if (this.#limitAt !== undefined && this.#limitAt <= now) {
      this.#limitAt = undefined;
      if (this.inFlight) this.cancel([], now);
      else if (this.pending) this.close(now);
    }
    if (this.#againAt === undefined || this.#againAt > now) return;
    this.#againAt = undefined;
    this.start(now);
  }

  #onAccepted(response: Response, now: Millis): void {
    const acked = this.dialog.acked;
    if (acked?.seq === this.seq) acked.handle.resend(now); // Our ACK was lost.
    if (!this.pending) {
      if (this.#awaited) return; // A copy. The ACK carries the answer, which the other side still owes.
      // The leg is over: nobody wants this 2xx, but its sender waits for the ACK (RFC 3261 §13.2.2.4).
      this.dialog.leg.ack(this.dialog, this.seq, NOTHING, now);
      return;
    }
    this.pending = false;
    this.#awaited = true;
    this.dialog.leg.session.answered(response, now);
    this.#owner.accepted(this, response, now);
  }

  /** RFC 3261 §22.2: the same INVITE with credentials. */
  #proveAgain(now: Millis): void {
    const { draft, destination, authentication } = this.#sent as SentInvite;
    this.seq = ++this.dialog.localSeq;
    draft.set("CSeq", `${this.seq} INVITE`);
    this.dialog.leg.proof = { seq: this.seq, headers: authentication.headers };
    this.#transaction = this.dialog.leg.house.transactions.request(draft, destination, this, now);
  }

  #mayTryAgain(): boolean {
    return this.#cancelled === undefined && this.#retries < GLARE_RETRIES;
  }

  #backOff(now: Millis): void {
    const { random, agenda } = this.dialog.leg.house;
    this.#retries += 1;
    this.#transaction = undefined;
    const ours = this.dialog.leg.invitation !== undefined; // We sent the INVITE that made this dialog.
    const wait = ours ? 2.1 * SECOND + 10 * below(random, 191) : 10 * below(random, 201);
    this.#againAt = now + wait;
    agenda.watch(this);
  }

  #send(destination: Destination | undefined, now: Millis): void {
    if (!this.pending) return;
    if (destination === undefined) return this.failed("unreachable", undefined, now);
    const { dialog } = this;
    this.seq = ++dialog.localSeq;
    const draft = dialog.draft("INVITE", this.seq, this.#maxForwards);
    dialog.leg.wording.dressRequest(draft, "INVITE");
    mark(draft, dialog);
    fill(draft, this.parcel);
    const { authenticator } = dialog.leg;
    if (authenticator !== undefined) {
      const authentication = authenticator.begin(draft, destination);
      this.#sent = { draft, destination, authentication };
      dialog.leg.proof = { seq: this.seq, headers: authentication.headers };
    }
    this.#transaction = dialog.leg.house.transactions.request(draft, destination, this, now);
    if (this.#cancelled !== undefined) this.#transaction.cancel(this.#cancelled, now);
  }
}
