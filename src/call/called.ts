import type { Millis, PeerSettings } from "../base/index.ts";
import type { Dialog, Leg, Progress } from "../leg/index.ts";
import type { Request, Response } from "../message/index.ts";

/** Whoever is called, as the call sees that side until it has answered. */
export interface Called {
  /** Whose limits it counts against. */
  readonly peer: PeerSettings | undefined;
  readonly mediaOpen: boolean;
  start(now: Millis): void;
  /** The next attempt, or the end of the search. */
  next(now: Millis): void;
  noWay(now: Millis): void;
  trying(now: Millis): void;
  progress(leg: Leg, progress: Progress, now: Millis): void;
  /** An offer of the caller inside its dialog was answered. */
  offered(sdp: string, now: Millis): void;
  /** An UPDATE before the answer. */
  hear(dialog: Dialog, request: Request): void;
  answered(leg: Leg, dialog: Dialog, response: Response, now: Millis): void;
  refused(response: Response, now: Millis): void;
  failed(cause: "timeout" | "unreachable" | "protocol-error", now: Millis): void;
  /** Nothing at all came back from the target of now. */
  silent(now: Millis): void;
  /** The caller's ACK is there. */
  acked(now: Millis): void;
  /** The caller's ACK has the answer to a late offer. False when the call has ended over it. */
  passLateAnswer(dialog: Dialog, ack: Request, now: Millis): boolean;
  /** The leg goes to another call, and what it counts against goes with it. */
  surrender(): PeerSettings | undefined;
}
