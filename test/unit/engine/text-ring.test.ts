import { expect, test } from "vitest";
import { TextRing } from "../../../src/engine/text-ring.ts";

test("texts come out as they went in, each in one piece wherever the ring begins anew, until newer ones need the room", () => {
  const ring = new TextRing(1_000, 64);
  const told: string[] = [];
  for (let i = 0; i < 500; i++) {
    const text = String.fromCharCode(32 + (i % 224)).repeat(1 + ((i * 37) % 120));
    ring.add(text);
    told.push(text);
    expect(ring.count).toBe(i + 1);
    expect(held(ring)).toEqual(told.slice(ring.oldest));
    expect(held(ring).join("").length).toBeLessThanOrEqual(1_000);
    expect(ring.count - ring.oldest).toBeGreaterThan(i === 0 ? 0 : 1);
  }
});

test("no more texts than there are numbers for, however short", () => {
  const ring = new TextRing(1_000, 8);
  for (let i = 0; i < 100; i++) ring.add(String(i));
  expect(held(ring)).toEqual(["92", "93", "94", "95", "96", "97", "98", "99"]);
});

test("of a text that is too long the beginning is held, and the others are left alone", () => {
  const ring = new TextRing(1_000, 8);
  ring.add("before");
  ring.add(`${"x".repeat(250)}never`);
  ring.add("after");
  expect(held(ring)).toEqual(["before", "x".repeat(250), "after"]);
});

const held = (ring: TextRing): string[] =>
  Array.from({ length: ring.count - ring.oldest }, (_, i) => ring.text(ring.oldest + i));
