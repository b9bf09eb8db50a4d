/**
 * Looking for somebody who answers: the peers of the route in order, their targets, the addresses of each, one INVITE at
 * a time with a leg of its own. RFC 3261 §16.6, RFC 3263 §4.3.
 */
import {
  addressText,
  type Destination,
  type Millis,
  PeerError,
  type PeerSettings,
  type RealmSettings,
  SECOND,
} from "../base/index.ts";
import { type Dialog, Leg } from "../leg/index.ts";
import { type Response, RetryAfter, type Uri } from "../message/index.ts";
import { endsSearch, rankOf, sipsVerdict } from "../policy/index.ts";
import { PHONES, type TargetState } from "../routing/index.ts";
import type { Call } from "./call.ts";
import { CalledMedia, withoutFirstKind } from "./called-media.ts";
import { productFor } from "./house.ts";
import { type InviteWords, type Place, wordsOf } from "./invite-words.ts";
import { canBeReached, contactsFor, wayTo } from "./phones.ts";
import { hasPreconditions } from "./preconditions.ts";
import { before, Redirects, type Wanted } from "./redirects.ts";
import { asks100rel } from "./reliability.ts";
import { refusalHeaders } from "./warning.ts";

/** Limit: INVITEs sent for one call; after that the caller gets the last refusal. */
const ATTEMPT_LIMIT = 12;

/** A target that says nothing at all for this long loses the call to the next one, when there is one. */
export const SILENT_TARGET_LIMIT: Millis = 6 * SECOND;

/** What the caller is told when nobody is left. */
export interface Refusal {
  readonly status: number;
  /** What the target said; `undefined`: the refusal is ours. */
  readonly received?: number;
  readonly phrase?: string | undefined;
  readonly headers: readonly (readonly [string, string])[];
}

/** Somebody to be asked: a dialog that an INVITE with Replaces names (RFC 3891), instead of a route. */
export interface Pickup {
  readonly dialog: Dialog;
  readonly replaces: string;
  readonly realm: RealmSettings;
  readonly peer: PeerSettings | undefined;
}

const NO_MOVES: Wanted["moves"] = [];

const UNREACHABLE: Refusal = { status: 503, headers: [] };

/** RFC 3261 §21.5.4: all that we could ask would say 503, so this one may be passed on, as our own. */
export const fullFor = (seconds: number): Refusal => ({ status: 503, headers: [["Retry-After", String(seconds)]] });

export class Setup {
  readonly #call: Call;
  /** What is asked for now, and what may be asked for next: a redirect makes more than one. */
  #wanted: Wanted;
  #others: readonly Wanted[] = [];
  #redirects: Redirects | undefined;
  readonly #pickup: Pickup | undefined;
  /** The offer as the caller made it; `undefined`: it waits for ours. */
  readonly #sdp: string | undefined;
  readonly #maxForwards: number;
  readonly media: CalledMedia;
  #peerIndex = -1;
  #peer: PeerSettings | undefined;
  #targets: readonly TargetState[] = [];
  #targetIndex = 0;
  #places: Place[] = [];
  #attempts = 0;
  /** Phones are being woken. */
  #waking = false;
  #current: Place | undefined;
  #heard = false;
  #refusal: Refusal | undefined;
  /** A 3xx that was followed: it counts only when there was nobody at all to be asked then. */
  #moved: Refusal | undefined;

  constructor(
    call: Call,
    uri: Uri,
    peers: readonly PeerSettings[],
    pickup: Pickup | undefined,
    sdp: string | undefined,
    maxForwards: number,
  ) {
    this.#call = call;
    this.media = new CalledMedia(call);
    // A dialog that is to be taken over is with one phone alone: nobody else may see its name.
    this.#wanted = { uri, peers: pickup === undefined ? peers : [], moves: NO_MOVES };
    this.#pickup = pickup;
    this.#sdp = sdp;
    this.#maxForwards = maxForwards;
  }

