/**
 * Writes the scripts: fast-check draws them, and makes a script that fails as short as it can be. A number is a world:
 * the same number is the same script for ever, until this file changes.
 */
import fc from "fast-check";
import type { Millis } from "../../src/base/index.ts";
import type { Climate } from "./climate.ts";
import { climateOf } from "./climate.ts";
import type { CalleeScript, CallerScript, CallScript, Change, Habits, WorldScript } from "./script.ts";

/** Calls in one world. */
export const CALLS_PER_WORLD = 50;

type Holds = (script: WorldScript) => boolean;

/** World `seed`: what of it breaks an invariant, as short as it could be made; `undefined`: all is well. */
export function look(seed: number, holds: Holds, climate = climateOf(seed)): WorldScript | undefined {
  const whole = check(seed, holds, worldScripts(climate));
  if (whole === undefined) return undefined;
  const needed = fewest(whole, holds);
  return check(seed, holds, worldScripts(climate, needed)) ?? pickOf(whole, needed);
}

/** First as drawn; when that fails, made shorter for a while. */
function check(seed: number, holds: Holds, scripts: fc.Arbitrary<WorldScript>): WorldScript | undefined {
  const run = fc.check(fc.property(scripts, holds), { seed, numRuns: 1, interruptAfterTimeLimit: 30_000 });
  return run.counterexample?.[0];
}

/** `needed`: the places of the calls that are kept. The others are drawn all the same, so that the dice fall alike. */
function worldScripts(climate: Climate, needed?: readonly number[]): fc.Arbitrary<WorldScript> {
  const one = callScripts(climate);
  const fixed = fc.noShrink(one);
  const places = Array.from({ length: CALLS_PER_WORLD }, (_, index) => index);
  return fc
    .record({
      seed: dice,
      weather: fc.record({
        loss: percent(climate.loss),
        duplicate: percent(climate.duplicate),
        reorder: percent(climate.reorder),
      }),
      calls: fc.tuple(...places.map((place) => (needed?.includes(place) ? one : fixed))),
    })
    .map((script) => (needed === undefined ? script : pickOf(script, needed)));
}

const pickOf = (script: WorldScript, places: readonly number[]): WorldScript => ({
  ...script,
  calls: places.map((place) => script.calls[place]!),
});

/** The fewest calls that still fail together: leaves out halves, quarters and so on for as long as the rest fails. */
function fewest(whole: WorldScript, holds: Holds): readonly number[] {
  let kept = whole.calls.map((_, place) => place);
  for (let size = kept.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < kept.length; ) {
      const rest = kept.filter((_, index) => index < at || index >= at + size);
      if (rest.length > 0 && !holds(pickOf(whole, rest))) kept = rest;
      else at += size;
    }
  }
  return kept;
}

/** No two of them alike, and no shorter one is better. */
const dice: fc.Arbitrary<number> = fc.noShrink(fc.noBias(fc.integer()));
const percent = (most: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: most }).map((share) => share / 100);
const ms = (most: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: most });
const chance = (percentage: number): fc.Arbitrary<boolean> =>
  fc.integer({ min: 1, max: 100 }).map((n) => n > 100 - percentage);
const perhaps = <T>(percentage: number, what: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 100 - percentage, arbitrary: fc.constant(undefined) }, { weight: percentage, arbitrary: what });

function callScripts(climate: Climate): fc.Arbitrary<CallScript> {
  const tempers = fc.constantFrom(...climate.tempers);
  return fc.oneof({ weight: 92, arbitrary: calls(tempers) }, { weight: 8, arbitrary: heldAndLeft(tempers) });
}

type Tempers = fc.Arbitrary<Habits["temper"]>;

/** Some talk for longer than a session lives without a refresh, and some of those for longer than any call may. */
const talks: fc.Arbitrary<Millis> = fc.oneof(
  { weight: 92, arbitrary: fc.integer({ min: 200, max: 20_000 }) },
  { weight: 8, arbitrary: fc.integer({ min: 200_000, max: 1_200_000 }) },
);

/** As habits, with times in thousandths of the talk. */
const habits = (tempers: Tempers): fc.Arbitrary<Habits> =>
  fc.record({
    temper: tempers,
    timer: fc.constantFrom("none", "none", "supports", "refreshes"),
    takesUpdate: chance(60),
    vanishAfter: fc.constant(undefined),
    byeAfter: perhaps(70, fc.oneof(fc.constant(0), ms(3_000))),
    changes: fc.oneof(fc.constant([]), fc.array(changes, { maxLength: 4 })),
  });

const changes: fc.Arbitrary<Change> = fc.record({
  after: fc.integer({ min: 0, max: 1_000 }),
  what: fc.constantFrom("hold", "resume", "late re-INVITE", "UPDATE", "INFO", "add video"),
});

/** Somebody hangs up in the end; both may do so at the same moment. */
const timed = <T extends Habits>(one: T, talk: Millis): T => ({
  ...one,
  byeAfter: one.byeAfter === undefined ? undefined : talk + one.byeAfter,
  changes: one.changes.map(({ after, what }) => ({ after: Math.round((after * talk) / 1_000), what })),
});

function calls(tempers: Tempers): fc.Arbitrary<CallScript> {
  const caller = fc.tuple(habits(tempers), callers).map(([one, other]): CallerScript => ({ ...one, ...other }));
  const callee = fc.tuple(habits(tempers), callees).map(([one, other]): CalleeScript => ({ ...one, ...other }));
  return fc
    .record({ seed: dice, direction: fc.constantFrom("inward", "outward"), talk: talks, caller, callee })
    .map(({ talk, caller, callee, ...call }) => ({
      ...call,
      caller: timed(caller, talk),
      callee: timed(callee, talk),
    }));
}

const callers: fc.Arbitrary<Omit<CallerScript, keyof Habits>> = fc.record({
  lateOffer: chance(15),
  supports100rel: chance(40),
  cancelAfter: perhaps(25, ms(6_000)),
});

const callees: fc.Arbitrary<Omit<CalleeScript, keyof Habits>> = fc.record({
  ringAfter: ms(1_500),
  reliable: chance(40),
  earlyMedia: chance(40),
  fork: chance(10),
  answerAfter: ms(8_000),
  status: fc.constantFrom(200, 200, 200, 200, 200, 200, 486, 603, 404, 503, 480, 302, 401, 500),
});

/** Put on hold, and then one of the two or both are gone: no media would tell. */
function heldAndLeft(tempers: Tempers): fc.Arbitrary<CallScript> {
  const who = fc.constantFrom("caller", "callee", "both", "both");
  return fc.tuple(calls(tempers), who, fc.integer({ min: 5_000, max: 25_000 }), ms(1_000)).map(
    ([call, leaver, vanishAfter, wait]): CallScript => ({
      ...call,
      caller: {
        ...call.caller,
        byeAfter: undefined,
        cancelAfter: undefined,
        changes: [{ after: 500 + wait, what: "hold" }],
        vanishAfter: leaver === "callee" ? undefined : vanishAfter,
      },
      callee: {
        ...call.callee,
        status: 200,
        byeAfter: undefined,
        changes: [],
        vanishAfter: leaver === "caller" ? undefined : vanishAfter,
      },
    }),
  );
}
