/** All registrations of ours at peers: they come and go with the configuration. */
import type { Destination, Hop, Millis, RegisterSettings, Settings } from "../base/index.ts";
import type { Uri } from "../message/index.ts";
import type { TrunkBook } from "../registration/index.ts";
import { Trunk, type TrunkHouse, type TrunkView } from "./trunk.ts";

export class Trunks implements TrunkBook {
  readonly #house: TrunkHouse;
  readonly #trunks = new Map<string, Trunk>();
  /** What takes the place of one that is leaving. */
  readonly #next = new Map<string, Trunk["peer"]>();
  #closing = false;

  constructor(house: TrunkHouse, settings: Settings) {
    this.#house = house;
    for (const peer of settings.peers.values()) if (peer.register !== undefined) this.#begin(peer, peer.register, 0);
  }

  routesTo(peer: string, destination: Destination): readonly string[] {
    return this.#trunks.get(peer)?.routesTo(destination) ?? [];
  }

  domainAt(peer: string): string | undefined {
    return this.#trunks.get(peer)?.settings.host;
  }

  calledAt(uri: Uri, hop: Hop): { readonly peer: string; readonly uri: Uri } | undefined {
    if (this.#trunks.size === 0 || !("user" in uri)) return undefined;
    for (const { peer, settings } of this.#trunks.values()) {
      if (settings.gin || uri.user !== settings.contactUser || peer.realm !== hop.realm) continue;
      if (!this.#house.routing.mayBe(peer.name, hop)) continue;
      return { peer: peer.name, uri: { ...uri, user: settings.user } };
    }
    return undefined;
  }

  view(peer: string, now: Millis): TrunkView | undefined {
    return this.#trunks.get(peer)?.view(now);
  }

  counts(): { readonly trunks: number; readonly registered: number } {
    const all = [...this.#trunks.values()];
    return { trunks: all.length, registered: all.filter((trunk) => trunk.registered).length };
  }

  targetDown(peer: string, target: string, now: Millis): void {
    this.#trunks.get(peer)?.targetDown(target, now);
  }

  /** One that is configured otherwise leaves first, then comes again: the same Contact may be meant. */
  apply({ peers }: Settings, now: Millis): void {
    for (const [name, trunk] of this.#trunks) {
      const peer = peers.get(name);
      if (peer?.register !== undefined && sameTrunk(trunk.peer, peer)) {
        this.#next.delete(name);
        trunk.reloaded(now);
      } else {
        if (peer?.register === undefined) this.#next.delete(name);
        else this.#next.set(name, peer);
        trunk.leave(now);
      }
    }
    for (const peer of peers.values()) {
      if (peer.register !== undefined && !this.#trunks.has(peer.name)) this.#begin(peer, peer.register, now);
    }
  }

  /** The box goes: no call shall come any more. */
  leave(now: Millis): void {
    this.#closing = true;
    this.#next.clear();
    for (const trunk of [...this.#trunks.values()]) trunk.leave(now);
  }

  #begin(peer: Trunk["peer"], register: RegisterSettings, now: Millis): void {
    if (this.#closing) return;
    this.#trunks.set(peer.name, new Trunk(this.#house, peer, register, now, (at) => this.#ended(peer.name, at)));
  }

  #ended(name: string, now: Millis): void {
    this.#trunks.delete(name);
    const next = this.#next.get(name);
    this.#next.delete(name);
    if (next?.register !== undefined) this.#begin(next, next.register, now);
  }
}

/** A new password is the account's business: the next REGISTER bears it. */
const sameTrunk = (a: Trunk["peer"], b: Trunk["peer"]): boolean =>
  a.realm === b.realm && JSON.stringify([a.register, a.targets]) === JSON.stringify([b.register, b.targets]);
