/**
 * `make sim`: plays worlds of random calls. SEED=n: the world of this number, and prints its ladder, first made as short as
 * it can be when an invariant broke. CALLS=n: so many calls from that world on, until one breaks.
 * Environment: SEED (1), CALLS, FOLLOW (a part of a Call-ID or message), CLIMATE (its place in the list instead of the
 * one that the number gives), WHOLE=1 (prints the ladder as it is), COVERAGE=1 (prints the cells that nothing came to).
 */
import { CLIMATES, type Climate, climateOf } from "./climate.ts";
import { Coverage } from "./coverage.ts";
import type { WorldScript } from "./script.ts";
import { type Outcome, simulate } from "./world.ts";
import { look } from "./writer.ts";

const { env } = process;
const first = Number(env["SEED"] ?? 1);
const wanted = Number(env["CALLS"] ?? 0);
const coverage = env["COVERAGE"] === undefined ? undefined : new Coverage();
const climateFor = (seed: number): Climate => CLIMATES[Number(env["CLIMATE"] ?? -1)] ?? climateOf(seed);

const causes: Record<string, number> = {};
let calls = 0;
let worlds = 0;
let broken: WorldScript | undefined;
let seed = first;
for (; broken === undefined && (worlds === 0 || calls < wanted); seed++, worlds++) broken = play(seed);

if (broken !== undefined) show(broken, climateFor(--seed));
const ends = Object.entries(causes).map(([cause, count]) => `${count} ${cause}`);
console.log(`${worlds} worlds from ${first} on, ${calls} calls; ended by ${ends.join(", ")}`);
for (const cell of coverage?.cells ?? []) {
  if (cell.ruled && coverage?.count(cell) === 0)
    console.log(`nothing came to ${cell.machine}: ${cell.state}, ${cell.event}`);
}
process.exitCode = broken === undefined ? 0 : 1; // Not exit(): that would cut off what a pipe has not taken yet.

/** The shortest script that still fails, if this world fails. */
function play(seed: number): WorldScript | undefined {
  const climate = climateFor(seed);
  let tried = 0;
  let whole: WorldScript | undefined;
  const holds = (script: WorldScript): boolean => {
    const outcome = simulate(script, climate);
    if (tried++ === 0) {
      whole = script;
      calls += script.calls.length;
      for (const [cause, count] of Object.entries(outcome.causes)) causes[cause] = (causes[cause] ?? 0) + count;
      if (wanted === 0 && outcome.broken.length === 0) print(simulate(script, { ...climate, keepLadder: true }));
    }
    return outcome.broken.length === 0 || (env["WHOLE"] !== undefined && tried > 1);
  };
  return look(seed, holds, climate) ?? (whole !== undefined && tried === 0 ? whole : undefined);
}

function show(script: WorldScript, climate: Climate): void {
  const outcome = simulate(script, { ...climate, keepLadder: true });
  print(outcome);
  console.log(`\nworld ${seed}, "${climate.name}", made short: ${JSON.stringify(script, undefined, 1)}`);
  console.log(`replay: make sim SEED=${seed}\n\n${outcome.broken.slice(0, 20).join("\n")}`);
}

function print({ ladder }: Outcome): void {
  for (const line of ladder) if (line.includes(env["FOLLOW"] ?? "")) console.log(line);
}
