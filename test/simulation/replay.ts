/**
 * `make sim SEED=n`: plays one world again and prints its ladder, then every invariant that broke.
 * Environment: SEED, CALLS (50), LOSS, DUPLICATE, REORDER (0.05, 0.02, 0.1), TEMPERS, OUTSIDE (udp or tls), FOLLOW (a part
 * of a Call-ID), WORLDS (play so many seeds from SEED on, and print the first that breaks).
 */
import type { Temper } from "./script.ts";
import { type Plan, simulate } from "./world.ts";

const { env } = process;
const worlds = Number(env["WORLDS"] ?? 1);
let status = 0;
for (let world = 0; world < worlds; world++) {
  const plan: Plan = {
    seed: Number(env["SEED"] ?? 1) + world,
    calls: Number(env["CALLS"] ?? 50),
    weather: {
      loss: Number(env["LOSS"] ?? 0.05),
      duplicate: Number(env["DUPLICATE"] ?? 0.02),
      reorder: Number(env["REORDER"] ?? 0.1),
    },
    tempers: (env["TEMPERS"] ?? "honest mute babbling lying").split(" ") as Temper[],
    outside: env["OUTSIDE"] === "tls" ? "tls" : "udp",
    keepLadder: worlds === 1,
  };
  const outcome = simulate(plan);
  const follow = env["FOLLOW"] ?? "";
  for (const line of outcome.ladder) if (line.includes(follow)) console.log(line);
  const causes = Object.entries(outcome.causes).map(([cause, count]) => `${count} ${cause}`);
  console.log(
    `seed ${plan.seed}: ${outcome.started} calls, ${outcome.answered} answered; ended by ${causes.join(", ")}`,
  );
  if (outcome.broken.length === 0) continue;
  console.log(outcome.broken.slice(0, 20).join("\n"));
  status = 1;
  if (worlds > 1) break;
}
process.exitCode = status; // Not exit(): that would cut off what a pipe has not taken yet.
