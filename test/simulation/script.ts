/** What the two ends of one simulated call will do. Drawn from dice, so that a seed is the whole story. */
import { below, type Millis, type Random } from "../../src/base/index.ts";
import { chance, pick } from "./network.ts";

export type Temper = "honest" | "mute" | "babbling" | "lying";

/** What a phone has of RFC 4028: nothing, it leaves the refreshing to others, or it wants to do it. */
export type TimerTaste = "none" | "supports" | "refreshes";

/** What both ends have in common. */
interface Habits {
  readonly timer: TimerTaste;
  /** Named in Allow, and so what a refresh of the box comes as. */
  readonly takesUpdate: boolean;
  /** Goes away without a word so long after the answer: from then on it sends and answers nothing. */
  readonly vanishAfter: Millis | undefined;
}

export interface CallerScript extends Habits {
  readonly temper: Temper;
  readonly lateOffer: boolean;
  readonly supports100rel: boolean;
  /** Gives up so long after the INVITE, if not answered. */
  readonly cancelAfter: Millis | undefined;
  /** Hangs up so long after the answer. */
  readonly byeAfter: Millis | undefined;
  readonly changes: readonly Change[];
}

export interface CalleeScript extends Habits {
  readonly temper: Temper;
  readonly ringAfter: Millis;
  readonly reliable: boolean;
  readonly earlyMedia: boolean;
  /** A second fork that rings, with a To tag of its own. */
  readonly fork: boolean;
  readonly answerAfter: Millis;
  readonly status: number;
  readonly byeAfter: Millis | undefined;
  readonly changes: readonly Change[];
}

/** Something that happens in the established call, so long after the answer. */
export interface Change {
  readonly after: Millis;
  readonly what: "hold" | "resume" | "late re-INVITE" | "UPDATE" | "INFO" | "add video";
}

export interface CallScript {
  readonly startAt: Millis;
  readonly direction: "inward" | "outward";
  readonly caller: CallerScript;
  readonly callee: CalleeScript;
}

export function drawScript(random: Random, startAt: Millis, tempers: readonly Temper[]): CallScript {
  if (chance(random, 0.08)) return heldAndLeft(random, startAt, tempers);
  // Some talk for longer than a session lives without a refresh, and some of those for longer than any call may.
  const talk = chance(random, 0.08) ? 200_000 + below(random, 1_000_000) : 200 + below(random, 20_000);
  const callerHangsUp = chance(random, 0.6);
  return {
    startAt,
    direction: pick(random, ["inward", "outward"] as const),
    caller: {
      temper: pick(random, tempers),
      ...drawHabits(random),
      lateOffer: chance(random, 0.15),
      supports100rel: chance(random, 0.4),
      cancelAfter: chance(random, 0.25) ? below(random, 6_000) : undefined,
      byeAfter: callerHangsUp ? talk : undefined,
      changes: drawChanges(random, talk),
    },
    callee: {
      temper: pick(random, tempers),
      ...drawHabits(random),
      ringAfter: below(random, 1_500),
      reliable: chance(random, 0.4),
      earlyMedia: chance(random, 0.4),
      fork: chance(random, 0.1),
      answerAfter: below(random, 8_000),
      status: pick(random, [200, 200, 200, 200, 200, 200, 486, 603, 404, 503, 480, 302, 401, 500]),
      // Somebody hangs up in the end; both may do so at the same moment.
      byeAfter:
        !callerHangsUp || chance(random, 0.5) ? (chance(random, 0.2) ? talk : talk + below(random, 3_000)) : undefined,
      changes: drawChanges(random, talk),
    },
  };
}

const drawHabits = (random: Random): Habits => ({
  timer: pick(random, ["none", "none", "supports", "refreshes"] as const),
  takesUpdate: chance(random, 0.6),
  vanishAfter: undefined,
});

/** Put on hold, and then one of the two or both are gone: no media would tell. */
function heldAndLeft(random: Random, startAt: Millis, tempers: readonly Temper[]): CallScript {
  const who = pick(random, ["caller", "callee", "both", "both"] as const);
  const vanishAfter = 5_000 + below(random, 20_000);
  const leaves = (side: "caller" | "callee") => (who === side || who === "both" ? vanishAfter : undefined);
  const hold: Change = { after: 500 + below(random, 1_000), what: "hold" };
  return {
    startAt,
    direction: pick(random, ["inward", "outward"] as const),
    caller: {
      ...drawHabits(random),
      temper: pick(random, tempers),
      vanishAfter: leaves("caller"),
      lateOffer: false,
      supports100rel: false,
      cancelAfter: undefined,
      byeAfter: undefined,
      changes: [hold],
    },
    callee: {
      ...drawHabits(random),
      temper: pick(random, tempers),
      vanishAfter: leaves("callee"),
      ringAfter: below(random, 1_500),
      reliable: false,
      earlyMedia: false,
      fork: false,
      answerAfter: below(random, 8_000),
      status: 200,
      byeAfter: undefined,
      changes: [],
    },
  };
}

function drawChanges(random: Random, talk: Millis): Change[] {
  const kinds = ["hold", "resume", "late re-INVITE", "UPDATE", "INFO", "add video"] as const;
  const count = chance(random, 0.5) ? 0 : below(random, 4);
  return Array.from({ length: count }, () => ({ after: below(random, talk), what: pick(random, kinds) }));
}
