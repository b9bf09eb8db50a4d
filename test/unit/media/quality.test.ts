import { expect, test } from "vitest";
import { opinionOf, ratingOf } from "../../../src/media/e-model.ts";
import type { SideCounters } from "../../../src/media/index.ts";
import { joined, streamQuality } from "../../../src/media/quality.ts";
import { NO_PACKETS } from "../../support/no-packets.ts";

const quiet = { codec: "PCMU", loss: 0, burstRatio: 1, delayMs: 0 };
const side = (counted: Partial<SideCounters>): SideCounters => ({ ...NO_PACKETS, ...counted });

test("with all default values the rating is 93.2, the opinion 4.41 (G.107 Table 2, Annex B)", () => {
  expect(ratingOf(quiet)).toBeCloseTo(93.2, 1);
  expect(opinionOf(ratingOf(quiet))).toBeCloseTo(4.41, 2);
});

test("opinions of ratings are those of G.107 Table B.1", () => {
  const table = [90, 80, 70, 60, 50].map((rating) => opinionOf(rating));
  for (const [index, opinion] of [4.34, 4.03, 3.6, 3.1, 2.58].entries()) expect(table[index]).toBeCloseTo(opinion, 1);
  expect([opinionOf(-1), opinionOf(0), opinionOf(3), opinionOf(100), opinionOf(101)]).toEqual([1, 1, 1, 4.5, 4.5]);
});

test("equipment impairment is that of G.113: Ie without loss, and 95 - Ie shared by Ppl / (Ppl / BurstR + Bpl)", () => {
  expect(ratingOf(quiet) - ratingOf({ ...quiet, codec: "G729" })).toBeCloseTo(11, 6);
  expect(ratingOf(quiet) - ratingOf({ ...quiet, codec: "g723" })).toBeCloseTo(15, 6);
  const lossy = ratingOf({ ...quiet, codec: "G729", loss: 0.02 });
  expect(ratingOf(quiet) - lossy).toBeCloseTo(11 + (84 * 2) / (2 + 19), 6);
  const inBursts = ratingOf({ ...quiet, codec: "G729", loss: 0.02, burstRatio: 2 });
  expect(ratingOf(quiet) - inBursts).toBeCloseTo(11 + (84 * 2) / (1 + 19), 6);
});

test("delay costs little up to 150 ms, and much beyond (G.114)", () => {
  const cost = (delayMs: number): number => ratingOf(quiet) - ratingOf({ ...quiet, delayMs });
  expect(cost(100)).toBeLessThan(3);
  expect(cost(150)).toBeLessThan(4);
  expect(cost(250)).toBeGreaterThan(13);
  expect(cost(400)).toBeGreaterThan(28);
});

test("ratings fall with loss, bursts and delay, and stay from 0 to 100, whatever is counted", () => {
  for (const codec of ["PCMU", "opus", "G729", "nobody's"]) {
    let before = 101;
    for (const loss of [0, 0.01, 0.05, 0.2, 1, 7]) {
      const rating = ratingOf({ codec, loss, burstRatio: 1, delayMs: 60 });
      expect(rating).toBeLessThanOrEqual(before);
      expect(rating).toBeGreaterThanOrEqual(0);
      before = rating;
    }
  }
  expect(ratingOf({ ...quiet, delayMs: -5 })).toBeCloseTo(93.2, 1);
  expect(ratingOf({ ...quiet, delayMs: 1e9 })).toBeGreaterThanOrEqual(0);
});

test("a side's quality: what it sent to us, with half of both round trips on the way to the other's ear", () => {
  const counted = [
    side({
      packets: 980,
      bytes: 9,
      lost: 20,
      lossBursts: 10,
      jitterMs: 5,
      rttMs: 40,
      droppedAuth: 2,
      droppedUnsent: 1,
    }),
    side({ packets: 1_000, rttMs: 100, reports: 3, reportedLost: 30, reportedJitterMs: 8 }),
  ] as const;
  const quality = streamQuality(counted, 0, "audio", ["telephone-event", "PCMA"]);
  const rating = ratingOf({ codec: "PCMA", loss: 0.02, burstRatio: 2 * 0.98, delayMs: 70 + 10 + 20 });
  expect(quality).toMatchObject({ packets: 980, lost: 20, jitterMs: 5, rttMs: 40, dropped: 3 });
  expect(quality.rating).toBeCloseTo(rating, 1);
  expect(quality.mos).toBeCloseTo(opinionOf(rating), 2);
  const told = ratingOf({ codec: "PCMA", loss: 0.03, burstRatio: 1, delayMs: 70 + 16 + 20 });
  expect(streamQuality(counted, 1, "audio", ["PCMA"]).reported).toEqual({
    lost: 30,
    jitterMs: 8,
    mos: Math.round(opinionOf(told) * 100) / 100,
  });
});

test("a few packets, and pictures, have no opinion; what a side says of itself goes before our arithmetic", () => {
  const few = [side({ packets: 99 }), side({ packets: 99, reports: 1, reportedLost: 1 })] as const;
  expect(streamQuality(few, 0, "audio", ["PCMU"])).not.toHaveProperty("mos");
  expect(streamQuality(few, 1, "audio", ["PCMU"]).reported).toEqual({ lost: 1, jitterMs: 0 });
  const many = [side({ packets: 9_000 }), side({ reportedMos: 38 })] as const;
  expect(streamQuality(many, 0, "video", ["VP8"])).not.toHaveProperty("mos");
  expect(streamQuality(many, 1, "audio", ["PCMU"]).reported?.mos).toBe(3.8);
});

test("parts of a stream that moved to other ports are one stream: sums, and opinions by their packets", () => {
  const one = { packets: 100, bytes: 1, lost: 1, jitterMs: 3, dropped: 1, mos: 4, rating: 80, rttMs: 10, digits: 2 };
  const other = { packets: 300, bytes: 2, lost: 2, jitterMs: 2, dropped: 0, mos: 2, rating: 40 };
  const sum = { packets: 400, bytes: 3, lost: 3, jitterMs: 3, dropped: 1, mos: 2.5, rating: 50, rttMs: 10, digits: 2 };
  expect(joined(one, other)).toEqual(sum);
  expect(joined(other, other)).not.toHaveProperty("rttMs");
});
