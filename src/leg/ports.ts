/**
 * What a leg needs of the rooms around it, as shapes: the transport itself may not be imported here, and the call above
 * may not import the transactions.
 */
import type { Agenda, Destination, Hop, Millis, Random } from "../base/index.ts";
import type { Response } from "../message/index.ts";
import type {
  ClientOwner,
  ClientTransaction,
  ServerOwner,
  ServerTransaction,
  Transactions,
} from "../transaction/index.ts";
import type { Leg } from "./leg.ts";

export type { Destination, Hop } from "../base/index.ts";
export type { ClientOwner, ClientTransaction, ServerOwner, ServerTransaction, Transactions };

/** Our own address as the other end of a hop sees it. */
export interface Local {
  /** Name or address for Contact and From, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly ip: string;
}

/** A registered phone: its flow is another when it has registered again from elsewhere. */
export interface FlowHolder {
  readonly flow: Hop;
  /** Legs that it speaks on: they hear of it when it is elsewhere. */
  followers?: Set<{ phoneMoved(): void }> | undefined;
}

export interface LegTransport {
  /** RFC 3263. Calls back once, perhaps at once; `[]` when nothing was found. */
  resolve(
    target: { readonly realm: string; readonly uri: string },
    done: (found: readonly Destination[], now: Millis) => void,
    now: Millis,
  ): void;
  localFor(hopOrDestination: Hop | Destination): Local;
  /** A connection that is held is not closed for being idle. Each hold is released once. */
  hold(connection: number): void;
  release(connection: number): void;
}

/** What all legs of the box share. */
export interface LegHouse {
  readonly random: Random;
  readonly agenda: Agenda;
  readonly transactions: Transactions;
  readonly transport: LegTransport;
  /** The registered phone of this leg has proved that it is elsewhere: its media comes from there. */
  moved?(leg: Leg, source: string): void;
}

/** Whoever waits for the answers to a request of ours. A request that found no way was never a transaction. */
export interface LegClient {
  /** It goes out with this CSeq; once more with another when it had to prove who we are. */
  sent?(seq: number): void;
  response(response: Response, transaction: ClientTransaction | undefined, now: Millis): void;
  failed(cause: "timeout" | "unreachable", transaction: ClientTransaction | undefined, now: Millis): void;
}
