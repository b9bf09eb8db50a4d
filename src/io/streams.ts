/**
 * The connections of the box, TCP, TLS and WebSocket, by number. Who opens and closes: listeners hand accepted sockets to
 * `accept`, `connect` opens others; a connection ends by `close`, by its other end, or by an error, and is reported as
 * closed exactly once unless we closed it ourselves.
 */
import type { EventEmitter } from "node:events";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { WebSocket } from "ws";
import { type Fact, FIRST_ACCEPTED, isSecure, isWeb, type RealmSettings, type Settings } from "../base/index.ts";
import type { TransportInput, TransportOutput } from "../engine/index.ts";
import { clientOptions, HANDSHAKE_LIMIT_MS, type TlsIdentity } from "./tls-context.ts";
import { sipIdentities } from "./tls-names.ts";
import { answerPing, openWeb, sendFrame } from "./web-sockets.ts";

type Connect = Extract<TransportOutput, { out: "connect" }>;

/** Limit: how long written bytes may take to leave after a close; then the connection is cut. */
const CLOSE_LIMIT_MS = 1_000;
/** RFC 6455 §7.4.1: the code of every close of ours. */
const GOING_AWAY = 1_001;
/** Dead peers are noticed by the kernel after this long without a byte, beside SIP's own keepalive. */
const TCP_KEEPALIVE_MS = 60_000;

export interface StreamUser {
  input(input: TransportInput): void;
  fact(fact: Fact): void;
}

interface Connection {
  readonly id: number;
  readonly socket: Socket;
  /** On top of `socket`. */
  readonly web: WebSocket | undefined;
  /** Bytes written in this turn wait for `flush`, so that they leave together. */
  corked: boolean;
  /** The kernel has not yet said that it took the last burst of writes. */
  unreported: boolean;
}

export class Streams {
  readonly #user: StreamUser;
  readonly #identities: (realm: string) => TlsIdentity | undefined;
  readonly #connections = new Map<number, Connection>();
  #settings: Settings;
  #nextAccepted = FIRST_ACCEPTED;
  #written: Connection[] = [];

  constructor(settings: Settings, identities: (realm: string) => TlsIdentity | undefined, user: StreamUser) {
    this.#settings = settings;
    this.#identities = identities;
    this.#user = user;
  }

  /** Connections that are up or on their way up; handshakes of clients are their listener's. */
  get size(): number {
    return this.#connections.size;
  }

  apply(settings: Settings): void {
    this.#settings = settings;
  }

