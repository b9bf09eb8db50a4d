/**
 * Is a target worth trying? Told by OPTIONS where the operator asked for them, and by what happens to real calls. A
 * verdict only orders the targets: when all look dead they are all still tried.
 */
import {
  below,
  type Fact,
  type Millis,
  type PeerSettings,
  type Punctual,
  type Random,
  SECOND,
  type TargetSettings,
} from "../base/index.ts";
import { parseUri, type SipUri, sameHost } from "../message/index.ts";
import { parseIp } from "./cidr.ts";

export type TargetHealth = "unknown" | "up" | "down";
export type Outcome = "answered" | "timeout" | "unreachable" | "503";

/** Without OPTIONS a dead target gets its next chance after this long. */
const PENALTY: Millis = 30 * SECOND;
/** A 503 that says nothing about when: the next few calls go elsewhere. */
const BUSY_DEFAULT_SECONDS = 5;
/** Limit: a Retry-After beyond this counts as this, so that one answer cannot take a trunk away for a day. */
const BUSY_MOST_SECONDS = 300;
/** A dead target is asked more often than a living one, so that it is back soon. */
const DOWN_PROBE_EVERY: Millis = 10 * SECOND;
/** The first round of OPTIONS is spread over this long. */
const FIRST_PROBE_WITHIN: Millis = SECOND;
/** An OPTIONS that nobody reported on is given up: longer than timer F (RFC 3261 §17.1.2.2), so only a bug gets here. */
const PROBE_LOST: Millis = 40 * SECOND;
/** How often a name without OPTIONS is looked up, so that its peer is known by its addresses before it is first called. */
const RESOLVE_EVERY: Millis = 60 * SECOND;
/** Limit: addresses kept of one name. The first ones: DNS lists the preferred first. */
const ADDRESSES = 32;

export interface HealthOutputs {
  probe(target: TargetState, now: Millis): void;
  resolve(target: TargetState, now: Millis): void;
  fact(fact: Fact): void;
}

/** One target of one peer, with all we learnt of it. Lives on over a reload that leaves the target in place. */
export class TargetState implements Punctual {
  /** `udp:10.0.0.5:5060`, or the URI. Unique within its peer. */
  readonly id: string;
  readonly peer: string;
  readonly realm: string;
  readonly settings: TargetSettings;
  readonly #random: Random;
  readonly #outputs: HealthOutputs;
  #everySeconds: number | undefined;
  #health: TargetHealth = "unknown";
  #reason = "not tried yet";
  #since: Millis = 0;
  #downUntil: Millis = 0;
  #busyUntil: Millis = 0;
  #restsUntil: Millis = 0;
  #probeAt: Millis | undefined;
  #resolveAt: Millis | undefined;
  #probing = false;
  #addresses: readonly string[] = [];

  constructor(peer: PeerSettings, settings: TargetSettings, random: Random, outputs: HealthOutputs) {
    this.id = targetId(settings);
    this.peer = peer.name;
    this.realm = peer.realm;
    this.settings = settings;
    this.#resolveAt = isNamed(settings) ? 0 : undefined;
    this.#random = random;
    this.#outputs = outputs;
    this.configure(peer);
  }

