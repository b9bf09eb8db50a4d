/** `make bench [ONLY=prefix]`: finds the benches in this folder, runs those that are wanted, prints one JSON object a line. */
import { readdirSync } from "node:fs";
import type { Bench } from "./bench.ts";

const only = process.argv[2] ?? "";
const wanted = (name: string): boolean => name.startsWith(only);

let ran = 0;
for (const file of readdirSync(import.meta.dirname).sort()) {
  if (!file.endsWith(".ts") || file === "run.ts" || file === "bench.ts") continue;
  const { bench } = (await import(`./${file}`)) as { bench?: Bench };
  if (bench === undefined) throw new Error(`${file} exports no bench`);
  if (!bench.names.some(wanted)) continue;
  ran += 1;
  await bench.run(wanted, (line) => console.log(JSON.stringify(line)));
}
if (ran === 0) {
  console.error(`no bench has a name that begins with "${only}"`);
  process.exit(1);
}
process.exit(0); // A peer that lost its child must not keep the run alive.
