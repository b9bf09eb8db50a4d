/**
 * The connections of the box, TCP and TLS, by number. Who opens and closes: listeners hand accepted sockets to
 * `accept`, `connect` opens others; a connection ends by `close`, by its other end, or by an error, and is reported as
 * closed exactly once unless we closed it ourselves.
 */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Fact, RealmSettings, Settings } from "../base/index.ts";
import type { TransportInput, TransportOutput } from "../engine/index.ts";
import { clientOptions, HANDSHAKE_LIMIT_MS, type TlsIdentity } from "./tls-context.ts";
import { sipIdentities } from "./tls-names.ts";

type Connect = Extract<TransportOutput, { out: "connect" }>;

/** The transport room numbers the connections it asks for below this; those we accept are numbered from here. */
const FIRST_ACCEPTED = 2 ** 31;
/** Limit: how long written bytes may take to leave after a close; then the connection is cut. */
const CLOSE_LIMIT_MS = 1_000;
/** Dead peers are noticed by the kernel after this long without a byte, beside SIP's own keepalive. */
const TCP_KEEPALIVE_MS = 60_000;

export interface StreamUser {
  input(input: TransportInput): void;
  fact(fact: Fact): void;
}

interface Connection {
  readonly id: number;
  readonly socket: Socket;
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

  /** A connection from outside, after its TLS handshake if it has one. */
  accept(socket: Socket, listener: string, tlsNames: readonly string[]): void {
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined || remotePort === undefined) {
      socket.destroy(); // Gone before we could look.
      return;
    }
    const connection = this.#hold(this.#nextAccepted++, socket);
    const remote = { ip: plainIp(remoteAddress), port: remotePort };
    this.#user.input({ in: "accepted", connection: connection.id, listener, remote, tlsNames });
    this.#listen(connection);
  }

  connect(request: Connect): void {
    const realm = this.#settings.realms.get(request.realm);
    const listener = realm?.listeners.find(({ id }) => id === request.listener);
    const identity = request.protocol === "tls" ? this.#identities(request.realm) : undefined;
    const trouble =
      realm === undefined || listener === undefined
        ? "the listener is gone"
        : request.protocol === "tls" && identity === undefined
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
    if (identity === undefined) this.#rise(request, tcp, "connect", () => []);
    else this.#riseTls(request, tcp, identity);
  }

  write(id: number, text: string): void {
    const connection = this.#connections.get(id);
    if (connection === undefined || connection.socket.destroyed) return; // Its end is being reported.
    if (!connection.corked) {
      connection.corked = true;
      connection.socket.cork();
      this.#written.push(connection);
    }
    if (connection.unreported) connection.socket.write(text, "latin1");
    else {
      connection.unreported = true;
      connection.socket.write(text, "latin1", (error) => {
        connection.unreported = false;
        if (error == null && this.#connections.get(id) === connection)
          this.#user.input({ in: "drained", connection: id, unsentBytes: connection.socket.writableLength });
      });
    }
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
    const { socket } = connection;
    if (socket.connecting || socket.destroyed) {
      socket.destroy();
      return;
    }
    const cut = setTimeout(() => socket.destroy(), CLOSE_LIMIT_MS);
    socket.once("close", () => clearTimeout(cut));
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
    this.#rise(request, tls, "secureConnect", () => {
      const certificate = identity.verify === "none" ? undefined : tls.getPeerX509Certificate();
      return certificate === undefined ? [] : sipIdentities(certificate);
    });
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

  /** Waits for a connection that we opened to be up. */
  #rise(request: Connect, socket: Socket, up: "connect" | "secureConnect", names: () => readonly string[]): void {
    const connection = this.#hold(request.connection, socket);
    const late = setTimeout(() => socket.destroy(new Error("connecting took too long")), HANDSHAKE_LIMIT_MS);
    socket.once("close", () => clearTimeout(late));
    socket.once(up, () => {
      clearTimeout(late);
      if (this.#connections.get(connection.id) !== connection) return;
      this.#user.input({ in: "connected", connection: connection.id, tlsNames: names() });
      this.#listen(connection);
    });
  }

  #hold(id: number, socket: Socket): Connection {
    const connection: Connection = { id, socket, corked: false, unreported: false };
    this.#connections.set(id, connection);
    let reason = "the other end closed it";
    socket.on("error", (error) => {
      reason = reasonOf(error);
    });
    socket.once("close", () => {
      if (this.#connections.get(id) !== connection) return;
      this.#connections.delete(id);
      this.#user.input({ in: "closed", connection: id, reason });
    });
    return connection;
  }

  #listen(connection: Connection): void {
    const { socket } = connection;
    socket.on("data", (bytes: Buffer) => {
      if (this.#connections.get(connection.id) !== connection) return;
      this.#user.input({ in: "data", connection: connection.id, text: bytes.toString("latin1") });
      // Whoever asks faster than he takes our answers is not heard further until he has taken these.
      if (socket.writableLength > UNTAKEN_LIMIT) socket.pause();
    });
    socket.on("drain", () => socket.resume());
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

/** Short, and without the stack of OpenSSL. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code === undefined || code === "ERR_TLS_CERT_ALTNAME_INVALID" ? message : code).slice(0, 120);
}
