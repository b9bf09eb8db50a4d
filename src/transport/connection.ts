import {
  type Address,
  type Agenda,
  type Hop,
  isWeb,
  type Millis,
  type Punctual,
  SECOND,
  type SendToken,
  type StreamProtocol,
} from "../base/index.ts";
import { StreamFramer } from "../message/index.ts";
import type { Listener } from "./listeners.ts";
import { type Framing, WEB_FRAMES } from "./web-frames.ts";

/** Limit: bytes written and not yet taken by the kernel. Beyond, the connection is closed: its reader is stuck or hostile. */
export const UNSENT_BYTES = 256 * 1_024;
/** Limit: how long a connection that we open may take until it is up, with TLS. Then it counts as failed. */
export const CONNECT_LIMIT: Millis = 5 * SECOND;
/** Limit: how long an accepted connection may wait with its first whole message. Then it is closed. */
export const FIRST_MESSAGE_LIMIT: Millis = 10 * SECOND;
/** Limit: how long a message may take from its first byte to its last. Then the connection is closed. */
export const PARTIAL_MESSAGE_LIMIT: Millis = 32 * SECOND;
/** Limit: how long a connection that nobody holds may carry nothing: no message, and no keepalive of the other end. */
export const IDLE_LIMIT: Millis = 600 * SECOND;
/** A connection that we opened gets a keepalive after so long without traffic. RFC 5626 §4.4.1: 95 to 120 s. */
export const PING_AFTER: Millis = 100 * SECOND;
/**
 * A WebSocket is asked for a sign of life after so long without one, less up to five seconds by which connections that
 * were opened together drift apart: NATs and web proxies drop what is silent for a minute.
 */
export const WEB_PING_AFTER: Millis = 30 * SECOND;
/** Limit: how long a page may have its WebSocket open before it says anything: it was asked for its Origin, and is pinged. */
export const FIRST_WEB_MESSAGE_LIMIT: Millis = 60 * SECOND;
/** Once the other end has shown that it answers keepalives, it must: RFC 5626 §4.4.1. */
export const PONG_LIMIT: Millis = 10 * SECOND;
/** Limit: malformed messages on one connection. At it the connection is closed. */
export const BAD_MESSAGES = 5;
/** Limit: names under which others' connections may be found again (RFC 5923). More are ignored. */
export const ALIASES = 8;

export type CloseReason =
  | "connect time-out"
  | "no first message"
  | "partial message"
  | "idle"
  | "no pong"
  | "unsent bytes"
  | "malformed"
  | "over rate"
  | "stopped";

/** What a connection asks of the room that keeps it. */
export interface ConnectionHome {
  readonly agenda: Agenda;
  close(connection: Connection, reason: CloseReason, now: Millis): void;
  ping(connection: Connection, now: Millis): void;
}

const NEVER: Millis = Number.POSITIVE_INFINITY;

/** A connection: its framing, its deadlines, and who waits for what was sent on it. */
export class Connection implements Punctual {
  readonly id: number;
  readonly listener: Listener;
  readonly protocol: StreamProtocol;
  readonly remote: Address;
  /** We opened it. */
  readonly outgoing: boolean;
  readonly framer: Framing;
  /** Under which it is found for requests: its own, and those of RFC 5923. */
  readonly keys: string[] = [];
  /** Written before it was up. */
  readonly queue: string[] = [];
  up: boolean;
  unsentBytes = 0;
  badMessages = 0;
  /** It has ended, for whatever reason: it waits for nothing any more. */
  over = false;
  /** Legs that need it: with any, it is not closed for being idle. */
  held = 0;
  #hop: Hop;
  #home: ConnectionHome;
  #tokens: SendToken[] = [];
  #shedTokensAt = 16;
  readonly #openedAt: Millis;
  readonly #firstMessageLimit: Millis;
  #spoke = false;
  #partialSince: Millis = NEVER;
  #activeAt: Millis;
  /** The last that came from the other end. */
  #heardAt: Millis;
  #pingedAt: Millis = -NEVER;
  #awaitsPong = false;
  /** It answers keepalives. */
  #pongs: boolean;
  /** We send keepalives: on what we opened ourselves, and on every WebSocket. */
  readonly #pings: boolean;
  readonly #pingAfter: Millis;

