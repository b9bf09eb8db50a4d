/**
 * WebSockets that carry SIP (RFC 6455, RFC 7118): the HTTP handshake on our listeners and its rules, opening one to a
 * peer, and what a frame is. Who opens and closes: a server hands what it has let in to `streams`, which closes it.
 */
import { isUtf8 } from "node:buffer";
import { createServer, type IncomingMessage, type Server, type ServerOptions } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TlsOptions } from "node:tls";
import { type ClientOptions, type ServerOptions as WebServerOptions, WebSocket, WebSocketServer } from "ws";
import { addressText } from "../base/index.ts";
import type { TransportOutput } from "../engine/index.ts";
import { HANDSHAKE_LIMIT_MS } from "./tls-context.ts";

/** Limit: bytes of a message, in one frame or many; a longer one ends its connection (1009). No SIP message is longer. */
const MESSAGE_BYTES = 65_536;
/** Limit: frames that one message may come in; more end the connection. */
const FRAGMENTS = 1_024;
/** Limit: bytes of the header section of a handshake; a longer one gets 431. */
const HANDSHAKE_BYTES = 8_192;
/** How often handshakes that take too long are looked for. */
const LOOK_MS = 1_000;
/** Limit: bytes that a client has not taken; beyond, its pings are not answered. */
const PONG_LIMIT_BYTES = 16_384;

const SUBPROTOCOL = "sip";

const shared = {
  maxPayload: MESSAGE_BYTES,
  maxFragments: FRAGMENTS,
  perMessageDeflate: false, // It costs a window of memory a connection, and mixes secrets with what others choose.
  autoPong: false,
};

const http: ServerOptions = {
  maxHeaderSize: HANDSHAKE_BYTES,
  headersTimeout: HANDSHAKE_LIMIT_MS,
  requestTimeout: HANDSHAKE_LIMIT_MS,
  connectionsCheckingInterval: LOOK_MS,
  keepAlive: false,
};

export interface WebServerUser {
  /** Web origins that may open one; empty: all. Asked at each handshake. */
  origins(): readonly string[];
  opened(web: WebSocket, socket: Socket): void;
  refused(socket: Duplex, reason: string): void;
}

/** `tls`: over TLS. What is no handshake of a SIP WebSocket is answered in HTTP and closed. */
export function webServer(tls: TlsOptions | undefined, user: WebServerUser): Server {
  const server = tls === undefined ? createServer(http) : createTlsServer({ ...http, ...tls });
  server.maxRequestsPerSocket = 1;
  // Its types know `maxFragments` not yet.
  const door = new WebSocketServer({
    ...shared,
    noServer: true,
    clientTracking: false,
    handleProtocols,
  } as WebServerOptions);
  server.on("request", (_request, response) => {
    response.writeHead(426, { Upgrade: "websocket", Connection: "Upgrade, close", "Content-Length": 0 }).end();
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const verdict = judge(request, user.origins());
    if (verdict !== undefined) {
      user.refused(socket, verdict.reason);
      return turnAway(socket, verdict.status);
    }
    door.handleUpgrade(request, socket, head, (web) => user.opened(web, socket as Socket));
  });
  return server;
}

const handleProtocols = (): string => SUBPROTOCOL;

/** RFC 7118 §4.1 and RFC 6455 §10.2; the rest of the handshake is checked by the library. */
function judge(
  { headers }: IncomingMessage,
  origins: readonly string[],
): { readonly status: string; readonly reason: string } | undefined {
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((word) => word.trim());
  if (!offered.includes(SUBPROTOCOL)) return { status: "400 Bad Request", reason: "no subprotocol sip" };
  const origin = (headers.origin ?? "").toLowerCase();
  if (origins.length === 0 || origins.includes(origin)) return undefined;
  return { status: "403 Forbidden", reason: "an origin that is not allowed" };
}

function turnAway(socket: Duplex, status: string): void {
  socket.on("error", () => {});
  socket.once("finish", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

/** Over `socket`, which is on its way to be connected. */
export function openWeb(request: Extract<TransportOutput, { out: "connect" }>, socket: Socket): WebSocket {
  const { protocol, remote, serverName } = request;
  const host = serverName === undefined ? addressText(remote) : `${serverName}:${remote.port}`;
  const options = {
    ...shared,
    handshakeTimeout: HANDSHAKE_LIMIT_MS,
    followRedirects: false,
    createConnection: () => socket,
  };
  return new WebSocket(`${protocol}://${host}/`, SUBPROTOCOL, options as unknown as ClientOptions);
}

/** RFC 7118 §4.2: as text where it is UTF-8, which is all that a page wants to read; else as bytes. */
export function sendFrame(web: WebSocket, text: string, taken?: (error?: Error | null) => void): void {
  const bytes = Buffer.from(text, "latin1");
  web.send(bytes, { binary: !isUtf8(bytes) }, taken);
}

/** Whoever pings without reading what we say gets no more of it. */
export function answerPing(web: WebSocket, socket: Socket, payload: Buffer): void {
  if (web.readyState === WebSocket.OPEN && socket.writableLength < PONG_LIMIT_BYTES) web.pong(payload);
}
