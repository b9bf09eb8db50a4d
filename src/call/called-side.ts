/**
 * The called side of a call until it has answered: whoever is being asked, what they say, and what of it the caller hears.
 * One leg follows the other (setup.ts); the call tells apart whose word still counts.
 */
import { type Millis, PeerError, type PeerSettings } from "../base/index.ts";
import { type Dialog, type InviteServer, type Leg, type LegClient, NOTHING, type Progress } from "../leg/index.ts";
import { type Request, type Response, Supported } from "../message/index.ts";
import { contactsToward, mapStatus, q850In, reasonAmong, reasonPhrase, reasonToward } from "../policy/index.ts";
import type { Call } from "./call.ts";
import type { Called } from "./called.ts";
import { type Direction, describes, parcelOf, sdpParcel } from "./crossing.ts";
import { FirstExchange } from "./first-exchange.ts";
import { bothWait, hasPreconditions, toldStatus, Waiting } from "./preconditions.ts";
import { Refresh } from "./refresh.ts";
import { passage } from "./reliability.ts";
import { type Refusal, Setup } from "./setup.ts";
import { causeOf, causeOfOurs, sipReason } from "./verdict.ts";

const IGNORED: LegClient = { response() {}, failed() {} };

export class CalledSide implements Called {
  readonly setup: Setup;
  protected readonly call: Call;
  readonly #first: FirstExchange;
  /** Of a caller that may wait for resources, and has 100rel to be answered with. */
  readonly #waiting: Waiting | undefined;

  constructor(call: Call) {
    const { uri, peers, pickup, sdp, maxForwards, fromPeer, caller100rel } = call.start;
    const waits = hasPreconditions(fromPeer) && sdp !== undefined && caller100rel !== "none";
    this.#waiting = waits ? new Waiting(call, sdp) : undefined;
    this.call = call;
    this.setup = new Setup(call, uri, peers, pickup, sdp, maxForwards);
    this.#first = new FirstExchange(call, this.setup.media);
  }

  start(now: Millis): void {
    this.setup.start(now);
  }

  get peer(): PeerSettings | undefined {
    return this.setup.peer;
  }

  get mediaOpen(): boolean {
    return this.setup.media.open;
  }

  surrender(): PeerSettings | undefined {
    return this.setup.surrender();
  }

  next(now: Millis): void {
    this.setup.next(now);
  }

  trying(now: Millis): void {
    if (this.setup.heard()) this.setup.answered(now);
  }

