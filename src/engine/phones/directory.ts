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
import type { PhoneHouse } from "./house.ts";

/** A phone that can be woken is awake for so long after it has spoken. */
const AWAKE_FOR: Millis = 20 * SECOND;

export class Directory implements PhoneBook {
  readonly #house: PhoneHouse;

  constructor(house: PhoneHouse) {
    this.#house = house;
  }

  get empty(): boolean {
    return this.#house.book.size === 0;
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
    const binding = this.#house.book.named(uri.user);
    const registrar = binding === undefined ? undefined : this.#domain(binding.domain)?.registrar;
    if (binding === undefined || registrar === undefined) return undefined;
    return this.#house.routing.mayBe(registrar, hop) ? binding : undefined;
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
  // RFC 5626 §5.3: of the flows of one instance one is used, the one that came last.
  const single = sorted.filter(
    (one) => one.regId === 0 || !sorted.some((other) => other !== one && sameDevice(one, other) && isLater(other, one)),
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

const isLater = (a: HeldBinding, b: HeldBinding): boolean =>
  a.expiresAt > b.expiresAt || (a.expiresAt === b.expiresAt && a.regId < b.regId);
