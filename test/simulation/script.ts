/** What a world is made of: its weather, and what the two ends of each call will do. Values only; writer.ts writes them. */
import type { Millis } from "../../src/base/index.ts";
import type { Weather } from "./network.ts";

export type Temper = "honest" | "mute" | "babbling" | "lying" | "slow";

/** What a phone has of RFC 4028: nothing, it leaves the refreshing to others, or it wants to do it. */
export type TimerTaste = "none" | "supports" | "refreshes";

/** What both ends have in common. */
export interface Habits {
  readonly temper: Temper;
  readonly timer: TimerTaste;
  /** Named in Allow, and so what a refresh of the box comes as. */
  readonly takesUpdate: boolean;
  /** Goes away without a word so long after the answer: from then on it sends and answers nothing. */
  readonly vanishAfter: Millis | undefined;
  /** Hangs up so long after the answer. */
  readonly byeAfter: Millis | undefined;
  readonly changes: readonly Change[];
}

export interface CallerScript extends Habits {
  readonly lateOffer: boolean;
  readonly supports100rel: boolean;
  /** Gives up so long after the INVITE, if not answered. */
  readonly cancelAfter: Millis | undefined;
}

export interface CalleeScript extends Habits {
  readonly ringAfter: Millis;
  readonly reliable: boolean;
  readonly earlyMedia: boolean;
  /** A second fork that rings, with a To tag of its own. */
  readonly fork: boolean;
  readonly answerAfter: Millis;
  readonly status: number;
}

/** Something that happens in the established call, so long after the answer. */
export interface Change {
  readonly after: Millis;
  readonly what: "hold" | "resume" | "late re-INVITE" | "UPDATE" | "INFO" | "add video";
}

export interface CallScript {
  /** Of the dice of this call: its network, its tags, its keys. A call keeps them when others are left out. */
  readonly seed: number;
  readonly direction: "inward" | "outward";
  readonly caller: CallerScript;
  readonly callee: CalleeScript;
}

export interface WorldScript {
  readonly seed: number;
  readonly weather: Weather;
  readonly calls: readonly CallScript[];
}
