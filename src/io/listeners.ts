/** Every listener of the configuration, as open sockets: opened at start, changed by a reload, closed at the end. */

import { randomBytes } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type TlsOptions, type Server as TlsServer } from "node:tls";
import {
  addressText,
  familyOf,
  isSecure,
  isWeb,
  type ListenerSettings,
  type RealmSettings,
  type Settings,
} from "../base/index.ts";
import { isWildcard, namesOfClient, plainIp, prepare, reasonOf, type Streams, type StreamUser } from "./streams.ts";
import { contextFor, readIdentity, type TlsIdentity } from "./tls-context.ts";
import { openUdp } from "./udp.ts";
import type { UdpDatagram, UdpPort } from "./udp-native.ts";
import { webServer } from "./web-sockets.ts";

/** Connections that the kernel holds for us before we accept them. */
const BACKLOG = 1_024;
const TICKET_KEY_BYTES = 48;

export interface ListenerUser extends StreamUser {
  datagrams(listener: ListenerSettings, batch: readonly UdpDatagram[]): void;
}

interface Open {
  readonly settings: ListenerSettings;
  /** What the socket was opened with; when it changes the socket is opened anew. */
  readonly nature: string;
  readonly udp: UdpPort | undefined;
  readonly server: Server | TlsServer | undefined;
}

/** An address could not be had: another program has it, or this machine does not. */
export class ListenError extends Error {
  constructor(listener: ListenerSettings, code: string) {
    const what = `${listener.protocol}:${addressText(listener.address)} of realm ${listener.realm}`;
    const why =
      code === "EADDRINUSE"
        ? "the port is in use by another program"
        : code === "EADDRNOTAVAIL"
          ? "this machine does not have the address"
          : code === "EACCES"
            ? "this user may not use the port"
            : code;
    super(`cannot listen on ${what}: ${why}`);
    this.name = "ListenError";
  }
}

export class Listeners {
  readonly #user: ListenerUser;
  readonly #open = new Map<string, Open>();
  /** Handshakes of TLS and WebSocket under way with their source, and how many each source has: the transport room does not know them yet. */
  readonly #handshakes = new Map<string, string>();
  readonly #bySource = new Map<string, number>();
  #identities = new Map<string, TlsIdentity>();
  #settings: Settings;
  #streams: Streams | undefined;

  constructor(settings: Settings, user: ListenerUser) {
    this.#settings = settings;
    this.#user = user;
  }

  readonly identity = (realm: string): TlsIdentity | undefined => this.#identities.get(realm);

