import { expect, test } from "vitest";
import { established } from "../call/scenes.ts";

test("a call grows older while nothing happens", () => {
  const { stage } = established();
  const age = (now: number): number => stage.engine.view(now).calls()[0]!.ageMs;
  expect(age(stage.now + 5_000) - age(stage.now)).toBe(5_000);
});
