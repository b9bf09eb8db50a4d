/** All subscriptions that cross: who finds them, how many there are, and whose. */
import type { Millis } from "../base/index.ts";
import { TextMap } from "../base/index.ts";
import type { Hop, ServerTransaction } from "../leg/index.ts";
import type { Request } from "../message/index.ts";
import type { Errand } from "./errand.ts";
import type { ErrandBook } from "./exchange.ts";
import type { CallHouse } from "./house.ts";
import { Subscribing, type SubscribingOwner } from "./subscribing.ts";
import type { Subscription } from "./subscription.ts";

export class Subscriptions implements SubscribingOwner {
  readonly #house: CallHouse;
  readonly #errands: ErrandBook;
  /** By our own tags, toward the subscribers and toward the notifiers. */
  readonly #near = new TextMap<Subscription>();
  readonly #far = new TextMap<Subscribing>();
  readonly #perSource = new Map<string, number>();

  constructor(house: CallHouse, errands: ErrandBook) {
    this.#house = house;
    this.#errands = errands;
  }

  get size(): number {
    return this.#near.size;
  }

  /** Requests that have made some, or are about to. */
  get asked(): number {
    return this.#far.size;
  }

  /** Throws PeerError when the request can make no subscription. */
  begin(errand: Errand, now: Millis): void {
    new Subscribing(this.#house, errand, this).start(now);
  }

  /** Limit: `limits.subscriptions`, and `limits.subscriptionsPerSource` of each who is not fully trusted. */
  full(errand: Errand): boolean {
    const { subscriptions, subscriptionsPerSource } = this.#house.settings.limits;
    if (this.size >= subscriptions) return true;
    if (errand.realm.trust === "full") return false;
    return (this.#perSource.get(sourceOf(errand)) ?? 0) >= subscriptionsPerSource;
  }

  /** A request inside one of our dialogs. False: it is in none of these. Throws PeerError(400). */
  receive(request: Request, server: ServerTransaction, hop: Hop, now: Millis): boolean {
    const tag = request.toTag ?? "";
    const subscription = this.#near.get(tag);
    if (subscription === undefined) {
      const subscribing = this.#far.get(tag);
      return subscribing?.owns(request, hop.realm) === true && subscribing.receive(request, server, now);
    }
    const { near } = subscription;
    const ours = near.callId === request.callId && near.remoteTag === request.fromTag;
    if (!ours || near.leg.realm !== hop.realm || !near.admits(hop.protocol)) return false;
    subscription.refresh(request, server, now);
    return true;
  }

  /** The box goes: both ends are told. */
  endAll(now: Millis): void {
    for (const subscription of [...this.#near.values()]) subscription.end(now);
  }

  // — SubscribingOwner

  knowFar(tag: string, subscribing: Subscribing): void {
    this.#far.set(tag, subscribing);
  }

  forgetFar(tag: string): void {
    this.#far.delete(tag);
  }

  admit(subscription: Subscription, errand: Errand): boolean {
    if (this.full(errand)) return false;
    const source = sourceOf(errand);
    this.#near.set(subscription.near.localTag, subscription);
    this.#perSource.set(source, (this.#perSource.get(source) ?? 0) + 1);
    return true;
  }

  over(subscription: Subscription, errand: Errand): void {
    const source = sourceOf(errand);
    this.#near.delete(subscription.near.localTag);
    const left = (this.#perSource.get(source) ?? 1) - 1;
    if (left > 0) this.#perSource.set(source, left);
    else this.#perSource.delete(source);
  }

  began(tag: string, errand: Errand): void {
    this.#errands.began(tag, errand);
  }

  ended(tag: string): void {
    this.#errands.ended(tag);
  }
}

const sourceOf = ({ fromPeer, realm, hop }: Errand): string => fromPeer?.name ?? `${realm.name} ${hop.remote.ip}`;
