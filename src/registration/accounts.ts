/** The accounts that we have at peers: one authenticator each, kept over a reload that leaves the account as it is. */
import type {
  AuthSettings,
  Destination,
  Fact,
  Hash,
  Hop,
  Millis,
  PeerSettings,
  Random,
  Settings,
} from "../base/index.ts";
import { PeerAuthenticator } from "./authenticator.ts";

export interface AccountsOptions {
  readonly settings: Settings;
  /** Absent: no challenge is ever answered. */
  readonly hash: Hash | undefined;
  readonly random: Random;
  /** Is this peer at this place? */
  readonly isAt: (peer: string, place: Hop | Destination) => boolean;
  readonly fact: (fact: Fact, now: Millis) => void;
}

export class Accounts {
  readonly #options: AccountsOptions;
  readonly #authenticators = new Map<string, PeerAuthenticator>();

  constructor(options: AccountsOptions) {
    this.#options = options;
    this.apply(options.settings);
  }

  of(peer: PeerSettings | undefined): PeerAuthenticator | undefined {
    return peer === undefined ? undefined : this.#authenticators.get(peer.name);
  }

  apply({ peers }: Settings): void {
    const { hash, random, isAt, fact } = this.#options;
    if (hash === undefined) return;
    for (const [name, { options }] of this.#authenticators) {
      const auth = peers.get(name)?.auth;
      if (auth === undefined || !sameAccount(auth, options.auth)) this.#authenticators.delete(name);
    }
    for (const { name: peer, auth } of peers.values()) {
      if (auth === undefined || this.#authenticators.has(peer)) continue;
      const isPeer = (place: Hop | Destination): boolean => isAt(peer, place);
      this.#authenticators.set(peer, new PeerAuthenticator({ peer, auth, hash, random, isPeer, fact }));
    }
  }
}

const sameAccount = (a: AuthSettings, b: AuthSettings): boolean =>
  JSON.stringify(plain(a)) === JSON.stringify(plain(b));

const plain = ({ user, realm, password, ha1, hashes }: AuthSettings): unknown => [
  user,
  realm,
  password?.reveal(),
  [...ha1].map(([name, value]) => [name, value.reveal()]),
  hashes,
];
