/** Random calls between all kinds of neighbours over a bad network. A failing world prints how to replay it. */
import { describe, expect, test } from "vitest";
import { CLIMATES, climateOf } from "./climate.ts";
import { Coverage } from "./coverage.ts";
import type { WorldScript } from "./script.ts";
import { explained } from "./unvisited.ts";
import { simulate } from "./world.ts";
import { look } from "./writer.ts";

const CALLS = 20_000;
/** `SIMULATION_SEED=n make test` looks at other worlds. */
const FIRST = Number(process.env["SIMULATION_SEED"] ?? 3_000);

const coverage = new Coverage();

describe.each(CLIMATES.map((climate, index) => ({ ...climate, index })))("$name", ({ index, ...climate }) => {
  test("every invariant holds in each of its worlds", () => {
    let calls = 0;
    let answered = 0;
    for (
      let seed = FIRST - (FIRST % CLIMATES.length) + index;
      calls < CALLS / CLIMATES.length;
      seed += CLIMATES.length
    ) {
      let first = true;
      const holds = (script: WorldScript): boolean => {
        const outcome = simulate(script, climate);
        if (first) {
          calls += script.calls.length;
          answered += outcome.answered;
        }
        first = false;
        return outcome.broken.length === 0;
      };
      const broken = look(seed, holds);
      expect(broken === undefined ? "" : story(seed, broken)).toBe("");
    }
    expect(answered).toBeGreaterThan(calls * 0.2); // Else the worlds were too quiet to prove anything.
  }, 600_000);
});

test("every cell of every machine was visited, or it is written down why not", () => {
  const faults = coverage.cells
    .filter(({ ruled }) => ruled)
    .flatMap((cell) => {
      const visited = coverage.count(cell) > 0;
      const why = explained(cell);
      const name = `${cell.machine}: ${cell.state}, ${cell.event}`;
      if (!visited && why === undefined) return [`${name}: nothing came here, and unvisited.ts does not say why`];
      if (visited && why !== undefined && why.rare !== true) {
        return [`${name}: visited, though unvisited.ts says: ${why.why}`];
      }
      return [];
    });
  expect(faults).toEqual([]);
});

test("the same world twice gives the same bytes", () => {
  const digest = (seed: number): string => {
    let seen = "";
    look(seed, (script) => {
      seen = simulate(script, climateOf(seed)).digest;
      return true;
    });
    return seen;
  };
  for (const [index] of CLIMATES.entries()) expect(digest(index)).toBe(digest(index));
  expect(digest(0)).not.toBe(digest(CLIMATES.length));
}, 600_000);

function story(seed: number, script: WorldScript): string {
  const { broken, ladder } = simulate(script, { ...climateOf(seed), keepLadder: true });
  return `replay: make sim SEED=${seed}\n${ladder.join("\n")}\n${broken.join("\n")}`;
}
