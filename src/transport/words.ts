/** The words between the transport room and its neighbours: `io` below, the transaction layer above. */
import type { Address, Fact, Hop, Millis, SendToken, StreamProtocol } from "../base/index.ts";
import type { Message } from "../message/index.ts";

/** What `io` is asked to do. */
export type TransportOutput =
  | { readonly out: "datagram"; readonly listener: string; readonly remote: Address; readonly text: string }
  | {
      readonly out: "connect";
      readonly connection: number;
      readonly realm: string;
      readonly protocol: StreamProtocol;
      /** Connect from its IP address, and with its realm's certificate. */
      readonly listener: string;
      readonly remote: Address;
      /** SNI, and the name to be found in the certificate unless the realm's `verify` is `none`. */
      readonly serverName: string | undefined;
    }
  /** On a WebSocket: one frame. */
  | { readonly out: "write"; readonly connection: number; readonly text: string }
  /** A WebSocket's own keepalive (RFC 6455 §5.5.2); the other end owes a pong. */
  | { readonly out: "ping"; readonly connection: number }
  /** Bytes that were written before are flushed first, as far as the other end takes them within a second. */
  | { readonly out: "close"; readonly connection: number; readonly reason: string }
  | { readonly out: "resolve"; readonly query: number; readonly type: DnsType; readonly name: string }
  | { readonly out: "fact"; readonly fact: Fact };

/** What `io` reports. */
export type TransportInput =
  | { readonly in: "datagram"; readonly listener: string; readonly remote: Address; readonly text: string }
  /** ICMP: a datagram of ours found nobody. `text` is what it quotes, from the first byte on, and seldom the whole. */
  | { readonly in: "undelivered"; readonly text: string }
  | {
      readonly in: "accepted";
      /** From FIRST_ACCEPTED up: the transport numbers its own below. */
      readonly connection: number;
      readonly listener: string;
      readonly remote: Address;
      readonly tlsNames: readonly string[];
    }
  | { readonly in: "connected"; readonly connection: number; readonly tlsNames: readonly string[] }
  /** On a WebSocket: one frame, put together again. */
  | { readonly in: "data"; readonly connection: number; readonly text: string }
  | { readonly in: "pong"; readonly connection: number }
  /** After writes: how much of them the kernel has not taken yet. At least once per burst of writes. */
  | { readonly in: "drained"; readonly connection: number; readonly unsentBytes: number }
  | { readonly in: "closed"; readonly connection: number; readonly reason: string }
  /** `records` empty: the name or the record type does not exist. */
  | {
      readonly in: "resolved";
      readonly query: number;
      /** Empty: no such name, or no such record there. */
      readonly records: readonly DnsRecord[];
      /** How long it stays so that there is nothing, where the zone tells. RFC 2308 §5. */
      readonly negativeSeconds?: number | undefined;
    }
  | { readonly in: "resolve-failed"; readonly query: number; readonly reason: string };

export type DnsType = "NAPTR" | "SRV" | "A" | "AAAA";

export type DnsRecord =
  | { readonly type: "A" | "AAAA"; readonly ttlSeconds: number; readonly ip: string }
  | {
      readonly type: "SRV";
      readonly ttlSeconds: number;
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    }
  | {
      readonly type: "NAPTR";
      readonly ttlSeconds: number;
      readonly order: number;
      readonly preference: number;
      readonly flags: string;
      readonly service: string;
      readonly regexp: string;
      readonly replacement: string;
    };

/** The room above. */
export interface TransportUser {
  /** A whole, well-formed message. `received` and `rport` (RFC 3581) stand in a request's top Via. */
  message(message: Message, hop: Hop, now: Millis): void;
  /**
   * Bytes that were sent with `token` cannot arrive: no connection, or it was lost (RFC 3261 §18.4). Never called
   * from within a send: at the earliest when the agenda next expires.
   */
  unreachable(token: SendToken, reason: string, now: Millis): void;
  /** Is this somebody whose messages are not counted: a peer, a registered phone? Absent: nobody is. */
  known?(hop: Hop, now: Millis): boolean;
  /** A request of ours that went in a datagram found nobody. RFC 3261 §18.4. */
  undelivered(branch: string, method: string, now: Millis): void;
}

/** Our own address on one side. */
export interface LocalAddress {
  /** As it stands in Contact: the realm's domain, else its advertised address, else the listener's; IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
  /** The address the other side reaches us at, without brackets: the advertised one behind 1:1 NAT. */
  readonly ip: string;
}
