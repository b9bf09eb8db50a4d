import { expect, test } from "vitest";
import { seededRandom, TextMap, token } from "../../../src/base/index.ts";

test("holds what was set and nothing else, over thousands of changes", () => {
  const map = new TextMap<{ readonly i: number }>();
  expect(map.size).toBe(0);
  expect([...map.values()]).toEqual([]);
  for (let i = 0; i < 5_000; i++) {
    map.set(`${i}`, { i });
    if (i >= 3) expect(map.delete(`${i - 3}`)).toBe(true);
  }
  expect(map.size).toBe(3);
  expect([...map.values()].map(({ i }) => i).sort()).toEqual([4_997, 4_998, 4_999]);
  expect(map.get("4998")).toEqual({ i: 4_998 });
  expect(map.has("4996")).toBe(false);
  expect(map.get("4996")).toBeUndefined();
  expect(map.delete("4996")).toBe(false);
});

test("does as a Map does, whatever is set, replaced and deleted", () => {
  const random = seededRandom(7);
  const map = new TextMap<{ readonly i: number }>(random.uint32());
  const other = new Map<string, { readonly i: number }>();
  for (let i = 0; i < 40_000; i++) {
    // Some keys are made of pieces, some stand in longer texts, as those of messages do.
    const key = i % 2 === 0 ? `branch ${token(random, 2)}` : `;branch ${token(random, 2)};`.slice(1, -1);
    if (random.uint32() % 3 === 0) expect(map.delete(key)).toBe(other.delete(key));
    else {
      const value = { i };
      map.set(key, value);
      other.set(key, value);
    }
    expect(map.size).toBe(other.size);
  }
  for (const [key, value] of other) expect(map.get(key)).toBe(value);
  expect(new Set(map.values())).toEqual(new Set(other.values()));
});