  /** Takes over `options` from the configuration. The first probe waits for the clock: see `expire`. */
  configure(peer: PeerSettings): void {
    const everySeconds = peer.options?.everySeconds;
    if (everySeconds === this.#everySeconds) return;
    this.#everySeconds = everySeconds;
    this.#probeAt = everySeconds === undefined ? undefined : 0;
    if (everySeconds === undefined) this.#probing = false;
  }

  get health(): TargetHealth {
    return this.#health;
  }

  get reason(): string {
    return this.#reason;
  }

  /** When `health` last changed. */
  get since(): Millis {
    return this.#since;
  }

  /** IP addresses the target stands for, as far as they are known. */
  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** Should calls go here now? An unknown target is given the chance. */
  healthy(now: Millis): boolean {
    if (now < this.#busyUntil) return false;
    if (this.#health !== "down") return true;
    return this.#everySeconds === undefined && now >= this.#downUntil;
  }

  /** How long it asked, by a 503 with Retry-After, that no call be sent to it (RFC 3261 §21.5.4); 0: send. */
  restsFor(now: Millis): Millis {
    return Math.max(0, this.#restsUntil - now);
  }

  /** How long calls avoid it without news, in milliseconds; 0 when they do not. With OPTIONS a dead one waits for those. */
  avoidedFor(now: Millis): Millis {
    const dead = this.#health === "down" && this.#everySeconds === undefined ? this.#downUntil : 0;
    return Math.max(0, Math.max(this.#busyUntil, dead) - now);
  }

  learn(addresses: readonly string[]): void {
    this.#addresses = addresses.slice(0, ADDRESSES);
  }

  /** Does a URI name this place? By address with the port that it has or means, by a name also without one (RFC 3263). */
  isAt(uri: SipUri): boolean {
    const named = parseIp(uri.host) === undefined;
    const usual = uri.scheme === "sips" || uri.params.get("transport")?.toLowerCase() === "tls" ? 5061 : 5060;
    const place = placeOf(this.settings);
    if (place === undefined) return false;
    if (!sameHost(place.host, uri.host) && !this.#addresses.some((ip) => sameHost(ip, uri.host))) return false;
    return (uri.port ?? (named ? place.port : usual)) === place.port;
  }

  /** What a real call saw. `answered`: any answer but 503. */
  outcome(result: Outcome, retryAfterSeconds: number | undefined, now: Millis): void {
    if (result === "answered") {
      this.#busyUntil = 0;
      this.#restsUntil = 0;
      this.#become("up", "answered a call", now);
    } else if (result === "503") {
      const seconds = Math.min(BUSY_MOST_SECONDS, Math.max(0, retryAfterSeconds ?? BUSY_DEFAULT_SECONDS));
      this.#busyUntil = now + seconds * SECOND;
      if (retryAfterSeconds !== undefined) this.#restsUntil = this.#busyUntil;
    } else {
      this.#downUntil = now + PENALTY;
      this.#become("down", result === "timeout" ? "a call got no answer" : "a call could not reach it", now);
      if (this.#probeAt !== undefined && !this.#probing)
        this.#probeAt = Math.min(this.#probeAt, now + DOWN_PROBE_EVERY);
    }
  }

  probed(result: "up" | "down", reason: string, now: Millis): void {
    if (this.#everySeconds === undefined) return; // OPTIONS were switched off while this one was out.
    this.#probing = false;
    this.#become(result, reason, now);
    const every = this.#everySeconds * SECOND;
    this.#probeAt = now + (result === "up" ? every : Math.min(every, DOWN_PROBE_EVERY));
  }

  nextDeadline(): Millis | undefined {
    if (this.#everySeconds !== undefined) return this.#probeAt; // An OPTIONS looks the name up as well.
    return this.#resolveAt;
  }

  /** Sends an OPTIONS or has the name looked up. */
  expire(now: Millis): void {
    if (this.#everySeconds !== undefined) this.#probe(this.#everySeconds * SECOND, now);
    else if (this.#resolveAt !== undefined && this.#resolveAt <= now) {
      this.#resolveAt = now + RESOLVE_EVERY;
      this.#outputs.resolve(this, now);
    }
  }

  /** The first call of all only picks a moment, so that targets do not all ask at once. */
  #probe(every: Millis, now: Millis): void {
    if (this.#probeAt === undefined || this.#probeAt > now) return;
    if (this.#probeAt === 0) {
      this.#probeAt = now + 1 + below(this.#random, FIRST_PROBE_WITHIN);
      return;
    }
    this.#probing = true;
    this.#probeAt = now + Math.max(PROBE_LOST, every);
    this.#outputs.probe(this, now);
  }

  #become(health: "up" | "down", reason: string, now: Millis): void {
    this.#reason = reason;
    if (this.#health === health) return;
    // An unknown target that turns out to be up is no news.
    const news = !(this.#health === "unknown" && health === "up");
    this.#health = health;
    this.#since = now;
    if (news) {
      this.#outputs.fact({ fact: health === "up" ? "peer.up" : "peer.down", peer: this.peer, target: this.id, reason });
    }
  }
}

function isNamed(target: TargetSettings): boolean {
  if (target.kind === "host") return parseIp(target.host) === undefined;
  const uri = parseUri(target.uri);
  return (uri.scheme === "sip" || uri.scheme === "sips") && parseIp(uri.host) === undefined;
}

/** Where a target is by its settings; a URI without a port is at the usual one. */
function placeOf(target: TargetSettings): { readonly host: string; readonly port: number } | undefined {
  if (target.kind === "host") return { host: target.host.toLowerCase(), port: target.port };
  const uri = parseUri(target.uri);
  if (uri.scheme !== "sip" && uri.scheme !== "sips") return undefined;
  return { host: uri.host, port: uri.port ?? (uri.scheme === "sips" ? 5061 : 5060) };
}

export function targetId(target: TargetSettings): string {
  if (target.kind === "uri") return target.uri;
  const host = target.host.includes(":") ? `[${target.host}]` : target.host;
  return `${target.protocol}:${host}:${target.port}`;
}
