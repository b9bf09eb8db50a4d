/** Users whose digests others know: each question waits for its answer, and for no other. */
import type { Millis } from "../../base/index.ts";
import type { UserAnswer } from "../../registration/index.ts";
import type { PhoneOutput } from "./house.ts";

/** Limit: users that are being asked for at once; more are told at once that nobody knows, and their phones come again. */
const LOOK_UPS = 1_000;

export class LookUps {
  readonly #emit: (output: PhoneOutput) => void;
  readonly #waiting = new Map<number, (answer: UserAnswer, now: Millis) => void>();
  #last = 0;

  constructor(emit: (output: PhoneOutput) => void) {
    this.#emit = emit;
  }

  readonly ask = (
    url: string,
    user: string,
    realm: string,
    done: (answer: UserAnswer, now: Millis) => void,
    now: Millis,
  ): void => {
    if (this.#waiting.size >= LOOK_UPS) return done("failed", now);
    this.#last += 1;
    this.#waiting.set(this.#last, done);
    this.#emit({ out: "look-up", id: this.#last, url, user, realm });
  };

  answered(id: number, answer: UserAnswer, now: Millis): void {
    const done = this.#waiting.get(id);
    this.#waiting.delete(id);
    done?.(answer, now);
  }
}
