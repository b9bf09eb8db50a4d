/**
 * The INVITE that we send to make a leg: early dialogs of its forks, the first 2xx, and the 2xx of other forks, which are
 * acknowledged and ended. RFC 3261 §13.2, RFC 3262 §4.
 */
import { type Destination, type Hop, type Millis, PeerError } from "../base/index.ts";
import { type RequestDraft, type Response, RSeq } from "../message/index.ts";
import type { Authentication } from "./challenged.ts";
import type { Dialog } from "./dialog.ts";
import { type Branch, Fork, type Sent } from "./fork.ts";
import type { Leg } from "./leg.ts";
import type { ClientOwner, ClientTransaction } from "./ports.ts";
import { type PrackNote, requires100rel } from "./reliable.ts";
import { FORK_LIMIT } from "./timing.ts";

export interface Progress {
  readonly dialog: Dialog;
  readonly response: Response;
  /** Set when the 1xx wants a PRACK. */
  /** A reliable one, which wants a PRACK. */
  readonly note: PrackNote | undefined;
}

export interface InvitationOwner {
  invitationTrying(now: Millis): void;
  invitationProgress(progress: Progress, now: Millis): void;
  /** The first 2xx. */
  invitationAccepted(dialog: Dialog, response: Response, now: Millis): void;
  /** A 2xx of another fork, or of any fork once there is no more use for it. */
  invitationUnwanted(dialog: Dialog, now: Millis): void;
  invitationRefused(response: Response, now: Millis): void;
  invitationFailed(cause: "timeout" | "unreachable" | "protocol-error", now: Millis): void;
}

export class Invitation implements ClientOwner {
  seq: number;
  readonly #leg: Leg;
  readonly #owner: InvitationOwner;
  #transaction: Sent | undefined;
  /** The same, where it went to several. */
  #fork: Fork | undefined;
  #winner: Dialog | undefined;
  #finished = false;
  #cancelled = false;
  /** What was sent and where to, until it is answered. */
  #sent: { readonly draft: RequestDraft; readonly destination: Destination } | undefined;
  /** Where else it goes at the same time, the first place included. */
  #branches: readonly Branch[] = [];
  #authentication: Authentication | undefined;

  constructor(leg: Leg, owner: InvitationOwner, seq: number) {
    this.#leg = leg;
    this.#owner = owner;
    this.seq = seq;
  }

  get pending(): boolean {
    return !this.#finished;
  }

  /** To several contacts at once; all are as good. */
  fork(draft: RequestDraft, branches: readonly Branch[], now: Millis): void {
    const [first] = branches;
    if (first === undefined) return;
    this.#branches = branches;
    this.start(draft, first.destination, now);
  }

  start(draft: RequestDraft, destination: Destination, now: Millis): void {
    this.#authentication = this.#leg.authenticator?.begin(draft, destination);
    this.#send(draft, destination, now);
  }

  #send(draft: RequestDraft, destination: Destination, now: Millis): void {
    this.#sent = { draft, destination };
    if (this.#authentication !== undefined) {
      this.#leg.proof = { seq: this.seq, headers: this.#authentication.headers };
    }
    const { house } = this.#leg;
    if (this.#branches.length === 0) {
      this.#transaction = house.transactions.request(draft, destination, this, now);
      return;
    }
    const { wording } = this.#leg;
    const fork = new Fork(this, house, draft, (place) => wording.contactAt(place));
    this.#transaction = fork;
    this.#fork = fork;
    fork.start(this.#branches, now);
  }

