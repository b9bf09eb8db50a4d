/**
 * One REGISTER of a phone on its way to the inside registrar: our own Contacts in place of the phone's, its credentials
 * as they came. The registrar's challenge goes back as it came, too: only the two of them know the password, and realm,
 * nonce and digest URI mean the same on both sides.
 */
import {
  type Destination,
  type DomainSettings,
  hostText,
  type Millis,
  type PeerSettings,
  type Punctual,
  SECOND,
  token,
} from "../../base/index.ts";
import { contactOf } from "../../leg/index.ts";
import {
  Contact,
  Expires,
  formatNameAddr,
  INITIAL_MAX_FORWARDS,
  MinExpires,
  type NameAddr,
  parseUri,
  quote,
  type Request,
  RequestDraft,
  type Response,
  ServiceRoute,
  Supported,
} from "../../message/index.ts";
import { type HeldBinding, ownText, type RegisterRequest, Upstream, type Wish } from "../../registration/index.ts";
import type { ClientOwner, ClientTransaction } from "../../transaction/index.ts";
import { type TrunkPlace, TrunkRound } from "../trunk-round.ts";
import { insideName } from "./devices.ts";
import type { PhoneHouse } from "./house.ts";

const CALL_ID_CHARS = 24;
const TAG_CHARS = 16;
/** A registrar that says nothing for so long loses to the next target, or to the cache: the phone still waits then. */
const SILENCE: Millis = 4 * SECOND;
/** Limit: the longest time that a registrar can make us ask for by 423, in seconds. */
const LONGEST_ASKED = 86_400;
/** Limit: routes taken of Service-Route; with more none is. Bytes of one. */
const ROUTES = 8;
const ROUTE_BYTES = 512;
/** Limit: of a GRUU, in bytes. */
const GRUU_BYTES = 512;

/** A Contact of the phone, and what stands for it inside. */
export interface Asked {
  readonly wish: Wish;
  readonly held: HeldBinding | undefined;
  /** Our name of it. */
  readonly name: string;
  /** It is to go, but other flows of its phone stay: for the registrar it stands. */
  readonly stays: boolean;
}

/** What the registrar has given for one of them. */
export interface Given extends Asked {
  readonly seconds: number;
  readonly gruu: HeldBinding["gruu"];
}

export interface RelayOwner {
  /** It has taken all. */
  relayGranted(relayed: RelayedRegister, given: readonly Given[], now: Millis): void;
  /** A final answer that is none. */
  relayRefused(relayed: RelayedRegister, response: Response, now: Millis): void;
  /** Nobody was there to be asked. */
  relayLost(relayed: RelayedRegister, now: Millis): void;
}

export class RelayedRegister implements ClientOwner, Punctual {
  readonly request: Request;
  readonly asked: RegisterRequest;
  readonly contacts: readonly Asked[];
  readonly upstream: Upstream;
  readonly domain: DomainSettings;
  readonly #house: PhoneHouse;
  readonly #owner: RelayOwner;
  readonly #peer: PeerSettings;
  #round: TrunkRound;
  #place: TrunkPlace | undefined;
  #transaction: ClientTransaction | undefined;
  #silentAt: Millis | undefined;
  #asking: number;
  #raised = false;
  #over = false;

  constructor(
    house: PhoneHouse,
    owner: RelayOwner,
    about: {
      readonly request: Request;
      readonly asked: RegisterRequest;
      readonly domain: DomainSettings;
      readonly peer: PeerSettings;
      readonly contacts: readonly { readonly wish: Wish; readonly held: HeldBinding | undefined }[];
    },
    now: Millis,
  ) {
    const { random, transport, routing } = house;
    this.#house = house;
    this.#owner = owner;
    this.request = about.request;
    this.asked = about.asked;
    this.domain = about.domain;
    this.#peer = about.peer;
    this.contacts = about.contacts.map(({ wish, held }) => ({
      wish,
      held,
      name: held?.inside ?? insideName(house, about.asked.aor, wish),
      stays: wish.seconds === 0 && held !== undefined && house.book.siblings(held).length > 0,
    }));
    const known = about.contacts.find(({ held }) => held?.upstream !== undefined)?.held?.upstream;
    this.upstream = known ?? new Upstream(token(random, CALL_ID_CHARS), token(random, TAG_CHARS));
    this.#asking = about.domain.registrarSeconds;
    this.#round = new TrunkRound(transport, routing, routing.targets(about.peer, now));
  }

