import { expect, test } from "vitest";
import { seededRandom } from "../../../src/base/index.ts";
import { orderServers } from "../../../src/transport/weights.ts";

const server = (name: string, priority: number, weight: number) => ({ name, priority, weight });

test("lower priorities come first, whatever the weights", () => {
  const random = seededRandom(1);
  for (let i = 0; i < 100; i++) {
    const names = orderServers([server("c", 20, 9), server("a", 0, 0), server("b", 10, 65_535)], random).map(
      ({ name }) => name,
    );
    expect(names).toEqual(["a", "b", "c"]);
  }
});

test("within one priority each comes first as often as its weight says", () => {
  const random = seededRandom(2);
  const firsts = new Map<string, number>();
  const rounds = 20_000;
  for (let i = 0; i < rounds; i++) {
    const ordered = orderServers(
      [server("small", 1, 10), server("none", 1, 0), server("large", 1, 60), server("middle", 1, 30)],
      random,
    );
    expect(new Set(ordered.map(({ name }) => name)).size).toBe(4);
    const first = ordered[0]!.name;
    firsts.set(first, (firsts.get(first) ?? 0) + 1);
  }
  const share = (name: string) => (firsts.get(name) ?? 0) / rounds;
  expect(share("large")).toBeCloseTo(0.6, 1);
  expect(share("middle")).toBeCloseTo(0.3, 1);
  expect(share("small")).toBeCloseTo(0.1, 1);
  expect(share("none")).toBeLessThan(0.03);
  expect(share("none")).toBeGreaterThan(0); // RFC 2782: a very small chance, not none.
});

test("with no weights at all everybody is tried", () => {
  const random = seededRandom(3);
  expect(orderServers([server("a", 1, 0), server("b", 1, 0)], random)).toHaveLength(2);
  expect(orderServers([], random)).toEqual([]);
});
