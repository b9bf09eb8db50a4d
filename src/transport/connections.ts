/** All stream connections: who may have one, which one a request uses again, and what happens when one ends. */
import {
  type Address,
  addressText,
  Counters,
  type Destination,
  FIRST_ACCEPTED,
  type Hop,
  isSecure,
  type Millis,
  type Protocol,
  type SendToken,
  type Settings,
  type StreamProtocol,
} from "../base/index.ts";
import type { Request } from "../message/index.ts";
import { ALIASES, type CloseReason, Connection, type ConnectionHome, UNSENT_BYTES } from "./connection.ts";
import type { Listener } from "./listeners.ts";
import type { TransportOutput } from "./words.ts";

export type ConnectionsCounter =
  | "connection.accepted"
  | "connection.opened"
  | "connection.up"
  | "connection.reused"
  | "connection.failed"
  | "connection.over-limit"
  | "connection.over-source-limit"
  | "connection.unknown"
  | "connection.flow-gone"
  | "connection.ended"
  | `connection.closed ${CloseReason}`;

/** Limit: this part of all connections is kept for trusted sides and for those that we open ourselves. */
const RESERVED = 1 / 8;

/** Tells what could not be delivered. */
export interface Failures {
  add(tokens: readonly SendToken[], reason: string, now: Millis): void;
}

export class Connections {
  readonly counters = new Counters<ConnectionsCounter>();
  readonly #home: ConnectionHome;
  readonly #emit: (output: TransportOutput) => void;
  readonly #failures: Failures;
  readonly #byId = new Map<number, Connection>();
  readonly #byKey = new Map<string, Connection>();
  readonly #perSource = new Map<string, number>();
  #limits: Settings["limits"];
  #lastId = 0;

  constructor(options: {
    readonly home: ConnectionHome;
    readonly emit: (output: TransportOutput) => void;
    readonly failures: Failures;
    readonly limits: Settings["limits"];
  }) {
    this.#home = options.home;
    this.#emit = options.emit;
    this.#failures = options.failures;
    this.#limits = options.limits;
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: number): Connection | undefined {
    return this.#byId.get(id);
  }

  values(): IterableIterator<Connection> {
    return this.#byId.values();
  }

  apply(limits: Settings["limits"]): void {
    this.#limits = limits; // Those that live stay, even over a lower limit.
  }

  /** Takes in a connection from outside; `undefined`, and the reason told by `refused`, when there is no room. */
  accept(
    id: number,
    listener: Listener,
    remote: Address,
    tlsNames: readonly string[],
    refused: (reason: "connections" | "connectionsPerSource") => void,
    now: Millis,
  ): Connection | undefined {
    const reason = this.#refusal(listener, remote);
    if (reason !== undefined) {
      this.counters.add(reason === "connections" ? "connection.over-limit" : "connection.over-source-limit");
      this.#emit({ out: "close", connection: id, reason: `over the limit ${reason}` });
      refused(reason);
      return undefined;
    }
    this.counters.add("connection.accepted");
    const source = sourceOf(remote.ip);
    this.#perSource.set(source, (this.#perSource.get(source) ?? 0) + 1);
    const protocol = streamOf(listener.protocol);
    return this.#add(new Connection(this.#home, { id, listener, protocol, remote, outgoing: false, tlsNames }, now));
  }

  /** The connection for a request: the wanted one, one in use for the same, or a new one; `undefined`: over the limit, or gone. */
  forRequest(destination: Destination, listener: Listener, now: Millis): Connection | undefined {
    if (destination.connection !== undefined) {
      const wanted = this.#byId.get(destination.connection);
      const fits = wanted?.protocol === destination.protocol && wanted.listener.realm.name === destination.realm;
      if (fits) return wanted;
      if (destination.flowOnly === true) {
        this.counters.add("connection.flow-gone");
        return undefined;
      }
    }
    const protocol = streamOf(destination.protocol);
    const key = keyOf(destination.realm, protocol, destination.remote, destination.serverName);
    const used = this.#byKey.get(key);
    if (used !== undefined) {
      this.counters.add("connection.reused");
      return used;
    }
    return this.#open(key, listener, protocol, destination.remote, destination.serverName, now);
  }

  /** A new connection to where an answer belongs whose own connection is gone. RFC 3261 §18.2.2. */
  forResponse(hop: Hop, listener: Listener, remote: Address, host: string, now: Millis): Connection | undefined {
    const protocol = streamOf(hop.protocol);
    const serverName = isSecure(protocol) ? host : undefined;
    const key = keyOf(hop.realm, protocol, remote, serverName);
    return this.#byKey.get(key) ?? this.#open(key, listener, protocol, remote, serverName, now);
  }

