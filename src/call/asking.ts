/**
 * Looking for somebody who takes one request that is no INVITE: the peers of the route in order, their targets, the
 * addresses of each, one request at a time. RFC 3261 §16.6, RFC 3263 §4.3, RFC 4320.
 */
import {
  type Destination,
  hostText,
  type Millis,
  PeerError,
  type PeerSettings,
  type Punctual,
  type RealmSettings,
  SECOND,
} from "../base/index.ts";
import { type Authentication, type ClientOwner, type ClientTransaction, nextAttempt, timing } from "../leg/index.ts";
import { type RequestDraft, type Response, RetryAfter, type Uri } from "../message/index.ts";
import { mapStatus, sipsVerdict } from "../policy/index.ts";
import type { Binding } from "../registration/index.ts";
import { PHONES, type TargetState } from "../routing/index.ts";
import type { CallHouse } from "./house.ts";
import { canBeReached, contactsFor, wayTo } from "./phones.ts";
import { fullFor, type Refusal, SILENT_TARGET_LIMIT } from "./setup.ts";

/** Limit: requests sent for one of somebody's; after that he gets the last refusal. */
const ATTEMPT_LIMIT = 12;

/** Limit: whoever asked has given up by then (RFC 4320 §4.1), so nobody else is looked for. */
const ASKING_LIMIT: Millis = 64 * timing.T1;

/** Whom one request goes to. */
export interface Place {
  readonly destination: Destination;
  /** `undefined`: a phone. */
  readonly target: TargetState | undefined;
  /** The contact of a registered phone. */
  readonly phone?: Binding | undefined;
  readonly peer: PeerSettings;
  readonly realm: RealmSettings;
  readonly scheme: "sip" | "sips";
}

/** `spare`: another flow of the phone before it, for when that one fails (RFC 5626 §7). */
type Waiting = Pick<Place, "destination" | "target" | "phone"> & { readonly spare?: boolean };

export interface AskingOwner {
  /** Our name toward whoever asked. */
  readonly host: string;
  /** The request as it goes there, but for its Via. Throws PeerError: it cannot go there. */
  compose(place: Place, now: Millis): RequestDraft;
  /** A final response that ends the search. */
  answered(response: Response, place: Place, transaction: ClientTransaction, now: Millis): void;
  /** Nobody is left to be asked, or nobody could be. */
  refused(refusal: Refusal, now: Millis): void;
}

export class Asking implements ClientOwner, Punctual {
  readonly #house: CallHouse;
  readonly #owner: AskingOwner;
  readonly #uri: Uri;
  readonly #peers: readonly PeerSettings[];
  /** The one phone that is meant. */
  readonly #contact: Binding | undefined;
  #peerIndex = -1;
  #peer: PeerSettings | undefined;
  #targets: readonly TargetState[] = [];
  #targetIndex = 0;
  #waiting: Waiting[] = [];
  #attempts = 0;
  #place: Place | undefined;
  #transaction: ClientTransaction | undefined;
  #until: Millis = 0;
  #silentAt: Millis | undefined;
  #over = false;
  /** What the place of now was asked, and our account there. */
  #draft!: RequestDraft;
  #proof: Authentication | undefined;
  #refusal: Refusal = { status: 503, headers: [] };

  /** `uri`: what was asked for. */
  constructor(house: CallHouse, owner: AskingOwner, uri: Uri, peers: readonly PeerSettings[], contact?: Binding) {
    this.#house = house;
    this.#owner = owner;
    this.#uri = uri;
    this.#peers = peers;
    this.#contact = contact;
  }

  start(now: Millis): void {
    this.#until = now + ASKING_LIMIT;
    this.#next(now);
  }

  /** Whoever asked does not want to know any more. */
  stop(): void {
    this.#over = true;
    this.#letGo();
  }

