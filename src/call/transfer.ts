/**
 * A transfer at work: transfer-state.ts says what happens, here it is done with the legs, the media and the calls.
 *
 * The new call has a media session of its own, so that the old one goes on untouched until the transferee has changed over:
 * the target is offered what the transferee said of itself last, and the transferee then what the target answered.
 */
import {
  addressText,
  type Millis,
  PeerError,
  type PeerSettings,
  type Punctual,
  SECOND,
  TimerTable,
} from "../base/index.ts";
import type { Dialog, Leg, Reinvite } from "../leg/index.ts";
import type { Spoken, Standing } from "../media/index.ts";
import type { Call } from "./call.ts";
import { Changeover, type Outcome, restore } from "./changeover.ts";
import type { Introduction, Reunion } from "./introduction.ts";
import type { ReferSubscription } from "./refer-subscription.ts";
import type { Referral } from "./referral.ts";
import { type TransferEffect, type TransferEvent, type TransferState, transferFigure } from "./transfer-state.ts";
import { sipReason, TRANSFERRED } from "./verdict.ts";

/** Limit: an offer that is under way when the REFER comes may take so long; then the transfer fails with 491. */
const QUIET_LIMIT: Millis = 4 * SECOND;

/** How often a leg that is busy is looked at again. */
const LOOK_AGAIN: Millis = SECOND / 5;

/** Limit: from the target's answer to the transferee's; longer than its re-INVITE lives. Then the transfer fails with 408. */
const JOIN_LIMIT: Millis = 40 * SECOND;

/** Limit: the referrer may end its legs by itself for so long after it was told of the success; then we end them. */
const LEAVE_LIMIT: Millis = 4 * SECOND;

type Timer = "look" | "limit";

export class Transfer implements Introduction, Outcome, Punctual {
  readonly charged: PeerSettings | undefined;
  reunion: Reunion | undefined;
  readonly subscription: ReferSubscription;
  readonly #referral: Referral;
  readonly #first: Call;
  readonly #second: Call | undefined;
  readonly #referrer: Leg;
  readonly #transferee: Dialog;
  readonly #timers = new TimerTable<Timer>();
  #state: TransferState = "waiting";
  #made: Call | undefined;
  #target: Dialog | undefined;
  #standing: Standing | undefined;
  /** What the transferee was told when it was asked to change over. */
  #told: Spoken | undefined;
  #reinvite: Reinvite | undefined;
  #status = 500;

  constructor(referral: Referral, subscription: ReferSubscription) {
    const { call, dialog, second } = referral;
    this.#referral = referral;
    this.#first = call;
    this.#second = second?.call;
    this.#referrer = dialog.leg;
    this.#transferee = dialog.twin as Dialog;
    this.charged = second === undefined ? call.peerOf(dialog.leg) : undefined;
    this.subscription = subscription;
  }

  get active(): boolean {
    return this.#state !== "over";
  }

