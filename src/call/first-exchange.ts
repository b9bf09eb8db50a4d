/**
 * The offer and answer of the INVITE that makes the call, with its forks: RFC 3264, RFC 3262 §5, RFC 6337 §2. Each fork of
 * the callee's side is a dialog of its own toward the caller.
 */
import { PeerError } from "../base/index.ts";
import type { Dialog } from "../leg/index.ts";
import type { Message, Request, Response } from "../message/index.ts";
import { contentOf } from "./bodies.ts";
import type { Call } from "./call.ts";
import type { CalledMedia } from "./called-media.ts";
import { EarlyMedia } from "./early-media.ts";

export class FirstExchange {
  readonly #call: Call;
  readonly #called: CalledMedia;
  /** The caller was given one answer reliably, and the callee, which was not bound by it, another one in its 2xx. */
  behind = false;
  /** The offer stands in the 2xx: the caller's ACK has the answer. */
  offeredIn2xx = false;
  #media: EarlyMedia | undefined;
  /** The fork that made the offer which its INVITE did not. */
  #offeredBy: Dialog | undefined;

  constructor(call: Call, media: CalledMedia) {
    this.#call = call;
    this.#called = media;
  }

  /** What a message of the callee's side says of its early media. */
  hear(dialog: Dialog, message: Message): void {
    if (message.headers.has("p-early-media")) {
      this.#media ??= new EarlyMedia(this.#call);
      this.#media.hear(dialog, message);
    }
    if (message.kind === "response" && message.status === 199) this.#media?.ended(dialog);
  }

  /** A late offer of one fork while that of another waits for its answer, or has it: there is one media session. */
  clashes(dialog: Dialog, response: Response): boolean {
    const by = this.#offeredBy;
    if (by === undefined || by === dialog || by.leg !== dialog.leg) return false;
    return contentOf(response).sdp !== undefined;
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
    const { lateOffer } = this.#call;
    this.hear(dialog, response);
    const { sdp } = contentOf(response);
    if (sdp === undefined) return undefined;
    if (lateOffer) {
      if (!reliable || !reliably || dialog.exchange !== "none") return undefined;
      return this.#offer(dialog, twin, sdp);
    }
    if (dialog.exchange !== "ours") return undefined; // Said again after it was final (RFC 6337 §3.1).
    this.#media ??= new EarlyMedia(this.#call);
    const answer = this.#media.answer(dialog, sdp);
    dialog.earlyLocal = answer;
    if (reliable) {
      dialog.exchange = "settled";
      dialog.agreed = true;
    }
    const told = twin.exchange === "settled"; // An answer that was given reliably is not given again.
    if (reliably) twin.exchange = "settled";
    return told ? undefined : answer;
  }

  /** SDP of the 2xx for the caller. Throws PeerError when the callee's answer is none. */
  final(dialog: Dialog, twin: Dialog, response: Response): string | undefined {
    const call = this.#call;
    this.#media?.close();
    const { sdp } = contentOf(response);
    if (call.lateOffer && dialog.exchange === "none") {
      if (sdp === undefined) throw new PeerError(500, "a 2xx without an offer");
      this.offeredIn2xx = true;
      return this.#offer(dialog, twin, sdp);
    }
    // The next exchange is under way in a PRACK or UPDATE, whose answer the 2xx has overtaken: it goes on by itself.
    if (dialog.agreed && dialog.exchange !== "settled") return undefined;
    // RFC 3262 §5: its own offer in a 1xx is to be answered before it may send the 2xx.
    if (dialog.exchange === "theirs") throw new PeerError(500, "a 2xx before the answer to its offer");
    const before = dialog.earlyLocal;
    if (dialog.exchange === "ours" && (call.settled || movedOn(dialog))) this.#offerAgain();
    if (!call.settled && !call.lateOffer) this.#settle(dialog, sdp);
    if (dialog.exchange === "ours") throw new PeerError(488, "an answer to an offer that was replaced");
    const told = twin.exchange === "settled";
    this.behind = told && before !== undefined && before !== dialog.earlyLocal;
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
    this.#called.offers(dialog);
    const offer = this.#call.house.media.offer(this.#call.id, "callee", sdp);
    this.#offeredBy = dialog;
    dialog.exchange = "theirs";
    twin.exchange = "ours";
    return offer;
  }

  /** Another fork went on to new offers while it rang. This one answers the first, which is made once more to the media. */
  #offerAgain(): void {
    const { id, house, start } = this.#call;
    if (start.sdp === undefined) return;
    for (const side of ["caller", "callee"] as const) house.media.withdraw(id, side);
    house.media.offer(id, "caller", start.sdp);
    this.#call.settled = false;
  }

  /** What was answered reliably in a 1xx holds; else the 2xx has the answer. */
  #settle(dialog: Dialog, sdp: string | undefined): void {
    const call = this.#call;
    const answer = dialog.exchange === "settled" ? dialog.earlyRemote : sdp;
    if (answer === undefined) throw new PeerError(500, "a 2xx without an answer");
    const { alternative, localTag } = dialog;
    const options = { provisional: false, dialog: localTag, alternative };
    dialog.earlyLocal = call.house.media.answer(call.id, "callee", answer, options);
    dialog.exchange = "settled";
    call.settled = true;
  }
}

/** Is another fork in the middle of its next exchange? */
const movedOn = (dialog: Dialog): boolean =>
  dialog.leg.dialogs.some((other) => other !== dialog && other.agreed && other.exchange !== "settled");
