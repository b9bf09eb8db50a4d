/** One call: two legs, their media session, and what the end of one means to the other (joint-state.ts). */

import {
  type EndCause,
  type Millis,
  type PeerSettings,
  type Punctual,
  type RealmSettings,
  SECOND,
  type Side,
  TimerTable,
} from "../base/index.ts";
import {
  type Dialog,
  type Ending,
  type InviteServer,
  type Leg,
  type LegOwner,
  type Loss,
  type Progress,
  type ServerTransaction,
  SessionIds,
  timing,
  type Unacknowledged,
} from "../leg/index.ts";
import type { MediaNews, MediaParty } from "../media/index.ts";
import type { Request, Response } from "../message/index.ts";
import { reasonAmong, reasonHeadersToward, reasonToward } from "../policy/index.ts";
import { patienceOf } from "./arrival.ts";
import type { CallStart } from "./call-start.ts";
import type { CallView } from "./call-view.ts";
import type { Called } from "./called.ts";
import { CalledSide } from "./called-side.ts";
import { Changes } from "./changes.ts";
import { type Direction, parcelOf } from "./crossing.ts";
import { type DigitInfos, heardDigit } from "./digits.ts";
import type { CallHouse } from "./house.ts";
import type { Reunion } from "./introduction.ts";
import { type JointEffect, type JointEvent, type JointState, jointFigure } from "./joint-state.ts";
import { takePrack } from "./pracks.ts";
import { bothWait } from "./preconditions.ts";
import { keyEnds, Refresh } from "./refresh.ts";
import { Report } from "./report.ts";
import { SILENT_TARGET_LIMIT } from "./setup.ts";
import { Silence } from "./silence.ts";
import { ReunionSide, TargetSide } from "./target-side.ts";
import type { Transfer } from "./transfer.ts";
import {
  callerGaveUp,
  EXPIRED,
  endedByOperator,
  hungUp,
  LONGEST_CALL,
  lossOf,
  mediaLost,
  NO_ACK,
  NO_ANSWER,
  noUsableMedia,
  peerLost,
  SESSION_EXPIRED,
  TRANSFERRED,
  type Verdict,
} from "./verdict.ts";

/** How long the end of a call waits for the relay's last counters. Limit: after it the call is reported without them. */
const COUNTERS_LIMIT: Millis = 5 * SECOND;

type Timer = "ring" | "expiry" | "turn" | "silent target" | "longest call" | "counters";

export class Call implements LegOwner, Punctual {
  readonly id: string;
  readonly house: CallHouse;
  readonly start: CallStart;
  readonly callerRealm: RealmSettings;
  readonly callerParty: MediaParty;
  readonly report: Report;
  readonly changes: Changes;
  /** RFC 7989; `undefined`: the caller gave none. */
  readonly ids: SessionIds | undefined;
  caller!: Leg;
  callee: Leg | undefined;
  calleeRealm: RealmSettings | undefined;
  /** The INVITE came without an offer: the callee makes it. */
  readonly lateOffer: boolean;
  /** Some offer got its final answer: a 2xx without SDP has nothing left to settle. */
  settled = false;
  readonly #timers = new TimerTable<Timer>();
  readonly #silence = new Silence();
  readonly #called: Called;
  /** INFO that tells digits. */
  digits: DigitInfos | undefined;
  /** The transfer that one side has asked for. */
  transfer: Transfer | undefined;
  /** Whose limits the caller's side counts against. */
  #charged: PeerSettings | undefined;
  #state: JointState = "setup";
  #rang = false;
  #verdict: Verdict | undefined;
  /** Legs that are not gone, those of attempts that failed included. */
  #legs = 0;
  #reported = false;

  constructor(house: CallHouse, start: CallStart) {
    this.id = start.id;
    this.house = house;
    this.start = start;
    this.callerRealm = start.realm;
    this.callerParty = start.party;
    this.lateOffer = start.sdp === undefined;
    this.ids = SessionIds.of(start.request, start.realm.sessionId, house.random);
    this.report = new Report(start, this.ids);
    this.changes = new Changes(this);
    const { introduction } = start;
    this.#charged = introduction === undefined ? start.fromPeer : introduction.charged;
    if (introduction === undefined) this.#called = new CalledSide(this);
    else if (introduction.reunion === undefined) this.#called = new TargetSide(this, introduction);
    else this.#called = new ReunionSide(this, introduction, introduction.reunion);
  }

  get state(): JointState {
    return this.#state;
  }

  get searching(): boolean {
    return this.#state === "setup";
  }

  get calleePeer(): PeerSettings | undefined {
    return this.#called.peer;
  }

