/** What a leg writes into its messages by itself, whatever they carry: where we are found, what we take, who we are. */
import { type Destination, type Hop, isSecure, type Millis, token } from "../base/index.ts";
import type { Request, RequestDraft, ResponseDraft } from "../message/index.ts";
import { ALLOW, contactOf, TARGET_REFRESH } from "./contact.ts";
import type { InviteServer } from "./invite-server.ts";
import type { Leg } from "./leg.ts";

const CONTACT_CHARS = 12;

export class Wording {
  /** Extensions that our INVITE says we support (Supported), beside session timers. */
  supported = "replaces";
  /** Extensions that it requires. */
  required: string | undefined;
  /** The peer of this leg may require preconditions of us. RFC 3312. */
  preconditions = false;
  /** The user part of our Contact: a peer that was given it means this leg (Refer-To). */
  contactUser = "";
  /** Our name or address on this side. */
  contactHost = "";
  readonly #leg: Leg;
  readonly #product: string | undefined;
  #contact = "";

  constructor(leg: Leg, product: string | undefined) {
    this.#leg = leg;
    this.#product = product;
  }

  /** Our Contact from now on, as the other end of `place` reaches us. */
  standAt(place: Hop | Destination): void {
    const { house, secure } = this.#leg;
    const local = house.transport.localFor(place);
    const user = token(house.random, CONTACT_CHARS);
    this.#contact = contactOf(user, local, place.protocol, secure);
    this.contactUser = user;
    this.contactHost = local.host;
  }

  /** The same, by another way. */
  moveTo(place: Hop): void {
    this.#contact = this.contactAt(place);
    this.contactHost = this.#leg.house.transport.localFor(place).host;
  }

  /** What a phone is told that is asked by this way, beside others that are asked by theirs. */
  contactAt(place: Hop | Destination): string {
    const local = this.#leg.house.transport.localFor(place);
    return contactOf(this.contactUser, local, place.protocol, isSecure(place.protocol));
  }

  /** Into a response that makes or refreshes the dialog. */
  dress(draft: ResponseDraft, invite: InviteServer): void {
    const { session } = this.#leg;
    draft.add("Contact", this.#contact).add("Allow", ALLOW).add("Supported", session.extensions("100rel, replaces"));
    if (draft.status === 200) session.dressAnswer(draft, invite.request, undefined);
    if (this.#product !== undefined) draft.add("Server", this.#product);
  }

  /** Into a request, beyond the dialog's own headers. */
  dressRequest(draft: RequestDraft, method: string): void {
    const { session, state } = this.#leg;
    if (TARGET_REFRESH.has(method)) draft.add("Contact", this.#contact);
    if (method === "INVITE" || method === "UPDATE") {
      // Inside the dialog no 1xx is ours to acknowledge: a reliable one would be sent again until it fails.
      const supported = state === "inviting" ? this.supported : "replaces";
      draft.add("Allow", ALLOW).add("Supported", session.extensions(supported));
      if (state === "inviting" && this.required !== undefined) draft.add("Require", this.required);
      session.dressRequest(draft);
    }
    if (this.#product !== undefined) draft.add("User-Agent", this.#product);
  }

  /** Into the 2xx to a request that is no INVITE. */
  dressResponse(draft: ResponseDraft, request: Request, now: Millis): void {
    const { session, state } = this.#leg;
    if (request.method === "UPDATE" && state === "up") session.dressAnswer(draft, request, now);
    if (TARGET_REFRESH.has(request.method)) draft.add("Contact", this.#contact);
    if (this.#product !== undefined) draft.add("Server", this.#product);
  }
}
