/**
 * A re-INVITE that only shows and asks whether the other end is there (RFC 4028 §7.4): it repeats the description that the
 * leg has. The other leg hears nothing of it.
 */
import { type Millis, PeerError } from "../base/index.ts";
import { type Dialog, type Leg, NOTHING, type Reinvite, type ReinviteOwner } from "../leg/index.ts";
import type { MediaNews } from "../media/index.ts";
import { INITIAL_MAX_FORWARDS, type Response } from "../message/index.ts";
import { contentOf } from "./bodies.ts";
import type { Call } from "./call.ts";
import { sdpParcel } from "./crossing.ts";

export class Refresh implements ReinviteOwner {
  readonly #call: Call;
  readonly #dialog: Dialog;

  private constructor(call: Call, dialog: Dialog) {
    this.#call = call;
    this.#dialog = dialog;
  }

  /** False: something else is under way on one of the legs. `renew`: with new keys, which come to their end. */
  static start(call: Call, leg: Leg, dialog: Dialog, now: Millis, renew = false): boolean {
    const { twin } = dialog;
    if (call.state !== "up" || twin === undefined || !leg.idle || !twin.leg.idle) return false;
    if (dialog.exchange !== "settled" || twin.exchange !== "settled") return false;
    let offer: string;
    try {
      offer = call.house.media.repeat(call.id, leg.side, renew);
    } catch (error) {
      if (error instanceof PeerError) return false;
      throw error;
    }
    dialog.exchange = "ours";
    leg.startReinvite(new Refresh(call, dialog), dialog, sdpParcel(offer), INITIAL_MAX_FORWARDS, now);
    return true;
  }

  progress(): void {}

  accepted(reinvite: Reinvite, response: Response, now: Millis): void {
    const dialog = this.#dialog;
    const { leg } = dialog;
    const call = this.#call;
    leg.ack(dialog, reinvite.seq, NOTHING, now);
    try {
      if (dialog.hop !== undefined) dialog.refresh(response, dialog.hop);
      const { sdp } = contentOf(response);
      if (sdp === undefined) throw new PeerError(500, "a 2xx without an answer");
      call.house.media.answer(call.id, leg.side, sdp, { provisional: false });
      dialog.exchange = "settled";
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      this.#withdraw();
    }
  }

  refused(_reinvite: Reinvite, response: Response, now: Millis): void {
    this.#withdraw();
    this.#dialog.leg.session.refused(response.status, now);
  }

  failed(_reinvite: Reinvite, cause: "timeout" | "unreachable", now: Millis): void {
    this.#withdraw();
    this.#dialog.leg.session.failed(cause, undefined, now);
  }

  /** What was agreed before stays: this offer asked for nothing else. */
  #withdraw(): void {
    const { leg } = this.#dialog;
    this.#call.house.media.withdraw(this.#call.id, leg.side === "caller" ? "callee" : "caller");
    this.#dialog.exchange = "settled";
  }
}

/**
 * An SRTP key comes to its end: a new one by re-INVITE on that leg alone; at a bad moment it is told again. True: it has
 * ended, nothing more can be sent under it.
 */
export function keyEnds(call: Call, news: MediaNews & { news: "key-lifetime" }, now: Millis): boolean {
  const { side, stream, whose, packetsLeft } = news;
  call.house.fact({ fact: "media.key-lifetime", call: call.id, side, stream, whose, packetsLeft }, now);
  if (packetsLeft === 0 && whose === "ours") return true;
  const leg = side === "caller" ? call.caller : call.callee;
  if (leg?.dialog !== undefined) Refresh.start(call, leg, leg.dialog, now, true);
  return false;
}
