import { PeerError } from "../base/index.ts";
import type { Request } from "./message.ts";

/** A message that cannot be served. It is answered with `status` when `answerTo` is there, and dropped otherwise. */
export class MessageError extends PeerError {
  /** The request, when its Via says where an answer goes. Never an ACK. `responseTo` copies what is there. */
  readonly answerTo?: Request;

  constructor(status: number, message: string, answerTo?: Request) {
    super(status, message);
    this.name = "MessageError";
    if (answerTo !== undefined) this.answerTo = answerTo;
  }
}

/** A header value that does not follow its grammar. */
export const malformed = (name: string, problem: string): PeerError => new PeerError(400, `${name}: ${problem}`);