  /** The peer whose limits this call counts against on the called side. */
  get peer(): PeerSettings | undefined {
    return this.#peer;
  }

  /** The best that the caller can be told of what went wrong so far. */
  get refusal(): Refusal {
    return this.#refusal ?? this.#moved ?? UNREACHABLE;
  }

  /** Another call counts against it from now on. */
  surrender(): PeerSettings | undefined {
    const peer = this.#peer;
    this.#peer = undefined;
    return peer;
  }

  get target(): string {
    const place = this.#current;
    if (place?.contacts === undefined) return place?.target?.id ?? "";
    return `${place.destination.protocol}:${addressText(place.destination.remote)}`;
  }

  /** Is there anybody else to ask? Names that are not resolved yet count as somebody. */
  get more(): boolean {
    if (this.#attempts >= ATTEMPT_LIMIT) return false;
    if (this.#places.length > 0 || this.#targetIndex < this.#targets.length) return true;
    return this.#peerIndex + 1 < this.#wanted.peers.length || this.#others.length > 0;
  }

  start(now: Millis): void {
    const pickup = this.#pickup;
    if (pickup === undefined) return this.next(now);
    this.#peer = pickup.peer;
    if (!this.#admit(pickup.peer, now)) return this.#call.noWay(now);
    pickup.dialog.reach(now, (destination, at) => {
      if (destination !== undefined) this.#places.push({ destination, target: undefined, realm: pickup.realm });
      this.next(at);
    });
  }

  /** The next attempt, or the end of the search. It may wait for a name to be resolved. */
  next(now: Millis): void {
    while (this.#call.searching) {
      if (this.#attempts >= ATTEMPT_LIMIT) return this.#call.noWay(now);
      const place = this.#places.shift();
      if (place !== undefined) {
        if (this.#attempt(place, now)) return;
        continue;
      }
      const target = this.#targets[this.#targetIndex];
      if (target !== undefined) {
        this.#targetIndex += 1;
        if (this.#rests(target, now) || this.#redirects?.fresh(target, this.#wanted.uri) === false) continue;
        return this.#resolve(target, now);
      }
      if (!this.#nextPeer(now)) return this.#call.noWay(now);
      if (this.#waking) return;
    }
  }

  /** Something came back from the target of now. True the first time. */
  heard(): boolean {
    const first = !this.#heard;
    this.#heard = true;
    return first;
  }

  answered(now: Millis): void {
    this.#outcome("answered", undefined, now);
  }

  /** True when this refusal lets us ask the next target (RFC 3261 §16.7, RFC 3263 §4.3). */
  refused(response: Response, refusal: Refusal, now: Millis): boolean {
    const { status } = response;
    if (status === 503) this.#outcome("503", retryAfterOf(response), now);
    else this.#outcome(status === 408 ? "timeout" : "answered", undefined, now);
    if (status < 400 && this.#follow(response, now)) {
      this.#moved = refusal;
      return true;
    }
    this.#tell(refusal);
    if (status === 503 || status === 408) return this.more;
    // RFC 3261 §16.7: what one of a user's phones says is not what the next group of them will say.
    if (this.#current?.contacts !== undefined && !endsSearch(status) && this.#places.length > 0) return this.more;
    if (this.#redirects === undefined || endsSearch(status)) return false;
    this.#dropWanted(); // The next Contact may do (RFC 3261 §8.1.3.4).
    return this.more;
  }

  /** A 3xx takes the place of what was asked for. False: it is a refusal. */
  #follow(response: Response, now: Millis): boolean {
    const peer = this.#peer;
    if (peer?.redirects !== "follow" || this.#pickup !== undefined) return false;
    this.#redirects ??= new Redirects(this.#call);
    const found = this.#redirects.follow(response, this.#wanted, peer, this.#current?.target, now);
    if (found.length === 0) return false;
    this.#others = before(found, this.#others);
    this.#dropWanted();
    return this.more;
  }

  /** Nobody else is asked for what is asked for now. */
  #dropWanted(): void {
    this.#places = [];
    this.#targetIndex = this.#targets.length;
    this.#peerIndex = this.#wanted.peers.length - 1;
  }

  /** True when there is somebody else. */
  failed(cause: "timeout" | "unreachable" | "protocol-error", now: Millis): boolean {
    this.#tell({ status: cause === "timeout" ? 408 : cause === "unreachable" ? 503 : 500, headers: [] });
    if (cause !== "protocol-error") this.#outcome(cause, undefined, now);
    return this.more;
  }

  /** RFC 3261 §16.7 step 6. Of two that are worth the same the later counts. */
  #tell(refusal: Refusal): void {
    const held = this.#refusal;
    const rank = rankOf(refusal.received ?? refusal.status);
    if (held === undefined || rank <= rankOf(held.received ?? held.status)) this.#refusal = refusal;
  }

  /** A target that asked for quiet gets none of this call. RFC 3261 §21.5.4. */
  #rests(target: TargetState, now: Millis): boolean {
    const restMs = target.restsFor(now);
    if (restMs > 0) this.#tell(fullFor(Math.ceil(restMs / SECOND)));
    return restMs > 0;
  }

  #outcome(result: "answered" | "timeout" | "unreachable" | "503", retryAfterSeconds: number | undefined, now: Millis) {
    const target = this.#current?.target;
    if (target !== undefined) this.#call.house.routing.outcome(target, result, retryAfterSeconds, now);
  }

  #nextPeer(now: Millis): boolean {
    const { routing } = this.#call.house;
    for (;;) {
      routing.release(this.#peer);
      this.#peer = undefined;
      const peer = this.#wanted.peers[++this.#peerIndex];
      if (peer === undefined) {
        const [next, ...later] = this.#others;
        if (next === undefined) return false;
        this.#wanted = next;
        this.#others = later;
        this.#peerIndex = -1;
        continue;
      }
      if (!this.#admit(peer, now)) continue;
      if (peer === PHONES) this.#addPhones(true, now);
      this.#targets = this.#wanted.only ?? routing.targets(peer, now);
      this.#targetIndex = 0;
      return true;
    }
  }

  /** The contacts of the user, by groups that are asked together. */
  #addPhones(wake: boolean, now: Millis): void {
    const { house, start } = this.#call;
    if (house.phones === undefined) return;
    const all = contactsFor(house.phones, this.#wanted.uri, start.contact, start.uri.scheme === "sips");
    const everybody = all.flatMap(({ bindings }) => bindings);
    if (wake && house.phones.wake(everybody, (at) => this.#awake(at), now)) {
      this.#waking = true;
      return;
    }
    if (!everybody.some(canBeReached)) this.#tell({ status: 480, headers: [] });
    for (const { bindings, ...group } of all) {
      const contacts = { ...group, bindings: bindings.filter(canBeReached) };
      const [first] = contacts.bindings;
      const realm = first === undefined ? undefined : house.settings.realms.get(first.flow.realm);
      if (first === undefined || realm === undefined) continue;
      this.#places.push({ destination: wayTo(first), target: undefined, realm, contacts });
    }
  }

  /** Whoever could be woken has come, by whatever way. */
  #awake(now: Millis): void {
    this.#waking = false;
    if (!this.#call.searching) return;
    this.#addPhones(false, now);
    this.next(now);
  }

  #admit(peer: PeerSettings | undefined, now: Millis): boolean {
    const verdict = this.#call.house.routing.admit(peer, now);
    if (verdict.admitted) {
      this.#peer = peer;
      return true;
    }
    this.#peer = undefined;
    this.#tell(fullFor(verdict.retryAfterSeconds));
    return false;
  }

  #resolve(target: TargetState, now: Millis): void {
    const { transport, routing, settings } = this.#call.house;
    const realm = settings.realms.get(target.realm);
    const tcpForLargeRequests = this.#peer?.tcpForLargeRequests ?? false;
    const done = (found: readonly Destination[], at: Millis): void => {
      if (!this.#call.searching) return;
      if (found.length === 0) {
        routing.outcome(target, "unreachable", undefined, at);
        this.#tell(UNREACHABLE);
      } else if (realm !== undefined) {
        routing.resolvedAddresses(
          target,
          found.map((destination) => destination.remote.ip),
        );
        for (const destination of found) {
          const place = tcpForLargeRequests ? { ...destination, tcpForLargeRequests } : destination;
          this.#places.push({ destination: place, target, realm });
        }
      }
      this.next(at);
    };
    transport.resolve({ realm: target.realm, target: target.settings }, done, now);
  }

  /** False when this place cannot be asked; `refusal` says why. */
  #attempt(place: Place, now: Millis): boolean {
    const call = this.#call;
    const { destination, realm } = place;
    const scheme = this.#schemeFor(place, now);
    if (scheme === undefined) return false;
    this.#current = place;
    this.#heard = false;
    call.ids?.asking(realm.sessionId);
    const leg = Leg.inviting({
      house: call.house.legs,
      owner: call,
      side: "callee",
      realm: realm.name,
      secure: scheme === "sips",
      product: productFor(realm, call.house.version),
      tcpForLargeRequests: destination.tcpForLargeRequests ?? false,
      nated: place.contacts !== undefined, // A phone is where it speaks from.
      phones: place.contacts?.bindings,
      sessionTimer: call.house.settings.sessionTimer,
      authenticator: call.house.accounts?.of(this.#peer),
      ids: realm.sessionId === "off" ? undefined : call.ids,
      book: call.house.book,
    });
    let words: InviteWords;
    try {
      const sdp = this.media.describe(place, this.#peer, this.#sdp);
      words = wordsOf({ call, wanted: this.#wanted, pickup: this.#pickup, peer: this.#peer, place }, scheme, sdp);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      this.#refusedBy(error);
      const others = withoutFirstKind(place);
      if (others !== undefined) this.#places.unshift(others);
      return false;
    }
    const asks = call.start.introduction === undefined ? asks100rel(call.start, this.#peer) : "none";
    leg.wording.supported = asks === "none" ? "replaces" : "100rel, replaces";
    leg.wording.required = asks === "required" ? "100rel" : undefined;
    leg.wording.preconditions = hasPreconditions(this.#peer);
    this.#attempts += 1;
    call.asking(leg, realm, this.more, now, place.contacts?.ringSeconds);
    const invite = { ...words, maxForwards: this.#maxForwards - 1 };
    const branches = this.media.branchesTo(place, (error) => this.#refusedBy(error));
    leg.invite(invite, words.parcel, destination, now, branches);
    return true;
  }

  #refusedBy(error: PeerError): void {
    this.#tell({ status: error.status, headers: refusalHeaders(error, this.#call.caller.wording.contactHost) });
  }

  #schemeFor({ destination, realm }: Place, now: Millis): "sip" | "sips" | undefined {
    const call = this.#call;
    const { scheme } = this.#wanted.uri;
    const requestScheme = call.start.uri.scheme === "sips" ? "sips" : scheme === "other" ? "sip" : scheme;
    const verdict = sipsVerdict({ requestScheme, toRealm: realm, toProtocol: destination.protocol });
    if ("scheme" in verdict) return verdict.scheme;
    const { house } = call;
    house.fact({ fact: "sips.refused", call: call.id, realm: realm.name, status: verdict.refuse }, now);
    const agent = call.caller.wording.contactHost;
    const warning = `${verdict.warning.code} ${agent} "${verdict.warning.text}"`;
    this.#tell({ status: verdict.refuse, phrase: verdict.reason, headers: [["Warning", warning]] });
    return undefined;
  }
}

function retryAfterOf(response: Response): number | undefined {
  try {
    return response.get(RetryAfter);
  } catch {
    return undefined;
  }
}
