/**
 * The subscription that a REFER makes by itself: how the transfer goes, told as the status line of what came back and no
 * more. RFC 3515 §2.4.4, RFC 6665 §4.2, RFC 4488.
 */
import { type Millis, SECOND } from "../base/index.ts";
import { type Dialog, fill, type LegClient, type ServerTransaction, timing } from "../leg/index.ts";
import {
  Event,
  Expires,
  INITIAL_MAX_FORWARDS,
  phraseOf,
  type Request,
  type Response,
  responseTo,
} from "../message/index.ts";

/** Longer than any transfer takes: a subscription that never has to be refreshed. In seconds. */
const LIFETIME = Math.ceil((timing.RING_LIMIT + 60 * SECOND) / SECOND);

/** Limit: NOTIFYs of one transfer, the last one not counted; what else happens in between is not told. */
const NOTIFY_LIMIT = 16;

export class ReferSubscription implements LegClient {
  readonly #dialog: Dialog;
  /** CSeq of the REFER, where it is not the first of its dialog (RFC 3515 §2.4.6). */
  readonly #id: number | undefined;
  readonly #expiresAt: Millis;
  /** `wanted` false: RFC 4488, nobody listens. */
  #open: boolean;
  #status = 100;
  #final = false;
  /** What the referrer heard last. */
  #told = 0;
  /** A NOTIFY waits for its answer: the next one may not overtake it. */
  #busy = false;
  #count = 0;

  constructor(dialog: Dialog, id: number | undefined, wanted: boolean, now: Millis) {
    this.#dialog = dialog;
    this.#id = id;
    this.#open = wanted;
    this.#expiresAt = now + LIFETIME * SECOND;
  }

  /** The transfer has come so far. `final`: it goes no further, and the subscription ends. */
  tell(status: number, final: boolean, now: Millis): void {
    if (this.#final) return;
    this.#status = status;
    this.#final = final;
    this.#notify(now);
  }

  /** A SUBSCRIBE inside the dialog that means this subscription: to make it longer, or to end it. */
  owns(dialog: Dialog, request: Request): boolean {
    if (!this.#open || dialog !== this.#dialog) return false;
    const event = request.get(Event);
    if (event?.package !== "refer") return false;
    return event.id === undefined ? this.#id === undefined : event.id === String(this.#id);
  }

  subscribed(request: Request, server: ServerTransaction, now: Millis): void {
    const seconds = Math.min(request.get(Expires) ?? LIFETIME, this.#left(now));
    const draft = responseTo(request, 200, this.#dialog.localTag);
    this.#dialog.leg.wording.dressResponse(draft, request, now);
    fill(draft, { headers: [["Expires", String(seconds)]], body: "", type: undefined });
    server.respond(draft, now);
    this.#told = 0; // RFC 6665 §4.2.1.1: each SUBSCRIBE is followed by the state as it is.
    if (seconds === 0) this.#final = true;
    this.#notify(now);
  }

  response(response: Response, _transaction: unknown, now: Millis): void {
    if (response.status < 200) return;
    this.#busy = false;
    // RFC 6665 §4.2.2: whoever refuses a NOTIFY has forgotten the subscription.
    if (response.status >= 300) this.#open = false;
    else this.#notify(now);
  }

  failed(): void {
    this.#open = false;
  }

  #notify(now: Millis): void {
    const { leg } = this.#dialog;
    if (!this.#open || this.#busy || this.#told === this.#mark || leg.state !== "up") return;
    if (!this.#final && this.#count >= NOTIFY_LIMIT) return;
    this.#count += 1;
    this.#busy = true;
    this.#told = this.#mark;
    const state = this.#final ? "terminated;reason=noresource" : `active;expires=${this.#left(now)}`;
    const event = this.#id === undefined ? "refer" : `refer;id=${this.#id}`;
    const parcel = {
      headers: [["Event", event] as const, ["Subscription-State", state] as const],
      body: `SIP/2.0 ${this.#status} ${phraseOf(this.#status)}\r\n`,
      type: "message/sipfrag;version=2.0",
    };
    if (this.#final) this.#open = false;
    leg.send(this.#dialog, "NOTIFY", parcel, this, INITIAL_MAX_FORWARDS, now);
  }

  /** What there is to be told, as one number. */
  get #mark(): number {
    return this.#final ? -this.#status : this.#status;
  }

  #left(now: Millis): number {
    return Math.max(0, Math.ceil((this.#expiresAt - now) / SECOND));
  }
}
