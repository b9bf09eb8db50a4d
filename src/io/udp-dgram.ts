/**
 * UDP by node:dgram, where there is no addon for this machine. It costs more and cannot mark packets (DSCP), which
 * `marks` tells; otherwise it serves as the addon does.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { type Address, familyOf } from "../base/index.ts";
import type { UdpDatagram, UdpOptions, UdpPort } from "./udp-native.ts";

/** What the kernel holds for us during a pause of the event loop, in bytes; it may give less (net.core.rmem_max). */
const RECEIVE_BUFFER_BYTES = 4 * 1_024 * 1_024;
/** Limit: datagrams that wait for the kernel to take them; beyond, they are dropped and counted. */
const MAX_QUEUED = 4_096;

/** Rejects (with `code`) when the address cannot be bound. */
export async function openDgramUdp(options: UdpOptions): Promise<UdpPort> {
  const family = familyOf(options.address.ip);
  const socket = createSocket({ type: family === 4 ? "udp4" : "udp6", ipv6Only: family === 6 });
  socket.bind({ address: options.address.ip, port: options.address.port, exclusive: true });
  await once(socket, "listening");
  return new DgramUdpPort(socket, options);
}

class DgramUdpPort implements UdpPort {
  readonly address: Address;
  readonly counters = { received: 0, sent: 0, sendFailed: 0, truncated: 0 };
  readonly #socket: Socket;
  readonly #family: 4 | 6;
  readonly #onBatch: UdpOptions["onBatch"];
  #arrived: UdpDatagram[] = [];
  #scheduled: NodeJS.Immediate | undefined;
  #closed = false;

  constructor(socket: Socket, options: UdpOptions) {
    this.#socket = socket;
    this.#family = familyOf(options.address.ip);
    this.#onBatch = options.onBatch;
    this.address = { ip: options.address.ip, port: socket.address().port };
    try {
      socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
    } catch {
      // The kernel's own size serves.
    }
    socket.on("error", () => {
      this.counters.sendFailed += 1; // An ICMP error of an earlier send; the socket lives on.
    });
    socket.on("message", (bytes, remote) => this.#take(bytes, remote.address, remote.port));
  }

  send(ip: string, port: number, text: string): void {
    if (this.#closed || familyOf(ip) !== this.#family || this.#socket.getSendQueueCount() >= MAX_QUEUED) {
      this.counters.sendFailed += 1;
      return;
    }
    this.#socket.send(Buffer.from(text, "latin1"), port, ip, this.#sent);
  }

  /** Each datagram left when it was sent. */
  flush(): void {}

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#scheduled !== undefined) clearImmediate(this.#scheduled);
    this.#socket.close();
  }

  readonly #sent = (error: Error | null): void => {
    if (error === null) this.counters.sent += 1;
    else this.counters.sendFailed += 1;
  };

  /** What the kernel has for us in one turn of the loop comes to the engine as one batch. */
  #take(bytes: Buffer, ip: string, port: number): void {
    this.counters.received += 1;
    this.#arrived.push({ ip, port, text: bytes.toString("latin1"), local: "" });
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      const batch = this.#arrived;
      this.#arrived = [];
      this.#onBatch(batch);
    });
  }
}
