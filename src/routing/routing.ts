/** The route table, the peers and their health, behind one door. */
import {
  type Agenda,
  type Fact,
  isSecure,
  type Millis,
  type PeerSettings,
  type Random,
  REGISTRATION,
  type Settings,
  type Trust,
} from "../base/index.ts";
import type { Uri } from "../message/index.ts";
import { ADMITTED, type AdmitVerdict, CallLimits } from "./call-limits.ts";
import { type Outcome, type TargetHealth, TargetState, targetId } from "./health.ts";
import { numberOf } from "./number.ts";
import { PHONES } from "./phones.ts";
import { type Caller, isAt, isInSources, Recognition, type Standing } from "./recognition.ts";

export type RoutingOutput =
  /** Send an OPTIONS to this target and tell `probed` how it went. */
  | { readonly out: "probe"; readonly target: TargetState; readonly now: Millis }
  /** Look this target's name up and tell `resolvedAddresses`. */
  | { readonly out: "resolve"; readonly target: TargetState; readonly now: Millis }
  | { readonly out: "fact"; readonly fact: Fact };

export interface RouteInput {
  readonly from: PeerSettings | undefined;
  readonly realm: string;
  readonly trust: Trust;
  readonly method: string;
  readonly uri: Uri;
  /** What is known of phones; absent: nobody is registered. */
  readonly phones?: { readonly caller: boolean; readonly callee: () => boolean } | undefined;
  readonly now?: Millis;
}

export interface TargetView {
  readonly target: string;
  readonly state: TargetHealth;
  readonly reason: string;
  /** How long calls still avoid it, in seconds; 0 when they do not. */
  readonly avoidedSeconds: number;
  readonly addresses: readonly string[];
}

/** One peer, as `peers --json` shows it. */
export interface PeerView {
  readonly name: string;
  readonly realm: string;
  readonly calls: number;
  readonly maxCalls: number | undefined;
  readonly maxCallsPerSecond: number | undefined;
  readonly maxRequestsPerSecond: number | undefined;
  readonly refused: number;
  readonly targets: readonly TargetView[];
}

export interface RoutingOptions {
  readonly settings: Settings;
  readonly random: Random;
  readonly emit: (output: RoutingOutput) => void;
  readonly agenda: Agenda;
}

export class Routing {
  readonly #random: Random;
  readonly #emit: (output: RoutingOutput) => void;
  readonly #agenda: Agenda;
  #settings: Settings;
  #recognition: Recognition;
  #targets = new Map<string, readonly TargetState[]>();
  readonly #limits = new Map<string, CallLimits>();

  constructor({ settings, random, emit, agenda }: RoutingOptions) {
    this.#random = random;
    this.#emit = emit;
    this.#agenda = agenda;
    this.#settings = settings;
    this.#adoptTargets(settings);
    this.#recognition = this.#index();
  }

  /** The peer that sent this, or `undefined`: a stranger. A peer with `sources` is told by them alone. */
  recognise(caller: Caller, _now?: Millis): PeerSettings | undefined {
    return this.#recognition.peerOf(caller);
  }

  /** May this have been sent by the peer of this name, even if another one at the same place would be recognised? */
  mayBe(name: string, caller: Caller): boolean {
    const peer = this.#settings.peers.get(name);
    if (peer === undefined) return false;
    if (this.recognise(caller)?.name === name) return true;
    const isCertified = isSecure(caller.protocol) && this.#settings.realms.get(peer.realm)?.tls?.verify === "mutual";
    if (isCertified) return false;
    return peer.sources.length > 0 ? isInSources(peer, caller) : this.isAt(name, caller);
  }

