/** One REGISTER that has come, and the answers to it. */
import { addressText, type DomainSettings, type Hop, type Millis, PeerError, token } from "../../base/index.ts";
import {
  MinExpires,
  ProxyAuthenticate,
  type Request,
  Require,
  type Response,
  type ResponseDraft,
  RetryAfter,
  responseTo,
  WwwAuthenticate,
} from "../../message/index.ts";
import { ownText, type RegisterRequest } from "../../registration/index.ts";
import type { ServerTransaction } from "../../transaction/index.ts";
import { granted } from "./answers.ts";
import type { PhoneHouse } from "./house.ts";

const TAG_CHARS = 16;

/** Extensions that a phone may require of us. */
const UNDERSTOOD: ReadonlySet<string> = new Set(["path", "outbound", "gruu"]);

/** One REGISTER, and where its answer goes. */
export interface Visit {
  readonly request: Request;
  readonly server: ServerTransaction;
  readonly hop: Hop;
  readonly domain: DomainSettings;
  readonly asked: RegisterRequest;
}

export class Desk {
  readonly #house: PhoneHouse;
  refused = 0;

  constructor(house: PhoneHouse) {
    this.#house = house;
  }

  /** 200. `once`: nothing is kept of it, a copy of the REGISTER may be judged anew. */
  grant({ request, server, hop, asked }: Visit, once: boolean, now: Millis): void {
    const product = this.#house.product(hop.realm);
    const held = this.#house.book.of(asked.aor);
    if (once) this.#answer(server, (tag) => granted(request, asked, tag, held, product, now), now);
    else server.respond(granted(request, asked, this.tag(), held, product, now), now);
  }

  challenge({ request, server, hop }: Visit, challenges: readonly string[], now: Millis): void {
    const product = this.#house.product(hop.realm);
    const make = (tag: string): ResponseDraft => {
      const draft = responseTo(request, 401, tag);
      for (const challenge of challenges) draft.add("WWW-Authenticate", challenge);
      return product === undefined ? draft : draft.add("Server", product);
    };
    this.#answer(server, make, now);
  }

  /** The question of the inside registrar, as it came. */
  passChallenge({ request, server, hop }: Visit, response: Response, now: Millis): void {
    const product = this.#house.product(hop.realm);
    const draft = responseTo(request, response.status, this.tag());
    for (const [name, value] of passedOn(response)) draft.add(name, value);
    if (product !== undefined) draft.add("Server", product);
    server.respond(draft, now);
  }

  refuse(
    { request, server, hop, domain }: Omit<Visit, "asked">,
    status: number,
    now: Millis,
    headers: readonly (readonly [string, string])[] = [],
  ): void {
    this.refused += 1;
    const make = (tag: string): ResponseDraft => {
      const draft = responseTo(request, status, tag);
      for (const [name, value] of headers) draft.add(name, value);
      return draft;
    };
    this.#answer(server, make, now);
    const source = addressText(hop.remote);
    this.#house.fact({ fact: "phone.refused", realm: hop.realm, source, domain: domain.domain, status }, now);
  }

  tag(): string {
    return token(this.#house.random, TAG_CHARS);
  }

  /** Nothing is kept of it, unless it has taken so long that a 100 went before. */
  #answer(server: ServerTransaction, make: (tag: string) => ResponseDraft, now: Millis): void {
    if (!server.answerOnce(make, now)) server.respond(make(this.tag()), now);
  }
}

/** The longest grant on such a flow, in seconds. */
export const longest = (domain: DomainSettings, hop: Hop): number =>
  hop.connection === 0 ? domain.datagramSeconds : domain.streamSeconds;

/** What is required of us that we do not know; empty: nothing. Throws PeerError(400). */
export function unsupportedIn(request: Request): string {
  if (!request.headers.has("require")) return "";
  return request
    .getAll(Require)
    .filter((option) => !UNDERSTOOD.has(option.toLowerCase()))
    .join(", ");
}

/**
 * Of a refusal of the registrar, what the phone needs: what it is asked, and when it may come again. Numbers come without
 * the comments that may stand behind them, and a challenge without the places that it says it is good for (`domain`),
 * which are inside and count for no digest; one that cannot be read could not be answered either.
 */
export function passedOn(response: Response): readonly (readonly [string, string])[] {
  const headers: (readonly [string, string])[] = [];
  for (const field of [WwwAuthenticate, ProxyAuthenticate]) {
    for (const written of response.headers.rawAll(field.name)) {
      const challenge = readable(() => field.parse(written));
      if (challenge === undefined) continue;
      const { scheme, params } = challenge;
      const kept = new Map([...params].filter(([name]) => name !== "domain"));
      headers.push([field.name, kept.size === params.size ? written : field.format({ scheme, params: kept })]);
    }
  }
  for (const field of [MinExpires, RetryAfter]) {
    const seconds = readable(() => response.get(field));
    if (seconds !== undefined) headers.push([field.name, String(seconds)]);
  }
  return headers;
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof PeerError) return undefined;
    throw error;
  }
}

export function ownCredentials(request: Request): string | undefined {
  const text = request.headers.raw("Authorization");
  return text === undefined ? undefined : ownText(text);
}