  /** The CSeq number of the request as it was sent last. */
  get seq(): number {
    return Number.parseInt(this.#draft.get("CSeq") ?? "1", 10);
  }

  /** Its target of now has said something that is no answer. */
  heard(): void {
    this.#quiet();
  }

  // — ClientOwner

  response(response: Response, transaction: ClientTransaction, now: Millis): void {
    const place = this.#place;
    if (transaction !== this.#transaction || place === undefined) return;
    this.#quiet();
    const { status } = response;
    if (status < 200) return;
    if (this.#proof?.again(response, transaction.hop, now) === true) {
      this.#transaction = this.#house.legs.transactions.request(nextAttempt(this.#draft), place.destination, this, now);
      return;
    }
    const { routing } = this.#house;
    const { target } = place;
    if (target !== undefined && status === 503) routing.outcome(target, "503", retryAfterOf(response), now);
    else if (target !== undefined) routing.outcome(target, status === 408 ? "timeout" : "answered", undefined, now);
    this.#refusal = { status: mapStatus(status).status, headers: [] };
    if ((status === 430 || status === 408) && this.#waiting[0]?.spare === true) return this.#next(now);
    while (this.#waiting[0]?.spare === true) this.#waiting.shift(); // The phone has spoken.
    if (status === 503 && this.#more(now)) return this.#next(now);
    this.#over = true;
    this.#owner.answered(response, place, transaction, now);
  }

  failed(cause: "timeout" | "unreachable", transaction: ClientTransaction, now: Millis): void {
    if (transaction !== this.#transaction || this.#place === undefined) return;
    this.#outcome(this.#place, cause, now);
    this.#refusal = { status: cause === "timeout" ? 408 : 503, headers: [] };
    this.#quiet();
    this.#next(now);
  }

  // — Punctual: a target that says nothing.

  nextDeadline(): Millis | undefined {
    return this.#silentAt;
  }

  expire(now: Millis): void {
    if (this.#silentAt === undefined || this.#silentAt > now) return;
    this.#silentAt = undefined;
    if (this.#place !== undefined) this.#outcome(this.#place, "timeout", now);
    this.#refusal = { status: 408, headers: [] };
    this.#letGo();
    this.#next(now);
  }

  // — The search

  /** Names that are not resolved yet count as somebody. */
  #more(now: Millis): boolean {
    if (this.#attempts >= ATTEMPT_LIMIT || now >= this.#until) return false;
    return (
      this.#waiting.length > 0 || this.#targetIndex < this.#targets.length || this.#peerIndex + 1 < this.#peers.length
    );
  }

  #next(now: Millis): void {
    while (!this.#over) {
      if (this.#attempts >= ATTEMPT_LIMIT || now >= this.#until) break;
      const waiting = this.#waiting.shift();
      if (waiting !== undefined) {
        if (this.#attempt(waiting, now)) return;
        continue;
      }
      const target = this.#targets[this.#targetIndex];
      if (target !== undefined) {
        this.#targetIndex += 1;
        const restMs = target.restsFor(now);
        if (restMs === 0) return this.#resolve(target, now);
        this.#refusal = fullFor(Math.ceil(restMs / SECOND));
        continue;
      }
      if (!this.#nextPeer(now)) break;
    }
    if (this.#over) return;
    this.#over = true;
    this.#owner.refused(this.#refusal, now);
  }

  #nextPeer(now: Millis): boolean {
    const { routing } = this.#house;
    for (;;) {
      const peer = this.#peers[++this.#peerIndex];
      if (peer === undefined) return false;
      const verdict = routing.admitRequest(peer, now);
      if (!verdict.admitted) {
        this.#refusal = fullFor(verdict.retryAfterSeconds);
        continue;
      }
      this.#peer = peer;
      this.#targets = routing.targets(peer, now);
      this.#targetIndex = 0;
      if (peer === PHONES) this.#addPhones();
      return true;
    }
  }

  #addPhones(): void {
    const { phones } = this.#house;
    if (phones === undefined) return;
    this.#refusal = { status: 480, headers: [] };
    for (const { bindings } of contactsFor(phones, this.#uri, this.#contact, false))
      for (const phone of bindings.filter(canBeReached))
        this.#waiting.push(
          { destination: wayTo(phone), target: undefined, phone },
          ...phones.otherFlows(phone).map((spare) => spareWay(spare)),
        );
  }

  #outcome({ target }: Place, cause: "timeout" | "unreachable", now: Millis): void {
    if (target !== undefined) this.#house.routing.outcome(target, cause, undefined, now);
  }

  #resolve(target: TargetState, now: Millis): void {
    const { transport, routing } = this.#house;
    const tcpForLargeRequests = this.#peer?.tcpForLargeRequests ?? false;
    const done = (found: readonly Destination[], at: Millis): void => {
      if (this.#over) return;
      if (found.length === 0) routing.outcome(target, "unreachable", undefined, at);
      else {
        const addresses = found.map((destination) => destination.remote.ip);
        routing.resolvedAddresses(target, addresses);
        for (const one of found) {
          this.#waiting.push({ destination: tcpForLargeRequests ? { ...one, tcpForLargeRequests } : one, target });
        }
      }
      this.#next(at);
    };
    transport.resolve({ realm: target.realm, target: target.settings }, done, now);
  }

  /** False when this place cannot be asked; the refusal says why. */
  #attempt({ destination, target, phone }: Pick<Place, "destination" | "target" | "phone">, now: Millis): boolean {
    const house = this.#house;
    const realm = house.settings.realms.get(target?.realm ?? destination.realm);
    const peer = this.#peer;
    if (realm === undefined || peer === undefined) return false; // A reload took it away.
    const requestScheme = this.#uri.scheme === "other" ? "sip" : this.#uri.scheme;
    const verdict = sipsVerdict({ requestScheme, toRealm: realm, toProtocol: destination.protocol });
    if ("refuse" in verdict) {
      const { warning } = verdict;
      const text = `${warning.code} ${hostText(this.#owner.host)} "${warning.text}"`;
      this.#refusal = { status: verdict.refuse, phrase: verdict.reason, headers: [["Warning", text]] };
      return false;
    }
    const place: Place = { destination, target, phone, peer, realm, scheme: verdict.scheme };
    let draft: RequestDraft;
    try {
      draft = this.#owner.compose(place, now);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      this.#refusal = { status: error.status, headers: [] };
      return false;
    }
    this.#attempts += 1;
    this.#place = place;
    this.#draft = draft;
    this.#proof = house.accounts?.of(peer)?.begin(draft, destination);
    this.#transaction = house.legs.transactions.request(draft, destination, this, now);
    this.#silentAt = this.#more(now) ? now + SILENT_TARGET_LIMIT : undefined;
    house.agenda.watch(this);
    return true;
  }

  #quiet(): void {
    this.#silentAt = undefined;
    this.#house.agenda.drop(this);
  }

  /** Whatever the target of now still says comes too late. */
  #letGo(): void {
    this.#quiet();
    this.#transaction?.forget();
    this.#transaction = undefined;
    this.#place = undefined;
  }
}

const spareWay = (phone: Binding): Waiting => ({ destination: wayTo(phone), target: undefined, phone, spare: true });

function retryAfterOf(response: Response): number | undefined {
  try {
    return response.get(RetryAfter);
  } catch {
    return undefined;
  }
}