  /** Opens what `settings` name. Rejects with a ListenError, and then nothing has changed. */
  async apply(settings: Settings, streams: Streams): Promise<void> {
    const identities = readIdentities(settings);
    const wanted = new Map([...settings.realms.values()].flatMap((realm) => realm.listeners.map((l) => [l.id, l])));
    const before = { settings: this.#settings, identities: this.#identities };
    this.#settings = settings; // Sockets look their realm up when somebody connects.
    this.#identities = identities;
    this.#streams = streams;

    const isGone = (open: Open): boolean => {
      const next = wanted.get(open.settings.id);
      return next === undefined || open.nature !== this.#natureOf(next);
    };
    const gone = [...this.#open.values()].filter(isGone);
    const fresh = [...wanted.values()].filter(
      ({ id }) => !this.#open.has(id) || gone.some((o) => o.settings.id === id),
    );
    // A port that moves to another realm, or from one address to all, can only be had once we have let it go.
    const inTheWay = gone.filter((open) => fresh.some((next) => collide(next, open.settings)));
    const waits = (next: ListenerSettings): boolean => inTheWay.some((open) => collide(next, open.settings));

    const opened: Open[] = [];
    try {
      for (const listener of fresh) if (!waits(listener)) opened.push(await this.#listen(listener));
      for (const open of inTheWay) this.#close(open);
      for (const listener of fresh) if (waits(listener)) opened.push(await this.#listen(listener));
    } catch (error) {
      for (const open of opened) this.#shut(open);
      this.#settings = before.settings;
      this.#identities = before.identities;
      for (const { settings: lost } of inTheWay)
        if (!this.#open.has(lost.id)) this.#open.set(lost.id, await this.#listen(lost));
      throw error;
    }
    for (const open of gone) if (!inTheWay.includes(open)) this.#close(open);
    for (const open of this.#open.values()) this.#refresh(open);
    for (const open of opened) this.#open.set(open.settings.id, open);
  }

  sendDatagram(listener: string, ip: string, port: number, text: string): void {
    this.#open.get(listener)?.udp?.send(ip, port, text);
  }

  flush(): void {
    for (const open of this.#open.values()) open.udp?.flush();
  }

  close(): void {
    for (const open of [...this.#open.values()]) this.#close(open);
  }

  view(): readonly object[] {
    return [...this.#open.values()].map(({ settings, udp }) => ({
      listener: settings.id,
      ...(udp !== undefined && { datagrams: { ...udp.counters } }),
    }));
  }

  #realm(listener: ListenerSettings): RealmSettings {
    return this.#settings.realms.get(listener.realm) as RealmSettings;
  }

  /** A UDP socket is marked when it is opened; a TLS server asks for certificates, or not, from its start. */
  #natureOf(listener: ListenerSettings): string {
    if (listener.protocol === "udp") return `dscp ${this.#realm(listener).dscp.signalling}`;
    return isSecure(listener.protocol) ? `verify ${this.#identities.get(listener.realm)?.verify}` : "";
  }

  async #listen(settings: ListenerSettings): Promise<Open> {
    const nature = this.#natureOf(settings);
    try {
      if (settings.protocol !== "udp") return { settings, nature, udp: undefined, server: await this.#serve(settings) };
      const udp = await openUdp({
        address: settings.address,
        dscp: this.#realm(settings).dscp.signalling,
        onBatch: (batch) => this.#user.datagrams(settings, batch),
        onUndelivered: (text) => this.#user.input({ in: "undelivered", text }),
      });
      return { settings, nature, udp, server: undefined };
    } catch (error) {
      throw new ListenError(settings, (error as NodeJS.ErrnoException).code ?? (error as Error).message);
    }
  }

  async #serve(listener: ListenerSettings): Promise<Server> {
    const identity = this.#identities.get(listener.realm);
    const server = isWeb(listener.protocol)
      ? this.#webServer(listener, isSecure(listener.protocol) ? identity : undefined)
      : listener.protocol === "tls" && identity !== undefined
        ? this.#tlsServer(listener, identity)
        : createServer((socket) => {
            if (this.#admit(socket, listener)) this.#streams?.accept(socket, listener.id, []);
          });
    server.maxConnections = this.#settings.limits.connections;
    const { ip: host, port } = listener.address;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port, backlog: BACKLOG, ipv6Only: true, exclusive: true }, () => {
        server.off("error", reject);
        server.on("error", () => {}); // Accepting failed for lack of descriptors: the next attempt may work.
        resolve();
      });
    });
    return server;
  }

  #tlsServer(listener: ListenerSettings, identity: TlsIdentity): TlsServer {
    const server = createTlsServer({ ...identity.server, SNICallback: this.#chooser(listener.realm) });
    this.#watchHandshakes(server, listener);
    server.on("secureConnection", (socket) => {
      this.#endHandshake(handshakeKey(socket, listener));
      socket.on("error", () => {}); // Whoever takes it over hears of its end by "close".
      this.#streams?.accept(
        socket,
        listener.id,
        namesOfClient(socket, this.#identities.get(listener.realm) ?? identity),
      );
    });
    return server;
  }

  /** `identity`: over TLS. A handshake lasts until HTTP has made a WebSocket of it. */
  #webServer(listener: ListenerSettings, identity: TlsIdentity | undefined): Server {
    const { realm } = listener;
    const tls = identity && { ...identity.server, SNICallback: this.#chooser(realm) };
    const server = webServer(tls, {
      origins: () => this.#realm(listener)?.origins ?? [],
      opened: (web, socket) => {
        this.#endHandshake(handshakeKey(socket, listener));
        const now = this.#identities.get(realm) ?? identity;
        const names = identity === undefined || now === undefined ? [] : namesOfClient(socket as TLSSocket, now);
        this.#streams?.accept(socket, listener.id, names, web);
      },
      refused: (socket, reason) => {
        const source = plainIp((socket as Socket).remoteAddress ?? "");
        this.#user.fact({ fact: "connection.refused", realm, source, reason });
      },
    });
    this.#watchHandshakes(server, listener);
    return server;
  }

  /** Which certificate a client is shown, by the name it asks for, as the settings of that moment say. */
  #chooser(realm: string): NonNullable<TlsOptions["SNICallback"]> {
    return (name, choose) => {
      const identity = this.#identities.get(realm);
      choose(null, identity && contextFor(identity, name));
    };
  }

  #watchHandshakes(server: Server | TlsServer, listener: ListenerSettings): void {
    server.on("connection", (socket: Socket) => {
      if (this.#admit(socket, listener)) this.#startHandshake(socket, listener);
    });
    server.on("tlsClientError", (error: Error, socket: TLSSocket) => {
      const source = socket.remoteAddress ?? "";
      this.#user.fact({ fact: "tls.failed", realm: listener.realm, source: plainIp(source), reason: reasonOf(error) });
      socket.destroy();
    });
  }

  /** Limit: connections of the whole box, with those still in their handshake. More are cut at once. */
  #admit(socket: Socket, listener: ListenerSettings): boolean {
    socket.on("error", () => {});
    const realm = this.#realm(listener);
    const source = plainIp(socket.remoteAddress ?? "");
    const { connections, connectionsPerSource } = this.#settings.limits;
    const isFull = (this.#streams?.size ?? 0) + this.#handshakes.size >= connections;
    const isGreedy = realm?.trust !== "full" && (this.#bySource.get(source) ?? 0) >= connectionsPerSource;
    if (realm !== undefined && !isFull && !isGreedy) {
      prepare(socket, realm);
      return true;
    }
    const reason = isFull ? "too many connections" : "too many handshakes from this source";
    this.#user.fact({ fact: "connection.refused", realm: listener.realm, source, reason });
    socket.destroy();
    return false;
  }

  #startHandshake(socket: Socket, listener: ListenerSettings): void {
    const source = plainIp(socket.remoteAddress ?? "");
    const key = handshakeKey(socket, listener);
    this.#handshakes.set(key, source);
    this.#bySource.set(source, (this.#bySource.get(source) ?? 0) + 1);
    socket.once("close", () => this.#endHandshake(key));
  }

  #endHandshake(key: string): void {
    const source = this.#handshakes.get(key);
    if (source === undefined) return;
    this.#handshakes.delete(key);
    const left = (this.#bySource.get(source) ?? 1) - 1;
    if (left === 0) this.#bySource.delete(source);
    else this.#bySource.set(source, left);
  }

  /** New certificates for the connections to come; sessions of before cannot be resumed past them. */
  #refresh(open: Open): void {
    const identity = this.#identities.get(open.settings.realm);
    if (open.server === undefined) return;
    open.server.maxConnections = this.#settings.limits.connections;
    if (!isSecure(open.settings.protocol) || identity === undefined) return;
    const server = open.server as TlsServer;
    server.setSecureContext(identity.server);
    server.setTicketKeys(randomBytes(TICKET_KEY_BYTES));
  }

  #close(open: Open): void {
    this.#open.delete(open.settings.id);
    this.#shut(open);
  }

  /** Nobody new is let in; who is in stays. */
  #shut(open: Open): void {
    open.udp?.close();
    open.server?.close();
  }
}

function readIdentities(settings: Settings): Map<string, TlsIdentity> {
  const identities = new Map<string, TlsIdentity>();
  for (const realm of settings.realms.values())
    if (realm.tls !== undefined) identities.set(realm.name, readIdentity(realm.tls));
  return identities;
}

/** Whether one of them keeps the other from being opened. */
function collide(a: ListenerSettings, b: ListenerSettings): boolean {
  if ((a.protocol === "udp") !== (b.protocol === "udp") || a.address.port !== b.address.port) return false;
  if (familyOf(a.address.ip) !== familyOf(b.address.ip)) return false;
  return a.address.ip === b.address.ip || isWildcard(a.address.ip) || isWildcard(b.address.ip);
}

const handshakeKey = (socket: Socket, listener: ListenerSettings): string =>
  `${socket.remoteAddress} ${socket.remotePort} ${listener.id}`;
