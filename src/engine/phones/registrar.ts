/**
 * Phones that register: at the box itself, or through it at an inside registrar. RFC 3261 §10.3. Bindings change all at
 * once or not at all; what may be answered without the registrar is cache-rule.ts.
 */
import {
  type DomainSettings,
  type Hash,
  type Hop,
  type Millis,
  PeerError,
  type PeerSettings,
  type Punctual,
  type Random,
  SECOND,
  type Settings,
  token,
} from "../../base/index.ts";
import type { Request, Response } from "../../message/index.ts";
import { mapStatus } from "../../policy/index.ts";
import {
  type Admission,
  BindingBook,
  bearsTheSame,
  Gatekeeper,
  type HeldBinding,
  hostIn,
  isSameFlow,
  keep,
  LostFlows,
  type RegisterRequest,
  refreshAfter,
  refreshed,
  registerIn,
  restored,
  sipUriIn,
  Upstream,
  type UserAnswer,
  type Wish,
} from "../../registration/index.ts";
import type { ServerTransaction } from "../../transaction/index.ts";
import { Bindings, type Grant } from "./bindings.ts";
import { Directory } from "./directory.ts";
import { FlowKeeper } from "./flow-keeper.ts";
import type { PhoneHouse } from "./house.ts";
import { InsideRates } from "./inside-rates.ts";
import { leaveRegistrar } from "./leaving.ts";
import { LookUps } from "./look-ups.ts";
import { Quick } from "./quick.ts";
import { type Given, RelayedRegister, type RelayOwner } from "./relayed-register.ts";
import { Survival } from "./survival.ts";
import { type RegistrationsView, viewOf } from "./view.ts";
import { Desk, longest, ownCredentials, passedOn, unsupportedIn, type Visit } from "./visit.ts";
import { Waking } from "./waking.ts";

/** How long a binding of before a restart waits for its phone: longer than phones on UDP are granted. */
const RESTORED_FOR: Millis = 90 * SECOND;
const CALL_ID_CHARS = 24;
const SECRET_CHARS = 32;

/** A line of the file, and how long ago it was written. */
export interface KeptLine {
  readonly text: string;
  readonly ageMs: Millis;
}

export interface RegistrarOptions extends Omit<PhoneHouse, "book" | "gatekeeper" | "waking" | "lost" | "secret"> {
  readonly random: Random;
  readonly hash: Hash;
}

export class Registrar implements RelayOwner, Punctual {
  readonly directory: Directory;
  readonly #house: PhoneHouse;
  readonly #bindings: Bindings;
  readonly #keeper: FlowKeeper;
  readonly #desk: Desk;
  readonly #quick: Quick;
  readonly #rates: InsideRates;
  /** REGISTERs under way. */
  readonly #visits = new Map<RelayedRegister, Visit>();
  readonly #lookUps: LookUps;
  readonly #survival: Survival;
  readonly #counted = { cached: 0, relayed: 0, held: 0 };

