/** What the relay counted, as how the stream was: loss, jitter, round trip and opinion, by side. */
import type { StreamQuality } from "../base/index.ts";
import { opinionOf, ratingOf } from "./e-model.ts";
import type { SideIndex } from "./party.ts";
import { otherSide } from "./party.ts";
import type { SideCounters } from "./relay-command.ts";
import { COMPANIONS } from "./shape.ts";

export type Counted = readonly [caller: SideCounters, callee: SideCounters];

/** Limit: fewer packets than these, two seconds of voice, say nothing of how a call sounds. */
const LEAST_PACKETS = 100;
/** What a phone waits before it plays, beside twice the jitter: one packet of 20 ms. */
const PACKET_MS = 20;

/**
 * What `side` sent to us. `dropped`: what arrived and was not believed, or had nowhere to go. `codecs`: those of the line,
 * the one in use first.
 */
export function streamQuality(
  counted: Counted,
  side: SideIndex,
  kind: string,
  codecs: readonly string[],
): StreamQuality {
  const own = counted[side];
  const { packets, bytes, lost, jitterMs } = own;
  const quality: Mutable<StreamQuality> = { packets, bytes, lost, jitterMs, dropped: dropsOf(own) };
  if (own.rttMs > 0) quality.rttMs = rounded(own.rttMs, 1);
  if (own.digits > 0) quality.digits = own.digits;
  const told = own.reports > 0 || own.reportedMos > 0;
  if (kind !== "audio" || (packets < LEAST_PACKETS && !told)) return quality;

  const codec = codecs.find((name) => !COMPANIONS.has(name.toLowerCase())) ?? "";
  const other = counted[otherSide(side)];
  const roundTripMs = own.rttMs + other.rttMs;
  if (packets >= LEAST_PACKETS) {
    const loss = lost / (packets + lost);
    // How many of a row were lost on average, to how many would be by chance: 1 / (1 - loss).
    const burstRatio = own.lossBursts === 0 ? 1 : (lost / own.lossBursts) * (1 - loss);
    const rating = ratingOf({ codec, loss, burstRatio, delayMs: delayOf(roundTripMs, jitterMs) });
    quality.rating = rounded(rating, 1);
    quality.mos = rounded(opinionOf(rating), 2);
  }
  if (told) quality.reported = reportOf(own, other, codec, roundTripMs);
  return quality;
}

/** What a side says of the whole way from the other one to it. */
function reportOf(
  own: SideCounters,
  other: SideCounters,
  codec: string,
  roundTripMs: number,
): StreamQuality["reported"] {
  const { reportedLost: lost, reportedJitterMs: jitterMs } = own;
  const expected = other.packets + other.lost;
  if (own.reportedMos > 0) return { lost, jitterMs: rounded(jitterMs, 3), mos: own.reportedMos / 10 };
  if (expected < LEAST_PACKETS) return { lost, jitterMs: rounded(jitterMs, 3) };
  const loss = Math.min(1, lost / expected);
  const rating = ratingOf({ codec, loss, burstRatio: 1, delayMs: delayOf(roundTripMs, jitterMs) });
  return { lost, jitterMs: rounded(jitterMs, 3), mos: rounded(opinionOf(rating), 2) };
}

/** From mouth to ear: half of both round trips, and what the ear's phone holds back. */
const delayOf = (roundTripMs: number, jitterMs: number): number => roundTripMs / 2 + 2 * jitterMs + PACKET_MS;

const dropsOf = (counters: SideCounters): number =>
  counters.droppedStranger +
  counters.droppedAuth +
  counters.droppedReplay +
  counters.droppedMalformed +
  counters.droppedUnsent +
  counters.droppedPoliced;

/** Of a stream that moved to other ports, and was counted in parts. */
export function joined(a: StreamQuality, b: StreamQuality): StreamQuality {
  const sum: Mutable<StreamQuality> = {
    packets: a.packets + b.packets,
    bytes: a.bytes + b.bytes,
    lost: a.lost + b.lost,
    jitterMs: Math.max(a.jitterMs, b.jitterMs),
    dropped: a.dropped + b.dropped,
  };
  const digits = (a.digits ?? 0) + (b.digits ?? 0);
  if (digits > 0) sum.digits = digits;
  const rttMs = b.rttMs ?? a.rttMs;
  if (rttMs !== undefined) sum.rttMs = rttMs;
  const rating = weighed(a, b, "rating", 1);
  if (rating !== undefined) sum.rating = rating;
  const mos = weighed(a, b, "mos", 2);
  if (mos !== undefined) sum.mos = mos;
  if (a.reported !== undefined && b.reported !== undefined) {
    const { jitterMs, mos: opinion } = b.reported;
    sum.reported = {
      lost: a.reported.lost + b.reported.lost,
      jitterMs,
      ...(opinion !== undefined && { mos: opinion }),
    };
  } else if ((a.reported ?? b.reported) !== undefined) sum.reported = a.reported ?? b.reported;
  return sum;
}

/** Each part counts by its packets. */
function weighed(a: StreamQuality, b: StreamQuality, member: "rating" | "mos", digits: number): number | undefined {
  const one = a[member];
  const other = b[member];
  if (one === undefined || other === undefined) return one ?? other;
  return rounded((one * a.packets + other * b.packets) / (a.packets + b.packets), digits);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const rounded = (value: number, digits: number): number => Math.round(value * 10 ** digits) / 10 ** digits;
