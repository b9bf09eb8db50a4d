/**
 * Writes the scripts: fast-check draws them, and makes a script that fails as short as it can be. A number is a world:
 * the same number is the same script for ever, until this file changes.
 */
import fc from "fast-check";
import type { Millis } from "../../src/base/index.ts";
import type { Climate } from "./climate.ts";
import { climateOf } from "./climate.ts";
import {
  type CalleeScript,
  type CallerScript,
  type CallerWord,
  type CallScript,
  type Deed,
  type ErrandScript,
  type Habits,
  type Happening,
  isFair,
  type ProofTaste,
  type RegistrarTurn,
  type Step,
  type Temper,
  type WorldScript,
} from "./script.ts";

/** Limit: requests outside of calls in one world. */
const ERRANDS = 8;

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
      registrar: fc.array(fc.constantFrom(...TURNS), { maxLength: 12 }),
      proof: proofs,
      happenings: happeningsOf(climate),
      errands: fc.array(errandScripts(climate), { maxLength: ERRANDS }),
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
  // Whoever takes over another call must be as fair as all others in both of them.
  const deeds = climate.tempers.every(isFair) ? DEEDS : DEEDS.filter((deed) => deed !== "REFER attended");
  const calls = callsOf(tempers, fc.constantFrom(...deeds));
  return fc.oneof({ weight: 92, arbitrary: calls }, { weight: 8, arbitrary: heldAndLeft(calls) });
}

const DEEDS: readonly Deed[] = [
  "hold",
  "hold",
  "hold by null",
  "inactive",
  "resume",
  "resume",
  "late re-INVITE",
  "re-INVITE and CANCEL",
  "UPDATE",
  "UPDATE",
  "UPDATE without offer",
  "add video",
  "drop video",
  "INFO",
  "OPTIONS",
  "MESSAGE",
  "unknown",
  "REFER",
  "REFER attended",
];

const TURNS: readonly RegistrarTurn[] = ["grant", "challenge", "challenge", "too brief", "refuse", "busy", "silence"];

/** Statuses are those that cross as they are. */
const errandScripts = (climate: Climate): fc.Arbitrary<ErrandScript> =>
  fc.record({
    seed: dice,
    at: ms(30_000),
    direction: fc.constantFrom("inward", "outward"),
    method: fc.constantFrom("MESSAGE", "PUBLISH", "SUBSCRIBE", "SUBSCRIBE", "SUBSCRIBE"),
    from: fc.constantFrom(...climate.tempers),
    to: fc.constantFrom(...climate.tempers),
    answerAfter: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: ms(4_000) }),
    status: fc.constantFrom(...Array<number>(8).fill(200), 404, 480),
    expires: fc.constantFrom(60, 60, 120, 120, 600, 0),
    refreshes: fc.integer({ min: 0, max: 2 }),
    silent: chance(8),
    notifies: fc.array(ms(40_000), { maxLength: 3 }),
    ends: fc.constantFrom("subscriber", "subscriber", "notifier", "notifier", "time", "nobody"),
    endAfter: ms(50_000),
  });

const happeningsOf = (climate: Climate): fc.Arbitrary<Happening[]> =>
  climate.happenings.length === 0
    ? fc.constant([])
    : fc.array(fc.record({ at: ms(40_000), what: fc.constantFrom(...climate.happenings) }), { maxLength: 4 });

/** Some talk for longer than a session lives without a refresh, and some of those for longer than any call may. */
const talks: fc.Arbitrary<Millis> = fc.oneof(
  { weight: 92, arbitrary: fc.integer({ min: 200, max: 20_000 }) },
  { weight: 8, arbitrary: fc.integer({ min: 200_000, max: 1_200_000 }) },
);

/** `after` in thousandths of the talk. */
const stepsOf = (deeds: fc.Arbitrary<Deed>): fc.Arbitrary<Step[]> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant<Step[]>([]) },
    { weight: 6, arbitrary: fc.array(fc.record({ after: ms(1_000), what: deeds }), { maxLength: 4 }) },
  );

/** As habits, with times in thousandths of the talk. */
const habitsOf = (tempers: fc.Arbitrary<Temper>, deeds: fc.Arbitrary<Deed>): fc.Arbitrary<Habits> =>
  fc.record({
    temper: tempers,
    timer: fc.record({
      kind: fc.constantFrom("none", "none", "supports", "refreshes"),
      seconds: fc.constantFrom(90, 240, 300, 1_800, 60),
    }),
    takesUpdate: chance(60),
    vanishAfter: fc.constant(undefined),
    byeAfter: perhaps(70, fc.oneof(fc.constant(0), ms(3_000))),
    steps: stepsOf(deeds),
    toReinvite: fc.record({
      after: fc.oneof({ weight: 7, arbitrary: fc.constant(0) }, { weight: 3, arbitrary: ms(5_000) }),
      rings: chance(15),
      status: fc.constantFrom(...Array<number>(20).fill(200), 488, 488, 491, 500, 408, 0),
    }),
  });

