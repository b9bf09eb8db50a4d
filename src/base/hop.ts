import type { Address, Protocol } from "./net.ts";

/** Where a message came from, and so where its answer goes. Shared between messages: never changed. */
export interface Hop {
  readonly realm: string;
  /** `ListenerSettings.id`; on a connection that we opened, the listener whose identity it uses. */
  readonly listener: string;
  readonly protocol: Protocol;
  readonly remote: Address;
  /** 0 for UDP. */
  readonly connection: number;
  /** Identities of the other end as its certificate proved them (RFC 5922 §7.1), lower case; empty when it proved none. */
  readonly tlsNames: readonly string[];
}

/** Where a request is to go: one result of RFC 3263. */
export interface Destination {
  readonly realm: string;
  readonly protocol: Protocol;
  readonly remote: Address;
  /** The name asked for by SNI and to be found in the certificate (RFC 5922 §4): TLS only. */
  readonly serverName?: string;
  /** Send on this very connection as long as it lives (RFC 5626, RFC 5923). */
  readonly connection?: number;
  /** `ListenerSettings.id` to send from, over UDP: a NAT lets in only what comes from where its phone has sent to. */
  readonly listener?: string;
  /** On `connection` or not at all: nobody listens at the other end of what a phone behind NAT has opened. */
  readonly flowOnly?: true;
  /** Over UDP only: may a request that is too large for a datagram go by TCP? RFC 3261 §18.1.1. */
  readonly tcpForLargeRequests?: boolean;
}

/** Connections that others opened have numbers from here up, ours are below. */
export const FIRST_ACCEPTED = 2 ** 31;

/** Back to where a message came from, by the way that it came; a connection that its owner opened cannot be opened by us. */
export function backOver({ realm, protocol, remote, connection, listener }: Hop): Destination {
  if (connection === 0) return { realm, protocol, remote, listener };
  if (connection < FIRST_ACCEPTED) return { realm, protocol, remote, connection };
  return { realm, protocol, remote, connection, flowOnly: true };
}

/** Who is told when bytes could not be delivered: asked at that time whether the news still matters. */
export interface SendToken {
  /** False once nothing hangs on these bytes any more: the transport forgets the token. */
  readonly waiting: boolean;
}