  get peer(): string {
    return this.#peer.name;
  }

  start(now: Millis): void {
    this.#next(now);
  }

  // — ClientOwner

  response(response: Response, transaction: ClientTransaction, now: Millis): void {
    if (transaction !== this.#transaction || this.#over) return;
    this.#quiet();
    const { status } = response;
    if (status < 200 || this.#place === undefined) return;
    const { routing } = this.#house;
    const { target } = this.#place;
    if (status === 408 || status === 503) {
      routing.outcome(target, status === 503 ? "503" : "timeout", undefined, now);
      return this.#next(now);
    }
    routing.outcome(target, "answered", undefined, now);
    if (status === 423 && this.#raise(response)) return this.#ask(this.#place, now);
    this.#end();
    if (status < 300) this.#owner.relayGranted(this, this.#givenIn(response), now);
    else this.#owner.relayRefused(this, response, now);
  }

  failed(cause: "timeout" | "unreachable", transaction: ClientTransaction, now: Millis): void {
    if (transaction !== this.#transaction || this.#over) return;
    if (this.#place !== undefined) this.#house.routing.outcome(this.#place.target, cause, undefined, now);
    this.#quiet();
    this.#next(now);
  }

  // — Punctual

  nextDeadline(): Millis | undefined {
    return this.#silentAt;
  }

  expire(now: Millis): void {
    if (this.#silentAt === undefined || this.#silentAt > now) return;
    if (this.#place !== undefined) this.#house.routing.outcome(this.#place.target, "timeout", undefined, now);
    this.#transaction?.forget();
    this.#transaction = undefined;
    this.#quiet();
    this.#next(now);
  }

  // — Asking

  #next(now: Millis): void {
    this.#round.next((place, at) => {
      if (this.#over) return;
      if (place !== undefined) return this.#ask(place, at);
      this.#end();
      this.#owner.relayLost(this, at);
    }, now);
  }

  #ask(place: TrunkPlace, now: Millis): void {
    this.#place = place;
    const draft = this.#draft(place.destination);
    this.#transaction = this.#house.transactions.request(draft, place.destination, this, now);
    this.#silentAt = now + SILENCE;
    this.#house.agenda.watch(this);
  }

  #draft(destination: Destination): RequestDraft {
    const { request, asked, upstream, domain } = this;
    const { transport, product } = this.#house;
    upstream.seq += 1;
    const local = transport.localFor(destination);
    const draft = new RequestDraft("REGISTER", uriFor(request, domain))
      .add("Max-Forwards", String(INITIAL_MAX_FORWARDS))
      .add("From", `<${asked.aor}>;tag=${upstream.fromTag}`)
      .add("To", `<${asked.aor}>`)
      .add("Call-ID", upstream.callId)
      .add("CSeq", `${upstream.seq} REGISTER`);
    if (asked.all) draft.add("Contact", "*").add("Expires", "0");
    for (const { wish, name, stays } of this.contacts) {
      const plain = contactOf(name, local, destination.protocol, false);
      draft.add("Contact", `${plain}${paramsOf(wish, stays ? this.#asking : this.#secondsFor(wish))}`);
    }
    for (const header of CREDENTIALS) for (const value of request.headers.rawAll(header)) draft.add(header, value);
    const host = local.host.startsWith("[") ? local.host : hostText(local.host);
    if (domain.path) draft.add("Path", `<sip:${host}:${local.port};lr>`);
    const options = [...(domain.path ? ["path"] : []), ...(supports(request, "gruu") ? ["gruu"] : [])];
    if (options.length > 0) draft.add("Supported", options.join(", "));
    const shown = product(destination.realm);
    if (shown !== undefined) draft.add("User-Agent", shown);
    return draft;
  }

  /** The phone comes often, and we seldom: what it asks for is between the two of us. */
  #secondsFor({ seconds }: Wish): number {
    return seconds === 0 ? 0 : Math.max(this.#asking, this.domain.shortestSeconds);
  }

  /** RFC 3261 §10.2.8: once, with what the registrar wants; credentials do not cover it. */
  #raise(response: Response): boolean {
    const minimum = quietly(() => response.get(MinExpires));
    if (this.#raised || minimum === undefined || minimum <= this.#asking || minimum > LONGEST_ASKED) return false;
    this.#raised = true;
    this.#asking = minimum;
    return true;
  }

  #givenIn(response: Response): readonly Given[] {
    const bound = quietly(() => response.getAll(Contact)) ?? [];
    const byName = new Map<string, NameAddr>();
    for (const one of bound) if (one !== "*") byName.set(userOf(one.uri), one);
    const overall = quietly(() => response.get(Expires));
    const routes = quietly(() => response.getAll(ServiceRoute)) ?? [];
    const texts = routes.map((route) => ownText(formatNameAddr(route)));
    this.upstream.routes = texts.length > ROUTES || texts.some((text) => text.length > ROUTE_BYTES) ? [] : texts;
    return this.contacts.map((asked) => {
      const params = byName.get(asked.name)?.params;
      const own = params?.get("expires");
      const wished = this.#secondsFor(asked.wish);
      const seconds = own !== undefined && /^\d{1,9}$/.test(own) ? Number(own) : (overall ?? wished);
      return { ...asked, seconds: wished === 0 ? 0 : seconds, gruu: this.#gruuIn(params) };
    });
  }

  /** A GRUU lives under the domain that both sides know; one that names something else stays where it is. */
  #gruuIn(params: NameAddr["params"] | undefined): HeldBinding["gruu"] {
    const both = [params?.get("pub-gruu"), params?.get("temp-gruu")].map((text) => {
      const uri = text === undefined || text.length > GRUU_BYTES ? undefined : quietly(() => parseUri(bare(text)));
      return uri !== undefined && "host" in uri && uri.host === this.domain.domain
        ? ownText(bare(text ?? ""))
        : undefined;
    });
    const [open, temporary] = both;
    return open === undefined && temporary === undefined ? undefined : { public: open, temporary };
  }

  #quiet(): void {
    this.#silentAt = undefined;
    this.#house.agenda.drop(this);
  }

  #end(): void {
    this.#over = true;
    this.#round.end();
    this.#quiet();
    this.#transaction?.forget();
    this.#transaction = undefined;
  }
}

