/**
 * What a leg needs of the rooms around it, as shapes: the transport itself may not be imported here, and the call above
 * may not import the transactions.
 */
import type { Address, Agenda, Millis, Protocol, Random } from "../base/index.ts";
import type { ClientOwner, ClientTransaction, ServerOwner, ServerTransaction, Transactions } from "../transaction/index.ts";

export type { ClientOwner, ClientTransaction, ServerOwner, ServerTransaction, Transactions };

/** Where a message came from. */
export interface Hop {
  readonly realm: string;
  readonly listener: string;
  readonly protocol: Protocol;
  readonly remote: Address;
  /** 0 for UDP. */
  readonly connection: number;
  readonly tlsNames: readonly string[];
}

/** Where a request goes, resolved. */
export interface Destination {
  readonly realm: string;
  readonly protocol: Protocol;
  readonly remote: Address;
  readonly serverName?: string;
  readonly connection?: number;
  readonly tcpForLargeRequests?: boolean;
}

/** Our own address as the other end of a hop sees it. */
export interface Local {
  /** Name or address for Contact and From, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly ip: string;
}

export interface LegTransport {
  /** RFC 3263. Calls back once, perhaps at once; `[]` when nothing was found. */
  resolve(
    target: { readonly realm: string; readonly uri: string },
    done: (found: readonly Destination[], now: Millis) => void,
    now: Millis,
  ): void;
  localFor(hopOrDestination: Hop | Destination): Local;
}

/** What all legs of the box share. */
export interface LegHouse {
  readonly random: Random;
  readonly agenda: Agenda;
  readonly transactions: Transactions;
  readonly transport: LegTransport;
}
