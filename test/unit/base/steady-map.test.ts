import { expect, test } from "vitest";
import { SteadyMap } from "../../../src/base/index.ts";

test("holds what was set, in the order in which it came, and nothing else", () => {
  const map = new SteadyMap<string, number>();
  expect(map.size).toBe(0);
  expect([...map.values()]).toEqual([]);
  for (let i = 0; i < 5_000; i++) {
    map.set(`${i}`, i);
    if (i >= 3) expect(map.delete(`${i - 3}`)).toBe(true);
  }
  expect(map.size).toBe(3);
  expect([...map.values()]).toEqual([4_997, 4_998, 4_999]);
  expect(map.get("4998")).toBe(4_998);
  expect(map.has("4996")).toBe(false);
  expect(map.get("4996")).toBeUndefined();
  expect(map.delete("4996")).toBe(false);
});
