/**
 * While an inside registrar is away: phones that it knows go on by what it said last, and those whose password we can check
 * may come anew. When it is back each phone's next REGISTER goes there, no faster than it is promised.
 */
import { type Millis, type PeerSettings, SECOND } from "../../base/index.ts";
import type { HeldBinding, Wish } from "../../registration/index.ts";
import type { Bindings, Grant } from "./bindings.ts";
import type { PhoneHouse } from "./house.ts";
import { longest, type Visit } from "./visit.ts";

/** Phones come often meanwhile, so that all is well soon after it is back. In seconds. */
const SURVIVAL_SECONDS = 30;

/** What the registrar's desk does for whoever comes. */
export interface SurvivalDesk {
  refuse(visit: Visit, peer: PeerSettings, familiar: boolean, now: Millis): void;
  /** As it stands. */
  grant(visit: Visit, now: Millis): void;
  prove(visit: Visit, then: (now: Millis) => void, now: Millis): void;
  settle(visit: Visit, grants: readonly Grant[], now: Millis): void;
}

export class Survival {
  /** Registrars that nobody answers for. */
  readonly away = new Set<string>();
  /** REGISTERs answered without them. */
  survived = 0;
  readonly #house: PhoneHouse;
  readonly #bindings: Bindings;
  readonly #desk: SurvivalDesk;

  constructor(house: PhoneHouse, bindings: Bindings, desk: SurvivalDesk) {
    this.#house = house;
    this.#bindings = bindings;
    this.#desk = desk;
  }

  isAway(peer: PeerSettings, now: Millis): boolean {
    const away = this.#house.routing.isDown(peer.name, now);
    if (away) this.isLost(peer.name, now);
    return away;
  }

  peerDown(peer: string, now: Millis): void {
    const domains = this.#house.settings.registration?.domains.values() ?? [];
    const serves = [...domains].some(({ registrar }) => registrar === peer);
    if (serves && this.#house.routing.isDown(peer, now)) this.isLost(peer, now);
  }

  isLost(peer: string, now: Millis): void {
    if (this.away.has(peer)) return;
    this.away.add(peer);
    const all = this.#bindings.of(peer);
    for (const { upstream } of all) upstream?.happen("registrar lost");
    this.#house.fact({ fact: "registrar.away", peer, phones: all.length }, now);
  }

  /** It may have forgotten everybody: each phone's next REGISTER goes there. */
  isBack(peer: string, now: Millis): void {
    if (!this.away.delete(peer)) return;
    const all = this.#bindings.of(peer);
    for (const { upstream } of all) {
      upstream?.happen("time to refresh");
      upstream?.happen("registrar back");
    }
    this.#house.fact({ fact: "registrar.back", peer, phones: all.length }, now);
  }

  /** A REGISTER that cannot be relayed. */
  take(visit: Visit, peer: PeerSettings, known: HeldBinding | undefined, now: Millis): void {
    if (known !== undefined && this.live(visit, known, now)) return;
    // Whose password we can check ourselves may also come anew, or from elsewhere.
    if (visit.domain.users !== undefined && visit.domain.survivalSeconds > 0) {
      return this.#desk.prove(visit, (at) => this.#bindMeanwhile(visit, at), now);
    }
    this.#desk.refuse(visit, peer, known !== undefined, now);
  }

  /** False: what the registrar said last of this phone does not hold any more. */
  live(visit: Visit, known: HeldBinding, now: Millis): boolean {
    const { upstream } = known;
    if (upstream === undefined || now >= upstream.until + visit.domain.survivalSeconds * SECOND) return false;
    upstream.happen("registrar lost");
    this.survived += 1;
    const [wish] = visit.asked.wishes;
    const seconds = Math.min((wish as Wish).seconds, this.#grantFor(visit));
    this.#bindings.renew(known, visit.request.cseq.number, now + seconds * SECOND, now);
    this.#desk.grant(visit, now);
    return true;
  }

  #bindMeanwhile(visit: Visit, now: Millis): void {
    const { asked } = visit;
    this.survived += 1;
    const grants = asked.wishes.map((wish): Grant => {
      const held = this.#house.book.match(asked.aor, wish);
      const seconds = Math.min(wish.seconds, this.#grantFor(visit));
      return { wish, held, name: undefined, seconds, upstream: this.#bindings.owed(held, now), gruu: held?.gruu };
    });
    this.#desk.settle(visit, grants, now);
  }

  /** Seldom enough that all of them can be relayed in one turn when it is back. */
  #grantFor({ domain, hop }: Visit): number {
    const turn = Math.ceil(this.#house.book.size / (this.#house.settings.registration?.perSecond ?? 1));
    return Math.min(longest(domain, hop), Math.max(SURVIVAL_SECONDS, domain.shortestSeconds, turn));
  }
}
