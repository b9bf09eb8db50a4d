/**
 * The server's half of digest authentication at work: asks for credentials, and judges them. RFC 7616 §3, RFC 8760.
 *
 * A user that there is not costs the same and gets the same answer as a wrong password: neither the words nor the time
 * tell whose names are taken. Nonces are not kept: each proves itself, and is good for one source address.
 */
import {
  type DomainSettings,
  type Hash,
  type HashName,
  MINUTE,
  type Millis,
  PeerError,
  type Random,
} from "../base/index.ts";
import { Authorization, ProxyAuthorization, type Request } from "../message/index.ts";
import { userIn } from "./addresses.ts";
import type { Asker } from "./challenge.ts";
import { CountWindow } from "./count-window.ts";
import { Nonces } from "./nonces.ts";
import { type Claim, challengesFor, claimIn, isRight } from "./verify.ts";

const NONCE_LIFETIME: Millis = 10 * MINUTE;
/** Limit: nonces whose counts are known; the oldest are asked anew beyond it. */
const NONCES = 200_000;
/** Limit: credentials looked at in one request. */
const CREDENTIALS = 8;

/** Digests of one user by hash function, as an HTTP source tells them; `failed`: it told nothing. */
export type UserAnswer = { readonly [Name in HashName]?: string } | "failed";

export interface GatekeeperOptions {
  readonly hash: Hash;
  readonly random: Random;
  /** Asks an HTTP source. Calls back once. */
  readonly lookUp: (
    url: string,
    user: string,
    realm: string,
    done: (answer: UserAnswer, now: Millis) => void,
    now: Millis,
  ) => void;
}

export type Admission =
  | { readonly verdict: "right" }
  /** Headers of the 401 or 407. */
  | { readonly verdict: "ask"; readonly challenges: readonly string[] }
  /** We cannot tell now: 503. */
  | { readonly verdict: "later" };

const RIGHT: Admission = { verdict: "right" };
const LATER: Admission = { verdict: "later" };

export class Gatekeeper {
  readonly #options: GatekeeperOptions;
  readonly #nonces: Nonces;
  readonly #counts = new CountWindow(NONCES);
  #sweepAt: Millis = 0;

  constructor(options: GatekeeperOptions) {
    this.#options = options;
    const { hash, random } = options;
    this.#nonces = new Nonces({ hash, random, lifetime: NONCE_LIFETIME });
  }

  /** Does whoever sent this know the password of `aor`? `done` is called once, at once unless a source is asked. */
  admit(
    request: Request,
    asker: Asker,
    who: { readonly aor: string; readonly source: string; readonly domain: DomainSettings },
    done: (admission: Admission, now: Millis) => void,
    now: Millis,
  ): void {
    const { aor, source, domain } = who;
    const claim = claimOf(request, asker, domain);
    if (claim === undefined) return done(this.#ask(domain, source, false, now), now);
    const nonce = this.#nonces.judge(claim.nonce, source, now);
    if (nonce.verdict !== "good") {
      // RFC 7616 §3.3: stale says that the password was right. Whoever has it proves it with the next nonce.
      return done(this.#ask(domain, source, nonce.verdict === "stale", now), now);
    }
    this.#digests(
      domain,
      claim,
      (digests, at) => {
        if (digests === "failed") return done(LATER, at);
        const { hash } = this.#options;
        const right = isRight(claim, request, (_user, name) => digests(name), hash);
        // Whoever he is, he is nobody else.
        if (!right || claim.user !== userIn(aor)) return done(this.#ask(domain, source, false, at), at);
        this.#sweep(at);
        const use = this.#counts.use(claim.nonce, nonce.madeAt, claim.count);
        done(use === "fresh" ? RIGHT : this.#ask(domain, source, true, at), at);
      },
      now,
    );
  }

  #ask(domain: DomainSettings, source: string, stale: boolean, now: Millis): Admission {
    const { digestRealm: realm, algorithms } = domain;
    const nonce = this.#nonces.make(source, now);
    return { verdict: "ask", challenges: challengesFor({ realm, nonce, algorithms, stale }) };
  }

  #digests(
    { users, digestRealm }: DomainSettings,
    { user }: Claim,
    done: (digests: ((name: HashName) => string | undefined) | "failed", now: Millis) => void,
    now: Millis,
  ): void {
    if (users === undefined) return done(() => undefined, now);
    if (users.kind === "table") {
      const table = users.table.reveal();
      return done((name) => table.ha1(user, name), now);
    }
    const told = (answer: UserAnswer, at: Millis): void =>
      done(answer === "failed" ? "failed" : (name) => digestIn(answer, name), at);
    this.#options.lookUp(users.url, user, digestRealm, told, now);
  }

  #sweep(now: Millis): void {
    if (now < this.#sweepAt) return;
    this.#sweepAt = now + NONCE_LIFETIME;
    this.#counts.sweep(now - NONCE_LIFETIME);
  }
}

/** The first that could be meant for us. One that cannot be read counts as none. */
function claimOf(request: Request, asker: Asker, { digestRealm, algorithms }: DomainSettings): Claim | undefined {
  const field = asker === "proxy" ? ProxyAuthorization : Authorization;
  for (const line of request.headers.rawAll(field.name).slice(0, CREDENTIALS)) {
    try {
      const claim = claimIn(field.parse(line), digestRealm, algorithms);
      if (claim !== undefined) return claim;
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
    }
  }
  return undefined;
}

function digestIn(answer: Exclude<UserAnswer, "failed">, name: HashName): string | undefined {
  const text = answer[name]?.toLowerCase();
  return text !== undefined && new RegExp(`^[0-9a-f]{${name === "MD5" ? 32 : 64}}$`).test(text) ? text : undefined;
}
