/**
 * One request outside of any dialog that makes none, and its answer: MESSAGE (RFC 3428), PUBLISH (RFC 3903), a NOTIFY that
 * nobody asked for, and methods that we know nothing of. It crosses with names of our own and leaves nothing behind.
 */
import { addressText, hostText, type Millis, token } from "../base/index.ts";
import { contactOf } from "../leg/index.ts";
import type { RequestDraft, Response } from "../message/index.ts";
import { crossingHeaders, mapStatus } from "../policy/index.ts";
import { Asking, type AskingOwner, type Place } from "./asking.ts";
import { bodyOf } from "./carried-body.ts";
import { answerTo, draftOf, type Errand } from "./errand.ts";
import type { CallHouse } from "./house.ts";
import type { Refusal } from "./setup.ts";

const TAG_CHARS = 20;
const CALL_ID_CHARS = 26;
const CONTACT_CHARS = 12;

/** Where the errands under way stand, by the tag of our own request. */
export interface ErrandBook {
  began(tag: string, errand: Errand): void;
  ended(tag: string): void;
}

export class Exchange implements AskingOwner {
  readonly host: string;
  readonly #house: CallHouse;
  readonly #errand: Errand;
  readonly #book: ErrandBook;
  readonly #asking: Asking;
  /** Of our own request. The answer has one of its own: nothing of one side is to be found on the other. */
  readonly #tag: string;
  #place: Place | undefined;

  constructor(house: CallHouse, errand: Errand, book: ErrandBook) {
    this.#house = house;
    this.#errand = errand;
    this.#book = book;
    this.host = house.transport.localFor(errand.hop).host;
    this.#asking = new Asking(house, this, errand.uri, errand.peers, errand.contact);
    this.#tag = token(house.random, TAG_CHARS);
  }

  start(now: Millis): void {
    this.#book.began(this.#tag, this.#errand);
    this.#asking.start(now);
  }

  compose(place: Place): RequestDraft {
    const { random, transport } = this.#house;
    const { request, realm } = this.#errand;
    this.#place = place;
    const names = { callId: token(random, CALL_ID_CHARS), tag: this.#tag };
    const draft = draftOf(this.#house, this.#errand, place, names);
    if (request.method === "NOTIFY") {
      const local = transport.localFor(place.destination);
      const user = token(random, CONTACT_CHARS);
      draft.add("Contact", contactOf(user, local, place.destination.protocol, place.scheme === "sips"));
    }
    const { host } = transport.localFor(place.destination);
    const body = bodyOf(this.#house, request, { from: realm, to: place.realm, host: hostText(host) });
    if (body !== undefined) {
      draft.add("Content-Type", body.type);
      draft.body = body.body;
    }
    return draft;
  }

  answered(response: Response, place: Place, _transaction: unknown, now: Millis): void {
    const { status, reason } = mapStatus(response.status);
    const headers = crossingHeaders(response, {
      from: place.realm,
      to: this.#errand.realm,
      kind: "response",
      inDialog: false,
    });
    this.#answer({ status, phrase: reason, headers }, now);
  }

  refused(refusal: Refusal, now: Millis): void {
    this.#answer(refusal, now);
  }

  #answer(refusal: Refusal, now: Millis): void {
    const errand = this.#errand;
    const { request, server, realm, fromPeer, hop, beganAt } = errand;
    this.#book.ended(this.#tag);
    const tag = token(this.#house.random, TAG_CHARS);
    server.respond(answerTo(this.#house, errand, tag, refusal), now);
    this.#house.fact(
      {
        fact: "request.relayed",
        method: request.method,
        realm: realm.name,
        source: addressText(hop.remote),
        peer: fromPeer?.name,
        to: this.#place?.peer.name,
        target: this.#place?.target?.id,
        status: refusal.status,
        ms: now - beganAt,
      },
      now,
    );
  }
}
