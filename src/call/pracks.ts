/** What the PRACK of a caller says, and what becomes of it: RFC 3262 §4 and §5, RFC 6337 §2. */
import { type Millis, PeerError } from "../base/index.ts";
import { type Dialog, type LegClient, NOTHING, type ServerTransaction, type Unacknowledged } from "../leg/index.ts";
import type { Request } from "../message/index.ts";
import { contentOf } from "./bodies.ts";
import type { Call } from "./call.ts";
import { Change } from "./change.ts";
import { sdpParcel } from "./crossing.ts";
import { answerHere } from "./early-offer.ts";
import { later, reply } from "./replies.ts";

const IGNORED: LegClient = { response() {}, failed() {} };

/** `told`: the 1xx that it acknowledges. However the PRACK is answered, that one will not be sent again. */
export function takePrack(
  call: Call,
  dialog: Dialog,
  prack: Request,
  server: ServerTransaction,
  told: Unacknowledged,
  now: Millis,
): void {
  let sdp: string | undefined;
  try {
    sdp = contentOf(prack).sdp;
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    reply(prack, server, dialog, error.status, NOTHING, now);
    if (told.sdp && dialog.exchange === "ours") return call.badAnswer("caller", 488, now);
    return goOn(dialog, told, now);
  }
  if (told.sdp && dialog.exchange === "ours") return answered(call, dialog, prack, server, told, sdp, now);
  if (sdp !== undefined) return offered(call, dialog, prack, server, told, sdp, now);
  reply(prack, server, dialog, 200, NOTHING, now);
  goOn(dialog, told, now);
}

/** The answer to an offer that the callee made in its reliable 1xx. */
function answered(
  call: Call,
  dialog: Dialog,
  prack: Request,
  server: ServerTransaction,
  { note }: Unacknowledged,
  sdp: string | undefined,
  now: Millis,
): void {
  let answer: string;
  try {
    if (sdp === undefined) throw new PeerError(400, "a PRACK without the answer");
    answer = call.house.media.answer(call.id, "caller", sdp, { provisional: false });
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    reply(prack, server, dialog, error.status, NOTHING, now);
    return call.badAnswer("caller", error.status, now);
  }
  call.settled = true;
  dialog.exchange = "settled";
  if (dialog.twin !== undefined) {
    dialog.twin.exchange = "settled";
    dialog.twin.agreed = true;
  }
  reply(prack, server, dialog, 200, NOTHING, now);
  if (note !== undefined) note.dialog.leg.prack(note, sdpParcel(answer), IGNORED, now);
  dialog.leg.inviteServer?.releaseHeld(now);
}

/** A new offer of the caller: it crosses in our own PRACK, where the callee's 1xx wants one. */
function offered(
  call: Call,
  dialog: Dialog,
  prack: Request,
  server: ServerTransaction,
  told: Unacknowledged,
  sdp: string,
  now: Millis,
): void {
  const { note } = told;
  const { exchange } = dialog;
  const wanted = note?.dialog.leg.wantsPrack(note) === true;
  if (wanted && exchange === "settled" && note?.dialog.exchange === "settled") {
    const change = new Change(call, dialog, note.dialog, { request: prack, server, prack: note });
    change.afterwards = (at) => {
      call.offered(dialog.leg, sdp, at);
      dialog.leg.inviteServer?.releaseHeld(at);
    };
    return change.start(prack, now);
  }
  const answer = exchange === "settled" ? answerHere(call, dialog, sdp) : undefined;
  if (answer !== undefined) {
    reply(prack, server, dialog, 200, sdpParcel(answer), now);
    call.offered(dialog.leg, sdp, now);
  } else if (exchange === "ours") reply(prack, server, dialog, 491, NOTHING, now);
  else later(call.house.random, prack, server, dialog, now);
  goOn(dialog, told, now);
}

/** The callee's 1xx gets its own PRACK, and a 2xx that waited may go. */
function goOn(dialog: Dialog, { note }: Unacknowledged, now: Millis): void {
  if (note !== undefined) note.dialog.leg.prack(note, NOTHING, IGNORED, now);
  dialog.leg.inviteServer?.releaseHeld(now);
}
