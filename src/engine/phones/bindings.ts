/** The bindings at work: they change all at once, hold the connections that they live on, and end with them. */
import {
  type DomainSettings,
  type Hop,
  type Millis,
  SECOND,
  type SendToken,
  type Settings,
  token,
} from "../../base/index.ts";
import { isIp4, isIp6, parseUri, type Request, sameHost } from "../../message/index.ts";
import {
  GONE_CONNECTION,
  HeldBinding,
  keep,
  ownText,
  placeOf,
  type RegisterRequest,
  Upstream,
  userIn,
  type Wish,
} from "../../registration/index.ts";
import { insideName, NAME_CHARS } from "./devices.ts";
import type { FlowKeeper } from "./flow-keeper.ts";
import type { PhoneHouse } from "./house.ts";
import { LostPhones } from "./lost-phones.ts";

const CALL_ID_CHARS = 24;
const TAG_CHARS = 16;

/** One Contact as it is to be bound; 0 seconds: as it is to go. */
export interface Grant {
  readonly wish: Wish;
  /** The binding that it is already. */
  readonly held: HeldBinding | undefined;
  /** What the registrar knows it by; `undefined`: nobody has named it yet. */
  readonly name: string | undefined;
  readonly seconds: number;
  readonly upstream: Upstream | undefined;
  readonly gruu: HeldBinding["gruu"];
}

export interface Refused {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
}

type EndOfBinding = "unregistered" | "expired" | "flow-lost" | "removed";

/** The connection that some bindings live on: they hear of its end. */
export class PhoneFlow implements SendToken {
  waiting = true;
  readonly connection: number;
  readonly #lost: (flow: PhoneFlow, now: Millis) => void;
  readonly bindings = new Set<HeldBinding>();

  constructor(connection: number, lost: (flow: PhoneFlow, now: Millis) => void) {
    this.connection = connection;
    this.#lost = lost;
  }

  lost(now: Millis): void {
    this.waiting = false;
    this.#lost(this, now);
  }
}

export class Bindings {
  readonly #house: PhoneHouse;
  /** The registrar has to be told that one is over. */
  readonly #leave: (binding: HeldBinding, now: Millis) => void;
  readonly #flows = new Map<number, PhoneFlow>();
  readonly #keeper: FlowKeeper;
  readonly #lostPhones = new LostPhones();

  constructor(house: PhoneHouse, keeper: FlowKeeper, leave: (binding: HeldBinding, now: Millis) => void) {
    this.#house = house;
    this.#keeper = keeper;
    this.#leave = leave;
  }

  /** RFC 3261 §10.3 steps 6 and 7: nothing has changed when it is refused. */
  take(
    visit: {
      readonly request: Request;
      readonly hop: Hop;
      readonly domain: DomainSettings;
      readonly asked: RegisterRequest;
    },
    wanted: readonly Grant[],
    now: Millis,
  ): Refused | undefined {
    const { request, domain, asked } = visit;
    const { book } = this.#house;
    const all = book.of(asked.aor);
    // It may have been bound meanwhile, by a REGISTER that was under way beside this one.
    const grants = wanted.map((grant) =>
      grant.held !== undefined || all.length === 0 ? grant : { ...grant, held: book.match(asked.aor, grant.wish) },
    );
    const touched = asked.all ? all : grants.map(({ held }) => held).filter((held) => held !== undefined);
    // Overtaken by a later one of the same phone.
    if (touched.some(({ callId, seq }) => callId === request.callId && seq >= request.cseq.number))
      return { status: 500, headers: [] };
    const added = grants.filter(({ held, seconds }) => held === undefined && seconds > 0).length;
    const ended = grants.filter(({ held, seconds }) => held !== undefined && seconds === 0).length;
    if (added > 0 && all.length - ended + added > domain.contacts) return { status: 403, headers: [] };
    if (book.full(added - ended)) return { status: 503, headers: [["Retry-After", "60"]] };
    if (asked.all) for (const binding of all) this.remove(binding, "unregistered", now);
    for (const grant of grants) this.#apply(visit, grant, now);
    return undefined;
  }