  constructor(options: RegistrarOptions) {
    const { settings, hash, random } = options;
    const book = new BindingBook(settings.registration?.bindings ?? 0, () => options.agenda.watch(this));
    this.#lookUps = new LookUps(options.emit);
    const gatekeeper = new Gatekeeper({ hash, random, lookUp: this.#lookUps.ask });
    const [lost, secret] = [new LostFlows(), token(random, SECRET_CHARS)];
    const house = { ...options, book, gatekeeper, lost, secret } as {
      -readonly [K in keyof PhoneHouse]: PhoneHouse[K];
    };
    house.waking = new Waking(house);
    this.#house = house;
    this.#rates = new InsideRates(house);
    this.#desk = new Desk(this.#house);
    this.#quick = new Quick(this.#house);
    this.#keeper = new FlowKeeper({
      ...options,
      domain: (name) => this.#house.settings.registration?.domains.get(name),
      lost: (flow, now) => this.#bindings.flowLost(flow, now),
    });
    this.#bindings = new Bindings(this.#house, this.#keeper, (binding, now) => this.#leave(binding, now));
    this.directory = new Directory(this.#house);
    this.#survival = new Survival(this.#house, this.#bindings, {
      refuse: (visit, peer, known, now) => this.#turnAway(visit, peer, known, now),
      grant: (visit, now) => this.#desk.grant(visit, true, now),
      prove: (visit, then, now) => this.#prove(visit, now, then),
      settle: (visit, grants, now) => this.#settle(visit, grants, now),
    });
  }

  /** True: it was a refresh that needs no more than an answer, and has it. */
  quick(request: Request, hop: Hop, now: Millis): boolean {
    return request.method === "REGISTER" && !this.directory.empty && this.#quick.answer(request, hop, now);
  }

  /** Is it ours to answer? A REGISTER for anybody else is like any other request. */
  takes(request: Request, hop: Hop): boolean {
    return request.method === "REGISTER" && this.#domainOf(request, hop) !== undefined;
  }

  register(request: Request, server: ServerTransaction, hop: Hop, now: Millis): void {
    const domain = this.#domainOf(request, hop) as DomainSettings;
    let asked: RegisterRequest;
    try {
      asked = registerIn(request);
      const unknown = unsupportedIn(request);
      if (unknown !== "")
        return this.#desk.refuse({ request, server, hop, domain }, 420, now, [["Unsupported", unknown]]);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      return this.#desk.refuse({ request, server, hop, domain }, error.status, now);
    }
    const visit: Visit = { request, server, hop, domain, asked };
    const { shortestSeconds } = domain;
    if (asked.wishes.some(({ seconds }) => seconds > 0 && seconds < shortestSeconds))
      return this.#desk.refuse(visit, 423, now, [["Min-Expires", String(shortestSeconds)]]);
    const peer = domain.registrar === undefined ? undefined : this.#house.settings.peers.get(domain.registrar);
    if (domain.registrar === undefined) this.#atUs(visit, now);
    else if (peer === undefined) this.#desk.refuse(visit, 503, now, [["Retry-After", "30"]]);
    else this.#through(visit, peer, now);
  }

  /** True: a phone has shown by it that it is there. */
  heard(response: Response, hop: Hop, now: Millis): boolean {
    return this.#keeper.heard(response, hop, now);
  }

  /** Has somebody registered over this flow? */
  knows(hop: Hop): boolean {
    return this.#house.book.at(hop).length > 0;
  }

  /** The digests of a user that was asked for. */
  user(id: number, answer: UserAnswer, now: Millis): void {
    this.#lookUps.answered(id, answer, now);
  }

  /** Lines of the file, as they were kept; `awayMs`: since the box was there last. How many bindings stand again. */
  restore(lines: readonly KeptLine[], awayMs: Millis, now: Millis): number {
    const { settings } = this.#house;
    let count = 0;
    for (const { text, ageMs } of lines) {
      const domains = settings.registration?.domains;
      const binding = restored(text, ageMs, awayMs, RESTORED_FOR, now);
      const domain = binding === undefined ? undefined : domains?.get(binding.domain);
      if (binding === undefined || domain === undefined || hostIn(binding.aor) !== domain.domain) continue;
      if (binding.flow.realm !== domain.realm || !settings.realms.has(domain.realm)) continue;
      if ((binding.upstream === undefined) !== (domain.registrar === undefined)) continue;
      if (this.#bindings.restore(binding, now)) count += 1;
    }
    return count;
  }

  /** All of them once more, for a file that begins anew. */
  keepAll(now: Millis): void {
    for (const binding of this.#house.book.values())
      this.#house.emit({ out: "keep", binding: keep(binding, this.#house.hash, now) });
  }

  apply(settings: Settings, now: Millis): void {
    this.#house.settings = settings;
    this.#house.book.limit = settings.registration?.bindings ?? 0;
    this.#rates.apply(settings);
    this.#bindings.apply(settings, now);
  }

  /** OPTIONS or a call found out: no REGISTER has to go there to see it. */
  peerDown(peer: string, now: Millis): void {
    this.#survival.peerDown(peer, now);
  }

  peerUp(peer: string, now: Millis): void {
    this.#survival.isBack(peer, now);
  }

  view(now: Millis): readonly RegistrationsView[] {
    return [...this.#house.book.values()].map((binding) => viewOf(binding, now));
  }

  counts(): object {
    const { book } = this.#house;
    return {
      bindings: book.size,
      users: book.users,
      waiting: this.#visits.size,
      away: [...this.#survival.away],
      ...this.#counted,
      survived: this.#survival.survived,
      cached: this.#counted.cached + this.#quick.answered,
      keepalive: this.#keeper.counts(),
    };
  }

  // — Punctual

  nextDeadline(): Millis | undefined {
    return this.#house.book.nextDeadline();
  }

  expire(now: Millis): void {
    this.#bindings.expire(now);
  }

  // — The box as registrar

  #atUs(visit: Visit, now: Millis): void {
    this.#prove(visit, now, (at) => this.#bindHere(visit, at));
  }

  #prove(visit: Visit, now: Millis, then: (now: Millis) => void): void {
    const { request, hop, domain, asked } = visit;
    const done = (admission: Admission, at: Millis): void => {
      if (admission.verdict === "right") then(at);
      else if (admission.verdict === "later") this.#desk.refuse(visit, 503, at, [["Retry-After", "5"]]);
      else this.#desk.challenge(visit, admission.challenges, at);
    };
    const who = { aor: asked.aor, source: hop.remote.ip, domain };
    this.#house.gatekeeper.admit(request, "server", who, done, now);
  }

  #bindHere(visit: Visit, now: Millis): void {
    const { asked, domain, hop } = visit;
    const grants = asked.wishes.map(
      (wish): Grant => ({
        wish,
        held: this.#house.book.match(asked.aor, wish),
        name: undefined,
        seconds: Math.min(wish.seconds, this.#longest(domain, hop, wish)),
        upstream: undefined,
        gruu: undefined,
      }),
    );
    this.#settle(visit, grants, now);
  }

  /** All of it or nothing; then the answer. */
  #settle(visit: Visit, grants: readonly Grant[], now: Millis): void {
    const refusal = this.#bindings.take(visit, grants, now);
    if (refusal !== undefined) return this.#desk.refuse(visit, refusal.status, now, refusal.headers);
    this.#desk.grant(visit, false, now);
  }

  // — The box before a registrar

  #through(visit: Visit, peer: PeerSettings, now: Millis): void {
    const { asked, request, hop, domain } = visit;
    const { book, hash } = this.#house;
    const held = book.of(asked.aor);
    const same = held.length === 0 ? undefined : refreshed(held, asked, request, hop);
    const known = same !== undefined && bearsTheSame(request, same, hash) ? same : undefined;
    if (known !== undefined && request.cseq.number < known.seq) return this.#desk.refuse(visit, 500, now);
    if (known?.upstream?.state === "held" && now < known.upstream.refreshAt) return this.#fromCache(visit, known, now);
    if (this.#survival.isAway(peer, now)) return this.#survival.take(visit, peer, known, now);
    // Whoever comes from where a phone of his stands is no stranger, though it may have been switched on anew.
    const familiar = held.some(({ flow, contact }) => contact === asked.wishes[0]?.uri && isSameFlow(flow, hop));
    if (!this.#rates.of(peer.name).take(familiar, now)) {
      // It has its grant from the registrar yet: another time will do.
      const left = known?.upstream === undefined ? 0 : known.upstream.until - now;
      if (known !== undefined && left > SECOND * domain.shortestSeconds) return this.#fromCache(visit, known, now);
      this.#counted.held += 1;
      return this.#turnAway(visit, peer, familiar, now);
    }
    const contacts = asked.wishes.map((wish) => ({ wish, held: book.match(asked.aor, wish) }));
    const added = contacts.filter((one) => one.held === undefined && one.wish.seconds > 0).length;
    if (book.full(added)) return this.#desk.refuse(visit, 503, now, [["Retry-After", "60"]]);
    // The registrar would take what we cannot hold, so it is asked for nothing but the password: a stranger is not told
    // how many phones somebody has.
    const tooMany = added > 0 && held.length + added > domain.contacts;
    this.#counted.relayed += 1;
    const about = { request, asked, domain, peer, contacts: tooMany ? [] : contacts };
    const relayed = new RelayedRegister(this.#house, this, about, now);
    this.#visits.set(relayed, visit);
    relayed.start(now);
  }

  /** Until his turn comes. */
  #turnAway(visit: Visit, peer: PeerSettings, familiar: boolean, now: Millis): void {
    const wait = this.#rates.of(peer.name).retryAfter(familiar, now);
    this.#desk.refuse(visit, 503, now, [["Retry-After", String(wait)]]);
  }

  #fromCache(visit: Visit, known: HeldBinding, now: Millis): void {
    const { request, hop, domain, asked } = visit;
    const { upstream } = known;
    const left = upstream === undefined ? 0 : (upstream.until - now) / SECOND;
    const [wish] = asked.wishes;
    const seconds = Math.max(
      1,
      Math.min((wish as Wish).seconds, this.#longest(domain, hop, wish as Wish), Math.floor(left)),
    );
    this.#counted.cached += 1;
    this.#bindings.renew(known, request.cseq.number, now + seconds * SECOND, now);
    this.#desk.grant(visit, true, now);
  }

  relayGranted(relayed: RelayedRegister, given: readonly Given[], now: Millis): void {
    const visit = this.#done(relayed, now);
    if (visit === undefined) return;
    const { request, domain, hop, asked } = visit;
    if (given.length < asked.wishes.length) return this.#desk.refuse(visit, 403, now);
    const credentials = ownCredentials(request);
    const taken = new Set(given.map(({ held }) => held?.upstream));
    const grants = given.map(({ wish, held, name, seconds, gruu }, index): Grant => {
      const fresh = index === 0 && !taken.has(relayed.upstream) ? relayed.upstream : undefined;
      const upstream = (held?.upstream ?? fresh ?? this.#upstream()).alive();
      upstream.happen("granted");
      upstream.until = now + seconds * SECOND;
      upstream.refreshAt = now + refreshAfter(this.#house.random, seconds);
      upstream.routes = relayed.upstream.routes;
      upstream.credentials = credentials;
      upstream.proof = "";
      return {
        wish,
        held,
        name,
        seconds: Math.min(wish.seconds, this.#longest(domain, hop, wish), seconds),
        upstream,
        gruu,
      };
    });
    this.#settle(visit, grants, now);
  }

  relayRefused(relayed: RelayedRegister, response: Response, now: Millis): void {
    const visit = this.#done(relayed, now);
    if (visit === undefined) return;
    this.#leaveLate(relayed, now);
    const { status } = response;
    if (status >= 500 && status < 600) {
      const known = this.#knownBy(visit);
      if (known !== undefined && this.#survival.live(visit, known, now)) return;
    }
    if (status !== 401 && status !== 407)
      return this.#desk.refuse(visit, mapStatus(status).status, now, passedOn(response));
    this.#desk.passChallenge(visit, response, now);
  }

  relayLost(relayed: RelayedRegister, now: Millis): void {
    const visit = this.#visits.get(relayed);
    this.#visits.delete(relayed);
    const peer = this.#house.settings.peers.get(relayed.peer);
    if (visit === undefined || peer === undefined) return;
    this.#survival.isLost(peer.name, now);
    this.#survival.take(visit, peer, this.#knownBy(visit), now);
  }

  /** The registrar has spoken. */
  #done(relayed: RelayedRegister, now: Millis): Visit | undefined {
    const visit = this.#visits.get(relayed);
    this.#visits.delete(relayed);
    this.#survival.isBack(relayed.peer, now);
    return visit;
  }

  #knownBy({ asked, request, hop }: Visit): HeldBinding | undefined {
    const { book, hash } = this.#house;
    const same = refreshed(book.of(asked.aor), asked, request, hop);
    if (same === undefined || request.cseq.number < same.seq) return undefined;
    return bearsTheSame(request, same, hash) ? same : undefined;
  }

  /** Its flow or its time is over: the registrar is told, as far as it takes our word. */
  #leave(binding: HeldBinding, now: Millis): void {
    const { settings } = this.#house;
    const domain = settings.registration?.domains.get(binding.domain);
    const peer = domain?.registrar === undefined ? undefined : settings.peers.get(domain.registrar);
    const { upstream } = binding;
    if (domain === undefined || peer === undefined || upstream === undefined) return;
    // Another flow of the same phone: for the registrar nothing has changed (RFC 5626 §7).
    if (this.#house.book.known(binding.inside).length > 0) return;
    if (upstream.until > now) this.#house.lost.add(binding.inside, binding.domain, upstream.until);
    if (upstream.credentials === undefined) return;
    if (upstream.until <= now || this.#survival.away.has(peer.name) || !this.#rates.of(peer.name).take(true, now))
      return;
    // The registrar is just being asked to take it again: an end sent after that would be the last word.
    for (const { contacts } of this.#visits.keys()) if (contacts.some(({ held }) => held === binding)) return;
    leaveRegistrar(this.#house, { binding, domain, peer, upstream, credentials: upstream.credentials }, now);
  }

  /** What ended while the registrar was asked to take it again, and did not. */
  #leaveLate({ contacts }: RelayedRegister, now: Millis): void {
    const { book } = this.#house;
    for (const { held } of contacts) if (held !== undefined && book.named(held.name) !== held) this.#leave(held, now);
  }

  // — Small things

  #domainOf(request: Request, hop: Hop): DomainSettings | undefined {
    const { registration } = this.#house.settings;
    if (registration === undefined) return undefined;
    // Whatever port it names: phones write there what they were told of their server.
    const domain = registration.domains.get(sipUriIn(request.to.uri)?.host ?? "");
    return domain?.realm === hop.realm ? domain : undefined;
  }

  /** A phone that is woken when it is needed does not come each minute: RFC 8599 §4.1.3. */
  #longest(domain: DomainSettings, hop: Hop, { push }: Wish): number {
    const sleeps = push !== undefined && this.#house.settings.registration?.pushGateway !== undefined;
    return sleeps ? domain.registrarSeconds : longest(domain, hop);
  }

  #upstream(): Upstream {
    return new Upstream(token(this.#house.random, CALL_ID_CHARS), this.#desk.tag());
  }
}
