/**
 * Answers the challenges of one peer with the account that we have there. RFC 3261 §22.2, §22.3; RFC 7616 §3.4 to §3.6.
 *
 * Who is answered: the peer itself, in the digest realm that was configured, or else in the first one that took our
 * word. Nobody else ever gets a digest of the password, for whoever has one can try passwords against it at leisure.
 */
import {
  type Address,
  type AuthSettings,
  type Destination,
  type Fact,
  type Hash,
  type Hop,
  type Millis,
  type Random,
  token,
} from "../base/index.ts";
import type { RequestDraft, Response } from "../message/index.ts";
import { answerTo, nextNonceIn } from "./answer.ts";
import { type Challenge, challengesIn, covers } from "./challenge.ts";
import { type Algorithm, ha1Of, hashOf } from "./digest.ts";

/**
 * Limit: challenges answered for one request: a proxy's, the server's behind it, and each once more for a nonce that is
 * too old. Then the refusal stands.
 */
export const CHALLENGES_PER_REQUEST = 4;
/** Limit: nonces of one peer that are kept for the next request; the oldest goes. One for each of its servers is usual. */
const NONCES = 32;
/** Limit: uses of one nonce. Then the next request goes without and gets a new one. */
const NONCE_USES = 0x7fff_ffff;
const CNONCE_CHARS = 24;

export interface AuthenticatorOptions {
  readonly peer: string;
  readonly auth: AuthSettings;
  readonly hash: Hash;
  readonly random: Random;
  /** Is the peer at this place? */
  readonly isPeer: (place: Hop | Destination) => boolean;
  readonly fact: (fact: Fact, now: Millis) => void;
}

/** A challenge that we have an answer to, for as long as its nonce lives. */
export interface Nonce {
  readonly challenge: Challenge;
  readonly ha1: string;
  readonly cnonce: string;
  uses: number;
}

export class PeerAuthenticator {
  readonly options: AuthenticatorOptions;
  /** By where it came from, who asked, and for which realm; the oldest first. */
  readonly #nonces = new Map<string, Nonce>();
  #pinned: string | undefined;

  constructor(options: AuthenticatorOptions) {
    this.options = options;
    this.#pinned = options.auth.realm;
  }

  /** A request is about to leave: credentials go into it when we have a nonce of that place. */
  begin(draft: RequestDraft, destination: Destination): RequestAuthentication {
    return new RequestAuthentication(this, draft, destination);
  }

  /** Whoever is elsewhere gets no credentials, not even with an ACK. */
  isPeer(place: Hop | Destination): boolean {
    return this.options.isPeer(place);
  }

  /** The digest realm that is answered; `undefined`: none took our word yet. */
  get realm(): string | undefined {
    return this.#pinned;
  }

  answers(realm: string): boolean {
    return this.#pinned === undefined || this.#pinned === "*" || this.#pinned === realm;
  }

  /** Credentials for this realm were taken. */
  taken(realm: string): void {
    this.#pinned ??= realm;
  }

  /** Can we answer with this algorithm at all? */
  readonly usable = (algorithm: Algorithm): boolean => {
    const { auth } = this.options;
    const name = hashOf(algorithm);
    return auth.hashes.includes(name) && (auth.password !== undefined || auth.ha1.has(name));
  };

