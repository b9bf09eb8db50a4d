/** The called side of a call that a transfer makes: it is looked for like any other, but its caller hears nothing yet. */
import { type Millis, PeerError, type PeerSettings } from "../base/index.ts";
import { type Dialog, type Leg, NOTHING, type Progress } from "../leg/index.ts";
import { padded } from "../media/index.ts";
import type { Response } from "../message/index.ts";
import { mapStatus } from "../policy/index.ts";
import { contentOf } from "./bodies.ts";
import type { Call } from "./call.ts";
import type { Called } from "./called.ts";
import { CalledSide } from "./called-side.ts";
import { Changeover, type Outcome } from "./changeover.ts";
import type { Introduction, Reunion } from "./introduction.ts";
import { causeOf, sipReason } from "./verdict.ts";

/** Somebody on a route. What it says before it answers is told as a number; its early media has nobody to hear it. */
export class TargetSide extends CalledSide {
  readonly #introduction: Introduction;

  constructor(call: Call, introduction: Introduction) {
    super(call);
    this.#introduction = introduction;
  }

  override progress(leg: Leg, { dialog, response, note }: Progress, now: Millis): void {
    // We said nothing of 100rel; who asks for it all the same shall not wait.
    if (note !== undefined) leg.prack(note, NOTHING, NOBODY, now);
    const sdp = sdpIn(response);
    if (sdp !== undefined) dialog.earlyRemote = sdp;
    this.#introduction.progress(mapStatus(response.status).status, now);
  }

  override hear(): void {}

  override offered(): void {}

  override answered(leg: Leg, dialog: Dialog, response: Response, now: Millis): void {
    const { call } = this;
    this.setup.media.speaks(dialog);
    this.trying(now);
    try {
      // A 2xx without SDP stands on what its 1xx said: more than RFC 3261 §13.2.1 allows, and often seen.
      const sdp = contentOf(response).sdp ?? dialog.earlyRemote;
      if (sdp === undefined) throw new PeerError(488, "a 2xx without an answer");
      call.house.media.carryOn(call.id, "caller", this.#introduction.voice());
      call.house.media.answer(call.id, "callee", sdp, {
        ...{ provisional: false, dialog: dialog.localTag, alternative: dialog.alternative },
      });
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      return call.badAnswer("callee", error.status, now);
    }
    call.happen("callee answer", undefined, now);
    dialog.exchange = "settled";
    leg.ack(dialog, leg.invitation?.seq ?? 1, NOTHING, now);
    call.report.answered(call, dialog, now);
    call.house.fact(call.report.answeredFact(call, now), now);
    this.#introduction.answered(dialog, now);
  }
}

/** Somebody who is in a call with the referrer: asked by a re-INVITE to talk to somebody else from now on. */
export class ReunionSide implements Called, Outcome {
  mediaOpen = false;
  peer: PeerSettings | undefined;
  readonly #call: Call;
  readonly #introduction: Introduction;
  readonly #reunion: Reunion;

  constructor(call: Call, introduction: Introduction, reunion: Reunion) {
    this.#call = call;
    this.#introduction = introduction;
    this.#reunion = reunion;
  }

  start(now: Millis): void {
    const { id, house, start } = this.#call;
    const { media } = house;
    const { dialog, standing } = this.#reunion;
    let offer: string;
    try {
      media.open(id, { caller: start.party, callee: standing.party });
      this.mediaOpen = true;
      media.carryOn(id, "callee", standing.voice);
      offer = media.offer(id, "caller", padded(start.sdp as string, standing.voice.lines));
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      return this.#end(error.status, now);
    }
    this.#reunion.told = media.spoken(id, "callee");
    Changeover.ask(dialog, offer, this, now);
  }

  changed(sdp: string | undefined, now: Millis): void {
    const call = this.#call;
    const { dialog } = this.#reunion;
    if (call.state !== "setup") return this.#introduction.restore(dialog, now); // Too late: whom it would talk to is gone.
    try {
      if (sdp === undefined) throw new PeerError(488, "a 2xx without an answer");
      call.house.media.carryOn(call.id, "caller", this.#introduction.voice());
      call.house.media.answer(call.id, "callee", sdp, { provisional: false });
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      this.#introduction.restore(dialog, now);
      return this.#end(488, now);
    }
    dialog.exchange = "ours"; // Until the two are joined, or it is asked back: what its own call agreed on is out of date.
    call.happen("callee answer", undefined, now);
    call.report.answered(call, dialog, now);
    call.house.fact(call.report.answeredFact(call, now), now);
    this.#introduction.answered(dialog, now);
  }

  stays(status: number, dead: boolean, now: Millis): void {
    this.#end(mapStatus(status).status, now);
    this.#introduction.stayed(this.#reunion.dialog, status, dead, now);
  }

  surrender(): PeerSettings | undefined {
    const { peer } = this;
    this.peer = undefined;
    return peer;
  }

  #end(status: number, now: Millis): void {
    const reason = sipReason(status, "Call refused");
    this.#call.happen("bad answer", { cause: causeOf(status), by: "callee", status, reason }, now);
  }

  // Nobody else is asked, and nobody rings: it is there, or it is not.

  next(): void {}
  noWay(): void {}
  trying(): void {}
  offered(): void {}
  acked(): void {}
  progress(): void {}
  hear(): void {}
  answered(): void {}
  refused(): void {}
  failed(): void {}
  silent(): void {}
  passLateAnswer(): boolean {
    return true;
  }
}

const NOBODY = { response() {}, failed() {} };

function sdpIn(response: Response): string | undefined {
  try {
    return contentOf(response).sdp;
  } catch (error) {
    if (error instanceof PeerError) return undefined;
    throw error;
  }
}
