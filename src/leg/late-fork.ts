/**
 * A fork that answers our INVITE when the leg which another fork made is over already: there is nobody to talk to, so it is
 * acknowledged and told to go (RFC 3261 §13.2.2.4). All that is needed stands in its 2xx; no leg has to wait for it.
 */
import { type Hop, type Millis, PeerError } from "../base/index.ts";
import type { Response } from "../message/index.ts";
import { UNWANTED } from "./answers.ts";
import { Dialog, type DialogOwner } from "./dialog.ts";
import type { LegHouse } from "./ports.ts";

const MAX_FORWARDS = 70;

/** `first`: no copy. A copy says that our ACK was lost; the BYE has timers of its own. */
export function endLateFork(house: LegHouse, response: Response, hop: Hop, first: boolean, now: Millis): void {
  const owner: DialogOwner = { house, realm: hop.realm, nated: false, tcpForLargeRequests: false, hold() {} };
  const seq = response.cseq.number;
  const dialog = new Dialog(owner, response.callId, response.fromTag ?? "", "", seq);
  dialog.local = response.headers.raw("from") ?? "";
  try {
    dialog.takeResponse(response, hop);
  } catch (error) {
    if (error instanceof PeerError) return; // It says not where it is: its own timer ends it.
    throw error;
  }
  dialog.reach(now, (destination, at) => {
    if (destination === undefined) return;
    house.transactions.ack(dialog.draft("ACK", seq, MAX_FORWARDS), destination, at);
    if (!first) return;
    const bye = dialog.draft("BYE", seq + 1, MAX_FORWARDS).add("Reason", UNWANTED);
    house.transactions.request(bye, destination, NOBODY, at);
  });
}

const NOBODY = { response() {}, failed() {} };
