import type { Millis } from "../base/index.ts";
import type { Request, Response } from "../message/index.ts";
import type { ClientTransaction } from "./client.ts";
import type { ServerTransaction } from "./server.ts";
import type { ClientOwner, TransportPort } from "./words.ts";

/** `lingering`: over, but its owner waits for what may still come. `finished`: none but the layer remembers it. */
export type Place = "live" | "lingering" | "finished" | "gone";

/** What a transaction may ask of the layer that keeps it. */
export interface Home {
  readonly transport: TransportPort;
  /** Call it after each event: finds the transaction its place. */
  settle(transaction: ClientTransaction | ServerTransaction): void;
  /** Sends the CANCEL of an INVITE as a transaction of its own. */
  cancel(invite: ClientTransaction, text: string, owner: ClientOwner, now: Millis): void;
  strayResponse(response: Response, transaction: ClientTransaction, now: Millis): void;
  /** A 2xx of a fork that comes when the owner of its INVITE has gone. `first`: no copy. */
  lateFork(response: Response, transaction: ClientTransaction, first: boolean, now: Millis): void;
  /** A To tag that a copy of the request gets again: RFC 3261 §8.2.7. */
  statelessTag(request: Request): string;
  /** Counts an answer that was not sent, since it would have been much longer than what it answers. */
  tooShort(): void;
  passAck(ack: Request, transaction: ServerTransaction, now: Millis): void;
}
