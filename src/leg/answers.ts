/** Answers that the leg gives by itself, and those that it waits for without caring what they say. */
import type { Millis } from "../base/index.ts";
import { type Request, type Response, responseTo } from "../message/index.ts";
import type { Dialog } from "./dialog.ts";
import type { ClientTransaction, LegClient, ServerTransaction } from "./ports.ts";
import { markAnswer } from "./session-ids.ts";

/** Whose answers nobody waits for. */
export const IGNORED: LegClient = { response() {}, failed() {} };

/** Reason of the BYE to another fork that answered (RFC 3326). */
export const UNWANTED = 'SIP;cause=200;text="Call completed elsewhere"';

/**
 * Wants to know only that it is over, not how. `again`: what to do once when the request found no way, as when the
 * connection broke under it; another one may be had.
 */
export class FinalOnly implements LegClient {
  readonly #done: (now: Millis) => void;
  #again: ((now: Millis) => void) | undefined;

  constructor(done: (now: Millis) => void, again?: (now: Millis) => void) {
    this.#done = done;
    this.#again = again;
  }

  response(response: Response, _transaction: ClientTransaction | undefined, now: Millis): void {
    if (response.status >= 200) this.#done(now);
  }

  failed(cause: string, _transaction: ClientTransaction | undefined, now: Millis): void {
    const again = cause === "unreachable" ? this.#again : undefined;
    this.#again = undefined;
    if (again === undefined) this.#done(now);
    else again(now);
  }
}

/** Answers a request inside a dialog that goes no further. */
export function reply(
  request: Request,
  server: ServerTransaction,
  dialog: Dialog,
  status: number,
  now: Millis,
  header?: readonly [name: string, value: string],
): void {
  const draft = responseTo(request, status, dialog.localTag);
  if (header !== undefined) draft.add(header[0], header[1]);
  markAnswer(draft, dialog);
  server.respond(draft, now);
}
