/**
 * The session timer of one leg at work: what our messages say about it, what theirs say, and the refreshes that we send.
 * An UPDATE without an offer where the peer says that it takes UPDATE, else a re-INVITE with the description that the
 * leg has (RFC 4028 §7.4), which is the call's to make. The figure is in session-timer.ts.
 */
import { below, type Millis, type Punctual, SECOND, type SessionTimerSettings } from "../base/index.ts";
import {
  INITIAL_MAX_FORWARDS,
  type Request,
  type RequestDraft,
  type Response,
  type ResponseDraft,
} from "../message/index.ts";
import type { Dialog } from "./dialog.ts";
import type { Leg } from "./leg.ts";
import { NOTHING } from "./parcel.ts";
import type { ClientTransaction, LegClient } from "./ports.ts";
import { knowsTimers, minimumIn, type Terms, termsAnswered, termsAsked, tooShort } from "./session-terms.ts";
import { SessionTimer } from "./session-timer.ts";

/** How long a refresh waits when an INVITE is under way on the leg, or the peer asks to come back later. */
const BUSY_WAIT: Millis = 4 * SECOND;

/** Peers that answer a refresh like this know no UPDATE, whatever their Allow says. */
const NO_UPDATE: ReadonlySet<number> = new Set([405, 420, 501]);

export class Session implements Punctual, LegClient {
  readonly #leg: Leg;
  readonly #settings: SessionTimerSettings;
  readonly #timer = new SessionTimer();
  #terms: Terms | undefined;
  /** What the 2xx that is being written will have agreed on. */
  #answering: Terms | undefined;
  /** The largest Min-SE that a 422 asked for, in seconds. */
  #minimum = 0;
  #raised = false;
  #byInvite = false;

  constructor(leg: Leg, settings: SessionTimerSettings) {
    this.#leg = leg;
    this.#settings = settings;
  }

  get wanted(): boolean {
    return this.#settings.seconds > 0;
  }

  /** A list of options for Supported, with ours. RFC 4028 §7.1. */
  extensions(list: string): string {
    return this.wanted ? `${list}, timer` : list;
  }

  // — What the other end asks of us.

