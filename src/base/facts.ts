/**
 * Facts: typed things that happened. Log, CDR, metrics, SNMP, alarms and traces all read the same ones. A fact never
 * carries a body, a key or a password.
 */
import type { SrtpKeying } from "./settings.ts";

export type Fact =
  | CallStarted
  | CallAnswered
  | CallEnded
  | {
      readonly fact: "call.refused";
      readonly realm: string;
      readonly source: string;
      readonly peer: string | undefined;
      readonly method: string;
      readonly status: number;
      readonly reason: string;
    }
  | {
      readonly fact: "leg.refused";
      readonly call: string;
      readonly side: Side;
      readonly peer: string | undefined;
      readonly target: string;
      readonly status: number;
      readonly reason: string;
      /** The cause that the peer gave by Reason (RFC 6432). */
      readonly q850?: number;
    }
  | {
      /** A request outside of any call, and its final answer (or none: 408). */
      readonly fact: "request.relayed";
      readonly method: string;
      readonly realm: string;
      readonly source: string;
      readonly peer: string | undefined;
      /** The peer that was asked last; `undefined`: nobody could be. */
      readonly to: string | undefined;
      readonly target: string | undefined;
      readonly status: number;
      readonly ms: number;
    }
  | {
      readonly fact: "call.redirected";
      readonly call: string;
      /** Who gave the 3xx. */
      readonly peer: string | undefined;
      readonly status: number;
      /** By us, or told to the caller. */
      readonly followed: boolean;
      /** User parts of the Contacts that were taken, best first. */
      readonly users: readonly string[];
    }
  | {
      readonly fact: "subscription.started";
      /** Our own id of it: it never appears on the wire. */
      readonly subscription: string;
      /** The event package. */
      readonly event: string;
      readonly method: string;
      readonly realm: string;
      readonly source: string;
      readonly peer: string | undefined;
      readonly to: string | undefined;
      readonly target: string | undefined;
    }
  | {
      readonly fact: "subscription.ended";
      readonly subscription: string;
      readonly event: string;
      /** `ended`: by its notifier, as it should. */
      readonly cause: "ended" | "no-notify" | "expired" | "subscriber-gone" | "notifier-gone" | "shutdown";
      readonly notifies: number;
      readonly totalMs: number;
    }
  /** A transfer that the box made has come to its end. */
  | {
      readonly fact: "call.transferred";
      readonly call: string;
      /** The new call; "": it never came so far. */
      readonly made: string;
      /** Which side of `call` asked for it. */
      readonly by: Side;
      readonly kind: "blind" | "attended";
      /** 200: transferee and target are together. Else why not. */
      readonly status: number;
    }
  | { readonly fact: "sips.refused"; readonly call: string; readonly realm: string; readonly status: number }
  | {
      readonly fact: "media.latched";
      readonly call: string;
      readonly side: Side;
      readonly stream: number;
      readonly remote: string;
    }
  /** A DTLS handshake is through. */
  | {
      readonly fact: "media.secured";
      readonly call: string;
      readonly side: Side;
      readonly stream: number;
      readonly suite: string;
    }
  | { readonly fact: "media.silent"; readonly call: string; readonly side: Side; readonly stream: number }
  /** Its ICE checks have stopped (RFC 7675): nothing is sent to it until it nominates again. */
  | { readonly fact: "media.consent-lost"; readonly call: string; readonly side: Side; readonly stream: number }
  | {
      /** A digit of that side, as its realm or peer wants it told. */
      readonly fact: "media.digit";
      readonly call: string;
      readonly side: Side;
      /** Which way it came. */
      readonly via: "rfc4733" | "info";
      readonly durationMs: number;
      /** 0 to 9, *, #, A to D, ! for a flash. Only where that is asked for: it may be of a PIN. */
      readonly digit?: string;
    }
  /** An SRTP key is nearly used up: ours toward that side, or its own. */
  | {
      readonly fact: "media.key-lifetime";
      readonly call: string;
      readonly side: Side;
      readonly stream: number;
      readonly whose: "ours" | "theirs";
      readonly packetsLeft: number;
    }
  | { readonly fact: "media.failed"; readonly call: string; readonly reason: string }
  | { readonly fact: "peer.up" | "peer.down"; readonly peer: string; readonly target: string; readonly reason: string }
  | {
      readonly fact: "peer.limited";
      readonly peer: string;
      readonly limit: "maxCalls" | "maxCallsPerSecond" | "maxRequestsPerSecond";
    }
  | {
      readonly fact: "trunk.registered";
      readonly peer: string;
      readonly target: string;
      readonly expiresSeconds: number;
    }
  /** `retrySeconds`: when it is tried again. */
  | { readonly fact: "trunk.failed"; readonly peer: string; readonly reason: string; readonly retrySeconds: number }
  | {
      /** A challenge of a peer was not answered, or our answer was not taken. */
      readonly fact: "auth.failed";
      readonly peer: string;
      readonly method: string;
      readonly status: number;
      readonly digestRealm: string;
      readonly reason: string;
    }
  /** A phone is where it was not before. */
  | {
      readonly fact: "phone.registered";
      readonly domain: string;
      readonly user: string;
      readonly source: string;
      readonly seconds: number;
    }
  | {
      readonly fact: "phone.gone";
      readonly domain: string;
      readonly user: string;
      readonly source: string;
      readonly cause: "unregistered" | "expired" | "flow-lost" | "removed";
    }
  /** A REGISTER was refused; 401 is a question, and none. */
  | {
      readonly fact: "phone.refused";
      readonly realm: string;
      readonly source: string;
      readonly domain: string;
      readonly status: number;
    }
  /** Nobody answers for the registrations of so many phones: they live by our word. Then it is back. */
  | { readonly fact: "registrar.away" | "registrar.back"; readonly peer: string; readonly phones: number }
  | { readonly fact: "registrations.failed"; readonly reason: string }
  | { readonly fact: "message.bad"; readonly realm: string; readonly source: string; readonly reason: string }
  | { readonly fact: "connection.refused"; readonly realm: string; readonly source: string; readonly reason: string }
  /** A stranger (the /64 of an IPv6 one) sends faster than it may; said once until it has been quiet. */
  | { readonly fact: "source.limited"; readonly realm: string; readonly source: string }
  | { readonly fact: "tls.failed"; readonly realm: string; readonly source: string; readonly reason: string }
  | { readonly fact: "settings.applied"; readonly changes: readonly string[] }
  | { readonly fact: "settings.rejected"; readonly reason: string };

