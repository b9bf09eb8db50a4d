/**
 * Requests outside of calls that cross: which do, from whom, and which of them are under way. Single ones are exchanges;
 * SUBSCRIBE and REFER make subscriptions.
 */
import { type Millis, PeerError, type PeerSettings, type RealmSettings, TextMap } from "../base/index.ts";
import type { Hop, ServerTransaction } from "../leg/index.ts";
import type { Request, Uri } from "../message/index.ts";
import { userOf } from "../policy/index.ts";
import type { Binding, RegisteredCaller } from "../registration/index.ts";
import { forwardsLeft } from "./arrival.ts";
import type { Errand } from "./errand.ts";
import { type ErrandBook, Exchange } from "./exchange.ts";
import type { CallHouse } from "./house.ts";
import { Subscriptions } from "./subscriptions.ts";

/** Limit: bytes of a body that crosses outside of calls; a larger one gets 413. */
const BODY_LIMIT = 64 * 1_024;

/** Retry-After of a subscription that there is no room for, in seconds. */
const RETRY_AFTER = "30";

/** Limit: how far a request that came back to us is followed to where it came from. Beyond it Max-Forwards rules. */
const ECHO_LIMIT = 70;

/** Methods that we know, so that `otherMethods` does not speak of them. */
const KNOWN: ReadonlySet<string> = new Set([
  ...["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "INFO", "UPDATE", "PRACK"],
  ...["MESSAGE", "SUBSCRIBE", "NOTIFY", "PUBLISH", "REFER"],
]);

/** Inside of dialogs and outside: a method of no RFC that we know crosses where its realm says so. */
export const passesUnknown = (method: string, realm: RealmSettings): boolean =>
  realm.otherMethods === "pass" && !KNOWN.has(method);

export interface Refused {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly (readonly [string, string])[];
}

export class Outside implements ErrandBook {
  readonly #house: CallHouse;
  readonly #errands = new TextMap<Errand>();
  readonly subscriptions: Subscriptions;

  constructor(house: CallHouse) {
    this.#house = house;
    this.subscriptions = new Subscriptions(house, this);
  }

  /** How many single requests wait for their answer. */
  get size(): number {
    return this.#errands.size;
  }

  /** Does a request with this method, outside of any dialog, cross at all when it comes from there? */
  carries(method: string, realm: RealmSettings): boolean {
    if (method === "MESSAGE" || method === "PUBLISH") return true;
    // What nobody asked for has only the trust in its sender to speak for it.
    if (method === "NOTIFY") return realm.trust === "full";
    if (method === "SUBSCRIBE") return true;
    // Who is asked to refer calls whom he is told to: only they may ask who could call as well.
    if (method === "REFER") return realm.trust === "full";
    return passesUnknown(method, realm);
  }

  /** Sends it on; or says why not. Throws PeerError(400). */
  begin(
    request: Request,
    server: ServerTransaction,
    hop: Hop,
    came: {
      readonly uri: Uri;
      readonly realm: RealmSettings;
      readonly fromPeer: PeerSettings | undefined;
      readonly peers: readonly PeerSettings[];
      readonly phone?: RegisteredCaller | undefined;
      readonly contact?: Binding | undefined;
    },
    now: Millis,
  ): Refused | undefined {
    const maxForwards = forwardsLeft(request);
    if (maxForwards === 0) return refused(483, "Max-Forwards is 0");
    if (request.body.length > BODY_LIMIT) throw new PeerError(413, `a body of more than ${BODY_LIMIT} bytes`);
    const errand: Errand = {
      request,
      server,
      hop,
      ...came,
      maxForwards,
      beganAt: now,
      cameFrom: this.#echoOf(request),
    };
    if (isLoop(errand)) return refused(482, "our own request again");
    const verdict = this.#house.routing.admitRequest(came.fromPeer, now);
    if (!verdict.admitted) {
      return refused(503, verdict.limit, [["Retry-After", String(verdict.retryAfterSeconds)]]);
    }
    if (request.method !== "SUBSCRIBE" && request.method !== "REFER") {
      new Exchange(this.#house, errand, this).start(now);
      return undefined;
    }
    if (this.subscriptions.full(errand)) {
      return refused(503, "too many subscriptions", [["Retry-After", RETRY_AFTER]]);
    }
    this.subscriptions.begin(errand, now);
    return undefined;
  }

  began(tag: string, errand: Errand): void {
    this.#errands.set(tag, errand);
  }

  ended(tag: string): void {
    this.#errands.delete(tag);
  }

  /** Our own request has a tag of ours in From. */
  #echoOf(request: Request): Errand | undefined {
    return this.#errands.get(request.fromTag ?? "");
  }
}

/** A spiral comes back for another user or from elsewhere; a loop with all that routing goes by unchanged. RFC 5393. */
function isLoop(errand: Errand): boolean {
  let before = errand.cameFrom;
  for (let depth = 0; before !== undefined && depth < ECHO_LIMIT; depth++, before = before.cameFrom) {
    const sameWay = before.realm.name === errand.realm.name && before.fromPeer?.name === errand.fromPeer?.name;
    if (sameWay && userOf(before.uri) === userOf(errand.uri)) return true;
  }
  return false;
}

const refused = (status: number, reason: string, headers: Refused["headers"] = []): Refused => ({
  status,
  reason,
  headers,
});