  /** The Min-SE of the 422 that this request deserves; `undefined`: none. Throws PeerError(400). */
  tooShort(request: Request): number | undefined {
    return tooShort(request, this.#settings);
  }

  /** Into our 2xx to an INVITE or UPDATE: from when it is sent the interval runs. */
  dressAnswer(draft: ResponseDraft, request: Request, now: Millis | undefined): void {
    if (!this.wanted) return;
    const terms = termsAsked(request, this.#settings.seconds, this.#terms);
    if (terms.shared) {
      draft.add("Session-Expires", `${terms.seconds};refresher=${terms.refresher === "ours" ? "uas" : "uac"}`);
      if (knowsTimers(request)) draft.add("Require", "timer");
    }
    if (now === undefined) this.#answering = terms;
    else this.#agree(terms, now);
  }

  /** The 2xx to an INVITE, which may have been held, is on the wire. */
  answerSent(now: Millis): void {
    if (this.#answering !== undefined) this.#agree(this.#answering, now);
    this.#answering = undefined;
  }

  // — What we ask.

  /** Into an INVITE or UPDATE of ours. Early dialogs have no session yet. */
  dressRequest(draft: RequestDraft): void {
    if (!this.wanted) return;
    const terms = this.#terms;
    const { state } = this.#leg;
    if (terms === undefined && (state !== "inviting" || draft.method !== "INVITE")) return;
    const role = terms?.shared === true ? `;refresher=${terms.refresher === "ours" ? "uac" : "uas"}` : "";
    draft.add("Session-Expires", `${this.#offered}${role}`);
    if (terms === undefined) draft.add("Min-SE", String(Math.max(this.#settings.minimumSeconds, this.#minimum)));
    else if (this.#minimum > 0) draft.add("Min-SE", String(this.#minimum));
  }

  /** A 2xx to an INVITE or UPDATE of ours, a refresh or not. One in an early dialog begins no session. */
  answered(response: Response, now: Millis): void {
    if (!this.wanted || this.#leg.state !== "up") return;
    this.#raised = false;
    this.#agree(termsAnswered(response, this.#offered), now);
  }

  /** True when a 422 lets us ask again, with more: once. RFC 4028 §7.3. */
  mayRaise(response: Response): boolean {
    const minimum = minimumIn(response);
    if (!this.wanted || this.#raised || minimum === undefined || minimum <= this.#offered) return false;
    this.#raised = true;
    this.#minimum = minimum;
    return true;
  }

  // — How a refresh of ours went. `response` is also that of LegClient, `failed` too.

  response(response: Response, _transaction: ClientTransaction | undefined, now: Millis): void {
    const { status } = response;
    if (status < 300) return; // Leg.send has told `answered`.
    if (NO_UPDATE.has(status) && !this.#byInvite) {
      this.#byInvite = true;
      return this.#again(now);
    }
    if (status === 422 && this.mayRaise(response)) return this.#again(now);
    this.refused(status, now);
  }

  failed(_cause: "timeout" | "unreachable", _transaction: ClientTransaction | undefined, now: Millis): void {
    this.#lost(now);
  }

  refused(status: number, now: Millis): void {
    this.#raised = false;
    if (this.#terms === undefined) return; // No session timer runs: the re-INVITE was to tell something else.
    if (status === 408 || status === 481) return this.#lost(now);
    if (status === 491) return this.#later(this.#glareWait(), now);
    if (status === 500 || status === 503) return this.#later(BUSY_WAIT, now);
    const terms = this.#terms;
    // Only we know that this was a refresh: whoever refuses it is there.
    if (!terms.shared) return this.#agree(terms, now);
    this.#later(this.#interval(terms) / 6, now);
  }

  /** The leg is over. */
  close(): void {
    this.#timer.handle("end");
    this.#leg.house.agenda.drop(this);
  }

  // — Punctual

  nextDeadline(): Millis | undefined {
    return this.#timer.timers.next();
  }

  expire(now: Millis): void {
    const { timers } = this.#timer;
    for (let due = timers.takeDue(now); due !== undefined; due = timers.takeDue(now)) {
      for (const effect of this.#timer.handle(due)) {
        if (effect === "send refresh") this.#refresh(now);
        else return this.#leg.owner.legExpired(this.#leg, now);
      }
    }
  }

  #refresh(now: Millis): void {
    const leg = this.#leg;
    const dialog = leg.dialog as Dialog;
    if (leg.state !== "up") return this.#later(BUSY_WAIT, now);
    if (!this.#byInvite && dialog.allows !== undefined && dialog.allowsMethod("UPDATE")) {
      return leg.send(dialog, "UPDATE", NOTHING, this, INITIAL_MAX_FORWARDS, now);
    }
    if (!leg.owner.legRefresh(leg, dialog, now)) {
      this.#timer.later("not now", BUSY_WAIT, now);
      this.#leg.house.agenda.watch(this);
    }
  }

  #again(now: Millis): void {
    this.#timer.later("refused", 0, now);
    this.expire(now);
    this.#leg.house.agenda.watch(this);
  }

  #later(wait: Millis, now: Millis): void {
    this.#timer.later("refused", wait, now);
    this.#leg.house.agenda.watch(this);
  }

  /** RFC 3261 §14.1, RFC 3311 §5.1: the owner of the Call-ID waits longer. */
  #glareWait(): Millis {
    const { random } = this.#leg.house;
    return this.#leg.invitation !== undefined ? 2.1 * SECOND + 10 * below(random, 191) : 10 * below(random, 201);
  }

  #lost(now: Millis): void {
    for (const _ of this.#timer.handle("lost")) this.#leg.owner.legExpired(this.#leg, now);
  }

  #agree(terms: Terms, now: Millis): void {
    this.#terms = terms;
    this.#timer.agreed(terms.refresher, this.#interval(terms), now);
    this.#leg.house.agenda.watch(this);
  }

  /** We may refresh more often than we must: a peer that wants long intervals is missed no later than others. */
  #interval({ refresher, seconds }: Terms): Millis {
    return SECOND * (refresher === "ours" ? Math.min(seconds, this.#settings.seconds) : seconds);
  }

  get #offered(): number {
    return Math.max(this.#terms?.seconds ?? this.#settings.seconds, this.#minimum);
  }
}

/** Whoever waits for the answer to an UPDATE; the session hears of a 2xx first. */
export class Noted implements LegClient {
  readonly #session: Session;
  readonly #client: LegClient;

  constructor(session: Session, client: LegClient) {
    this.#session = session;
    this.#client = client;
  }

  response(response: Response, transaction: ClientTransaction | undefined, now: Millis): void {
    if (response.status >= 200 && response.status < 300) this.#session.answered(response, now);
    this.#client.response(response, transaction, now);
  }

  failed(cause: "timeout" | "unreachable", transaction: ClientTransaction | undefined, now: Millis): void {
    this.#client.failed(cause, transaction, now);
  }
}