  progress(leg: Leg, { dialog, response, note: came }: Progress, now: Millis): void {
    const { call } = this;
    const twin = this.#first.pair(dialog);
    const reliable = came !== undefined;
    const waits = this.#waiting?.keeps === true;
    const way = waits && describes(response) ? "reliable" : passage(call.start, reliable);
    const reliably = way === "reliable";
    let sdp: string | undefined;
    try {
      if (call.lateOffer && this.#first.clashes(dialog, response)) return;
      sdp = this.#first.early(dialog, twin, response, reliable, reliably);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error; // The 1xx goes on without what cannot be used.
    }
    if (way === "withheld") return;
    const unwanted = response.status === 199 && !call.start.request.lists(Supported, "199"); // RFC 6228 §4.
    if (reliable && (unwanted || !reliably)) leg.prack(came, NOTHING, IGNORED, now);
    if (unwanted) return;
    const note = reliably ? came : undefined;
    let { status } = mapStatus(response.status);
    // While no fork has told of its media the caller has nothing to reserve by, and hears what there is to hear.
    if (waits && status === 180 && call.caller.dialogs.some(({ exchange }) => exchange === "settled")) {
      const ringing = parcelOf(response, this.#back, true, undefined);
      const required = call.start.caller100rel === "required";
      this.#waiting?.keep((at) => call.caller.progress(twin, 180, ringing, required, undefined, at));
      status = 183;
      if (sdp === undefined) {
        if (note !== undefined) leg.prack(note, NOTHING, IGNORED, now);
        return;
      }
    }
    const parcel = parcelOf(response, this.#back, true, sdp);
    const told = call.caller.progress(twin, status, parcel, reliably, note, now);
    if (note !== undefined && !told) leg.prack(note, NOTHING, IGNORED, now); // Nobody else will.
  }

  offered(sdp: string, now: Millis): void {
    this.#waiting?.offered(sdp, now);
  }

  /** An UPDATE of the callee's side, before the answer. */
  hear(dialog: Dialog, message: Request): void {
    this.#first.hear(dialog, message);
  }

  answered(leg: Leg, dialog: Dialog, response: Response, now: Millis): void {
    const { call } = this;
    const twin = this.#first.pair(dialog);
    this.setup.media.speaks(dialog);
    this.trying(now);
    let sdp: string | undefined;
    try {
      sdp = this.#first.final(dialog, twin, response);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      return call.badAnswer("callee", error.status, now);
    }
    if (this.#waiting?.keeps === true) {
      // The caller needs the answer to get its resources, and gets the 200 when it has them.
      if (sdp !== undefined) call.caller.progress(twin, 183, sdpParcel(sdp), true, undefined, now);
      sdp = undefined;
      call.caller.inviteServer?.block();
    }
    call.happen("callee answer", undefined, now);
    if (!this.#first.offeredIn2xx) leg.ack(dialog, leg.invitation?.seq ?? 1, NOTHING, now);
    const parcel = parcelOf(response, this.#back, true, sdp);
    call.report.answered(call, dialog, now);
    call.house.fact(call.report.answeredFact(call, now), now);
    call.caller.answer(twin, parcel, now);
  }

  refused(response: Response, now: Millis): void {
    const { call } = this;
    const contacts = response.status < 400 ? this.#passedContacts(response, now) : undefined;
    const answered = toldStatus(response.status, bothWait(call));
    const { status, reason } =
      contacts === undefined ? mapStatus(answered, this.setup.peer?.responses) : same(response.status);
    const crossing = parcelOf(response, this.#back, true, undefined).headers;
    const headers = contacts === undefined ? crossing : [...contacts, ...crossing];
    this.#refusedFact(
      response.status,
      reason,
      now,
      response.headers.has("reason") ? q850InHeaders(headers) : undefined,
    );
    const refusal: Refusal = { status, received: response.status, phrase: reason, headers };
    if (this.setup.refused(response, refusal, now)) call.happen("callee retry", undefined, now);
    else this.#refuse("callee refusal", now);
  }

  /** The Contacts of a 3xx as the caller gets them; `undefined`: it gets no 3xx. */
  #passedContacts(response: Response, now: Millis): readonly (readonly [string, string])[] | undefined {
    const { id, house, caller, start } = this.call;
    const { peer } = this.setup;
    // Nobody has called, in a transfer: there is nobody to be told where to go instead.
    if (peer?.redirects !== "pass" || start.introduction !== undefined) return undefined;
    const { hop } = caller.inviteServer as InviteServer;
    const place = { ...house.transport.localFor(hop), protocol: hop.protocol };
    const contacts = contactsToward(response, this.#back, place, start.uri);
    const users = contacts.map((contact) => /^<sips?:([^@;>]{0,64})/.exec(contact)?.[1] ?? "");
    const { status } = response;
    house.fact({ fact: "call.redirected", call: id, peer: peer.name, status, followed: false, users }, now);
    return contacts.length === 0 ? undefined : contacts.map((contact) => ["Contact", contact]);
  }

  failed(cause: "timeout" | "unreachable" | "protocol-error", now: Millis): void {
    const { call } = this;
    this.#refusedFact(cause === "timeout" ? 408 : 503, cause, now);
    if (this.setup.failed(cause, now)) return call.happen("callee retry", undefined, now);
    this.#refuse("no way", now);
  }

  /** A target without a sign of life: its leg is cancelled and ends by itself, the call goes on. */
  silent(now: Millis): void {
    if (!this.setup.more) return;
    const { call } = this;
    this.#refusedFact(408, "silent", now);
    this.setup.failed("timeout", now);
    const silent = call.callee;
    call.callee = undefined;
    const reason = reasonToward(this.setup.peer?.reasons ?? "pass", sipReason(408, "No response"));
    silent?.end({ status: 408, reason }, now);
    call.happen("callee retry", undefined, now);
  }

  noWay(now: Millis): void {
    this.#refuse("no way", now);
  }

  /** A caller that knows an answer which does not hold any more is asked once more, by a re-INVITE of our own. */
  acked(now: Millis): void {
    const { caller } = this.call;
    if (this.#first.behind && caller.dialog !== undefined) Refresh.start(this.call, caller, caller.dialog, now);
  }

  /** The answer to a late offer goes on in our own ACK. False when the call has ended over it. */
  passLateAnswer(dialog: Dialog, ack: Request, now: Millis): boolean {
    if (!this.#first.offeredIn2xx) return true; // Another offer of ours is under way, which an ACK says nothing to.
    const { call } = this;
    try {
      const answer = this.#first.late(dialog, ack);
      call.callee?.ack(dialog.twin as Dialog, call.callee.invitation?.seq ?? 1, sdpParcel(answer), now);
      return true;
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      call.badAnswer("caller", 488, now);
      return false;
    }
  }

  /** Whoever was asked last: the caller is told the best of all that were asked. */
  #refuse(event: "no way" | "callee refusal", now: Millis): void {
    const { refusal } = this.setup;
    const { status, received, phrase, headers } = refusal;
    const cause = received === undefined ? causeOfOurs(refusal) : causeOf(received);
    const by = received === undefined ? undefined : "callee";
    const reason = reasonAmong(headers) ?? sipReason(status, "Call refused");
    this.call.happen(event, { cause, by, status, phrase, headers, reason }, now);
  }

  #refusedFact(status: number, reason: string, now: Millis, q850?: number): void {
    const { id, house } = this.call;
    const { target, peer } = this.setup;
    const told = { call: id, side: "callee", peer: peer?.name, target, status, reason } as const;
    house.fact({ fact: "leg.refused", ...told, ...(q850 === undefined ? {} : { q850 }) }, now);
  }

  /** What comes from the callee goes to the caller. */
  get #back(): Direction {
    const { callerRealm, calleeRealm } = this.call;
    return { from: calleeRealm ?? callerRealm, to: callerRealm, preconditions: bothWait(this.call) };
  }
}

const same = (status: number) => ({ status, reason: reasonPhrase(status) });

const q850InHeaders = (headers: readonly (readonly [string, string])[]): number | undefined => {
  const reason = reasonAmong(headers);
  return reason === undefined ? undefined : q850In(reason);
};