export type Side = "caller" | "callee";

export interface CallStarted {
  readonly fact: "call.started";
  /** Our own id of the call: it never appears on the wire. */
  readonly call: string;
  readonly from: Party;
  readonly to: Party;
}

export interface Party {
  readonly realm: string;
  readonly peer: string | undefined;
  /** User part only: hosts of one side do not belong in the record of the other. */
  readonly user: string;
  readonly callId: string;
  readonly remote: string;
}

export interface CallAnswered {
  readonly fact: "call.answered";
  readonly call: string;
  readonly afterMs: number;
  readonly callee: Party;
  /** RFC 7989: the UUIDs of both ends, the caller's first; absent when the call has none. */
  readonly sessionId?: string;
  readonly media: readonly MediaEnds[];
}

/** Of one stream. */
export interface MediaEnds {
  readonly kind: string;
  readonly caller: MediaEnd;
  readonly callee: MediaEnd;
}

export interface MediaEnd {
  readonly codecs: readonly string[];
  /** `RTP/AVP`, `RTP/SAVP` … */
  readonly profile: string;
  /** How keys came about. */
  readonly keys: SrtpKeying | "none";
  /** `undefined`: there are no keys, or their handshake is not through yet. */
  readonly suite: string | undefined;
}

export interface CallEnded {
  readonly fact: "call.ended";
  readonly call: string;
  readonly cause: EndCause;
  /** Which side ended it; `undefined` when the box did. */
  readonly by: Side | undefined;
  /** The final status that the caller got, 200 when answered. */
  readonly status: number;
  /** Q.850: as the end that ended it said (RFC 3326), or what RFC 3398 makes of the status. */
  readonly q850: number;
  readonly sessionId?: string;
  readonly totalMs: number;
  readonly answeredMs: number;
  readonly from: Party;
  readonly to: Party | undefined;
  readonly streams: readonly {
    readonly kind: string;
    readonly caller: StreamQuality;
    readonly callee: StreamQuality;
  }[];
}

export type EndCause =
  | "bye"
  | "cancelled"
  | "refused"
  | "busy"
  | "no-answer"
  | "unreachable"
  | "no-route"
  | "limit"
  | "policy"
  | "media-silent"
  | "media-failed"
  | "no-ack"
  | "session-expired"
  | "protocol-error"
  | "transfer"
  | "shutdown"
  | "operator";

/** What one side sent to us on one stream. */
export interface StreamQuality {
  readonly packets: number;
  readonly bytes: number;
  readonly lost: number;
  readonly jitterMs: number;
  readonly dropped: number;
  /** Round trip between us and this side, in milliseconds, where RTCP tells it. */
  readonly rttMs?: number;
  /** RFC 4733 digits that came, where somebody listens for them. */
  readonly digits?: number;
  /** Audio: rating R (0 to 100) and mean opinion (1 to 4.5) of what came to us. ITU-T G.107. */
  readonly rating?: number;
  readonly mos?: number;
  /** What this side says of what it got, on the whole way from the other side. */
  readonly reported?: { readonly lost: number; readonly jitterMs: number; readonly mos?: number } | undefined;
}