  peerOf(leg: Leg): PeerSettings | undefined {
    return leg === this.caller ? this.start.fromPeer : this.#called.peer;
  }

  realmOf(leg: Leg): RealmSettings {
    return leg === this.caller ? this.callerRealm : (this.calleeRealm ?? this.callerRealm);
  }

  get legs(): number {
    return this.#legs;
  }

  /** The caller's leg stands; now somebody is looked for. */
  begin(caller: Leg, now: Millis): void {
    this.caller = caller;
    this.#legs = 1;
    caller.first.exchange = this.lateOffer ? "none" : "theirs";
    this.report.began(now);
    this.house.fact(this.report.started(), now);
    this.#timers.set("ring", now + timing.RING_LIMIT);
    const patience = patienceOf(this.start.request);
    if (patience < timing.RING_LIMIT) this.#timers.set("expiry", now + patience);
    this.house.agenda.watch(this);
    this.#called.start(now);
  }

  /** A call for a transfer: both of its ends, or the one that is there, belong to other calls until they are adopted. */
  introduce(caller: Leg, reunion: Reunion | undefined, now: Millis): void {
    this.caller = caller;
    this.callee = reunion?.leg;
    this.calleeRealm = reunion?.realm;
    this.report.began(now);
    this.house.fact(this.report.started(), now);
    this.#timers.set("ring", now + timing.RING_LIMIT);
    this.house.agenda.watch(this);
    this.#called.start(now);
  }

