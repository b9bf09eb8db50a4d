/**
 * The reliable 1xx of one early dialog of an INVITE that came: numbered, one at a time on the wire, and sent again until
 * its PRACK. RFC 3262 §3. Each fork counts for itself, as the phone behind it would.
 */
import { below, type Millis, type Punctual, type Random, TimerTable } from "../base/index.ts";
import { type Message, type RAckValue, Require, type ResponseDraft } from "../message/index.ts";
import type { Dialog } from "./dialog.ts";
import type { LegHouse } from "./ports.ts";
import { PRACK_LIMIT, RELIABLE_QUEUE_LIMIT, T1 } from "./timing.ts";

/** Does it say `Require: 100rel`? RFC 3262 §3, §4. */
export const requires100rel = (message: Message): boolean =>
  message.getAll(Require).some((option) => option.toLowerCase() === "100rel");

/** What the call wants to know again when the PRACK for a reliable 1xx comes. */
export interface PrackNote {
  readonly dialog: Dialog;
  readonly rseq: number;
  /** CSeq of the INVITE that it answered. */
  readonly seq: number;
}

export interface ReliableOwner {
  sendReliable(draft: ResponseDraft, now: Millis): void;
  /** Its PRACK did not come in time. Nothing of this dialog is sent again. */
  neverAcknowledged(reliable: Reliable, now: Millis): void;
}

/** A 1xx whose PRACK is still to come. */
export interface Unacknowledged {
  readonly rseq: number;
  readonly draft: ResponseDraft;
  /** It carries an offer or an answer: no 2xx may overtake it. */
  readonly sdp: boolean;
  readonly note: PrackNote | undefined;
}

export class Reliable implements Punctual {
  readonly dialog: Dialog;
  /** Its PRACK never came: the other end has forgotten this dialog. */
  dead = false;
  readonly #house: LegHouse;
  readonly #owner: ReliableOwner;
  readonly #timers = new TimerTable<"again" | "limit">();
  #againAfter: Millis = T1;
  #rseq: number;
  /** The first one is on the wire, the others wait for its PRACK. */
  readonly #queue: Unacknowledged[] = [];

  constructor(house: LegHouse, owner: ReliableOwner, dialog: Dialog) {
    this.#house = house;
    this.#owner = owner;
    this.dialog = dialog;
    this.#rseq = beforeFirst(house.random);
  }

  /** Limit: RELIABLE_QUEUE_LIMIT. */
  get full(): boolean {
    return this.#queue.length >= RELIABLE_QUEUE_LIMIT;
  }

  /** Is there an offer or answer that the other end may not have seen yet? */
  get describing(): boolean {
    return this.#queue.some((one) => one.sdp);
  }

  send(draft: ResponseDraft, sdp: boolean, note: PrackNote | undefined, now: Millis): void {
    this.#rseq += 1;
    draft.add("Require", "100rel").add("RSeq", String(this.#rseq));
    this.#queue.push({ rseq: this.#rseq, draft, sdp, note });
    if (this.#queue.length === 1) this.#sendFirst(now);
  }

  /** `undefined`: this PRACK answers nothing that is on the wire. `more`: the next one may go. */
  pracked(rack: RAckValue, more: boolean, now: Millis): Unacknowledged | undefined {
    const first = this.#queue[0];
    if (first === undefined || first.rseq !== rack.rseq) return undefined;
    this.#queue.shift();
    this.quiet();
    if (more) this.#sendFirst(now);
    return first;
  }

  /** The final answer is sent: what was not acknowledged is not sent again, but a PRACK on its way still finds it. */
  quiet(): void {
    this.#timers.clear();
    this.#house.agenda.drop(this);
  }

  nextDeadline(): Millis | undefined {
    return this.#timers.next();
  }

  expire(now: Millis): void {
    for (let due = this.#timers.takeDue(now); due !== undefined; due = this.#timers.takeDue(now)) {
      if (due === "limit") return this.#giveUp(now);
      const first = this.#queue[0];
      if (first !== undefined) this.#owner.sendReliable(first.draft, now);
      this.#againAfter *= 2; // Without the ceiling that RFC 3261 gives to the copies of a 2xx.
      this.#timers.set("again", now + this.#againAfter);
    }
  }

  #giveUp(now: Millis): void {
    this.quiet();
    this.#queue.length = 0;
    this.dead = true;
    this.#owner.neverAcknowledged(this, now);
  }

  #sendFirst(now: Millis): void {
    const first = this.#queue[0];
    if (first === undefined) return;
    this.#owner.sendReliable(first.draft, now);
    this.#againAfter = T1;
    this.#timers.set("again", now + T1);
    this.#timers.set("limit", now + PRACK_LIMIT);
    this.#house.agenda.watch(this);
  }
}

/** RFC 3262 §3: the first is between 1 and 2^31 - 1; kept low enough that it never wraps. */
const beforeFirst = (random: Random): number => below(random, 0x7fff_0000);