  /** The same phone, by the same way, for longer. */
  renew(binding: HeldBinding, seq: number, expiresAt: Millis, now: Millis): void {
    this.#heard(binding, now);
    binding.seq = seq;
    binding.expiresAt = expiresAt;
    this.#house.book.renew(binding);
  }

  /** When it was heard of last: phones that can be woken may be asleep since. */
  #heard(binding: HeldBinding, now: Millis): void {
    binding.heardAt = now;
    if (binding.push !== undefined) this.#house.waking.heard(binding, now);
  }

  remove(binding: HeldBinding, cause: EndOfBinding, now: Millis): void {
    const { book, emit, fact } = this.#house;
    book.remove(binding);
    this.#letGo(binding);
    emit({ out: "forget", name: binding.name });
    const { aor, domain } = binding;
    fact({ fact: "phone.gone", domain, user: userIn(aor), source: placeOf(binding), cause }, now);
    if (cause !== "unregistered") this.#leave(binding, now);
    binding.upstream?.happen("removed");
    if (cause === "flow-lost") this.#lostPhones.add(binding);
  }

  expire(now: Millis): void {
    for (const binding of this.#house.book.takeExpired(now)) this.remove(binding, "expired", now);
  }

  /** False: it was there already, or there is no room. */
  restore(binding: HeldBinding, now: Millis): boolean {
    const { book } = this.#house;
    if (book.full(1) || book.named(binding.name) !== undefined) return false;
    if (book.match(binding.aor, { ...binding, uri: binding.contact }) !== undefined) return false; // It came first.
    book.add(binding);
    this.#keeper.keep(binding, now);
    return true;
  }

  /** Those of a domain that is no more, or lives elsewhere now. */
  apply(settings: Settings, now: Millis): void {
    for (const binding of [...this.#house.book.values()]) {
      const domain = settings.registration?.domains.get(binding.domain);
      const same =
        domain?.realm === binding.flow.realm && (domain.registrar === undefined) === (binding.upstream === undefined);
      if (same) this.#keeper.keep(binding, now);
      else this.remove(binding, "removed", now);
    }
  }

  /** Bindings at this inside registrar. Walks over all: not for every message. */
  of(peer: string): readonly HeldBinding[] {
    const { settings, book } = this.#house;
    const domains = settings.registration?.domains;
    return [...book.values()].filter(({ domain }) => domains?.get(domain)?.registrar === peer);
  }

  /** How a binding stands that the registrar has not heard of. */
  owed(held: HeldBinding | undefined, now: Millis): Upstream {
    const { random } = this.#house;
    const upstream = held?.upstream ?? new Upstream(token(random, CALL_ID_CHARS), token(random, TAG_CHARS));
    if (held === undefined) upstream.until = now;
    upstream.happen("registrar lost");
    return upstream;
  }

  #apply(
    visit: {
      readonly request: Request;
      readonly hop: Hop;
      readonly domain: DomainSettings;
      readonly asked: RegisterRequest;
    },
    { wish, held, name, seconds, upstream, gruu }: Grant,
    now: Millis,
  ): void {
    const { request, hop, domain, asked } = visit;
    const { book, random, fact, emit, hash } = this.#house;
    // It may have ended while the registrar was asked.
    const standing = held !== undefined && book.named(held.name) === held ? held : undefined;
    if (seconds === 0) {
      if (standing !== undefined) this.remove(standing, "unregistered", now);
      return;
    }
    const expiresAt = now + seconds * SECOND;
    const path = asked.path.length === 0 ? NO_PATH : asked.path;
    const { callId: writtenId, cseq } = request;
    const callId = standing?.callId === writtenId ? standing.callId : ownText(writtenId);
    let binding = standing;
    let isNews = true;
    if (binding === undefined) {
      const inside = name ?? insideName(this.#house, asked.aor, wish);
      this.#house.lost.delete(inside);
      const bound = {
        ...{ name: wish.regId === 0 ? inside : token(random, NAME_CHARS), inside },
        ...{ aor: book.of(asked.aor)[0]?.aor ?? asked.aor },
        ...{ domain: domain.domain, contact: wish.uri, flow: hop, nated: isNated(wish.uri, request, hop) },
        ...{ instance: wish.instance, regId: wish.regId, path, q: wish.q, callId, seq: cseq.number, expiresAt },
        ...{ push: wish.push, gruu },
      };
      const before = this.#lostPhones.take(asked.aor, wish);
      if (before !== undefined) this.#keeper.moves(before, hop);
      binding = before === undefined ? new HeldBinding(bound, upstream) : Object.assign(before, bound, { upstream });
      book.add(binding);
    } else {
      isNews = binding.flow.connection !== hop.connection || placeOf(binding) !== placeOf({ ...binding, flow: hop });
      if (isNews) {
        this.#letGo(binding);
        this.#keeper.moves(binding, hop);
        book.move(binding, hop);
      }
      const { contact } = binding;
      if (contact !== wish.uri) binding.contact = wish.uri;
      binding.nated = isNated(wish.uri, request, hop);
      binding.instance = wish.instance;
      if (binding.regId !== wish.regId) book.renumber(binding, wish.regId);
      binding.path = path;
      binding.q = wish.q;
      binding.callId = callId;
      binding.push = wish.push;
      binding.gruu = gruu;
      binding.upstream = upstream;
      this.renew(binding, cseq.number, expiresAt, now);
    }
    binding.heardAt = now;
    if (isNews) this.#hold(binding);
    // A phone that is in a call sends its media from where it is now.
    if (isNews) for (const follower of binding.followers ?? NOBODY) follower.phoneMoved();
    this.#keeper.keep(binding, now);
    // What the phone comes with every minute changes nothing that outlives a restart.
    if (isNews || upstream !== undefined) emit({ out: "keep", binding: keep(binding, hash, now) });
    if (!isNews) return;
    const told = { domain: domain.domain, user: userIn(asked.aor), source: placeOf(binding), seconds };
    fact({ fact: "phone.registered", ...told }, now);
  }

  #hold(binding: HeldBinding): void {
    const { connection } = binding.flow;
    if (connection === 0 || connection === GONE_CONNECTION) return;
    let flow = this.#flows.get(connection);
    if (flow === undefined) {
      flow = new PhoneFlow(connection, (lost, now) => this.#lost(lost, now));
      this.#flows.set(connection, flow);
      this.#house.transport.hold(connection);
      this.#house.transport.expect(connection, flow);
    }
    flow.bindings.add(binding);
  }

  #letGo(binding: HeldBinding): void {
    const { connection } = binding.flow;
    if (connection === 0) return this.#keeper.letGo(binding);
    const flow = this.#flows.get(connection);
    if (flow?.bindings.delete(binding) !== true || flow.bindings.size > 0) return;
    this.#flows.delete(connection);
    if (flow.waiting) this.#house.transport.release(connection);
    flow.waiting = false;
  }

  /** Nobody answers there any more. */
  flowLost(hop: Hop, now: Millis): void {
    for (const binding of [...this.#house.book.at(hop)]) this.remove(binding, "flow-lost", now);
  }

  /** RFC 5626 §5.3: what has no flow is no way to anybody. */
  #lost(flow: PhoneFlow, now: Millis): void {
    this.#flows.delete(flow.connection);
    for (const binding of [...flow.bindings]) {
      // RFC 8599 §4.1: it sleeps, and comes by another flow when it is woken.
      if (this.#canBeWoken(binding)) this.#house.book.move(binding, { ...binding.flow, connection: GONE_CONNECTION });
      else this.remove(binding, "flow-lost", now);
    }
  }

  #canBeWoken({ push }: HeldBinding): boolean {
    return push !== undefined && this.#house.settings.registration?.pushGateway !== undefined;
  }
}

const NO_PATH: readonly string[] = [];
const NOBODY: ReadonlySet<{ phoneMoved(): void }> = new Set();

/** The phone believes that it is elsewhere: RFC 3581 §1, RFC 5853 §3.3. */
function isNated(contact: string, request: Request, { remote }: Hop): boolean {
  if (request.via.params.get("received") !== undefined && !sameHost(request.via.host, remote.ip)) return true;
  const uri = parseUri(contact);
  return "host" in uri && (isIp4(uri.host) || isIp6(uri.host)) && !sameHost(uri.host, remote.ip);
}
