/** What a leg is given, and whom it tells. */
import type { Millis, Registry, SessionTimerSettings } from "../base/index.ts";
import type { Request, Response } from "../message/index.ts";
import type { Authenticator } from "./challenged.ts";
import type { Dialog } from "./dialog.ts";
import type { Progress } from "./invitation.ts";
import type { InviteServer } from "./invite-server.ts";
import type { Leg } from "./leg.ts";
import type { FlowHolder, LegHouse, ServerTransaction } from "./ports.ts";
import type { Unacknowledged } from "./reliable.ts";
import type { SessionIds } from "./session-ids.ts";

/** `unmet`: the resources that the other end waits for never came (RFC 3312). */
export type Loss = "unreachable" | "no-prack" | "unmet";

/** The call, as its legs see it. Every word says which leg speaks. */
export interface LegOwner {
  /** The called side: 101 to 199. */
  legProgress(leg: Leg, progress: Progress, now: Millis): void;
  /** The called side: something came back, if only a 100. */
  legTrying(leg: Leg, now: Millis): void;
  /** The called side: the first 2xx. The ACK is the call's to send. */
  legAnswered(leg: Leg, dialog: Dialog, response: Response, now: Millis): void;
  legRefused(leg: Leg, response: Response, now: Millis): void;
  legFailed(leg: Leg, cause: "timeout" | "unreachable" | "protocol-error", now: Millis): void;
  /** The calling side gave up. */
  legCancelled(leg: Leg, cancel: Request, now: Millis): void;
  /** A response to the leg's INVITE could not be delivered. */
  legLost(leg: Leg, cause: Loss, now: Millis): void;
  /** The first ACK for a 2xx of ours. */
  legAcked(leg: Leg, dialog: Dialog, ack: Request, invite: InviteServer, now: Millis): void;
  legUnacknowledged(leg: Leg, now: Millis): void;
  /** BYE came and was answered. */
  legBye(leg: Leg, bye: Request, now: Millis): void;
  legReinvited(leg: Leg, dialog: Dialog, invite: InviteServer, now: Millis): void;
  legReinviteCancelled(leg: Leg, invite: InviteServer, cancel: Request, now: Millis): void;
  /** A PRACK for a reliable 1xx of ours; `told` has what the call gave with it. */
  legPracked(
    leg: Leg,
    dialog: Dialog,
    prack: Request,
    server: ServerTransaction,
    told: Unacknowledged,
    now: Millis,
  ): void;
  /** Any other request inside the dialog. */
  legRequest(leg: Leg, dialog: Dialog, request: Request, server: ServerTransaction, now: Millis): void;
  /**
   * The session timer asks for a re-INVITE with the description that the leg has; how it went is `leg.session.refused` or
   * `failed`. False: not now.
   */
  legRefresh(leg: Leg, dialog: Dialog, now: Millis): boolean;
  /** Nobody refreshed the session in time, or the peer is not there any more. RFC 4028 §10. */
  legExpired(leg: Leg, now: Millis): void;
  /** Nothing is left of the leg but what its transactions still repeat. */
  legOver(leg: Leg, now: Millis): void;
}

export interface LegOptions {
  readonly house: LegHouse;
  readonly owner: LegOwner;
  readonly side: "caller" | "callee";
  readonly realm: string;
  /** Every hop of this leg is promised to be secure: its URIs are sips (RFC 5630). */
  readonly secure: boolean;
  /** User-Agent or Server; `undefined`: none is shown. */
  readonly product: string | undefined;
  readonly tcpForLargeRequests: boolean;
  /** The peer's own address cannot be reached: requests go back to where its messages come from. */
  readonly nated: boolean;
  /** Registered phones that may be at the other end; absent: it is none. */
  readonly phones?: readonly FlowHolder[] | undefined;
  readonly sessionTimer: SessionTimerSettings;
  /** Who answers the challenges of the leg's peer; absent: they are refusals like others. */
  readonly authenticator?: Authenticator | undefined;
  /** Session-ID of the call; absent: this side neither says nor hears any. */
  readonly ids?: SessionIds | undefined;
  /** All dialogs of the box by our own tag. */
  readonly book: Registry<string, Dialog>;
}

export const reasonHeaders = ({ reason }: Ending): readonly (readonly [string, string])[] =>
  reason === "" ? [] : [["Reason", reason]];

/** How a leg is to end: the status for an INVITE without an answer, and the Reason for CANCEL and BYE (RFC 3326). */
export interface Ending {
  readonly status: number;
  readonly phrase?: string | undefined;
  readonly reason: string;
  readonly headers?: readonly (readonly [string, string])[];
}
