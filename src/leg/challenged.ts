/**
 * Requests that a peer may challenge before it serves them (RFC 3261 §22): who answers, and how the request goes out again.
 * A leg without an authenticator pays nothing for it.
 */
import type { Destination, Hop, Millis } from "../base/index.ts";
import type { RequestDraft, Response } from "../message/index.ts";
import type { ClientOwner, ClientTransaction, LegClient, Transactions } from "./ports.ts";

/** Knows the account that we have at one peer. */
export interface Authenticator {
  /** A request is about to leave for this place; credentials may go into the draft at once. */
  begin(draft: RequestDraft, destination: Destination): Authentication;
  /** Is the peer there? Credentials go nowhere else. */
  isPeer(place: Hop | Destination): boolean;
}

/** One request with all its attempts. */
export interface Authentication {
  /**
   * A final answer came from there. True: it was a challenge, and its answer is in the draft, which is to be sent again
   * with a higher CSeq (RFC 3261 §22.2). A challenge from anybody but the peer is never answered.
   */
  again(response: Response, hop: Hop, now: Millis): boolean;
  /** The credentials that the request bears now. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** The same request once more: its CSeq is one higher. RFC 3261 §22.2. */
export function nextAttempt(draft: RequestDraft): RequestDraft {
  const seq = Number.parseInt(draft.get("CSeq") ?? "0", 10);
  return draft.set("CSeq", `${seq + 1} ${draft.method}`);
}

/** Sends a request that is no INVITE, and again for each challenge that is answered; the owner hears of the last answer. */
export class Challenged implements ClientOwner {
  readonly #transactions: Transactions;
  readonly #draft: RequestDraft;
  readonly #destination: Destination;
  readonly #owner: LegClient;
  readonly #nextSeq: () => number;
  readonly #authentication: Authentication;

  /** `nextSeq`: the CSeq number of the next attempt, one higher than any before. */
  constructor(
    transactions: Transactions,
    authenticator: Authenticator,
    draft: RequestDraft,
    destination: Destination,
    owner: LegClient,
    nextSeq: () => number,
  ) {
    this.#transactions = transactions;
    this.#draft = draft;
    this.#destination = destination;
    this.#owner = owner;
    this.#nextSeq = nextSeq;
    this.#authentication = authenticator.begin(draft, destination);
  }

  start(now: Millis): ClientTransaction {
    return this.#transactions.request(this.#draft, this.#destination, this, now);
  }

  response(response: Response, transaction: ClientTransaction, now: Millis): void {
    if (response.status >= 200 && this.#authentication.again(response, transaction.hop, now)) {
      this.#draft.set("CSeq", `${this.#nextSeq()} ${this.#draft.method}`);
      this.start(now);
      return;
    }
    this.#owner.response(response, transaction, now);
  }

  failed(cause: "timeout" | "unreachable", transaction: ClientTransaction, now: Millis): void {
    this.#owner.failed(cause, transaction, now);
  }
}
