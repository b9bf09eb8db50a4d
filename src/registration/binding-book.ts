/** All bindings of the box, by what they are looked for: address of record, our name of them, flow, and time. */
import { type Hop, type Millis, SECOND } from "../base/index.ts";
import { sameContact } from "./addresses.ts";
import { type Binding, flowName, type PushParams } from "./bindings.ts";
import type { Upstream } from "./upstream.ts";

/** A binding as its keeper holds it. Many live long: all members are set at once, so that all have one shape. */
export class HeldBinding implements Binding {
  name: string;
  inside: string;
  readonly aor: string;
  readonly domain: string;
  contact: string;
  flow: Hop;
  nated: boolean;
  instance: string | undefined;
  regId: number;
  path: readonly string[];
  q: number;
  callId: string;
  seq: number;
  expiresAt: Millis;
  push: PushParams | undefined;
  gruu: Binding["gruu"];
  /** How it stands with the inside registrar; `undefined`: the box itself is the registrar. */
  upstream: Upstream | undefined;
  followers: Binding["followers"] = undefined;
  /** How long its NAT may hear nothing of us, as it has shown, in seconds; 0: as long as its domain says. */
  silence = 0;
  /** When its phone spoke to us last. */
  heardAt: Millis = 0;
  /** The second of the clock that the book looks at it again; 0: it is not in the book. */
  slot = 0;

  constructor(binding: Binding, upstream: Upstream | undefined) {
    this.name = binding.name;
    this.inside = binding.inside;
    this.aor = binding.aor;
    this.domain = binding.domain;
    this.contact = binding.contact;
    this.flow = binding.flow;
    this.nated = binding.nated;
    this.instance = binding.instance;
    this.regId = binding.regId;
    this.path = binding.path;
    this.q = binding.q;
    this.callId = binding.callId;
    this.seq = binding.seq;
    this.expiresAt = binding.expiresAt;
    this.push = binding.push;
    this.gruu = binding.gruu;
    this.upstream = upstream;
  }
}

const NOBODY: readonly HeldBinding[] = [];

/** Limit: `limit` bindings; `full` then, and the caller refuses. */
export class BindingBook {
  readonly #byAor = new Map<string, readonly HeldBinding[]>();
  readonly #byName = new Map<string, HeldBinding>();
  readonly #byFlow = new Map<string, readonly HeldBinding[]>();
  /** Flows that the inside knows by one name. The others are found by their own. */
  readonly #byInside = new Map<string, readonly HeldBinding[]>();
  readonly #slots = new Map<number, HeldBinding[]>();
  #firstSlot = Number.POSITIVE_INFINITY;
  limit: number;
  readonly #sooner: () => void;

  /** `sooner`: `nextDeadline` is earlier than it was. */
  constructor(limit: number, sooner: () => void = () => {}) {
    this.limit = limit;
    this.#sooner = sooner;
  }

  get size(): number {
    return this.#byName.size;
  }

  get users(): number {
    return this.#byAor.size;
  }

  /** Is there no room for so many more? */
  full(more: number): boolean {
    return this.#byName.size + more > this.limit;
  }

  of(aor: string): readonly HeldBinding[] {
    return this.#byAor.get(aor) ?? NOBODY;
  }

  named(name: string): HeldBinding | undefined {
    return this.#byName.get(name);
  }

  /** What the inside means by this name: one contact, or all flows of one instance. */
  known(inside: string): readonly HeldBinding[] {
    const flows = this.#byInside.get(inside);
    if (flows !== undefined) return flows;
    const one = this.#byName.get(inside);
    return one?.inside === inside ? [one] : NOBODY;
  }

  /** The flows of the same instance beside this one: RFC 5626 §4.2. */
  siblings(binding: Pick<Binding, "aor" | "instance" | "regId">): readonly HeldBinding[] {
    const { aor, instance, regId } = binding;
    if (regId === 0) return NOBODY;
    return this.of(aor).filter((one) => one.regId > 0 && one.regId !== regId && one.instance === instance);
  }

  at(flow: Hop): readonly HeldBinding[] {
    return this.#byFlow.get(flowName(flow)) ?? NOBODY;
  }

  values(): IterableIterator<HeldBinding> {
    return this.#byName.values();
  }

  /**
   * The binding that this Contact of that user is, or would replace: RFC 5626 §6, else RFC 3261 §10.3 step 7. A phone that
   * has slept comes with the address of another connection; the token that it is woken by is its own (RFC 8599 §4.1).
   */
  match(
    aor: string,
    wish: Pick<Binding, "instance" | "regId" | "push"> & { readonly uri: string },
  ): HeldBinding | undefined {
    let woken: HeldBinding | undefined;
    for (const one of this.of(aor)) {
      if (wish.regId > 0 && one.regId > 0) {
        if (one.regId === wish.regId && one.instance === wish.instance) return one;
      } else if (sameContact(one.contact, wish.uri)) return one;
      else if (isWokenAlike(one.push, wish.push)) woken ??= one;
    }
    return woken;
  }

