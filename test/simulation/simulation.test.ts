/** Random calls between all kinds of neighbours over a bad network. A failing seed prints how to replay it. */
import { describe, expect, test } from "vitest";
import type { Weather } from "./network.ts";
import type { Temper } from "./script.ts";
import { type Outcome, type Plan, simulate } from "./world.ts";

const CALLS_PER_WORLD = 50;

const FAIR: Weather = { loss: 0, duplicate: 0, reorder: 0 };
const BAD: Weather = { loss: 0.05, duplicate: 0.02, reorder: 0.1 };
const FOUL: Weather = { loss: 0.2, duplicate: 0.05, reorder: 0.2 };

const HONEST: readonly Temper[] = ["honest"];
const MUTE: readonly Temper[] = ["honest", "honest", "mute"];
const ALL: readonly Temper[] = ["honest", "honest", "mute", "babbling", "lying"];

/** 200 worlds of 50 calls are ten thousand. */
describe.each([
  { name: "honest neighbours, fair weather", weather: FAIR, tempers: HONEST, outside: "udp", worlds: 20 },
  { name: "honest neighbours, bad weather", weather: BAD, tempers: HONEST, outside: "udp", worlds: 50 },
  { name: "honest neighbours over TLS", weather: BAD, tempers: HONEST, outside: "tls", worlds: 30 },
  { name: "some mute", weather: BAD, tempers: MUTE, outside: "udp", worlds: 30 },
  { name: "all tempers, foul weather", weather: FOUL, tempers: ALL, outside: "udp", worlds: 50 },
  { name: "all tempers over TLS", weather: BAD, tempers: ALL, outside: "tls", worlds: 20 },
] as const)("$name", ({ weather, tempers, outside, worlds }) => {
  test(`${worlds} worlds of ${CALLS_PER_WORLD} calls keep every invariant`, () => {
    let answered = 0;
    for (let world = 0; world < worlds; world++) {
      const plan: Plan = { seed: 1_000 * worlds + world, calls: CALLS_PER_WORLD, weather, tempers, outside };
      const outcome = simulate(plan);
      expect(outcome.broken, story(plan, outcome)).toEqual([]);
      answered += outcome.answered;
      // Whoever is there keeps his call, however long: only those that somebody left run out.
      if (weather === FAIR)
        expect(outcome.causes["session-expired"] ?? 0, story(plan, outcome)).toBeLessThanOrEqual(outcome.left);
    }
    expect(answered).toBeGreaterThan(worlds * CALLS_PER_WORLD * 0.2); // Else the worlds were too quiet to prove anything.
  }, 600_000);
});

test("the same seed twice gives the same bytes", () => {
  const plan: Plan = { seed: 4_711, calls: 100, weather: FOUL, tempers: ALL, outside: "udp" };
  expect(simulate(plan).digest).toBe(simulate(plan).digest);
  expect(simulate(plan).digest).not.toBe(simulate({ ...plan, seed: 4_712 }).digest);
});

const story = (plan: Plan, outcome: Outcome): string =>
  `replay: make sim SEED=${plan.seed} (${plan.outside}, ${JSON.stringify(plan.weather)}, ${plan.tempers.join(" ")})\n${outcome.broken.join("\n")}`;
