import { inspect } from "node:util";
import { expect, test } from "vitest";
import { below, randomBytes, Secret, seededRandom, token } from "../../../src/base/index.ts";

test("the same seed gives the same tokens, another seed gives others", () => {
  const texts = [1, 1, 2].map((seed) => token(seededRandom(seed), 24));
  expect(texts[0]).toBe(texts[1]);
  expect(texts[0]).not.toBe(texts[2]);
});

test("tokens start with a letter or a digit and hold token characters only", () => {
  const random = seededRandom(7);
  for (let i = 0; i < 2_000; i++) expect(token(random, 16)).toMatch(/^[0-9A-Za-z][0-9A-Za-z_-]{15}$/);
});

test("below is uniform enough and never reaches its bound", () => {
  const random = seededRandom(3);
  const counts = new Array(10).fill(0);
  for (let i = 0; i < 10_000; i++) counts[below(random, 10)]++;
  for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});

test("random bytes fill any length", () => {
  for (const length of [0, 1, 3, 4, 30]) expect(randomBytes(seededRandom(5), length)).toHaveLength(length);
});

test("a secret shows in no printed form", () => {
  const secret = new Secret("hunter2");
  const shown = [`${secret}`, JSON.stringify({ secret }), inspect(secret), String(secret), inspect({ a: [secret] })];
  expect(shown.join(" ")).not.toContain("hunter2");
  expect(secret.reveal()).toBe("hunter2");
});
