/** One round of asking for a registration: where its registrar may be, best first, one target resolved after the other. */
import type { Destination, Millis } from "../base/index.ts";
import type { Routing, TargetState } from "../routing/index.ts";
import type { Transport } from "../transport/index.ts";

/** Limit: places asked in one round; then there are no more. */
const PLACES = 16;

export interface TrunkPlace {
  readonly destination: Destination;
  readonly target: TargetState;
}

export class TrunkRound {
  readonly #transport: Transport;
  readonly #routing: Routing;
  #targets: readonly TargetState[];
  #places: TrunkPlace[] = [];
  #asked = 0;
  #over = false;

  constructor(transport: Transport, routing: Routing, targets: readonly TargetState[]) {
    this.#transport = transport;
    this.#routing = routing;
    this.#targets = targets;
  }

  /** Somebody else could be asked. */
  get more(): boolean {
    return this.#places.length > 0 || this.#targets.length > 0;
  }

  /** Calls back at once or when a name is resolved, with `undefined` when nowhere is left; never once the round is over. */
  next(back: (place: TrunkPlace | undefined, now: Millis) => void, now: Millis): void {
    const place = this.#places.shift();
    if (place !== undefined && this.#asked < PLACES) {
      this.#asked += 1;
      return back(place, now);
    }
    const [target, ...others] = this.#targets;
    if (target === undefined || this.#asked >= PLACES) return back(undefined, now);
    this.#targets = others;
    this.#transport.resolve(
      { realm: target.realm, target: target.settings },
      (found, at) => {
        if (this.#over) return; // Something else has begun since.
        this.#routing.resolvedAddresses(
          target,
          found.map((destination) => destination.remote.ip),
        );
        for (const destination of found) this.#places.push({ destination, target });
        this.next(back, at);
      },
      now,
    );
  }

  end(): void {
    this.#over = true;
    this.#targets = [];
    this.#places = [];
  }
}
