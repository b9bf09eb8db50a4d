/**
 * Bindings as they are kept over a restart: one JSON object a line. No password and no digest is in it, and what tells
 * the same credentials again (cache-rule.ts) can be used for nothing else. Reading is total: a line that is not as we
 * write them is no binding.
 */
import { addressText, type Hash, type Hop, type Millis, type Protocol } from "../base/index.ts";
import { HeldBinding } from "./binding-book.ts";
import type { Binding } from "./bindings.ts";
import { claimedIn, proofOf } from "./cache-rule.ts";
import { Upstream } from "./upstream.ts";

/** Of the file; another one is not read. */
const VERSION = 1;

/** Times are told as what is left of them: the clock of the next start is another one. */
export interface KeptBinding {
  readonly v: number;
  readonly name: string;
  /** Absent: the same. */
  readonly inside?: string | undefined;
  readonly aor: string;
  readonly domain: string;
  readonly contact: string;
  readonly realm: string;
  readonly listener: string;
  readonly protocol: string;
  readonly ip: string;
  readonly port: number;
  readonly stream: boolean;
  readonly nated: boolean;
  readonly instance?: string | undefined;
  readonly regId: number;
  readonly path: readonly string[];
  readonly q: number;
  readonly callId: string;
  readonly seq: number;
  readonly push?: Binding["push"];
  readonly gruu?: Binding["gruu"];
  readonly upstream?:
    | {
        readonly callId: string;
        readonly fromTag: string;
        readonly seq: number;
        readonly leftMs: Millis;
        readonly routes: readonly string[];
        readonly proof: string;
      }
    | undefined;
}

export function keep(binding: HeldBinding, hash: Hash, now: Millis): KeptBinding {
  const { flow, upstream } = binding;
  const claimed = upstream?.credentials === undefined ? undefined : claimedIn(upstream.credentials);
  return {
    v: VERSION,
    name: binding.name,
    inside: binding.inside === binding.name ? undefined : binding.inside,
    aor: binding.aor,
    domain: binding.domain,
    contact: binding.contact,
    realm: flow.realm,
    listener: flow.listener,
    protocol: flow.protocol,
    ip: flow.remote.ip,
    port: flow.remote.port,
    stream: flow.connection !== 0,
    nated: binding.nated,
    instance: binding.instance,
    regId: binding.regId,
    path: binding.path,
    q: binding.q,
    callId: binding.callId,
    seq: binding.seq,
    push: binding.push,
    gruu: binding.gruu,
    upstream: upstream && {
      callId: upstream.callId,
      fromTag: upstream.fromTag,
      seq: upstream.seq,
      leftMs: Math.round(upstream.until - now),
      routes: upstream.routes,
      proof: claimed === undefined ? upstream.proof : proofOf(claimed, hash),
    },
  };
}

/** Limit: a box that was away for longer than this does not know any more where its own phones are. */
const OWN_PHONES_FOR: Millis = 3_600_000;

/**
 * `ageMs`: since the line was written; `awayMs`: since the box was there last; `leastMs`: a phone has so long to come
 * again. `undefined`: not ours, or over.
 */
export function restored(
  line: string,
  ageMs: Millis,
  awayMs: Millis,
  leastMs: Millis,
  now: Millis,
): HeldBinding | undefined {
  const kept = parsed(line);
  if (kept === undefined || kept.v !== VERSION || !isWhole(kept)) return undefined;
  const upstream = kept.upstream === undefined ? undefined : upstreamIn(kept.upstream, ageMs, now);
  const granted = upstream === undefined ? OWN_PHONES_FOR - awayMs : upstream.until - now;
  if (granted <= 0) return undefined;
  const flow: Hop = {
    realm: kept.realm,
    listener: kept.listener,
    protocol: kept.protocol as Protocol,
    remote: { ip: kept.ip, port: kept.port },
    // A connection does not outlive us: this one is nobody's, until the phone comes with another.
    connection: kept.stream ? GONE_CONNECTION : 0,
    tlsNames: [],
  };
  const expiresAt = now + Math.min(leastMs, granted);
  const { instance, push, gruu, inside = kept.name } = kept;
  return new HeldBinding({ ...kept, inside, flow, expiresAt, instance, push, gruu }, upstream);
}

/** Of a flow that ended while we were away. */
export const GONE_CONNECTION = -1;

function upstreamIn(kept: NonNullable<KeptBinding["upstream"]>, away: Millis, now: Millis): Upstream {
  const upstream = new Upstream(kept.callId, kept.fromTag);
  upstream.seq = kept.seq;
  upstream.until = now + kept.leftMs - away;
  upstream.refreshAt = upstream.until;
  upstream.routes = kept.routes;
  upstream.proof = kept.proof;
  return upstream;
}

function parsed(line: string): KeptBinding | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as KeptBinding) : undefined;
  } catch {
    return undefined;
  }
}

function isWhole(kept: KeptBinding): boolean {
  const texts = [kept.name, kept.aor, kept.domain, kept.contact, kept.realm, kept.listener, kept.ip, kept.callId];
  const numbers = [kept.port, kept.regId, kept.q, kept.seq];
  const { upstream, inside } = kept;
  return (
    (inside === undefined || typeof inside === "string") &&
    [...texts, kept.protocol].every((text) => typeof text === "string") &&
    numbers.every((number) => Number.isFinite(number)) &&
    Array.isArray(kept.path) &&
    (upstream === undefined ||
      (typeof upstream.callId === "string" && Number.isFinite(upstream.leftMs) && Array.isArray(upstream.routes)))
  );
}

/** For logs: where it is. */
export const placeOf = ({ flow }: Binding): string => `${flow.protocol}:${addressText(flow.remote)}`;
