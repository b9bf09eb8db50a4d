/** A re-INVITE of our own that asks one leg to go on with another description: RFC 3725, RFC 3264 §8. */
import { type Millis, PeerError } from "../base/index.ts";
import { type Dialog, NOTHING, type Reinvite, type ReinviteOwner } from "../leg/index.ts";
import { INITIAL_MAX_FORWARDS, type Response } from "../message/index.ts";
import { contentOf } from "./bodies.ts";
import type { Call } from "./call.ts";
import { sdpParcel } from "./crossing.ts";

export interface Outcome {
  /** It has: `sdp` is its answer; `undefined`: it gave none that can be read. */
  changed(sdp: string | undefined, now: Millis): void;
  /** It goes on as it was. `dead`: it does not even know the dialog any more, or says nothing at all. */
  stays(status: number, dead: boolean, now: Millis): void;
}

export class Changeover implements ReinviteOwner {
  readonly #dialog: Dialog;
  readonly #outcome: Outcome;

  private constructor(dialog: Dialog, outcome: Outcome) {
    this.#dialog = dialog;
    this.#outcome = outcome;
  }

  static ask(dialog: Dialog, offer: string, outcome: Outcome, now: Millis): Reinvite {
    dialog.exchange = "ours";
    return dialog.leg.startReinvite(
      new Changeover(dialog, outcome),
      dialog,
      sdpParcel(offer),
      INITIAL_MAX_FORWARDS,
      now,
    );
  }

  progress(): void {}

  accepted(reinvite: Reinvite, response: Response, now: Millis): void {
    const dialog = this.#dialog;
    dialog.leg.ack(dialog, reinvite.seq, NOTHING, now);
    dialog.exchange = "settled";
    let sdp: string | undefined;
    try {
      if (dialog.hop !== undefined) dialog.refresh(response, dialog.hop);
      sdp = contentOf(response).sdp;
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
    }
    this.#outcome.changed(sdp, now);
  }

  refused(_reinvite: Reinvite, { status }: Response, now: Millis): void {
    this.#dialog.exchange = "settled";
    this.#outcome.stays(status, status === 408 || status === 481, now);
  }

  failed(_reinvite: Reinvite, cause: "timeout" | "unreachable", now: Millis): void {
    this.#dialog.exchange = "settled";
    this.#outcome.stays(cause === "timeout" ? 408 : 503, true, now);
  }
}

/** The leg of this call agreed to something that leads nowhere: it is asked back, or the call ends. */
export function restore(call: Call, dialog: Dialog, now: Millis): void {
  const { leg } = dialog;
  const { media } = call.house;
  if (call.state !== "up") return;
  try {
    if (!leg.idle) throw new PeerError(491, "the leg is busy");
    const offer = media.repeat(call.id, leg.side);
    const outcome: Outcome = {
      changed(sdp, at) {
        try {
          if (sdp === undefined) throw new PeerError(488, "a 2xx without an answer");
          media.answer(call.id, leg.side, sdp, { provisional: false });
        } catch (error) {
          if (!(error instanceof PeerError)) throw error;
          call.badAnswer(leg.side, 488, at);
        }
      },
      stays: (_status, _dead, at) => call.badAnswer(leg.side, 488, at),
    };
    Changeover.ask(dialog, offer, outcome, now);
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    call.badAnswer(leg.side, 488, now);
  }
}
