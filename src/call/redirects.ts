/**
 * 3xx that we follow ourselves: RFC 3261 §8.1.3.4, §16.7 step 4. A Contact is a wish, not a way. It is granted where its
 * sender could have called by itself: at its own place, or by the routes that take calls from it. So a redirect leads
 * nowhere that no peer and no route covers, and nobody is made a relay.
 */
import type { Millis, PeerSettings } from "../base/index.ts";
import type { Response, Uri } from "../message/index.ts";
import { redirectionsIn, userOf } from "../policy/index.ts";
import type { TargetState } from "../routing/index.ts";
import type { Call } from "./call.ts";

/** Limit: 3xx followed for one call; the next one is a refusal like any other, told as 480. */
const REDIRECTS = 5;
/** Limit: Contacts waiting to be asked for one call; the worst of them fall off. */
const WAITING = 10;

/** Limit: characters of a user part in a fact: ten Contacts of a peer are no page of a log. */
const USER_CHARS = 64;

/** Somebody to be asked for, and whom to ask. */
export interface Wanted {
  readonly uri: Uri;
  readonly peers: readonly PeerSettings[];
  /** Some targets of the one peer, when a redirect names them; `undefined`: all of each. */
  readonly only?: readonly TargetState[];
  /** Who was asked for before, and how it was refused: the oldest first. */
  readonly moves: readonly Move[];
}

export interface Move {
  readonly uri: Uri;
  readonly status: number;
}

export class Redirects {
  readonly #call: Call;
  /** Target and user of every INVITE from the first redirect on: nobody is asked twice for one (RFC 3261 §8.1.3.4). */
  readonly #asked = new Set<string>();
  #followed = 0;

  constructor(call: Call) {
    this.#call = call;
  }

  /** What is to be asked instead of `wanted`, best first; empty: this 3xx leads nowhere that we may go. */
  follow(
    response: Response,
    wanted: Wanted,
    peer: PeerSettings,
    target: TargetState | undefined,
    now: Millis,
  ): readonly Wanted[] {
    if (this.#followed === REDIRECTS) return [];
    this.#followed += 1;
    if (target !== undefined) this.#asked.add(keyOf(target, wanted.uri));
    const moves = [...wanted.moves, { uri: wanted.uri, status: response.status }];
    const secure = this.#call.start.uri.scheme === "sips";
    const found: Wanted[] = [];
    for (const { uri } of redirectionsIn(response)) {
      if (secure && uri.scheme !== "sips") continue; // RFC 3261 §16.7: what was promised to be secure stays so.
      const way = this.#wayTo(uri, peer);
      if (way !== undefined) found.push({ uri, moves, ...way });
    }
    const { id, house } = this.#call;
    const users = found.map(({ uri }) => userOf(uri).slice(0, USER_CHARS));
    const { status } = response;
    house.fact({ fact: "call.redirected", call: id, peer: peer.name, status, followed: true, users }, now);
    return found;
  }

  /** May this target be asked for this user? Once. */
  fresh(target: TargetState, uri: Uri): boolean {
    const key = keyOf(target, uri);
    if (this.#asked.has(key)) return false;
    this.#asked.add(key);
    return true;
  }

  #wayTo(uri: Uri, peer: PeerSettings): Pick<Wanted, "peers" | "only"> | undefined {
    const { routing, settings } = this.#call.house;
    const only = routing.targetsAt(peer, uri);
    if (only.length > 0) return { peers: [peer], only };
    const realm = settings.realms.get(peer.realm);
    if (realm === undefined) return undefined;
    const peers = routing.route({ from: peer, realm: realm.name, trust: realm.trust, method: "INVITE", uri });
    return peers === "no route" ? undefined : { peers };
  }
}

/** `held` behind `next`: what a deeper redirect leads to comes first. */
export const before = (next: readonly Wanted[], held: readonly Wanted[]): Wanted[] =>
  [...next, ...held].slice(0, WAITING);

const keyOf = (target: TargetState, uri: Uri): string => `${target.peer} ${target.id} ${userOf(uri)}`;