/** Somebody hangs up in the end; both may do so at the same moment. */
const timed = <T extends Habits>(one: T, talk: Millis): T => ({
  ...one,
  byeAfter: one.byeAfter === undefined ? undefined : talk + one.byeAfter,
  steps: one.steps.map(({ after, what }) => ({ after: Math.round((after * talk) / 1_000), what })),
});

function callsOf(tempers: fc.Arbitrary<Temper>, deeds: fc.Arbitrary<Deed>): fc.Arbitrary<CallScript> {
  const habits = habitsOf(tempers, deeds);
  const caller = fc.tuple(habits, callers).map(([one, other]): CallerScript => ({ ...one, ...other }));
  const callee = fc.tuple(habits, callees).map(([one, other]): CalleeScript => ({ ...one, ...other }));
  return fc
    .record({ seed: dice, direction: fc.constantFrom("inward", "outward"), talk: talks, caller, callee })
    .map(({ talk, caller, callee, ...call }) => ({
      ...call,
      caller: timed(caller, talk),
      callee: timed(callee, talk),
    }));
}

const early: fc.Arbitrary<Step[]> = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Step[]>([]) },
  {
    weight: 2,
    arbitrary: fc.array(
      fc.record({
        after: ms(3_000),
        what: fc.constantFrom<Deed>("UPDATE", "UPDATE", "hold", "UPDATE without offer", "INFO", "OPTIONS", "unknown"),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  },
);

const callers: fc.Arbitrary<Omit<CallerScript, keyof Habits>> = fc.record({
  lateOffer: chance(15),
  rel100: fc.constantFrom("none", "none", "none", "supported", "supported", "required"),
  prackAfter: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: ms(4_000) }),
  prackOffers: chance(15),
  cancelAfter: perhaps(20, ms(6_000)),
  byBye: chance(25),
  early,
  acksInBranch: chance(5),
  waits: fc.constantFrom("no", "no", "supported", "required"),
  reservesAfter: ms(3_000),
  words: fc.oneof(
    { weight: 6, arbitrary: fc.constant<CallerWord[]>([]) },
    {
      weight: 4,
      arbitrary: fc.subarray<CallerWord>(["P-Early-Media", "Diversion", "History-Info", "Session-ID"]),
    },
  ),
});

const proofs: fc.Arbitrary<ProofTaste> = fc.record({
  algorithm: fc.constantFrom("MD5", "SHA-256", "SHA-512-256"),
  qop: fc.constantFrom("auth", "auth-int", "auth,auth-int"),
  stale: chance(25),
});

const callees: fc.Arbitrary<Omit<CalleeScript, keyof Habits>> = fc.record({
  rings: fc.array(
    fc.record({
      after: ms(3_000),
      status: fc.constantFrom(180, 180, 183, 183, 181, 182),
      fork: fc.constantFrom(0, 0, 0, 0, 0, 1, 2),
      sdp: chance(40),
      reliable: chance(45),
      media: fc.constantFrom("", "", "", "sendrecv", "sendonly", "recvonly", "inactive"),
    }),
    { maxLength: 4 },
  ),
  answerAfter: ms(8_000),
  status: fc.constantFrom(...Array<number>(16).fill(200), 486, 603, 404, 503, 503, 480, 302, 401, 407, 500, 408, 0),
  proof: proofs,
  returns: chance(2),
  nextStatus: fc.constantFrom(200, 200, 486, 503),
  fork: fc.constantFrom(0, 0, 0, 0, 1),
  otherForkAfter: perhaps(8, ms(2_000)),
  early,
});

/** Put on hold, and then one of the two or both are gone: no media would tell. */
function heldAndLeft(calls: fc.Arbitrary<CallScript>): fc.Arbitrary<CallScript> {
  const who = fc.constantFrom("caller", "callee", "both", "both");
  return fc.tuple(calls, who, fc.integer({ min: 5_000, max: 25_000 }), ms(1_000)).map(
    ([call, leaver, vanishAfter, wait]): CallScript => ({
      ...call,
      caller: {
        ...call.caller,
        byeAfter: undefined,
        cancelAfter: undefined,
        steps: [{ after: 500 + wait, what: "hold" }],
        vanishAfter: leaver === "callee" ? undefined : vanishAfter,
      },
      callee: {
        ...call.callee,
        status: 200,
        byeAfter: undefined,
        steps: [],
        vanishAfter: leaver === "caller" ? undefined : vanishAfter,
      },
    }),
  );
}