  /** Is the peer of this name at that place: at a target of its, or in its `sources`? */
  isAt(name: string, place: Standing): boolean {
    const peer = this.#settings.peers.get(name);
    const addresses = (this.#targets.get(name) ?? []).flatMap((target) => target.addresses);
    return peer !== undefined && isAt(peer, place, addresses);
  }

  /**
   * The peers of the first route whose every condition holds. A stranger in a realm that is not fully trusted is taken
   * only by a route that names that realm: a route about numbers alone must not open the box to the world. Beyond calls
   * and messages the route has to name the method, too: who subscribes has us send to whatever address he likes.
   */
  route(input: RouteInput): readonly PeerSettings[] | "no route" {
    const stranger = input.from === undefined && input.trust !== "full";
    for (const { when, to } of this.#settings.routes) {
      const phone = when.registered === true || when.registered === "both";
      if (when.realm === undefined ? stranger && !phone : when.realm !== input.realm) continue;
      if (stranger && !phone && when.method === undefined && !FOR_STRANGERS.has(input.method)) continue;
      if (when.from !== undefined && when.from !== input.from?.name) continue;
      if (when.method !== undefined && when.method !== input.method) continue;
      if (when.host !== undefined && when.host !== hostOf(input.uri)) continue;
      if (when.number !== undefined && !matches(when.number, numberOf(input.uri))) continue;
      if (phone && input.phones?.caller !== true) continue;
      if (when.registered !== undefined && when.registered !== true && input.phones?.callee() !== true) continue;
      if (when.peerDown !== undefined && !this.isDown(when.peerDown, input.now ?? 0)) continue;
      return to.map((name) => this.#peerNamed(name)).filter((peer) => peer !== undefined);
    }
    return "no route";
  }

  /** The targets to try now, in the operator's order, healthy ones first. Never empty for a peer that has targets. */
  targets(peer: PeerSettings, now: Millis): readonly TargetState[] {
    const all = this.#targets.get(peer.name) ?? [];
    if (all.length < 2 || all.every((target) => target.healthy(now))) return all;
    return [...all.filter((target) => target.healthy(now)), ...all.filter((target) => !target.healthy(now))];
  }

  /** Is there no target of this peer that may be tried with any hope? */
  isDown(name: string, now: Millis): boolean {
    const all = this.#targets.get(name) ?? [];
    return all.length > 0 && all.every((target) => !target.healthy(now));
  }

  /** The targets of `peer` that a URI names by host and port: those of a redirect to its own place. */
  targetsAt(peer: PeerSettings, uri: Uri): readonly TargetState[] {
    if (uri.scheme !== "sip" && uri.scheme !== "sips") return [];
    return (this.#targets.get(peer.name) ?? []).filter((target) => target.isAt(uri));
  }

  /** What happened when a call went to `target`. */
  outcome(target: TargetState, result: Outcome, retryAfterSeconds: number | undefined, now: Millis): void {
    target.outcome(result, retryAfterSeconds, now);
    if (this.#owns(target)) this.#agenda.watch(target);
  }

  /** How an OPTIONS went. */
  probed(target: TargetState, result: "up" | "down", reason: string, now: Millis): void {
    target.probed(result, reason, now);
    if (this.#owns(target)) this.#agenda.watch(target);
  }

  /** The addresses that `target`'s name stands for now: its peer is recognised by them too. */
  resolvedAddresses(target: TargetState, addresses: readonly string[]): void {
    const same = addresses.length === target.addresses.length && addresses.every((ip, i) => ip === target.addresses[i]);
    if (same || addresses.length === 0) return; // A name that just failed to resolve keeps its last addresses.
    target.learn(addresses);
    if (this.#owns(target)) this.#recognition = this.#index();
  }

  /** Takes one call to or from `peer` into its limits, or says which one is reached. Each admitted call is released once. */
  admit(peer: PeerSettings | undefined, now: Millis): AdmitVerdict {
    if (peer === undefined) return { admitted: true };
    let limits = this.#limits.get(peer.name);
    if (limits === undefined) this.#limits.set(peer.name, (limits = new CallLimits()));
    // The settings as they are now: a call that was routed before a reload obeys the new limits.
    const verdict = limits.admit(this.#settings.peers.get(peer.name) ?? peer, this.#random, now);
    if (!verdict.admitted) {
      this.#emit({ out: "fact", fact: { fact: "peer.limited", peer: peer.name, limit: verdict.limit } });
    }
    return verdict;
  }

  /** The same for one request outside of any call, which has no end: nothing is released. */
  admitRequest(peer: PeerSettings | undefined, now: Millis): AdmitVerdict {
    const settings = peer === undefined ? undefined : (this.#settings.peers.get(peer.name) ?? peer);
    if (settings?.maxRequestsPerSecond === undefined) return ADMITTED;
    let limits = this.#limits.get(settings.name);
    if (limits === undefined) this.#limits.set(settings.name, (limits = new CallLimits()));
    const verdict = limits.admitRequest(settings, this.#random, now);
    if (!verdict.admitted) {
      this.#emit({ out: "fact", fact: { fact: "peer.limited", peer: settings.name, limit: verdict.limit } });
    }
    return verdict;
  }

  release(peer: PeerSettings | undefined): void {
    if (peer === undefined) return;
    const limits = this.#limits.get(peer.name);
    limits?.release();
    if (limits?.calls === 0 && !this.#settings.peers.has(peer.name)) this.#limits.delete(peer.name);
  }

  /** A new configuration: counts and health of what stays are kept. */
  apply(settings: Settings, _now?: Millis): void {
    this.#settings = settings;
    this.#adoptTargets(settings);
    this.#recognition = this.#index();
    for (const [name, limits] of this.#limits) {
      if (limits.calls === 0 && !settings.peers.has(name)) this.#limits.delete(name);
    }
  }

  view(now: Millis = 0): PeerView[] {
    return [...this.#settings.peers.values()].map((peer) => ({
      name: peer.name,
      realm: peer.realm,
      calls: this.#limits.get(peer.name)?.calls ?? 0,
      maxCalls: peer.maxCalls,
      maxCallsPerSecond: peer.maxCallsPerSecond,
      maxRequestsPerSecond: peer.maxRequestsPerSecond,
      refused: this.#limits.get(peer.name)?.refused ?? 0,
      targets: (this.#targets.get(peer.name) ?? []).map((target) => ({
        target: target.id,
        state: target.health,
        reason: target.reason,
        avoidedSeconds: now === 0 ? 0 : Math.ceil(target.avoidedFor(now) / 1_000),
        addresses: target.addresses,
      })),
    }));
  }

  #peerNamed(name: string): PeerSettings | undefined {
    return name === REGISTRATION ? PHONES : this.#settings.peers.get(name);
  }

  #index(): Recognition {
    return new Recognition(this.#settings, (peer) =>
      (this.#targets.get(peer.name) ?? []).flatMap((target) => target.addresses),
    );
  }

  #owns(target: TargetState): boolean {
    return this.#targets.get(target.peer)?.includes(target) ?? false;
  }

  /** Targets that stay keep their state; those that are gone stop asking. */
  #adoptTargets(settings: Settings): void {
    const outputs = {
      probe: (target: TargetState, now: Millis) => this.#emit({ out: "probe", target, now }),
      resolve: (target: TargetState, now: Millis) => this.#emit({ out: "resolve", target, now }),
      fact: (fact: Fact) => this.#emit({ out: "fact", fact }),
    };
    const before = this.#targets;
    const after = new Map<string, readonly TargetState[]>();
    for (const peer of settings.peers.values()) {
      const known = (before.get(peer.name) ?? []).filter((target) => target.realm === peer.realm);
      const states = peer.targets.map((target) => {
        const id = targetId(target);
        const kept = known.find((state) => state.id === id);
        kept?.configure(peer);
        return kept ?? new TargetState(peer, target, this.#random, outputs);
      });
      after.set(peer.name, states);
    }
    this.#targets = after;
    for (const states of before.values()) for (const state of states) if (!this.#owns(state)) this.#agenda.drop(state);
    for (const states of after.values()) for (const state of states) this.#agenda.watch(state);
  }
}

/** What a route without a method opens to strangers. */
const FOR_STRANGERS: ReadonlySet<string> = new Set(["INVITE", "ACK", "CANCEL", "OPTIONS", "MESSAGE"]);

const hostOf = (uri: Uri): string | undefined => (uri.scheme === "sip" || uri.scheme === "sips" ? uri.host : undefined);

function matches(pattern: RegExp, number: string | undefined): boolean {
  if (number === undefined) return false;
  pattern.lastIndex = 0; // A global or sticky expression would remember where it stopped.
  return pattern.test(number);
}
