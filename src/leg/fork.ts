/**
 * One INVITE of a leg to several contacts of one user at once. The leg sees what it would see of a proxy that forks: early
 * dialogs by their tags, the first 2xx and those that come too late, or the best of all refusals (RFC 3261 §16.7).
 */
import type { Destination, Millis } from "../base/index.ts";
import type { RequestDraft, Response } from "../message/index.ts";
import type { ClientOwner, ClientTransaction, LegHouse } from "./ports.ts";

/** One contact, and the way to it. */
export interface Branch {
  /** The Request-URI there. */
  readonly target: string;
  readonly destination: Destination;
  /** Values of Route. */
  readonly routes: readonly string[];
}

/** What an invitation does with what it sent: one transaction, or several. */
export interface Sent {
  cancel(headers: readonly (readonly [string, string])[], now: Millis): void;
  settled(toTag: string | undefined): void;
}

const NO_REASON: readonly (readonly [string, string])[] = [];

export class Fork implements ClientOwner, Sent {
  readonly #owner: ClientOwner;
  /** Those that have not ended. */
  readonly #pending = new Set<ClientTransaction>();
  readonly #all: ClientTransaction[] = [];
  #answered = false;
  #best: { readonly response: Response; readonly transaction: ClientTransaction } | undefined;
  #failure: "timeout" | "unreachable" = "unreachable";

  constructor(owner: ClientOwner) {
    this.#owner = owner;
  }

  start(house: LegHouse, draft: RequestDraft, branches: readonly Branch[], now: Millis): void {
    for (const { target, destination, routes } of branches) {
      const copy = draft.copy(target);
      for (const route of [...routes].reverse()) copy.prepend("Route", route);
      const transaction = house.transactions.request(copy, destination, this, now);
      this.#all.push(transaction);
      this.#pending.add(transaction);
    }
  }

  cancel(headers: readonly (readonly [string, string])[], now: Millis): void {
    for (const transaction of this.#pending) transaction.cancel(headers, now);
  }

  settled(toTag: string | undefined): void {
    for (const transaction of this.#all) transaction.settled(toTag);
  }

  response(response: Response, transaction: ClientTransaction, now: Millis): void {
    const { status } = response;
    if (status < 200) {
      if (!this.#answered) this.#owner.response(response, transaction, now);
      return;
    }
    this.#pending.delete(transaction);
    if (status < 300) {
      const first = !this.#answered;
      this.#answered = true;
      this.#owner.response(response, transaction, now);
      if (first) this.cancel(ANSWERED, now);
      return;
    }
    const best = this.#best;
    if (best === undefined || worth(status) > worth(best.response.status)) this.#best = { response, transaction };
    // RFC 3261 §16.7 step 5: nobody of them will take it.
    if (status >= 600 && !this.#answered) this.cancel(NO_REASON, now);
    this.#settle(now);
  }

  failed(cause: "timeout" | "unreachable", transaction: ClientTransaction, now: Millis): void {
    this.#pending.delete(transaction);
    if (cause === "timeout") this.#failure = cause;
    this.#settle(now);
  }

  #settle(now: Millis): void {
    if (this.#answered || this.#pending.size > 0) return;
    this.#answered = true;
    const [last] = this.#all;
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
