/** The words between the transaction room and its neighbours: what it needs below, whom it tells above. */
import type { Destination, Hop, Millis, Protocol, SendToken } from "../base/index.ts";
import type { Request, Response, ViaValue } from "../message/index.ts";
import type { ClientTransaction } from "./client.ts";
import type { ServerTransaction } from "./server.ts";

/** What of the transport this room uses. The transport never calls back from within these. */
export interface TransportPort {
  sendRequest(
    destination: Destination,
    token: SendToken,
    make: (via: { readonly protocol: Protocol; readonly sentBy: string }) => string,
    now: Millis,
  ): { readonly protocol: Protocol; readonly hop: Hop };
  resend(hop: Hop, text: string, token: SendToken, now: Millis): void;
  /** Gives the hop by which the response went, so that a copy can follow by `resend`. */
  sendResponse(hop: Hop, topVia: ViaValue, text: string, now: Millis, token?: SendToken): Hop;
}

export interface ClientOwner {
  /** Every 1xx, every 2xx with its copies and forks, the one 3xx to 6xx. */
  response(response: Response, transaction: ClientTransaction, now: Millis): void;
  failed(cause: "timeout" | "unreachable", transaction: ClientTransaction, now: Millis): void;
}

export interface ServerOwner {
  /** CANCEL for this INVITE, once: the layer has answered 200 to the CANCEL, the owner must answer the INVITE with 487. */
  cancelled?(cancel: Request, now: Millis): void;
  /** `no-ack`: Timer H on a non-2xx. `unreachable`: a response could not be delivered; RFC 6026 keeps the transaction. */
  failed?(cause: "no-ack" | "unreachable", now: Millis): void;
  /** The ACK for a non-2xx: news for whoever counts; nothing needs to be done. */
  ack?(ack: Request, now: Millis): void;
}

export interface TransactionUser {
  /** A new request, never ACK, never CANCEL. It must get an owner and a final answer. */
  request(request: Request, server: ServerTransaction, hop: Hop, now: Millis): void;
  /** An ACK that belongs to no non-2xx: the ACK for a 2xx. */
  ack(request: Request, hop: Hop, now: Millis): void;
  /** A response to no client transaction, such as a 2xx that comes after the end. */
  strayResponse(response: Response, hop: Hop, now: Millis): void;
  /** A 2xx of another fork than the one that answered, when the owner of the INVITE has gone. `first`: no copy. */
  lateFork(response: Response, hop: Hop, first: boolean, now: Millis): void;
}
