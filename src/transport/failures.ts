import type { Agenda, Millis, Punctual, SendToken } from "../base/index.ts";
import type { TransportUser } from "./words.ts";

/**
 * Bad news waits until the agenda comes round: whoever sent is then no longer in the middle of sending.
 * Limit: none of its own; it holds at most what the connections that ended held, until the next moment.
 */
export class FailureQueue implements Punctual {
  readonly #user: TransportUser;
  readonly #agenda: Agenda;
  readonly #counters: { add(name: "send.unreachable"): void };
  #failed: { readonly token: SendToken; readonly reason: string }[] = [];
  #at: Millis = 0;

  constructor(user: TransportUser, agenda: Agenda, counters: { add(name: "send.unreachable"): void }) {
    this.#user = user;
    this.#agenda = agenda;
    this.#counters = counters;
  }

  add(tokens: readonly SendToken[], reason: string, now: Millis): void {
    if (this.#failed.length === 0) this.#at = now;
    for (const token of tokens) if (token.waiting) this.#failed.push({ token, reason });
    this.#agenda.watch(this);
  }

  nextDeadline(): Millis | undefined {
    return this.#failed.length === 0 ? undefined : this.#at;
  }

  expire(now: Millis): void {
    const failed = this.#failed;
    this.#failed = [];
    for (const { token, reason } of failed) {
      if (!token.waiting) continue;
      this.#counters.add("send.unreachable");
      this.#user.unreachable(token, reason, now);
    }
  }
}
