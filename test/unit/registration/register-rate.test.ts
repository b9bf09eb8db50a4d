/** How many REGISTERs reach a registrar, whatever comes. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/base/index.ts";
import { RegisterRate } from "../../../src/registration/index.ts";

test("in no second more than its rate, whatever comes when", () => {
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
        expect(within).toBeLessThanOrEqual(perSecond);
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
  const turns = Array.from({ length: 50_000 }, () => rate.retryAfter(false, 0));
  expect(Math.min(...turns)).toBeGreaterThanOrEqual(2);
  expect(Math.max(...turns)).toBeLessThanOrEqual(600);
  const crowd = new Map<number, number>();
  for (const turn of turns.slice(0, 20_000)) crowd.set(turn, (crowd.get(turn) ?? 0) + 1);
  expect(Math.max(...crowd.values())).toBeLessThan(100);
});

test("a whole town that is known comes back at the full rate; strangers wait for their half of it", () => {
  for (const known of [true, false]) {
    const perSecond = 100;
    const rate = new RegisterRate(seededRandom(1), perSecond);
    const phones = 5_000;
    const due = new Map<number, number>([[0, phones]]);
    let bound = 0;
    let now = 0;
    for (; bound < phones; now += 1) {
      const here = due.get(now) ?? 0;
      due.delete(now);
      for (let one = 0; one < here; one++) {
        // Phones that come in the same second are spread over it.
        const at = (now + one / here) * 1_000;
        if (rate.take(known, at)) bound += 1;
        else {
          const next = now + rate.retryAfter(known, at);
          due.set(next, (due.get(next) ?? 0) + 1);
        }
      }
    }
    expect(now).toBeLessThan((1.25 * phones) / (known ? perSecond : perSecond / 2));
  }
});