  nonceFor(challenge: Challenge): Nonce {
    const { random } = this.options;
    return { challenge, ha1: this.#ha1(challenge), cnonce: token(random, CNONCE_CHARS), uses: 0 };
  }

  /** Nonces of servers at this place that are good for a request with this URI. */
  noncesAt(place: Address, uri: string): readonly Nonce[] {
    if (this.#nonces.size === 0) return [];
    const found: Nonce[] = [];
    for (const [key, nonce] of this.#nonces) {
      if (!key.startsWith(`${place.ip} `) || nonce.uses >= NONCE_USES) continue;
      if (covers(nonce.challenge, uri)) found.push(nonce);
    }
    return found;
  }

  keep(place: Address, nonce: Nonce): void {
    const key = keyOf(place, nonce.challenge);
    this.#nonces.delete(key);
    this.#nonces.set(key, nonce);
    if (this.#nonces.size <= NONCES) return;
    for (const oldest of this.#nonces.keys()) {
      this.#nonces.delete(oldest);
      return;
    }
  }

  forget(place: Address, challenge: Challenge): void {
    this.#nonces.delete(keyOf(place, challenge));
  }

  #ha1({ realm, algorithm }: Challenge): string {
    const { auth, hash } = this.options;
    const name = hashOf(algorithm);
    const known = auth.ha1.get(name);
    if (known !== undefined) return known.reveal();
    return ha1Of(hash, name, auth.user, realm, auth.password?.reveal() ?? "");
  }
}

interface Sent {
  readonly nonce: Nonce;
  /** It answered a challenge that this very request got: a second one means that it was wrong. */
  readonly fresh: boolean;
  /** Which use of the nonce went out last. */
  uses: number;
}

/** One request of ours with all its attempts. */
export class RequestAuthentication {
  readonly #owner: PeerAuthenticator;
  readonly #draft: RequestDraft;
  readonly #place: Destination;
  readonly #sent = new Map<string, Sent>();
  #headers: (readonly [name: string, value: string])[] = [];
  #answered = 0;

  constructor(owner: PeerAuthenticator, draft: RequestDraft, place: Destination) {
    this.#owner = owner;
    this.#draft = draft;
    this.#place = place;
    if (!owner.isPeer(place)) return; // A proxy on its way may lead elsewhere: nothing is told there.
    for (const nonce of owner.noncesAt(place.remote, draft.uri)) {
      if (owner.answers(nonce.challenge.realm))
        this.#sent.set(keyOf(place.remote, nonce.challenge), { nonce, fresh: false, uses: 0 });
    }
    if (this.#sent.size > 0) this.#write();
  }

  /** The credentials that the request bears now: its ACK bears them too (RFC 3261 §22.1). */
  get headers(): readonly (readonly [name: string, value: string])[] {
    return this.#headers;
  }

  /**
   * A final answer has come. True: it was a challenge, and the draft bears an answer; it is to be sent again with the
   * next CSeq. False: the answer is final.
   */
  again(response: Response, hop: Hop, now: Millis): boolean {
    if (response.status === 401 || response.status === 407) return this.#answer(response, hop, now);
    if (response.status >= 200 && response.status < 300 && this.#sent.size > 0) this.#taken(response);
    return false;
  }

  #answer(response: Response, hop: Hop, now: Millis): boolean {
    const owner = this.#owner;
    const refuse = (reason: string, realm = ""): false => {
      const { peer, fact } = owner.options;
      const { method } = this.#draft;
      fact({ fact: "auth.failed", peer, method, status: response.status, digestRealm: realm, reason }, now);
      return false;
    };
    // An address can be forged, and the answer goes where the request went.
    if (!owner.isPeer(hop) || !owner.isPeer(this.#place)) return refuse("it was not the peer that asked");
    const challenges = challengesIn(response, owner.usable);
    const first = challenges[0];
    if (first === undefined) return refuse("no challenge that we can answer");
    const ours = challenges.filter(({ realm }) => owner.answers(realm));
    if (ours.length === 0) return refuse("not the realm of our account", first.realm);
    if (++this.#answered > CHALLENGES_PER_REQUEST) return refuse("challenged again and again", first.realm);
    for (const challenge of ours) {
      const before = this.#sent.get(keyOf(this.#place.remote, challenge));
      const renewed = challenge.stale && before?.nonce.challenge.nonce !== challenge.nonce;
      if (before?.fresh && !renewed) {
        owner.forget(this.#place.remote, challenge);
        return refuse("user or password were not taken", challenge.realm);
      }
    }
    for (const challenge of ours) {
      const nonce = owner.nonceFor(challenge);
      owner.keep(this.#place.remote, nonce);
      this.#sent.set(keyOf(this.#place.remote, challenge), { nonce, fresh: true, uses: 0 });
    }
    this.#write();
    return true;
  }

  /** Replaces all credentials in the draft: each nonce is used once more. */
  #write(): void {
    const draft = this.#draft;
    const { auth, hash } = this.#owner.options;
    draft.remove("Authorization").remove("Proxy-Authorization");
    this.#headers = [];
    for (const sent of this.#sent.values()) {
      const { nonce } = sent;
      sent.uses = ++nonce.uses;
      const name = nonce.challenge.asker === "proxy" ? "Proxy-Authorization" : "Authorization";
      const value = answerTo(nonce, draft, auth.user, hash);
      draft.add(name, value);
      this.#headers.push([name, value]);
    }
  }

  #taken(response: Response): void {
    const realms = new Set([...this.#sent.values()].map(({ nonce }) => nonce.challenge.realm));
    const [only] = realms;
    if (realms.size === 1 && only !== undefined) this.#owner.taken(only);
    for (const { nonce, uses } of this.#sent.values()) {
      if (nonce.challenge.asker === "proxy") continue;
      const next = nextNonceIn(response, nonce, uses, this.#draft.uri, this.#owner.options.hash);
      if (next !== undefined) this.#owner.keep(this.#place.remote, next);
    }
  }
}

const keyOf = ({ ip }: Address, { asker, realm }: Challenge): string => `${ip} ${asker} ${realm}`;
