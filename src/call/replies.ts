/** Answers to what comes inside a dialog. */
import { below, type Millis, type Random } from "../base/index.ts";
import { type Dialog, fill, markAnswer, NOTHING, type Parcel, type ServerTransaction } from "../leg/index.ts";
import { INITIAL_MAX_FORWARDS, type Request, responseTo } from "../message/index.ts";

/** RFC 3261 §14.2, RFC 3311 §5.2. */
const RETRY_AFTER_SECONDS = 10;

/** Hops that the request may still make on the other leg. */
export const maxForwards = (request: Request): number =>
  Number(request.headers.raw("max-forwards") ?? INITIAL_MAX_FORWARDS) - 1;

export function reply(
  request: Request,
  server: ServerTransaction,
  dialog: Dialog,
  status: number,
  parcel: Parcel,
  now: Millis,
): void {
  const draft = responseTo(request, status, dialog.localTag);
  if (status < 300) {
    dialog.leg.wording.dressResponse(draft, request, now);
    // RFC 6141 §4.6: a refused request moves nothing.
    if (request.method === "UPDATE") dialog.refresh(request, server.hop);
  }
  markAnswer(draft, dialog);
  fill(draft, parcel);
  server.respond(draft, now);
}

/** 500: something else has to end before this can be judged. */
export function later(random: Random, request: Request, server: ServerTransaction, dialog: Dialog, now: Millis): void {
  const seconds = String(1 + below(random, RETRY_AFTER_SECONDS));
  reply(request, server, dialog, 500, { ...NOTHING, headers: [["Retry-After", seconds]] }, now);
}