  /** A connection from outside, after its handshakes, TLS and WebSocket, if it has any. */
  accept(socket: Socket, listener: string, tlsNames: readonly string[], web?: WebSocket): void {
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined || remotePort === undefined) {
      socket.destroy(); // Gone before we could look.
      return;
    }
    const connection = this.#hold(this.#nextAccepted++, socket, web);
    const remote = { ip: plainIp(remoteAddress), port: remotePort };
    this.#user.input({ in: "accepted", connection: connection.id, listener, remote, tlsNames });
    this.#listen(connection);
  }

  connect(request: Connect): void {
    const realm = this.#settings.realms.get(request.realm);
    const listener = realm?.listeners.find(({ id }) => id === request.listener);
    const secure = isSecure(request.protocol);
    const identity = secure ? this.#identities(request.realm) : undefined;
    const trouble =
      realm === undefined || listener === undefined
        ? "the listener is gone"
        : secure && identity === undefined
          ? "the realm has no TLS"
          : this.#connections.size >= this.#settings.limits.connections
            ? "too many connections"
            : undefined;
    if (trouble !== undefined || realm === undefined || listener === undefined) {
      queueMicrotask(() => this.#user.input({ in: "closed", connection: request.connection, reason: trouble ?? "" }));
      return;
    }
    const localAddress = isWildcard(listener.address.ip) ? undefined : listener.address.ip;
    const { ip: host, port } = request.remote;
    const tcp = connectTcp({ host, port, ...(localAddress !== undefined && { localAddress }) });
    prepare(tcp, realm);
    if (identity !== undefined) this.#riseTls(request, tcp, identity);
    else if (isWeb(request.protocol)) this.#riseWeb(request, tcp, () => []);
    else this.#rise(request, tcp, tcp, "connect", () => []);
  }

  write(id: number, text: string): void {
    const connection = this.#connections.get(id);
    if (connection === undefined || connection.socket.destroyed) return; // Its end is being reported.
    if (!connection.corked) {
      connection.corked = true;
      connection.socket.cork();
      this.#written.push(connection);
    }
    const { web, socket } = connection;
    const taken = connection.unreported ? undefined : this.#whenTaken(connection);
    if (web !== undefined) sendFrame(web, text, taken);
    else if (taken === undefined) socket.write(text, "latin1");
    else socket.write(text, "latin1", taken);
  }

  /** Asks the other end of a WebSocket for a pong. */
  ping(id: number): void {
    const web = this.#connections.get(id)?.web;
    if (web !== undefined && web.readyState === web.OPEN) web.ping();
  }

  #whenTaken(connection: Connection): (error?: Error | null) => void {
    connection.unreported = true;
    return (error) => {
      connection.unreported = false;
      if (error == null && this.#connections.get(connection.id) === connection)
        this.#user.input({
          in: "drained",
          connection: connection.id,
          unsentBytes: connection.socket.writableLength,
        });
    };
  }

  /** Lets everything that was written in this turn leave. */
  flush(): void {
    if (this.#written.length === 0) return;
    const written = this.#written;
    this.#written = [];
    for (const connection of written) {
      connection.corked = false;
      connection.socket.uncork();
    }
  }

  /** What was written leaves first, as far as the other end takes it within a second. Nothing is reported any more. */
  close(id: number): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    this.#connections.delete(id);
    const { socket, web } = connection;
    const rising = web !== undefined && web.readyState === web.CONNECTING;
    if (socket.connecting || socket.destroyed || rising) {
      socket.destroy();
      return;
    }
    const cut = setTimeout(() => socket.destroy(), CLOSE_LIMIT_MS);
    socket.once("close", () => clearTimeout(cut));
    if (web !== undefined) {
      web.removeAllListeners("message");
      web.resume();
      web.close(GOING_AWAY);
      return;
    }
    socket.removeAllListeners("data");
    socket.resume(); // Unread bytes would hold its end back.
    socket.end();
  }

  closeAll(): void {
    this.flush();
    for (const id of [...this.#connections.keys()]) this.close(id);
  }

  #riseTls(request: Connect, tcp: Socket, identity: TlsIdentity): void {
    const name = request.serverName ?? request.remote.ip;
    const tls = connectTls({
      socket: tcp,
      ...clientOptions(identity, name),
      ...(isIP(name) === 0 && { servername: name }),
    });
    const names = (): readonly string[] => {
      const certificate = identity.verify === "none" ? undefined : tls.getPeerX509Certificate();
      return certificate === undefined ? [] : sipIdentities(certificate);
    };
    if (isWeb(request.protocol)) this.#riseWeb(request, tls, names);
    else this.#rise(request, tls, tls, "secureConnect", names);
    tls.on("error", (error: NodeJS.ErrnoException) => {
      if (isTlsTrouble(error))
        this.#user.fact({
          fact: "tls.failed",
          realm: request.realm,
          source: request.remote.ip,
          reason: reasonOf(error),
        });
    });
  }

  #riseWeb(request: Connect, socket: Socket, names: () => readonly string[]): void {
    const web = openWeb(request, socket);
    this.#rise(request, socket, web, "open", names, web);
  }

  /** Waits for a connection that we opened to be up: until `riser` says so. */
  #rise(
    request: Connect,
    socket: Socket,
    riser: Socket | WebSocket,
    up: "connect" | "secureConnect" | "open",
    names: () => readonly string[],
    web?: WebSocket,
  ): void {
    const connection = this.#hold(request.connection, socket, web);
    const late = setTimeout(() => socket.destroy(new Error("connecting took too long")), HANDSHAKE_LIMIT_MS);
    socket.once("close", () => clearTimeout(late));
    (riser as EventEmitter).once(up, () => {
      clearTimeout(late);
      if (this.#connections.get(connection.id) !== connection) return;
      if (isOwnEnd(socket)) {
        socket.destroy(Object.assign(new Error("connected to itself"), { code: "ECONNREFUSED" }));
        return;
      }
      this.#user.input({ in: "connected", connection: connection.id, tlsNames: names() });
      this.#listen(connection);
    });
  }

  #hold(id: number, socket: Socket, web: WebSocket | undefined): Connection {
    const connection: Connection = { id, socket, web, corked: false, unreported: false };
    this.#connections.set(id, connection);
    let reason = "the other end closed it";
    const failed = (error: Error): void => {
      reason = reasonOf(error);
    };
    const closed = (): void => {
      if (this.#connections.get(id) !== connection) return;
      this.#connections.delete(id);
      this.#user.input({ in: "closed", connection: id, reason });
    };
    socket.on("error", failed);
    web?.on("error", failed);
    // A WebSocket closes when its last frame has been handed out, which is after its socket did.
    if (web === undefined) socket.once("close", closed);
    else web.once("close", closed);
    return connection;
  }

  #listen(connection: Connection): void {
    const { socket, web } = connection;
    if (web !== undefined) return this.#listenWeb(connection, web);
    socket.on("data", (bytes: Buffer) => {
      if (this.#connections.get(connection.id) !== connection) return;
      this.#user.input({ in: "data", connection: connection.id, text: bytes.toString("latin1") });
      // Whoever asks faster than he takes our answers is not heard further until he has taken these.
      if (socket.writableLength > UNTAKEN_LIMIT) socket.pause();
    });
    socket.on("drain", () => socket.resume());
  }

  #listenWeb({ id, socket }: Connection, web: WebSocket): void {
    web.on("message", (bytes: Buffer) => {
      if (this.#connections.get(id)?.web !== web) return;
      this.#user.input({ in: "data", connection: id, text: bytes.toString("latin1") });
      if (socket.writableLength > UNTAKEN_LIMIT) web.pause();
    });
    web.on("ping", (payload: Buffer) => answerPing(web, socket, payload));
    web.on("pong", () => this.#user.input({ in: "pong", connection: id }));
    socket.on("drain", () => web.resume());
  }
}

/** Limit: bytes that a neighbour has not taken; beyond, nothing is read from him until all are gone. */
const UNTAKEN_LIMIT = 64 * 1_024;

/** Marks and habits of every socket, before its first byte. */
export function prepare(socket: Socket, realm: RealmSettings): void {
  socket.setNoDelay(true);
  socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
  try {
    socket.setTypeOfService(realm.dscp.signalling << 2); // The upper six bits of the octet: RFC 2474 §3.
  } catch {
    // A kernel that refuses the mark still carries the call.
  }
}

/** The identities that a client has proved; none unless its certificate was asked for. */
export function namesOfClient(socket: TLSSocket, identity: TlsIdentity): readonly string[] {
  if (identity.verify !== "mutual" || !socket.authorized) return [];
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? [] : sipIdentities(certificate);
}

/** IPv4 peers of an IPv6 socket look like `::ffff:192.0.2.1`. */
export const plainIp = (ip: string): string => (ip.startsWith("::ffff:") && ip.includes(".") ? ip.slice(7) : ip);

export const isWildcard = (ip: string): boolean => ip === "0.0.0.0" || ip === "::";

const isTlsTrouble = (error: NodeJS.ErrnoException): boolean =>
  /^ERR_(?:SSL|TLS|OSSL)|CERT|SIGNATURE|ISSUER/.test(error.code ?? "");

/**
 * Whether a socket is its own other end. Where nobody listens on a port of ours, the kernel may choose just that port as the
 * source, and two SYNs that cross are a connection (RFC 9293 §3.5): we would take our own requests for the peer's.
 */
function isOwnEnd({ localAddress, localPort, remoteAddress, remotePort }: Socket): boolean {
  return localPort === remotePort && localAddress === remoteAddress;
}

/** Short, and without the stack of OpenSSL. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code === undefined || code === "ERR_TLS_CERT_ALTNAME_INVALID" ? message : code).slice(0, 120);
}