  /**
   * RFC 5923 §5: who asks for it by `alias` may get our requests on the connection that it opened; only for a name
   * that its certificate proves, so that nobody draws another's requests to himself.
   */
  alias(connection: Connection, request: Request): void {
    const { via } = request;
    if (connection.outgoing || connection.protocol !== "tls" || !via.params.has("alias")) return;
    const { tlsNames, realm, remote } = connection.hop;
    const port = via.port ?? 5061;
    for (const name of tlsNames) {
      if (connection.keys.length >= ALIASES) return;
      if (via.host !== name && via.host !== remote.ip) continue;
      const key = keyOf(realm, "tls", { ip: remote.ip, port }, name);
      if (this.#byKey.has(key)) continue;
      this.#byKey.set(key, connection);
      connection.keys.push(key);
    }
  }

  /** Sends, now or when the connection is up. `token` hears of it when the connection goes first. */
  write(connection: Connection, text: string, token: SendToken | undefined, now: Millis): void {
    if (token !== undefined) connection.expect(token);
    if (connection.unsentBytes + text.length > UNSENT_BYTES) return this.close(connection, "unsent bytes", now);
    connection.unsentBytes += text.length;
    connection.sent(now);
    if (connection.up) this.#emit({ out: "write", connection: connection.id, text });
    else connection.queue.push(text);
  }

  up(id: number, tlsNames: readonly string[], now: Millis): void {
    const connection = this.#byId.get(id);
    if (connection === undefined) return this.counters.add("connection.unknown");
    this.counters.add("connection.up");
    connection.connected(tlsNames, now);
    for (const text of connection.queue.splice(0)) this.#emit({ out: "write", connection: id, text });
  }

  /** We end it. */
  close(connection: Connection, reason: CloseReason, now: Millis): void {
    if (!this.#byId.has(connection.id)) return;
    this.counters.add(`connection.closed ${reason}`);
    this.#emit({ out: "close", connection: connection.id, reason });
    this.#forget(connection, reason, now);
  }

  /** It has ended. Gives it once more, so that one who cares can tell whether it was ever up. */
  ended(id: number, reason: string, now: Millis): Connection | undefined {
    const connection = this.#byId.get(id);
    if (connection === undefined) return undefined; // We closed it ourselves.
    this.counters.add(connection.up ? "connection.ended" : "connection.failed");
    this.#forget(connection, reason, now);
    return connection;
  }

  #refusal(listener: Listener, remote: Address): "connections" | "connectionsPerSource" | undefined {
    const { connections, connectionsPerSource } = this.#limits;
    const trusted = listener.realm.trust === "full";
    const room = trusted ? connections : Math.ceil(connections * (1 - RESERVED));
    if (this.#byId.size >= room) return "connections";
    if (trusted) return undefined;
    const held = this.#perSource.get(sourceOf(remote.ip)) ?? 0;
    return held >= connectionsPerSource ? "connectionsPerSource" : undefined;
  }

  #open(
    key: string,
    listener: Listener,
    protocol: StreamProtocol,
    remote: Address,
    serverName: string | undefined,
    now: Millis,
  ): Connection | undefined {
    if (this.#byId.size >= this.#limits.connections) {
      this.counters.add("connection.over-limit");
      return undefined;
    }
    this.counters.add("connection.opened");
    const id = this.#nextId();
    const of = { id, listener, protocol, remote, outgoing: true, tlsNames: [] };
    const connection = this.#add(new Connection(this.#home, of, now));
    this.#byKey.set(key, connection);
    connection.keys.push(key);
    const realm = listener.realm.name;
    this.#emit({ out: "connect", connection: id, realm, protocol, listener: listener.id, remote, serverName });
    return connection;
  }

  #nextId(): number {
    do this.#lastId = (this.#lastId % (FIRST_ACCEPTED - 1)) + 1;
    while (this.#byId.has(this.#lastId));
    return this.#lastId;
  }

  #add(connection: Connection): Connection {
    this.#byId.set(connection.id, connection);
    this.#home.agenda.watch(connection);
    return connection;
  }

  #forget(connection: Connection, reason: string, now: Millis): void {
    this.#byId.delete(connection.id);
    for (const key of connection.keys) if (this.#byKey.get(key) === connection) this.#byKey.delete(key);
    connection.over = true;
    this.#home.agenda.drop(connection);
    if (!connection.outgoing) this.#leaveSource(sourceOf(connection.remote.ip));
    this.#failures.add(connection.takeTokens(), reason, now);
  }

  #leaveSource(source: string): void {
    const left = (this.#perSource.get(source) ?? 1) - 1;
    if (left > 0) this.#perSource.set(source, left);
    else this.#perSource.delete(source);
  }
}

const streamOf = (protocol: Protocol): StreamProtocol => (protocol === "udp" ? "tcp" : protocol);

const keyOf = (realm: string, protocol: StreamProtocol, remote: Address, serverName: string | undefined): string =>
  `${realm} ${protocol} ${addressText(remote)} ${serverName ?? ""}`;

/** One IPv4 address, or the /64 of an IPv6 one: whoever has one of its addresses has all. */
export function sourceOf(ip: string): string {
  if (!ip.includes(":") || ip.includes(".")) return ip; // With a dot too: an IPv4 address in IPv6 dress.
  const [head = "", tail] = ip.split("::");
  const groups = head === "" ? [] : head.split(":");
  const behind = tail === undefined || tail === "" ? 0 : tail.split(":").length;
  if (tail !== undefined) while (groups.length < 4 && groups.length + behind < 8) groups.push("0");
  if (groups.length < 4 && tail) groups.push(...tail.split(":"));
  return groups.slice(0, 4).join(":");
}
