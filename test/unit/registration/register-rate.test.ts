/** How many REGISTERs reach a registrar, whatever comes. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/base/index.ts";
import { RegisterRate } from "../../../src/registration/index.ts";

test("in no second more than its rate and a tenth, whatever comes when", () => {
  const arrivals = fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.boolean()), { maxLength: 400 });
  fc.assert(
    fc.property(arrivals, fc.integer({ min: 1, max: 50 }), (gaps, perSecond) => {
      const rate = new RegisterRate(seededRandom(1), perSecond);
      const taken: number[] = [];
      let now = 0;
      for (const [gap, known] of gaps) {
        now += gap;
        if (rate.take(known, now)) taken.push(now);
      }
      for (const from of taken) {
        const within = taken.filter((at) => at >= from && at < from + 1_000).length;
        expect(within).toBeLessThanOrEqual(Math.ceil(perSecond * 1.1) + 1);
      }
    }),
  );
});

test("strangers have half of it: phones that are known still get through a flood", () => {
  const rate = new RegisterRate(seededRandom(1), 100);
  let strangers = 0;
  let known = 0;
  for (let now = 0; now < 10_000; now += 1) {
    if (rate.take(false, now)) strangers += 1;
    if (now % 25 === 0 && rate.take(true, now)) known += 1;
  }
  expect(strangers).toBeLessThanOrEqual(510);
  expect(known).toBe(400);
});

test("whoever is turned away gets a turn of his own, never too far off", () => {
  const rate = new RegisterRate(seededRandom(1), 100);
  const turns = Array.from({ length: 50_000 }, () => rate.retryAfter(0));
  expect(Math.min(...turns)).toBeGreaterThanOrEqual(2);
  expect(Math.max(...turns)).toBeLessThanOrEqual(600);
  const crowd = new Map<number, number>();
  for (const turn of turns.slice(0, 20_000)) crowd.set(turn, (crowd.get(turn) ?? 0) + 1);
  expect(Math.max(...crowd.values())).toBeLessThan(100);
});
