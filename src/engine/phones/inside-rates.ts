/** How fast each inside registrar may be asked: one rate a peer, made when it is needed first. */
import type { Random, Settings } from "../../base/index.ts";
import { RegisterRate } from "../../registration/index.ts";

export class InsideRates {
  readonly #house: { readonly settings: Settings; readonly random: Random };
  readonly #rates = new Map<string, RegisterRate>();

  constructor(house: { readonly settings: Settings; readonly random: Random }) {
    this.#house = house;
  }

  of(peer: string): RegisterRate {
    let rate = this.#rates.get(peer);
    if (rate === undefined) {
      const { random, settings } = this.#house;
      rate = new RegisterRate(random, settings.registration?.perSecond ?? 1);
      this.#rates.set(peer, rate);
    }
    return rate;
  }

  apply(settings: Settings): void {
    for (const [peer, rate] of this.#rates) {
      if (settings.peers.has(peer)) rate.perSecond = settings.registration?.perSecond ?? rate.perSecond;
      else this.#rates.delete(peer);
    }
  }
}
