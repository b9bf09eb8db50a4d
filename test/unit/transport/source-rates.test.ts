import { describe, expect, test } from "vitest";
import { SourceRates } from "../../../src/transport/source-rates.ts";

describe("the rate of a stranger", () => {
  test("lets a burst of four seconds in, then what a second allows", () => {
    const rates = new SourceRates(10);
    expect(taken(rates, "192.0.2.1", 100, 0)).toBe(40);
    expect(taken(rates, "192.0.2.1", 100, 1_000)).toBe(10);
    expect(taken(rates, "192.0.2.1", 100, 1_050)).toBe(0);
  });

  test("is a rate of its own: others are not touched, the /64 of an IPv6 address is one", () => {
    const rates = new SourceRates(10);
    expect(taken(rates, "2001:db8::1", 100, 0)).toBe(40);
    expect(taken(rates, "2001:db8::2", 100, 0)).toBe(0);
    expect(taken(rates, "2001:db8:0:1::1", 100, 0)).toBe(40);
    expect(taken(rates, "192.0.2.2", 100, 0)).toBe(40);
  });

  test("is told of once, and again after it was quiet", () => {
    const rates = new SourceRates(10);
    const told: string[] = [];
    for (const now of [0, 100, 200, 20_000])
      for (let i = 0; i < 100; i++) {
        const source = rates.take("192.0.2.1", now) ? undefined : rates.dropped("192.0.2.1", now);
        if (source !== undefined) told.push(source);
      }
    expect(told).toEqual(["192.0.2.1", "192.0.2.1"]);
  });

  test("does not hold for those who are known, who are asked about once a second", () => {
    const rates = new SourceRates(10);
    let asked = 0;
    for (let i = 0; i < 1_000; i++) {
      if (rates.take("192.0.2.1", i)) continue;
      asked += 1;
      rates.exempt("192.0.2.1", i);
    }
    expect(asked).toBe(1);
  });

  test("0 is none", () => {
    expect(taken(new SourceRates(0), "192.0.2.1", 10_000, 0)).toBe(10_000);
  });

  test("a hundred thousand sources are not remembered", () => {
    const rates = new SourceRates(10);
    for (let i = 0; i < 100_000; i++) taken(rates, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 1, i / 100);
    expect(rates.size).toBeLessThanOrEqual(16_384);
  });
});

function taken(rates: SourceRates, ip: string, count: number, now: number): number {
  let entered = 0;
  for (let i = 0; i < count; i++) if (rates.take(ip, now)) entered += 1;
  return entered;
}