  cancel(headers: readonly (readonly [string, string])[], now: Millis): void {
    if (this.#finished) return;
    this.#cancelled = true;
    this.#transaction?.cancel(headers, now);
  }

  response(response: Response, transaction: ClientTransaction, now: Millis): void {
    if (!this.#finished) this.#owner.invitationTrying(now);
    if (response.status === 100) return;
    if (response.status < 200) return this.#onProgress(response, transaction, now);
    if (response.status < 300) {
      if (!this.#finished) this.#authentication?.again(response, transaction.hop, now);
      return this.accept(response, transaction.hop, now, transaction);
    }
    if (this.#finished) return;
    if (this.#authentication !== undefined && this.#proveAgain(this.#authentication, response, transaction.hop, now))
      return;
    if (response.status === 422 && this.#askForMore(response, now)) return;
    this.#finished = true;
    this.#leg.ids?.learn(this.#leg.first, response);
    this.#owner.invitationRefused(response, now);
  }

  failed(cause: "timeout" | "unreachable", _transaction: ClientTransaction, now: Millis): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#owner.invitationFailed(cause, now);
  }

  /** Also the way of a 2xx that came after its transaction ended. */
  accept(response: Response, hop: Hop, now: Millis, transaction?: ClientTransaction): void {
    const dialog = this.#dialogOf(response, hop, 2 * FORK_LIMIT, transaction);
    if (dialog === undefined) return;
    this.#leg.ids?.learn(dialog, response);
    if (dialog === this.#winner || dialog.acked !== undefined) {
      dialog.acked?.handle.resend(now);
      return;
    }
    if (!this.#takeAnswer(dialog, response, hop)) return this.#bad(dialog, now);
    const first = this.#winner === undefined && !this.#finished;
    this.#finished = true;
    if (!first) return this.#owner.invitationUnwanted(dialog, now);
    this.#winner = dialog;
    if (this.#fork !== undefined) this.#leg.standAt(hop);
    this.#owner.invitationAccepted(dialog, response, now);
  }

  /**
   * The leg is over. The transaction, which waits for late 2xx for another half minute, lets go of it: what comes then is
   * ended without it (late-fork.ts); unless there were forks already, which the leg knows.
   */
  close(): void {
    this.#finished = true;
    const { dialogs, first } = this.#leg;
    if (dialogs.length === 1) this.#transaction?.settled(first.remoteTag);
  }

  /** RFC 4028 §7.3, §7.4: the same INVITE with a longer session interval. Early dialogs would be in its way. */
  #askForMore(response: Response, now: Millis): boolean {
    const leg = this.#leg;
    const { first } = leg;
    const sent = this.#sent;
    if (sent === undefined || this.#cancelled || leg.dialogs.length > 1 || first.remoteTag !== undefined) return false;
    if (!leg.session.mayRaise(response)) return false;
    this.seq = ++first.localSeq;
    const draft = sent.draft.remove("Session-Expires").remove("Min-SE").set("CSeq", `${this.seq} INVITE`);
    leg.session.dressRequest(draft);
    this.start(draft, sent.destination, now);
    return true;
  }

  /**
   * RFC 3261 §22.2: the same INVITE with credentials. Early dialogs of the first one are over with its refusal; the next
   * makes its own.
   */
  #proveAgain(authentication: Authentication, response: Response, hop: Hop, now: Millis): boolean {
    const sent = this.#sent;
    if (sent === undefined || this.#cancelled || !authentication.again(response, hop, now)) return false;
    for (const { localSeq } of this.#leg.dialogs) this.seq = Math.max(this.seq, localSeq);
    this.seq += 1;
    for (const dialog of this.#leg.dialogs) {
      dialog.localSeq = this.seq;
      dialog.lastRSeq = undefined;
    }
    sent.draft.set("CSeq", `${this.seq} INVITE`);
    this.#send(sent.draft, sent.destination, now);
    return true;
  }

  #onProgress(response: Response, transaction: ClientTransaction, now: Millis): void {
    if (this.#finished) return;
    const { hop } = transaction;
    const dialog = this.#dialogOf(response, hop, FORK_LIMIT, transaction);
    if (dialog === undefined) return;
    this.#leg.ids?.learn(dialog, response);
    let rseq: number | undefined;
    try {
      if (response.headers.has("contact")) dialog.takeResponse(response, hop);
      rseq = reliableNumber(response);
    } catch (error) {
      if (error instanceof PeerError) return; // A 1xx that we cannot read is as good as none.
      throw error;
    }
    if (rseq !== undefined) {
      // RFC 3262 §4: in order, each once; a copy means that our PRACK is still on its way.
      if (dialog.lastRSeq !== undefined && rseq !== dialog.lastRSeq + 1) return;
      dialog.lastRSeq = rseq;
    }
    const note = rseq === undefined ? undefined : { dialog, rseq, seq: this.seq };
    this.#owner.invitationProgress({ dialog, response, note }, now);
  }

  /** The dialog by its To tag, made when it is new. `undefined`: too many forks, or a To that we cannot read. */
  #dialogOf(response: Response, hop: Hop, limit: number, transaction?: ClientTransaction): Dialog | undefined {
    const leg = this.#leg;
    const alternative = transaction === undefined ? 0 : (this.#fork?.alternativeOf(transaction) ?? 0);
    const tag = response.toTag;
    for (const dialog of leg.dialogs) if (dialog.remoteTag === tag) return dialog;
    const first = leg.dialogs[0];
    if (first !== undefined && leg.dialogs.length === 1 && first.remoteTag === undefined) {
      first.alternative = alternative;
      first.remoteTag = tag; // The dialog that was prepared with the INVITE, and had no peer yet.
      first.remote = response.headers.raw("to") ?? first.remote;
      first.heardFrom(hop);
      return first;
    }
    if (leg.dialogs.length >= limit) return undefined;
    const fork = leg.addFork(this.seq);
    fork.alternative = alternative;
    fork.remoteTag = tag;
    fork.remote = response.headers.raw("to") ?? "";
    fork.heardFrom(hop);
    return fork;
  }

  #takeAnswer(dialog: Dialog, response: Response, hop: Hop): boolean {
    try {
      dialog.takeResponse(response, hop);
      dialog.confirmed = true;
      return true;
    } catch (error) {
      if (error instanceof PeerError) return false;
      throw error;
    }
  }

  /** A 2xx that makes no dialog one could use: there is somebody who must be told to go. */
  #bad(dialog: Dialog, now: Millis): void {
    const first = this.#winner === undefined && !this.#finished;
    this.#finished = true;
    this.#owner.invitationUnwanted(dialog, now);
    if (first) this.#owner.invitationFailed("protocol-error", now);
  }
}

/** RFC 3262 §4: reliable is what says `Require: 100rel` and has an RSeq. */
function reliableNumber(response: Response): number | undefined {
  if (!response.headers.has("rseq")) return undefined;
  return requires100rel(response) ? response.get(RSeq) : undefined;
}
