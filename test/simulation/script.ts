/** What a world is made of: its weather, and what the two ends of each call will do. Values only; writer.ts writes them. */
import type { Millis } from "../../src/base/index.ts";
import type { Weather } from "./network.ts";

/** `slow`: as honest, but it thinks for seconds before it answers anything. */
export type Temper = "honest" | "slow" | "mute" | "babbling" | "lying";

/** From here on numbers are those of third parties, to whom calls are transferred. */
export const THIRD = 500_000;

/** Breaks no rule: what the box says to it is judged by every rule. */
export const isFair = (temper: Temper): boolean => temper === "honest" || temper === "slow";

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
  readonly steps: readonly Step[];
  readonly toReinvite: ReinviteTaste;
}

/**
 * What a phone has of RFC 4028: nothing, it leaves the refreshing to others, or it wants to do it. `seconds`: the interval
 * that it asks for; less than 90 is not allowed, and less than the box takes gets 422.
 */
export interface TimerTaste {
  readonly kind: "none" | "supports" | "refreshes";
  readonly seconds: number;
}

/** How it answers an INVITE inside the dialog. */
export interface ReinviteTaste {
  readonly after: Millis;
  readonly rings: boolean;
  /** 0: rings for ever. */
  readonly status: number;
}

export interface CallerScript extends Habits {
  readonly lateOffer: boolean;
  readonly rel100: "none" | "supported" | "required";
  readonly prackAfter: Millis;
  /** Its PRACK carries a new offer, when the first one is answered. */
  readonly prackOffers: boolean;
  /** Gives up so long after the INVITE, if not answered. */
  readonly cancelAfter: Millis | undefined;
  /** Ends the early dialog by BYE instead of CANCEL. */
  readonly byBye: boolean;
  /** While it rings, so long after the first 1xx. */
  readonly early: readonly Step[];
  /** Its ACK to a 2xx has the branch of the INVITE, as some phones do. */
  readonly acksInBranch: boolean;
  /**
   * Nobody is to ring before its own resources are there, so long after it has heard of the other end's (RFC 3312); only
   * where its peer has preconditions.
   */
  readonly waits: "no" | "supported" | "required";
  readonly reservesAfter: Millis;
  readonly words: readonly CallerWord[];
}

/** Headers that its INVITE has besides. */
export type CallerWord = "P-Early-Media" | "Diversion" | "History-Info" | "Session-ID";

export interface CalleeScript extends Habits {
  readonly rings: readonly Ring[];
  readonly answerAfter: Millis;
  /** 0: it never answers. */
  readonly status: number;
  /** When the box asks once more, another target. */
  readonly nextStatus: number;
  /** How its 401 and 407 ask, where they are challenges. */
  readonly proof: ProofTaste;
  /** A proxy stands in its place, which sends the INVITE back to us: RFC 5393. */
  readonly returns: boolean;
  /** Which of its forks answers, and so long after it another one does so, too. */
  readonly fork: number;
  readonly otherForkAfter: Millis | undefined;
  /** While it rings, so long after the first 1xx. */
  readonly early: readonly Step[];
}

export interface Ring {
  readonly after: Millis;
  readonly status: number;
  readonly fork: number;
  readonly sdp: boolean;
  readonly reliable: boolean;
  /** What P-Early-Media says (RFC 5009), if anything. */
  readonly media: "" | "sendrecv" | "sendonly" | "recvonly" | "inactive";
}

/** `stale`: the first proof is refused once more, for its nonce alone. RFC 7616 §3.3. */
export interface ProofTaste {
  readonly algorithm: "MD5" | "SHA-256" | "SHA-512-256";
  readonly qop: "auth" | "auth-int" | "auth,auth-int";
  readonly stale: boolean;
}

/** Something that happens in the call, so long after the answer. */
export interface Step {
  readonly after: Millis;
  readonly what: Deed;
}

export type Deed =
  | "hold"
  | "hold by null"
  | "inactive"
  | "resume"
  | "late re-INVITE"
  | "re-INVITE and CANCEL"
  | "UPDATE"
  | "UPDATE without offer"
  | "add video"
  | "drop video"
  | "INFO"
  | "OPTIONS"
  | "MESSAGE"
  | "unknown"
  | "REFER"
  | "REFER attended";

export interface CallScript {
  /** Of the dice of this call: its network, its tags, its keys. A call keeps them when others are left out. */
  readonly seed: number;
  readonly direction: "inward" | "outward";
  readonly caller: CallerScript;
  readonly callee: CalleeScript;
}

/** A request outside of calls: RFC 3428, 3903, 6665. */
export interface ErrandScript {
  readonly seed: number;
  readonly at: Millis;
  readonly direction: "inward" | "outward";
  readonly method: "MESSAGE" | "PUBLISH" | "SUBSCRIBE";
  readonly from: Temper;
  readonly to: Temper;
  readonly answerAfter: Millis;
  readonly status: number;
  // Of a subscription:
  /** Seconds that are asked for; 0: to be told once. */
  readonly expires: number;
  /** So often the subscriber asks for more time. */
  readonly refreshes: number;
  /** The notifier grants it, and never says a word. */
  readonly silent: boolean;
  /** NOTIFYs beside those that RFC 6665 asks for, so long after the first. */
  readonly notifies: readonly Millis[];
  /**
   * Who ends it, so long after the last SUBSCRIBE or the first; `time`: nobody does; `nobody`: the notifier has forgotten
   * it, and says nothing of that.
   */
  readonly ends: "subscriber" | "notifier" | "time" | "nobody";
  readonly endAfter: Millis;
}

/** What comes from neither end. */
export interface Happening {
  readonly at: Millis;
  readonly what: "end calls" | "shut down" | "reload" | "reset" | "lose media";
}

/** How a REGISTER of the box is answered. */
export type RegistrarTurn = "grant" | "challenge" | "too brief" | "refuse" | "busy" | "silence";

export interface WorldScript {
  readonly seed: number;
  /** One REGISTER after the other; those that come then are taken. */
  readonly registrar: readonly RegistrarTurn[];
  readonly proof: ProofTaste;
  readonly weather: Weather;
  readonly calls: readonly CallScript[];
  readonly errands: readonly ErrandScript[];
  readonly happenings: readonly Happening[];
}