  /** A leg of another call goes on as one of ours, and what it counts against comes with it. */
  adopt(leg: Leg, from: Call, now: Millis): void {
    const peer = from.surrender(leg);
    this.#legs += 1;
    leg.moveTo(this, leg === this.caller ? "caller" : "callee", now);
    if (this.#state === "over") return this.house.routing.release(peer);
    if (leg === this.caller) {
      this.house.routing.release(this.#charged);
      this.#charged = peer;
    } else if (this.#called instanceof ReunionSide) this.#called.peer = peer;
  }

  surrender(leg: Leg): PeerSettings | undefined {
    this.#legs -= 1;
    if (leg !== this.caller) return this.#called.surrender();
    const peer = this.#charged;
    this.#charged = undefined;
    return peer;
  }

  /** The far end is in another call now. This leg is let go by the transfer. */
  transferredBy(leg: Leg, now: Millis): void {
    this.happen("transferred", { ...TRANSFERRED, by: leg.side }, now);
  }

  end(cause: EndCause, now: Millis): void {
    if (cause === "transfer") return this.happen("told to end", TRANSFERRED, now);
    this.happen("told to end", endedByOperator(cause), now);
  }

  media(news: MediaNews, now: Millis): void {
    const call = this.id;
    switch (news.news) {
      case "latched": {
        const { side, stream, remote } = news;
        this.#silence.ended(side, stream);
        return this.house.fact({ fact: "media.latched", call, side, stream, remote }, now);
      }
      case "secured":
        return this.house.fact(
          { fact: "media.secured", call, side: news.side, stream: news.stream, suite: news.suite },
          now,
        );
      case "silent":
      case "consent-lost":
        this.house.fact({ fact: `media.${news.news}`, call, side: news.side, stream: news.stream }, now);
        if (news.news === "consent-lost" && !news.owes) return;
        if ((this.#state !== "up" && this.#state !== "answered") || this.transfer?.active) return;
        if (this.#silence.fell(news, this.house.media.query(this.id))) this.#noMedia("media-silent", "No media", now);
        return;
      case "failed":
        this.house.fact({ fact: "media.failed", call, reason: news.reason }, now);
        return this.#noMedia("media-failed", "Media failed", now);
      case "key-lifetime":
        if (keyEnds(this, news, now)) this.#noMedia("media-failed", "Key used up", now);
        return;
      case "closed":
        this.report.counted(news);
        if (news.last) this.#tellEnd(now);
        return;
      case "digit":
        return heardDigit(this, news, now);
      case "heard":
        return this.#silence.ended(news.side, news.stream);
      default:
        news satisfies never;
    }
  }

  // — Setup

  /**
   * An INVITE is about to go out on `leg`. `more`: somebody else could be asked instead, after `turnSeconds` even if it
   * rings there.
   */
  asking(leg: Leg, realm: RealmSettings, more: boolean, now: Millis, turnSeconds?: number): void {
    this.callee = leg;
    this.calleeRealm = realm;
    this.#legs += 1;
    if (more) this.#timers.set("silent target", now + SILENT_TARGET_LIMIT);
    else this.#timers.stop("silent target");
    if (more && turnSeconds !== undefined) this.#timers.set("turn", now + turnSeconds * SECOND);
    else this.#timers.stop("turn");
    this.house.agenda.watch(this);
  }

  noWay(now: Millis): void {
    this.#called.noWay(now);
  }

  legTrying(_leg: Leg, now: Millis): void {
    this.#timers.stop("silent target");
    this.#called.trying(now);
  }

  legProgress(leg: Leg, progress: Progress, now: Millis): void {
    if (leg !== this.callee || jointFigure[this.#state]["callee progress"] === undefined) return;
    this.#rang = true;
    this.#called.progress(leg, progress, now);
  }

  legAnswered(leg: Leg, dialog: Dialog, response: Response, now: Millis): void {
    if (leg === this.callee && this.#state === "setup") this.#called.answered(leg, dialog, response, now);
  }

  legRefused(leg: Leg, response: Response, now: Millis): void {
    if (leg === this.callee && this.#state === "setup") this.#called.refused(response, now);
  }

  legFailed(leg: Leg, cause: "timeout" | "unreachable" | "protocol-error", now: Millis): void {
    if (leg === this.callee && this.#state === "setup") this.#called.failed(cause, now);
  }

  // — The caller's side

  legCancelled(leg: Leg, cancel: Request, now: Millis): void {
    const reason = cancel.headers.has("reason") ? this.#reasonOf(cancel, leg) : undefined;
    this.happen("caller cancel", callerGaveUp(reason), now);
  }

  legLost(leg: Leg, cause: Loss, now: Millis): void {
    const event = leg === this.caller && this.#state !== "up" ? "caller lost" : "leg lost";
    this.happen(event, lossOf(cause), now);
  }

  legAcked(leg: Leg, dialog: Dialog, ack: Request, invite: InviteServer, now: Millis): void {
    if (leg !== this.caller || this.#state !== "answered") {
      if (this.#state === "up") this.changes.acked(leg, dialog, ack, invite, now);
      return;
    }
    if (dialog.exchange === "ours" && !this.#called.passLateAnswer(dialog, ack, now)) return;
    this.happen("caller ACK", undefined, now);
    this.#called.acked(now);
  }

  legUnacknowledged(_leg: Leg, now: Millis): void {
    this.happen("caller no ACK", NO_ACK, now);
  }

  // — Both sides

  legBye(leg: Leg, bye: Request, now: Millis): void {
    const by: Side = leg === this.caller ? "caller" : "callee";
    this.transfer?.left(leg, now);
    const reason = bye.headers.has("reason") ? this.#reasonOf(bye, leg) : undefined;
    const verdict = hungUp(by, this.#state !== "setup", reason);
    this.happen(by === "caller" ? "caller BYE" : "callee BYE", verdict, now);
  }

  legReinvited(leg: Leg, dialog: Dialog, invite: InviteServer, now: Millis): void {
    this.changes.reinvited(leg, dialog, invite, now);
  }

  legReinviteCancelled(_leg: Leg, invite: InviteServer, cancel: Request, now: Millis): void {
    this.changes.cancelled(invite, cancel, now);
  }

  legPracked(
    _leg: Leg,
    dialog: Dialog,
    prack: Request,
    server: ServerTransaction,
    told: Unacknowledged,
    now: Millis,
  ): void {
    takePrack(this, dialog, prack, server, told, now);
  }

  legRequest(leg: Leg, dialog: Dialog, request: Request, server: ServerTransaction, now: Millis): void {
    if (this.#state === "setup" && leg === this.callee) this.#called.hear(dialog, request);
    this.changes.request(leg, dialog, request, server, now);
  }

  legRefresh(leg: Leg, dialog: Dialog, now: Millis): boolean {
    return Refresh.start(this, leg, dialog, now);
  }

  legExpired(_leg: Leg, now: Millis): void {
    this.happen("leg lost", SESSION_EXPIRED, now);
  }

  legOver(_leg: Leg, now: Millis): void {
    this.#legs -= 1;
    this.#maybeForget(now);
  }

  /** A request that we sent inside a dialog, of `leg`, says that its end knows it no more. RFC 3261 §12.2.1.2. */
  lost(status: number, now: Millis, leg?: Leg): void {
    if (leg !== undefined) this.transfer?.left(leg, now);
    this.happen("leg lost", peerLost(status), now);
  }

  otherLeg(leg: Leg): Leg | undefined {
    return leg === this.caller ? this.callee : this.caller;
  }

  /** An offer of the caller inside its dialog was answered. */
  offered(leg: Leg, sdp: string, now: Millis): void {
    if (leg === this.caller && this.#state !== "over") this.#called.offered(sdp, now);
  }

  /** The realms of a message that came on `leg`. */
  directionFrom(leg: Leg): Direction {
    const callee = this.calleeRealm ?? this.callerRealm;
    const preconditions = bothWait(this);
    return leg === this.caller
      ? { from: this.callerRealm, to: callee, preconditions }
      : { from: callee, to: this.callerRealm, preconditions };
  }

  // — Punctual

  nextDeadline(): Millis | undefined {
    return this.#timers.next();
  }

  expire(now: Millis): void {
    for (let due = this.#timers.takeDue(now); due !== undefined; due = this.#timers.takeDue(now))
      this.#expired(due, now);
  }

  view(now: Millis): CallView {
    const state = this.#state === "setup" ? (this.#rang ? "ringing" : "trying") : this.#state;
    const media = this.#called.mediaOpen ? this.house.media.query(this.id, true) : undefined;
    return this.report.view(state, media, now);
  }

  #expired(timer: Timer, now: Millis): void {
    if (timer === "ring") return this.happen("ring limit", NO_ANSWER, now);
    if (timer === "expiry") return this.happen("ring limit", EXPIRED, now);
    if (timer === "counters") return this.#tellEnd(now);
    if (timer === "longest call") return this.happen("told to end", LONGEST_CALL, now);
    this.#called.silent(now);
  }

  // — The figure at work

  /** For those who bring what a leg said (called-side.ts): an event without a rule is absorbed. */
  happen(event: JointEvent, verdict: Verdict | undefined, now: Millis): void {
    const rule = jointFigure[this.#state][event];
    if (rule === undefined) return;
    this.#state = rule[0];
    if (verdict !== undefined && this.#verdict === undefined) this.#verdict = verdict;
    for (let i = 1; i < rule.length; i++) this.#do(rule[i] as JointEffect, now);
  }

  #do(effect: JointEffect, now: Millis): void {
    switch (effect) {
      case "try next":
        return this.#called.next(now);
      case "refuse caller":
      case "end caller":
        if (this.caller.owner === this) this.caller.end(this.#endingFor(this.start.fromPeer), now);
        return;
      case "end callee":
        if (this.callee?.owner === this) this.callee.end(this.#endingFor(this.calleePeer), now);
        return;
      case "answer caller":
        this.#timers.clear();
        this.#limitLength(now);
        return;
      case "finish":
        return this.#finish(now);
      case "pass progress":
      case "pass ACK":
        return; // Done by who brought the event: it has the message.
      default:
        effect satisfies never;
    }
  }

  /** Limit: `limits.callSeconds`. What every other timer missed ends here. */
  #limitLength(now: Millis): void {
    const { callSeconds } = this.house.settings.limits;
    if (callSeconds > 0) this.#timers.set("longest call", now + callSeconds * SECOND);
    this.house.agenda.watch(this);
  }

  /** As the peer on that side is to be told. */
  #endingFor(peer: PeerSettings | undefined): Ending {
    const { status, phrase, headers = [], reason } = this.#verdict as Verdict;
    const policy = peer?.reasons ?? "pass";
    if (policy === "pass") return { status, phrase, headers, reason };
    const told = reasonHeadersToward(policy, headers, status);
    return { status, phrase, headers: told, reason: reasonToward(policy, reason) };
  }

  #finish(now: Millis): void {
    this.#timers.clear();
    const { routing, media } = this.house;
    routing.release(this.#charged);
    routing.release(this.#called.peer);
    const verdict = this.#verdict as Verdict;
    this.report.over(verdict, now);
    this.start.introduction?.over(verdict.status, now);
    this.transfer?.ended(this, now);
    const streams = this.#called.mediaOpen ? media.delete(this.id) : 0;
    if (streams === 0) return this.#tellEnd(now);
    this.#timers.set("counters", now + COUNTERS_LIMIT);
    this.house.agenda.watch(this);
  }

  #tellEnd(now: Millis): void {
    if (this.#reported || this.#state !== "over") return;
    this.#reported = true;
    this.#timers.clear();
    this.house.fact(this.report.ended(), now);
    this.#maybeForget(now);
  }

  #maybeForget(_now: Millis): void {
    if (!this.#reported || this.#legs > 0) return;
    this.house.agenda.drop(this);
    this.house.forget(this);
  }

  badAnswer(by: Side, status: number, now: Millis): void {
    this.happen("bad answer", noUsableMedia(by, status), now);
  }

  #noMedia(cause: "media-silent" | "media-failed", text: string, now: Millis): void {
    this.happen("no media", mediaLost(cause, text), now);
  }

  /** The Reason of the side of `leg`, as the other may read it. */
  #reasonOf(message: Request, leg: Leg): string | undefined {
    const { headers } = parcelOf(message, this.directionFrom(leg), true, undefined);
    return reasonAmong(headers);
  }
}
