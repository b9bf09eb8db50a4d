/**
 * One INVITE of a leg to several contacts of one user at once. The leg sees what it would see of a proxy that forks: early
 * dialogs by their tags, the first 2xx and those that come too late, or the best of all refusals (RFC 3261 §16.7).
 * Of a phone with several flows one is used at a time, and the next when that one fails (RFC 5626 §7).
 */
import { type Destination, type Millis, type Punctual, SECOND } from "../base/index.ts";
import type { RequestDraft, Response } from "../message/index.ts";
import type { ClientOwner, ClientTransaction, LegHouse } from "./ports.ts";

/** One contact, and the way to it. */
export interface Branch {
  /** The Request-URI there. */
  readonly target: string;
  readonly destination: Destination;
  /** Values of Route. */
  readonly routes: readonly string[];
  /** Which of several descriptions it gets, and which that is where it is another than that of the draft. */
  readonly alternative?: { readonly number: number; readonly sdp: string | undefined } | undefined;
  /** Other flows of the same phone, the best first. */
  readonly spares?: readonly Branch[];
}

/** What an invitation does with what it sent: one transaction, or several. */
export interface Sent {
  cancel(headers: readonly (readonly [string, string])[], now: Millis): void;
  settled(toTag: string | undefined): void;
}

const NO_REASON: readonly (readonly [string, string])[] = [];
const NO_SPARES: readonly Branch[] = [];
/** A flow over which nothing has come for so long is not waited for where there is another. */
const SILENT_FLOW: Millis = 4 * SECOND;

/** A request that has no final answer yet. */
interface Open {
  readonly spares: readonly Branch[];
  /** When the next flow is used if nothing has been heard; `undefined`: not by time. */
  silentAt: Millis | undefined;
}

export class Fork implements ClientOwner, Sent, Punctual {
  readonly #owner: ClientOwner;
  readonly #house: LegHouse;
  readonly #draft: RequestDraft;
  readonly #open = new Map<ClientTransaction, Open>();
  /** Which description each of them went out with. */
  readonly #all = new Map<ClientTransaction, number>();
  /** Our Contact, as the other end of a branch reaches us. */
  readonly #contactAt: (place: Destination) => string;
  #answered = false;
  #cancelled = false;
  #best: { readonly response: Response; readonly transaction: ClientTransaction } | undefined;
  #failure: "timeout" | "unreachable" = "unreachable";

  constructor(owner: ClientOwner, house: LegHouse, draft: RequestDraft, contactAt: (place: Destination) => string) {
    this.#contactAt = contactAt;
    this.#owner = owner;
    this.#house = house;
    this.#draft = draft;
  }

  start(branches: readonly Branch[], now: Millis): void {
    for (const branch of branches) this.#ask(branch, branch.spares ?? NO_SPARES, now);
  }

  alternativeOf(transaction: ClientTransaction): number {
    return this.#all.get(transaction) ?? 0;
  }

  #ask({ target, destination, routes, alternative }: Branch, spares: readonly Branch[], now: Millis): void {
    const copy = this.#draft.copy(target).set("Contact", this.#contactAt(destination));
    copy.body = alternative?.sdp ?? copy.body;
    for (const route of [...routes].reverse()) copy.prepend("Route", route);
    const transaction = this.#house.transactions.request(copy, destination, this, now);
    this.#all.set(transaction, alternative?.number ?? 0);
    this.#open.set(transaction, { spares, silentAt: spares.length > 0 ? now + SILENT_FLOW : undefined });
    if (spares.length > 0) this.#house.agenda.watch(this);
  }

  cancel(headers: readonly (readonly [string, string])[], now: Millis): void {
    this.#cancelled = true;
    for (const transaction of this.#open.keys()) transaction.cancel(headers, now);
    this.#house.agenda.drop(this);
  }

  settled(toTag: string | undefined): void {
    for (const transaction of this.#all.keys()) transaction.settled(toTag);
    this.#house.agenda.drop(this);
  }

  response(response: Response, transaction: ClientTransaction, now: Millis): void {
    const { status } = response;
    const open = this.#open.get(transaction);
    if (status < 200) {
      if (open !== undefined) open.silentAt = undefined;
      if (!this.#answered) this.#owner.response(response, transaction, now);
      return;
    }
    this.#open.delete(transaction);
    if (status < 300) {
      const first = !this.#answered;
      this.#answered = true;
      this.#owner.response(response, transaction, now);
      if (first) this.cancel(ANSWERED, now);
      return;
    }
    if (open === undefined) return; // Its phone has been asked by another way meanwhile.
    if ((status === 430 || status === 408) && this.#byAnotherWay(open, now)) return;
    const best = this.#best;
    if (best === undefined || worth(status) > worth(best.response.status)) this.#best = { response, transaction };
    // RFC 3261 §16.7 step 5: nobody of them will take it.
    if (status >= 600 && !this.#answered) this.cancel(NO_REASON, now);
    this.#settle(now);
  }

  failed(cause: "timeout" | "unreachable", transaction: ClientTransaction, now: Millis): void {
    const open = this.#open.get(transaction);
    this.#open.delete(transaction);
    if (open !== undefined && this.#byAnotherWay(open, now)) return;
    if (cause === "timeout") this.#failure = cause;
    this.#settle(now);
  }

  // — Punctual: flows that are silent.

  nextDeadline(): Millis | undefined {
    let next: Millis | undefined;
    for (const { silentAt } of this.#open.values())
      if (silentAt !== undefined && (next === undefined || silentAt < next)) next = silentAt;
    return next;
  }

  expire(now: Millis): void {
    for (const [transaction, open] of [...this.#open]) {
      if (open.silentAt === undefined || open.silentAt > now) continue;
      this.#open.delete(transaction);
      transaction.cancel(NO_REASON, now);
      this.#byAnotherWay(open, now);
    }
  }

  /** True: its phone is asked over the next of its flows. */
  #byAnotherWay({ spares }: Open, now: Millis): boolean {
    const [next, ...others] = spares;
    if (next === undefined || this.#answered || this.#cancelled) return false;
    this.#ask(next, others, now);
    return true;
  }

  #settle(now: Millis): void {
    if (this.#answered || this.#open.size > 0) return;
    this.#answered = true;
    const [last] = this.#all.keys();
    if (this.#best !== undefined) this.#owner.response(this.#best.response, this.#best.transaction, now);
    else if (last !== undefined) this.#owner.failed(this.#failure, last, now);
  }
}

/** RFC 3261 §16.7 step 6: 6xx, then the lowest class; what a user did says more than what a network could not. */
function worth(status: number): number {
  if (status >= 600) return 1_000;
  if (status === 486 || status === 480) return 950;
  if (status === 487 || status === 408) return 300;
  return 900 - status;
}

/** RFC 3326 §3: the others need not tell of a call that was missed. */
const ANSWERED: readonly (readonly [string, string])[] = [["Reason", 'SIP;cause=200;text="Call completed elsewhere"']];
