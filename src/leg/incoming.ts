/** Requests that come in the dialogs of a leg: what is answered at once, and what the call is to judge. */
import { below, type Millis } from "../base/index.ts";
import { RAck, type RAckValue, type Request } from "../message/index.ts";
import { reply } from "./answers.ts";
import type { Dialog } from "./dialog.ts";
import { InviteServer } from "./invite-server.ts";
import type { Leg } from "./leg.ts";
import type { ServerTransaction } from "./ports.ts";

/** RFC 3261 §14.2. */
const RETRY_AFTER_SECONDS = 10;

/** A request inside one of the dialogs. It is answered here, or handed to the call. Throws PeerError(400). */
export function receive(dialog: Dialog, request: Request, server: ServerTransaction, now: Millis): void {
  const { leg } = dialog;
  // Another fork was chosen: this one is over, whatever its end may think.
  if (leg.dialog !== undefined && leg.dialog !== dialog) return reply(request, server, dialog, 481, now);
  const seq = request.cseq.number;
  if (dialog.remoteSeq !== undefined && seq <= dialog.remoteSeq) return reply(request, server, dialog, 500, now);
  dialog.remoteSeq = seq;
  dialog.heardFrom(server.hop);
  leg.ids?.hear(dialog, request);
  if (request.method === "BYE") return onBye(leg, dialog, request, server, now);
  if (leg.state === "gone" || leg.state === "leaving") return reply(request, server, dialog, 481, now);
  if (request.method === "INVITE" || request.method === "UPDATE") {
    const minimum = leg.session.tooShort(request);
    if (minimum !== undefined) return reply(request, server, dialog, 422, now, ["Min-SE", String(minimum)]);
  }
  if (request.method === "INVITE") return onReinvite(leg, dialog, request, server, now);
  if (request.method === "PRACK") return onPrack(leg, dialog, request, server, now);
  if (request.method === "UPDATE") dialog.check(request);
  leg.owner.legRequest(leg, dialog, request, server, now);
}

/** An ACK that came in one of the dialogs. */
export function receiveAck(dialog: Dialog, ack: Request, now: Millis): void {
  const { leg } = dialog;
  const invite = leg.inviteServer;
  if (invite === undefined || invite.dialog !== dialog || ack.cseq.number !== invite.seq) return;
  if (!invite.acked()) return;
  leg.ids?.learn(dialog, ack);
  if (invite === leg.firstInvite) leg.happen("ACK", now);
  leg.owner.legAcked(leg, dialog, ack, invite, now);
}

function onBye(leg: Leg, dialog: Dialog, bye: Request, server: ServerTransaction, now: Millis): void {
  const before = leg.state;
  // RFC 3261 §15: a callee may not end an early dialog by BYE; its INVITE has an answer of its own.
  if (before === "inviting" || before === "cancelling" || before === "gone") {
    return reply(bye, server, dialog, 481, now);
  }
  reply(bye, server, dialog, 200, now);
  if (before === "invited" || before === "answering") leg.ending = { status: 487, reason: "" };
  const wanted = before !== "leaving" && before !== "parting";
  leg.happen("BYE", now);
  if (wanted) leg.owner.legBye(leg, bye, now);
}

function onReinvite(leg: Leg, dialog: Dialog, request: Request, server: ServerTransaction, now: Millis): void {
  const invite = leg.inviteServer;
  if (invite?.pending) {
    // RFC 3261 §14.2: a second INVITE before the first has its answer.
    const seconds = String(below(leg.house.random, RETRY_AFTER_SECONDS + 1));
    return reply(request, server, dialog, 500, now, ["Retry-After", seconds]);
  }
  if (leg.state !== "up" || invite?.awaitingAck || leg.reinvite?.inFlight) {
    return reply(request, server, dialog, 491, now);
  }
  dialog.check(request);
  leg.inviteServer = new InviteServer(leg.house, leg, request, server);
  leg.owner.legReinvited(leg, dialog, leg.inviteServer, now);
}

function onPrack(leg: Leg, dialog: Dialog, request: Request, server: ServerTransaction, now: Millis): void {
  const rack: RAckValue | undefined = request.get(RAck);
  const match = rack === undefined ? undefined : leg.inviteServer?.pracked(dialog, rack, now);
  if (match === undefined) return reply(request, server, dialog, 481, now);
  leg.owner.legPracked(leg, dialog, request, server, match, now);
}
