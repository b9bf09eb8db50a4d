/** Registered phones as calls see them: who calls, who is called, and by which way. */
import { type DomainSettings, type Hop, type Millis, SECOND } from "../../base/index.ts";
import type { Request, Uri } from "../../message/index.ts";
import {
  type Admission,
  aorOf,
  type Binding,
  type ContactGroup,
  GONE_CONNECTION,
  type HeldBinding,
  hostIn,
  type PhoneBook,
  type RegisteredCaller,
} from "../../registration/index.ts";
import { byWorth } from "./devices.ts";
import type { PhoneHouse } from "./house.ts";

/** A phone that can be woken is awake for so long after it has spoken. */
const AWAKE_FOR: Millis = 20 * SECOND;

export class Directory implements PhoneBook {
  readonly #house: PhoneHouse;

  constructor(house: PhoneHouse) {
    this.#house = house;
  }

  get empty(): boolean {
    return this.#house.book.size === 0 && this.#house.lost.size === 0;
  }

  callerAt(request: Request, hop: Hop): RegisteredCaller | undefined {
    const here = this.#house.book.at(hop);
    const [first] = here;
    if (first === undefined) return undefined;
    const named = here.length === 1 ? first : whoAmong(here, request);
    const domain = named === undefined ? undefined : this.#domain(named.domain);
    if (named === undefined || domain === undefined) return undefined;
    return { binding: named, domain, identity: { uri: named.aor, params: NO_PARAMS } };
  }

  isRegistered(uri: Uri): boolean {
    return this.#of(uri).length > 0;
  }

  contactsOf(uri: Uri): { readonly domain: DomainSettings; readonly groups: readonly ContactGroup[] } | undefined {
    const held = this.#of(uri);
    const domain = held[0] === undefined ? undefined : this.#domain(held[0].domain);
    if (domain === undefined) return undefined;
    return { domain, groups: groupsOf(held, domain.fork) };
  }

  calledAt(uri: Uri, hop: Hop): Binding | undefined {
    if (!("user" in uri) || uri.user === undefined) return undefined;
    const known = this.#house.book.known(uri.user);
    const binding = known.length > 1 ? [...known].sort(byWorth)[0] : known[0];
    const registrar = binding === undefined ? undefined : this.#domain(binding.domain)?.registrar;
    if (binding === undefined || registrar === undefined) return undefined;
    return this.#house.routing.mayBe(registrar, hop) ? binding : undefined;
  }

  isLost(uri: Uri, hop: Hop, now: Millis): boolean {
    const { lost, routing } = this.#house;
    if (lost.size === 0 || !("user" in uri) || uri.user === undefined) return false;
    const domain = lost.domainOf(uri.user, now);
    const registrar = domain === undefined ? undefined : this.#domain(domain)?.registrar;
    return registrar !== undefined && routing.mayBe(registrar, hop);
  }

  otherFlows(binding: Binding): readonly Binding[] {
    if (binding.regId === 0) return NO_FLOWS;
    const others = this.#house.book.siblings(binding).filter(({ flow }) => flow.connection !== GONE_CONNECTION);
    return others.length > 1 ? others.sort(byWorth) : others;
  }

  routesOf(caller: Binding, peer: string): readonly string[] {
    if (this.#domain(caller.domain)?.registrar !== peer) return [];
    return this.#house.book.named(caller.name)?.upstream?.routes ?? [];
  }

  wake(bindings: readonly Binding[], done: (now: Millis) => void, now: Millis): boolean {
    const { waking, book } = this.#house;
    const asleep = bindings.filter(({ name, push, flow }) => {
      if (push === undefined) return false;
      const heardAt = book.named(name)?.heardAt ?? 0;
      return flow.connection === GONE_CONNECTION || now - heardAt > AWAKE_FOR;
    });
    const [first] = asleep;
    const domain = first === undefined ? undefined : this.#domain(first.domain);
    return domain !== undefined && waking.wake(asleep, domain.wakeSeconds * SECOND, done, now);
  }

  asksProof({ binding, domain }: RegisteredCaller): boolean {
    return domain.users !== undefined && domain.calls === "challenge" && binding.flow.connection === 0;
  }

  admit(
    { binding, domain }: RegisteredCaller,
    request: Request,
    done: (admission: Admission, now: Millis) => void,
    now: Millis,
  ): void {
    const who = { aor: binding.aor, source: binding.flow.remote.ip, domain };
    this.#house.gatekeeper.admit(request, "proxy", who, done, now);
  }

  #domain(name: string): DomainSettings | undefined {
    return this.#house.settings.registration?.domains.get(name);
  }

  /** By the address of record; where the host is no domain of ours, one user of the only domain can be meant. */
  #of(uri: Uri): readonly HeldBinding[] {
    const { book, settings } = this.#house;
    const aor = aorOf(uri);
    const domains = settings.registration?.domains;
    if (aor === undefined || domains === undefined) return [];
    const host = hostIn(aor);
    if (domains.has(host)) return book.of(aor);
    const [only] = domains.keys();
    return domains.size === 1 ? book.of(`${aor.slice(0, -host.length)}${only}`) : [];
  }
}

const NO_FLOWS: readonly Binding[] = [];

const NO_PARAMS: ReadonlyMap<string, string | undefined> = new Map();

/** Several users over one flow: From says who it is. One user by several contacts is that user. */
function whoAmong(here: readonly HeldBinding[], request: Request): HeldBinding | undefined {
  const [first] = here;
  if (first !== undefined && here.every(({ aor }) => aor === first.aor)) return first;
  const uri = /^(sips?):([^@;>?]+)@([^;>?:]+)/i.exec(request.from.uri);
  if (uri === null) return undefined;
  const aor = aorOf({
    scheme: "sip",
    user: uri[2] as string,
    host: (uri[3] as string).toLowerCase(),
    params: NO_PARAMS,
  });
  return here.find((one) => one.aor === aor);
}

/** RFC 3261 §16.6: the higher q before the lower; within one q together, unless the domain wants them one by one. */
function groupsOf(held: readonly HeldBinding[], fork: DomainSettings["fork"]): readonly ContactGroup[] {
  const sorted = [...held].sort((a, b) => b.q - a.q);
  // RFC 5626 §7: of the flows of one instance one is used at a time.
  const single = sorted.filter(
    (one) => one.regId === 0 || !sorted.some((other) => sameDevice(one, other) && byWorth(other, one) < 0),
  );
  if (fork === "serial") return single.map((one) => [one]);
  const groups: HeldBinding[][] = [];
  for (const one of single) {
    const last = groups.at(-1);
    if (last?.[0]?.q === one.q) last.push(one);
    else groups.push([one]);
  }
  return groups;
}

const sameDevice = (a: HeldBinding, b: HeldBinding): boolean => b.regId > 0 && a.instance === b.instance;