/** What proves the user to the registrar goes there as it is. */
const CREDENTIALS = ["Authorization", "Proxy-Authorization"] as const;

/**
 * The digest covers the URI that the phone wrote, so that goes on, if it is the name of the domain and no more than that;
 * a phone that was told our own name as its registrar must not tell it inside, nor send its REGISTER elsewhere (maddr).
 */
function uriFor(request: Request, { domain }: DomainSettings): string {
  const uri = request.requestUri;
  const plain = "host" in uri && uri.host === domain && uri.user === undefined;
  return plain && [...uri.params.keys()].every((name) => name === "transport") ? request.uri : `sip:${domain}`;
}

function paramsOf({ q, instance }: Wish, seconds: number): string {
  let text = `;expires=${seconds}`;
  if (q !== 1_000) text += `;q=${q / 1_000}`;
  if (instance !== undefined) text += `;+sip.instance=${quote(instance)}`;
  return text;
}

const supports = (request: Request, option: string): boolean =>
  request.headers.has("supported") &&
  (quietly(() => request.getAll(Supported)) ?? []).some((one) => one.toLowerCase() === option);

const userOf = (uri: string): string => /^sips?:([^@;>]*)@/i.exec(uri)?.[1] ?? "";

const bare = (text: string): string => text.replace(/^"|"$/g, "");

/** The registrar has answered; a header of it that cannot be read is as good as none. */
function quietly<T>(read: () => T | undefined): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
