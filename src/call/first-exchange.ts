/**
 * The offer and answer of the INVITE that makes the call, with its forks: RFC 3264, RFC 3262 §5, RFC 6337 §2. Each fork of
 * the callee's side is a dialog of its own toward the caller.
 */
import { PeerError } from "../base/index.ts";
import type { Dialog } from "../leg/index.ts";
import type { Request, Response } from "../message/index.ts";
import { contentOf } from "./bodies.ts";
import type { Call } from "./call.ts";

export class FirstExchange {
  readonly #call: Call;

  constructor(call: Call) {
    this.#call = call;
  }

  /** The caller's dialog that stands for this one of the callee (RFC 3261 §12.1). */
  pair(dialog: Dialog): Dialog {
    if (dialog.twin !== undefined) return dialog.twin;
    const { caller, lateOffer } = this.#call;
    const twin = caller.first.twin === undefined ? caller.first : caller.forkTowardCaller();
    twin.exchange = lateOffer ? "none" : "theirs";
    dialog.exchange = lateOffer ? "none" : "ours";
    twin.twin = dialog;
    dialog.twin = twin;
    return twin;
  }

  /**
   * SDP of a 1xx: an early answer, or in a reliable one the late offer. `reliable`: as it came; `reliably`: as it goes on.
   * Throws PeerError when it cannot be used.
   */
  early(dialog: Dialog, twin: Dialog, response: Response, reliable: boolean, reliably: boolean): string | undefined {
    const { id, house, lateOffer } = this.#call;
    const { sdp } = contentOf(response);
    if (sdp === undefined) return undefined;
    if (lateOffer) {
      if (!reliable || !reliably || dialog.exchange !== "none") return undefined;
      return this.#offer(dialog, twin, sdp);
    }
    if (dialog.exchange !== "ours") return undefined; // Said again after it was final (RFC 6337 §3.1).
    const answer = house.media.answer(id, "callee", sdp, { provisional: true, dialog: dialog.localTag });
    dialog.earlyRemote = sdp;
    dialog.earlyLocal = answer;
    if (reliable) dialog.exchange = "settled";
    const told = twin.exchange === "settled"; // An answer that was given reliably is not given again.
    if (reliably) twin.exchange = "settled";
    return told ? undefined : answer;
  }

  /** SDP of the 2xx for the caller. Throws PeerError when the callee's answer is none. */
  final(dialog: Dialog, twin: Dialog, response: Response): string | undefined {
    const call = this.#call;
    const { sdp } = contentOf(response);
    if (call.lateOffer && dialog.exchange === "none") {
      if (sdp === undefined) throw new PeerError(500, "a 2xx without an offer");
      return this.#offer(dialog, twin, sdp);
    }
    // RFC 3262 §5: its own offer in a 1xx is to be answered before it may send the 2xx.
    if (dialog.exchange === "theirs") throw new PeerError(500, "a 2xx before the answer to its offer");
    if (!call.settled && !call.lateOffer) this.#settle(dialog, sdp);
    // One fork went on to new offers while it rang, and another one answered the first: that offer is gone.
    if (dialog.exchange === "ours") throw new PeerError(488, "an answer to an offer that was replaced");
    const told = twin.exchange === "settled";
    twin.exchange = "settled";
    return told ? undefined : dialog.earlyLocal;
  }

  /** The answer to a late offer, out of the caller's ACK. Throws PeerError when there is none. */
  late(dialog: Dialog, ack: Request): string {
    const call = this.#call;
    const { sdp } = contentOf(ack);
    if (sdp === undefined) throw new PeerError(400, "an ACK without the answer");
    const answer = call.house.media.answer(call.id, "caller", sdp, { provisional: false });
    dialog.exchange = "settled";
    if (dialog.twin !== undefined) dialog.twin.exchange = "settled";
    call.settled = true;
    return answer;
  }

  #offer(dialog: Dialog, twin: Dialog, sdp: string): string {
    const offer = this.#call.house.media.offer(this.#call.id, "callee", sdp);
    dialog.exchange = "theirs";
    twin.exchange = "ours";
    return offer;
  }

  /** What was answered reliably in a 1xx holds; else the 2xx has the answer. */
  #settle(dialog: Dialog, sdp: string | undefined): void {
    const call = this.#call;
    const answer = dialog.exchange === "settled" ? dialog.earlyRemote : sdp;
    if (answer === undefined) throw new PeerError(500, "a 2xx without an answer");
    const options = { provisional: false, dialog: dialog.localTag };
    dialog.earlyLocal = call.house.media.answer(call.id, "callee", answer, options);
    dialog.exchange = "settled";
    call.settled = true;
  }
}
