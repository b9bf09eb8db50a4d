/** Answers to what comes inside a dialog. */
import type { Millis } from "../base/index.ts";
import { type Dialog, fill, type Parcel, type ServerTransaction } from "../leg/index.ts";
import { type Request, responseTo } from "../message/index.ts";

/** Hops that the request may still make on the other leg. */
export const maxForwards = (request: Request): number => Number(request.headers.raw("max-forwards") ?? 70) - 1;

export function reply(
  request: Request,
  server: ServerTransaction,
  dialog: Dialog,
  status: number,
  parcel: Parcel,
  now: Millis,
): void {
  const draft = responseTo(request, status, dialog.localTag);
  if (status < 300) dialog.leg.wording.dressResponse(draft, request, now);
  fill(draft, parcel);
  server.respond(draft, now);
}
