/** The figure of a registration: every cell is meant. */
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/base/index.ts";
import {
  backOff,
  refreshAfter,
  type TrunkEvent,
  type TrunkState,
  trunkFigure,
} from "../../../src/registration/index.ts";

test("whatever happens, a registration can leave, and once gone nothing brings it back", () => {
  for (const [state, rules] of Object.entries(trunkFigure) as [TrunkState, Partial<Record<TrunkEvent, unknown>>][]) {
    if (state === "gone") expect(rules).toEqual({});
    else if (state !== "leaving") expect(rules.leave).toBeDefined();
  }
});

test("each state that waits for an answer knows every way in which it can end", () => {
  for (const state of ["registering", "refreshing", "leaving"] as const) {
    for (const end of ["accepted", "too brief", "no answer", "no place", "refused"] as const) {
      expect([state, end, trunkFigure[state][end]]).toEqual([state, end, expect.anything()]);
    }
  }
});

test("waits double, at random between half and all, up to a limit; Retry-After counts, up to the same", () => {
  const random = seededRandom(7);
  for (const [kind, first, longest] of [
    ["silence", 30_000, 1_800_000],
    ["refusal", 120_000, 3_600_000],
  ] as const) {
    for (let failures = 1; failures < 40; failures++) {
      const most = Math.min(longest, first * 2 ** (failures - 1));
      const wait = backOff(random, kind, failures, undefined);
      expect(wait).toBeGreaterThanOrEqual(most / 2);
      expect(wait).toBeLessThanOrEqual(most);
    }
    expect(backOff(random, kind, 1, 600)).toBe(600_000);
    expect(backOff(random, kind, 1, 1e9)).toBe(longest);
  }
});

test("a refresh comes between half and three quarters of the grant", () => {
  const random = seededRandom(8);
  const times = Array.from({ length: 500 }, () => refreshAfter(random, 600));
  expect(Math.min(...times)).toBeGreaterThanOrEqual(300_000);
  expect(Math.max(...times)).toBeLessThanOrEqual(450_000);
  expect(new Set(times).size).toBeGreaterThan(100);
});