  start(now: Millis): void {
    this.#first.transfer = this;
    if (this.#second !== undefined) this.#second.transfer = this;
    this.#timers.set("limit", now + QUIET_LIMIT);
    this.#first.house.agenda.watch(this);
    this.subscription.tell(100, false, now);
    this.#look(now);
  }

  // — What the calls tell. A leg that ended by itself is told of before its call draws any conclusion.

  /** A leg of one of the two calls has ended by a BYE of its own, or knows its dialog no more. */
  left(leg: Leg, now: Millis): void {
    const consultation = this.#referral.second?.dialog.leg;
    if (this.#state === "leaving") {
      const gone = (one: Leg | undefined): boolean => one === undefined || one.state !== "up";
      if (gone(this.#referrer) && gone(consultation)) this.#happen("all gone", now);
    } else if (leg === this.#referrer) this.#happen("referrer gone", now);
    else if (leg === consultation) this.#happen("consultation gone", now);
    else if (leg === this.#transferee.leg) this.#lose("transferee gone", 487, now);
    else if (leg === this.reunion?.leg) this.#lose("target lost", 480, now);
  }

  /** One of the two calls has ended, whatever for. */
  ended(call: Call, now: Millis): void {
    if (call === this.#first && this.#transferee.leg.owner === call) this.#lose("transferee gone", 487, now);
    else if (call === this.#second && this.#second !== undefined && !this.#targetKept)
      this.#lose("target lost", 480, now);
  }

  // — Introduction: what the new call tells.

  voice(): Spoken {
    return (this.#standingNow() as Standing).voice;
  }

  progress(status: number, now: Millis): void {
    this.#status = status;
    this.#happen("target progress", now);
  }

  answered(target: Dialog, now: Millis): void {
    this.#target = target;
    this.#transferee.meets = target;
    this.#happen("target answered", now);
  }

  over(status: number, now: Millis): void {
    // It may have had the transferee already: then there is nobody left to go back to.
    const kept = this.#made !== undefined && this.#transferee.leg.owner === this.#made;
    const { reunion } = this;
    // A target that has changed over already, but belongs to its own call still.
    if (this.#target !== undefined && reunion !== undefined && reunion.leg.owner === this.#second) {
      this.restore(reunion.dialog, now);
    }
    this.#lose(kept ? "transferee gone" : "target lost", status, now);
  }

  restore(dialog: Dialog, now: Millis): void {
    const call = dialog.leg.owner as Call;
    this.#heard(dialog, this.reunion?.told, true);
    restore(call, dialog, now);
  }

  stayed(dialog: Dialog, status: number, dead: boolean, now: Millis): void {
    this.#heard(dialog, this.reunion?.told, false);
    if (dead) (dialog.leg.owner as Call).lost(status, now);
  }

  // — Outcome: what the transferee says to its re-INVITE.

  changed(sdp: string | undefined, now: Millis): void {
    const made = this.#made;
    if (this.#state === "joining" && made !== undefined) {
      try {
        if (sdp === undefined) throw new PeerError(488, "a 2xx without an answer");
        made.house.media.answer(made.id, "caller", sdp, { provisional: false });
      } catch (error) {
        if (!(error instanceof PeerError)) throw error;
        made.badAnswer("caller", 488, now); // The target goes, and the transferee is asked back.
      }
    }
    this.#happen("transferee changed", now);
    this.#reinvite = undefined;
  }

  stays(status: number, dead: boolean, now: Millis): void {
    const { leg } = this.#transferee;
    this.#reinvite = undefined;
    this.#heard(this.#transferee, this.#told, false);
    this.#lose("transferee stays", status, now);
    if (dead) (leg.owner as Call).lost(status, now);
  }

  // — Punctual

  nextDeadline(): Millis | undefined {
    return this.#timers.next();
  }

  expire(now: Millis): void {
    for (let due = this.#timers.takeDue(now); due !== undefined; due = this.#timers.takeDue(now)) {
      if (due === "look") this.#look(now);
      else if (this.#state === "waiting") this.#lose("quiet limit", 491, now);
      else if (this.#state === "leaving") this.#happen("leave limit", now);
      else this.#lose("join limit", 408, now);
    }
  }

  /** Whoever is busy with an offer is looked at again. */
  #look(now: Millis): void {
    if (this.#state === "waiting" && this.#isQuiet) return this.#happen("quiet", now);
    if (this.#state === "joining" && isQuiet(this.#transferee)) return this.#askTransferee(now);
    if (this.#state !== "waiting" && this.#state !== "joining") return;
    this.#timers.set("look", now + LOOK_AGAIN);
    this.#first.house.agenda.watch(this);
  }

  get #isQuiet(): boolean {
    const target = this.#referral.second?.dialog.twin;
    return isQuiet(this.#transferee) && (target === undefined || isQuiet(target));
  }

  get #targetKept(): boolean {
    return this.reunion !== undefined && this.reunion.leg.owner === this.#made;
  }

  // — The figure at work

  #lose(event: TransferEvent, status: number, now: Millis): void {
    if (transferFigure[this.#state][event] !== undefined && this.#state !== "undoing") this.#status = status;
    this.#happen(event, now);
  }

  #happen(event: TransferEvent, now: Millis): void {
    const rule = transferFigure[this.#state][event];
    if (rule === undefined) return;
    this.#state = rule[0];
    for (let i = 1; i < rule.length; i++) this.#do(rule[i] as TransferEffect, now);
  }

  #do(effect: TransferEffect, now: Millis): void {
    switch (effect) {
      case "ask target":
        return this.#askTarget(now);
      case "tell progress":
        return this.subscription.tell(this.#status, false, now);
      case "tell end":
        return this.#tellEnd(now);
      case "ask transferee":
        this.#limit(JOIN_LIMIT, now);
        return this.#look(now);
      case "call off":
        return this.#callOff(now);
      case "restore transferee":
        this.#transferee.meets = undefined;
        this.#heard(this.#transferee, this.#told, true);
        return restore(this.#transferee.leg.owner as Call, this.#transferee, now);
      case "lose transferee":
        return (this.#transferee.leg.owner as Call).lost(408, now);
      case "keep transferee":
        return this.#keep(this.#transferee, this.#first, now);
      case "keep target":
        if (this.reunion !== undefined) this.#keep(this.reunion.dialog, this.#second as Call, now);
        return;
      case "end target":
        return this.#endTarget(now);
      case "join":
        return this.#join(now);
      case "await BYE":
        return this.#limit(LEAVE_LIMIT, now);
      case "end referrer":
        for (const leg of [this.#referrer, this.#referral.second?.dialog.leg]) leg?.end(LEAVE, now);
        return;
      case "close":
        this.#transferee.meets = undefined;
        this.#timers.clear();
        this.#first.house.agenda.drop(this);
        return;
      default:
        effect satisfies never;
    }
  }

  #limit(wait: Millis, now: Millis): void {
    this.#timers.clear();
    this.#timers.set("limit", now + wait);
    this.#first.house.agenda.watch(this);
  }

  #askTarget(now: Millis): void {
    const { second, request, uri, peers, replaces, maxForwards } = this.#referral;
    const call = this.#first;
    const standing = this.#standingNow();
    this.#timers.clear();
    if (standing === undefined) return this.#lose("target lost", 488, now);
    if (second !== undefined) {
      const dialog = second.dialog.twin as Dialog;
      const there = call.house.media.standing(second.call.id, dialog.leg.side);
      if (there === undefined) return this.#lose("target lost", 488, now);
      this.reunion = {
        leg: dialog.leg,
        dialog,
        realm: second.call.realmOf(dialog.leg),
        peer: second.call.peerOf(dialog.leg),
        standing: there,
        told: undefined,
      };
    }
    const { leg, hop } = this.#transferee;
    const made = call.house.place(
      {
        request,
        uri,
        peers,
        replaces,
        maxForwards,
        fromPeer: call.peerOf(leg),
        realm: call.realmOf(leg),
        party: standing.party,
        remote: hop === undefined ? "" : addressText(hop.remote),
        pickup: undefined,
        sdp: standing.offer,
        caller100rel: "none",
        cameFrom: undefined,
        introduction: this,
      },
      now,
    );
    if (made === undefined) return this.#lose("target lost", 503, now);
    this.#made = made;
    this.#referral.instead?.end("transfer", now);
    made.introduce(leg, this.reunion, now);
  }

  #askTransferee(now: Millis): void {
    const made = this.#made as Call;
    try {
      const { media } = made.house;
      // While we waited for it to be at rest it may have heard more of its own call.
      media.carryOn(made.id, "caller", this.voice());
      const offer = media.repeat(made.id, "caller");
      this.#told = media.spoken(made.id, "caller");
      this.#reinvite = Changeover.ask(this.#transferee, offer, this, now);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      this.#lose("transferee stays", error.status, now);
    }
  }

  #callOff(now: Millis): void {
    this.#limit(JOIN_LIMIT, now);
    if (this.#reinvite === undefined) return this.#happen("transferee stays", now);
    this.#reinvite.cancel([["Reason", sipReason(this.#status, "Transfer failed")]], now);
  }

  #endTarget(now: Millis): void {
    const status = this.#status;
    const reason = sipReason(status, "Transfer failed");
    this.#made?.happen("told to end", { cause: "cancelled", by: "caller", status: 487, reason }, now);
  }

  /** The leg of a call that ends belongs to the new call from now on. */
  #keep(dialog: Dialog, from: Call, now: Millis): void {
    const made = this.#made as Call;
    if (dialog === this.#transferee) this.#standing = this.#standingNow();
    if (dialog.leg.owner === made) return;
    made.adopt(dialog.leg, from, now);
    from.changes.leaves(dialog, now);
    dialog.twin = undefined;
    // What was on its way across when the referrer left agrees on nothing any more; an answer still to come is waited for.
    dialog.exchange = "settled";
  }

  #join(now: Millis): void {
    const made = this.#made as Call;
    const target = this.#target as Dialog;
    const referrers = [this.#referral.dialog, this.#referral.second?.dialog];
    this.#status = 200;
    this.#keep(this.#transferee, this.#first, now);
    if (this.reunion !== undefined) this.#keep(target, this.#second as Call, now);
    for (const dialog of referrers) if (dialog !== undefined) dialog.twin = undefined;
    this.#transferee.twin = target;
    target.twin = this.#transferee;
    target.exchange = "settled";
    made.settled = true;
    made.happen("caller ACK", undefined, now);
    this.#first.transferredBy(this.#referrer, now);
    const second = this.#referral.second;
    if (second !== undefined) second.call.transferredBy(second.dialog.leg, now);
  }

  #tellEnd(now: Millis): void {
    const { call, dialog, second } = this.#referral;
    this.subscription.tell(this.#status, true, now);
    call.house.fact(
      {
        fact: "call.transferred",
        call: call.id,
        made: this.#made?.id ?? "",
        by: dialog.leg.side,
        kind: second === undefined ? "blind" : "attended",
        status: this.#status,
      },
      now,
    );
  }

  /** While the call with the referrer lives it may agree on something else; afterwards what it agreed on last holds. */
  #standingNow(): Standing | undefined {
    const { leg } = this.#transferee;
    if (leg.owner === this.#first) {
      this.#standing = this.#first.house.media.standing(this.#first.id, leg.side) ?? this.#standing;
    }
    return this.#standing;
  }

  /** What it was told has used up a version even if it would not hear it; m-lines only count when it `agreed` to them. */
  #heard({ leg }: Dialog, told: Spoken | undefined, agreed: boolean): void {
    const call = leg.owner as Call;
    if (call === this.#made || call.state !== "up" || told === undefined) return;
    call.house.media.carryOn(call.id, leg.side, agreed ? told : { ...told, lines: 0 });
  }
}

const LEAVE = { status: 487, reason: TRANSFERRED.reason };

/** Nobody owes an answer in this dialog or beside it. */
const isQuiet = ({ leg, exchange, twin }: Dialog): boolean =>
  leg.idle && exchange === "settled" && (twin === undefined || twin.exchange === "settled");