  /** The caller has looked at `full`. */
  add(binding: HeldBinding): void {
    this.#byName.set(binding.name, binding);
    join(this.#byAor, binding.aor, binding);
    if (isOneOfMany(binding)) join(this.#byInside, binding.inside, binding);
    if (lives(binding.flow)) join(this.#byFlow, flowName(binding.flow), binding);
    this.#schedule(binding);
  }

  remove(binding: HeldBinding): void {
    if (!this.#byName.delete(binding.name)) return;
    leave(this.#byAor, binding.aor, binding);
    if (isOneOfMany(binding)) leave(this.#byInside, binding.inside, binding);
    if (lives(binding.flow)) leave(this.#byFlow, flowName(binding.flow), binding);
    binding.slot = 0; // The slot forgets it when its time comes.
  }

  /** It is reached by another way from now on. */
  move(binding: HeldBinding, flow: Hop): void {
    const [before, after] = [flowName(binding.flow), flowName(flow)];
    if (before !== after) {
      if (lives(binding.flow)) leave(this.#byFlow, before, binding);
      if (lives(flow)) join(this.#byFlow, after, binding);
    }
    binding.flow = flow;
  }

  /** It is another flow of its instance from now on, or none of them any more. */
  renumber(binding: HeldBinding, regId: number): void {
    const before = isOneOfMany(binding);
    binding.regId = regId;
    const after = isOneOfMany(binding);
    if (before && !after) leave(this.#byInside, binding.inside, binding);
    if (after && !before) join(this.#byInside, binding.inside, binding);
  }

  /** After `expiresAt` has moved. Later costs nothing until the old time has come. */
  renew(binding: HeldBinding): void {
    if (slotOf(binding.expiresAt) < binding.slot) this.#schedule(binding);
  }

  /** When `takeExpired` may have something to take. */
  nextDeadline(): Millis | undefined {
    return this.#firstSlot === Number.POSITIVE_INFINITY ? undefined : this.#firstSlot * SECOND;
  }

  /** Those whose time is over; they are still in the book. */
  takeExpired(now: Millis): readonly HeldBinding[] {
    const expired: HeldBinding[] = [];
    const current = Math.floor(now / SECOND);
    while (this.#firstSlot <= current) {
      const slot = this.#firstSlot;
      const due = this.#slots.get(slot) ?? [];
      this.#slots.delete(slot);
      this.#firstSlot = Number.POSITIVE_INFINITY;
      for (const second of this.#slots.keys()) if (second < this.#firstSlot) this.#firstSlot = second;
      for (const binding of due) {
        if (binding.slot !== slot) continue; // Gone, or scheduled anew.
        binding.slot = 0; // It may stand here twice: its time was moved there and back.
        if (binding.expiresAt <= now) expired.push(binding);
        else this.#schedule(binding);
      }
    }
    return expired;
  }

  #schedule(binding: HeldBinding): void {
    const slot = slotOf(binding.expiresAt);
    binding.slot = slot;
    const others = this.#slots.get(slot);
    if (others === undefined) this.#slots.set(slot, [binding]);
    else others.push(binding);
    if (slot >= this.#firstSlot) return;
    this.#firstSlot = slot;
    this.#sooner();
  }
}

const isWokenAlike = (a: PushParams | undefined, b: PushParams | undefined): boolean =>
  a !== undefined && b !== undefined && a.provider === b.provider && a.prid === b.prid && a.param === b.param;

const isOneOfMany = ({ regId, inside, name }: HeldBinding): boolean => regId > 0 || inside !== name;

/** A connection of before a restart is nobody's. */
const lives = ({ connection }: Hop): boolean => connection >= 0;

/** The first full second at which it has expired. */
const slotOf = (at: Millis): number => Math.ceil(at / SECOND);

/** Most have one: a list of one each time, shared by nobody. */
function join(map: Map<string, readonly HeldBinding[]>, key: string, binding: HeldBinding): void {
  const others = map.get(key);
  map.set(key, others === undefined ? [binding] : [...others, binding]);
}

function leave(map: Map<string, readonly HeldBinding[]>, key: string, binding: HeldBinding): void {
  const others = map.get(key)?.filter((one) => one !== binding) ?? NOBODY;
  if (others.length === 0) map.delete(key);
  else map.set(key, others);
}