  constructor(
    home: ConnectionHome,
    of: {
      readonly id: number;
      readonly listener: Listener;
      readonly protocol: StreamProtocol;
      readonly remote: Address;
      readonly outgoing: boolean;
      readonly tlsNames: readonly string[];
    },
    now: Millis,
  ) {
    this.#home = home;
    this.id = of.id;
    this.listener = of.listener;
    this.protocol = of.protocol;
    this.remote = of.remote;
    this.outgoing = of.outgoing;
    this.up = !of.outgoing;
    const web = isWeb(of.protocol);
    this.framer = web ? WEB_FRAMES : new StreamFramer();
    this.#pongs = web; // RFC 6455 §5.5.3 leaves no choice.
    this.#pings = web || of.outgoing;
    this.#pingAfter = web ? WEB_PING_AFTER - (of.id % 5_000) : PING_AFTER;
    this.#firstMessageLimit = of.outgoing ? NEVER : web ? FIRST_WEB_MESSAGE_LIMIT : FIRST_MESSAGE_LIMIT;
    this.#openedAt = now;
    this.#activeAt = now;
    this.#heardAt = now;
    this.#hop = this.#makeHop(of.tlsNames);
  }

  get hop(): Hop {
    return this.#hop;
  }

  connected(tlsNames: readonly string[], now: Millis): void {
    this.up = true;
    this.#activeAt = now;
    this.#hop = this.#makeHop(tlsNames);
    this.#home.agenda.watch(this);
  }

  /** Bytes came: what they leave incomplete has a deadline. */
  heard(now: Millis): void {
    const partial = this.framer.buffered > 0;
    if (!partial) this.#partialSince = NEVER;
    else if (this.#partialSince === NEVER) {
      this.#partialSince = now;
      this.#home.agenda.watch(this);
    }
  }

  /** A whole message came, so the next one has its own time. */
  heardMessage(now: Millis): void {
    this.#spoke = true;
    this.#activeAt = now;
    this.#heardAt = now;
    this.#partialSince = NEVER;
  }

  heardPing(now: Millis): void {
    this.#heardAt = now;
    if (this.#spoke) this.#activeAt = now; // Keepalives alone do not make a stranger welcome.
  }

  heardPong(now: Millis): void {
    this.#pongs = true;
    this.#awaitsPong = false;
    if (isWeb(this.protocol)) this.heardPing(now); // A page cannot send keepalives; its browser answers ours.
  }

  sent(now: Millis): void {
    this.#activeAt = now;
  }

  /** `token` is told when the connection goes, as long as it waits. */
  expect(token: SendToken): void {
    if (!token.waiting) return;
    this.#tokens.push(token);
    if (this.#tokens.length < this.#shedTokensAt) return;
    this.#tokens = this.#tokens.filter((held) => held.waiting);
    this.#shedTokensAt = Math.max(16, 2 * this.#tokens.length);
  }

  takeTokens(): readonly SendToken[] {
    const tokens = this.#tokens;
    this.#tokens = [];
    return tokens;
  }

  nextDeadline(): Millis | undefined {
    if (this.over) return undefined;
    if (!this.up) return this.#openedAt + CONNECT_LIMIT;
    let next = Math.min(this.#idleEnd(), this.#partialSince + PARTIAL_MESSAGE_LIMIT, this.#firstMessageEnd());
    if (this.#pings) next = Math.min(next, this.#nextPing(), this.#pongEnd());
    return next;
  }

  expire(now: Millis): void {
    const reason = this.#due(now);
    if (reason !== undefined) return this.#home.close(this, reason, now);
    if (this.#pings && this.#nextPing() <= now) {
      this.#pingedAt = now;
      this.#awaitsPong = true;
      this.#home.ping(this, now);
    }
  }

  #due(now: Millis): CloseReason | undefined {
    if (!this.up) return this.#openedAt + CONNECT_LIMIT <= now ? "connect time-out" : undefined;
    if (this.#firstMessageEnd() <= now) return "no first message";
    if (this.#partialSince + PARTIAL_MESSAGE_LIMIT <= now) return "partial message";
    if (this.#idleEnd() <= now) return "idle";
    return this.#pongEnd() <= now ? "no pong" : undefined;
  }

  #firstMessageEnd(): Millis {
    return this.#spoke ? NEVER : this.#openedAt + this.#firstMessageLimit;
  }

  #idleEnd(): Millis {
    return this.held > 0 ? NEVER : this.#activeAt + IDLE_LIMIT;
  }

  #nextPing(): Millis {
    // A WebSocket is asked whether anybody is there; another stream is only kept from falling silent.
    const since = isWeb(this.protocol) ? this.#heardAt : this.#activeAt;
    return Math.max(since, this.#pingedAt) + this.#pingAfter;
  }

  #pongEnd(): Millis {
    return this.#awaitsPong && this.#pongs ? this.#pingedAt + PONG_LIMIT : NEVER;
  }

  #makeHop(tlsNames: readonly string[]): Hop {
    return {
      realm: this.listener.realm.name,
      listener: this.listener.id,
      protocol: this.protocol,
      remote: this.remote,
      connection: this.id,
      tlsNames,
    };
  }
}
