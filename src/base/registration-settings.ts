/** What the operator's file says of phones: who may register, where, and for how long. */
import type { HashName } from "./hash.ts";
import type { Secret } from "./secret.ts";

/** What stands in a route's `to` for the contacts of a registered user. No peer is called so. */
export const REGISTRATION = "registration";

export interface RegistrationSettings {
  /** By the host part of their addresses of record, lower case. */
  readonly domains: ReadonlyMap<string, DomainSettings>;
  /** Absolute path of the file that keeps bindings over a restart; `undefined`: they are not kept. */
  readonly file: string | undefined;
  /** Limit: bindings of the whole box; a further one gets 503 and Retry-After. */
  readonly bindings: number;
  /** Limit: REGISTERs to each inside registrar in a second; what comes faster is answered from the cache, or by 503. */
  readonly perSecond: number;
  /** Where a sleeping phone is woken (RFC 8599): an HTTP address; `undefined`: nowhere. */
  readonly pushGateway: string | undefined;
}

export interface DomainSettings {
  /** Lower case. */
  readonly domain: string;
  /** Its phones are in this realm. */
  readonly realm: string;
  /** The peer that holds the registrations; `undefined`: the box itself. */
  readonly registrar: string | undefined;
  /** Users whose credentials the box itself can check; `undefined`: none. */
  readonly users: UserSource | undefined;
  /** What our own challenges call the place. */
  readonly digestRealm: string;
  /** Hash functions that we ask for. */
  readonly algorithms: readonly HashName[];
  /** Limit: contacts of one address of record; a further one gets 403. */
  readonly contacts: number;
  /** For how long a phone on UDP is bound at most before it must come again, in seconds: its NAT forgets it soon. */
  readonly datagramSeconds: number;
  /** The same on a connection, whose end we hear of. */
  readonly streamSeconds: number;
  /**
   * How the NAT of a phone on UDP is kept open between its REGISTERs: `options` asks the phone, whose answer proves the way;
   * `crlf` costs a datagram and proves nothing; `off`: the phone does it.
   */
  readonly keepalive: "options" | "crlf" | "off";
  /** The longest silence toward such a phone, in seconds. */
  readonly keepaliveSeconds: number;
  /** The shortest time that a phone may ask for, in seconds; less gets 423 (RFC 3261 §10.3). */
  readonly shortestSeconds: number;
  /** For how long we register a phone with the inside registrar, in seconds; it may grant less. */
  readonly registrarSeconds: number;
  /**
   * What a registered phone must show with each request outside of a dialog, where the box can check it. `challenge`: its
   * password, unless it comes over the connection that it registered on. `flow`: that it comes from where it registered.
   */
  readonly calls: "challenge" | "flow";
  /** Contacts of one q ring together, or one after the other. Those of a lower q always come later. */
  readonly fork: "parallel" | "serial";
  /** How long a contact, or a group that rings together, has before the next one is asked, in seconds. */
  readonly ringSeconds: number;
  /** Does the inside registrar get a Path (RFC 3327) that leads through us, beside our Contact? */
  readonly path: boolean;
  /** How long bindings live on by our own word while the registrar is away, in seconds. 0: no longer than it granted. */
  readonly survivalSeconds: number;
  /** How long a call waits for a phone that is being woken, in seconds. */
  readonly wakeSeconds: number;
}

/** A table from a file, or an HTTP address that is asked about each user. */
export type UserSource =
  | { readonly kind: "table"; readonly table: Secret<UserTable> }
  | { readonly kind: "http"; readonly url: string };

/** Who has which digest. Its text form tells one content from another, and nothing else. */
export interface UserTable {
  readonly size: number;
  /** H(user:realm:password) in lower-case hex; `undefined`: no such user, or no such digest. `user`: bytes. */
  ha1(user: string, name: HashName): string | undefined;
  toString(): string;
}
