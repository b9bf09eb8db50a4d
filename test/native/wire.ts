/** Sockets, RTP packets and relay sides for the tests of the native door. Loopback only. */
import dgram from "node:dgram";
import { once } from "node:events";
import type { RelayCommand, RelayEvent, RelaySide } from "../../src/media/relay-command.ts";

export type Datagram = { bytes: Buffer; port: number; ip: string };

/** An endpoint that remembers what it got. */
export class Peer {
  readonly socket: dgram.Socket;
  readonly got: Datagram[] = [];
  #waiting: (() => void)[] = [];

  private constructor(ip: string) {
    this.socket = dgram.createSocket(ip.includes(":") ? "udp6" : "udp4");
    this.socket.on("message", (bytes, from) => {
      this.got.push({ bytes, port: from.port, ip: from.address });
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  static async open(ip = "127.0.0.1", port = 0): Promise<Peer> {
    const peer = new Peer(ip);
    peer.socket.bind(port, ip);
    await once(peer.socket, "listening");
    return peer;
  }

  get port(): number {
    return this.socket.address().port;
  }

  send(bytes: Buffer, port: number, ip = this.socket.address().address): void {
    this.socket.send(bytes, port, ip);
  }

  /** Resolves once `count` datagrams came in all; rejects after ten seconds. */
  async until(count: number): Promise<readonly Datagram[]> {
    const limit = AbortSignal.timeout(10_000);
    while (this.got.length < count) {
      await new Promise<void>((resolve, reject) => {
        this.#waiting.push(resolve);
        limit.addEventListener("abort", () => reject(new Error(`${this.got.length} of ${count} datagrams came`)));
      });
    }
    return this.got;
  }

  close(): void {
    this.socket.close();
  }
}

/** The events of a relay, to be waited for. */
export class Events {
  readonly all: RelayEvent[] = [];
  #waiting: (() => void)[] = [];

  readonly take = (batch: readonly RelayEvent[]): void => {
    this.all.push(...batch);
    for (const wake of this.#waiting.splice(0)) wake();
  };

  next(event: RelayEvent["event"], count = 1): Promise<RelayEvent> {
    return this.nth((one) => one.event === event, count);
  }

  /** The `count`th event that `fits`, now or later; rejects after ten seconds. */
  async nth(fits: (event: RelayEvent) => boolean, count = 1): Promise<RelayEvent> {
    const limit = AbortSignal.timeout(10_000);
    for (;;) {
      const found = this.all.filter(fits);
      if (found.length >= count) return found[count - 1]!;
      await new Promise<void>((resolve, reject) => {
        this.#waiting.push(resolve);
        limit.addEventListener("abort", () => reject(new Error(`${found.length} of ${count} events came`)));
      });
    }
  }

  countOf(event: RelayEvent["event"], pair: number): number {
    return this.all.filter((one) => one.event === event && one.pair === pair).length;
  }
}

export interface RtpOptions {
  readonly sequence?: number;
  readonly payloadType?: number;
  readonly ssrc?: number;
  readonly payload?: string;
}

export function rtp({
  sequence = 1,
  payloadType = 0,
  ssrc = 0x1234,
  payload = "x".repeat(160),
}: RtpOptions = {}): Buffer {
  const header = Buffer.alloc(12);
  header[0] = 0x80;
  header[1] = payloadType;
  header.writeUInt16BE(sequence & 0xffff, 2);
  header.writeUInt32BE((sequence * 160) >>> 0, 4);
  header.writeUInt32BE(ssrc, 8);
  return Buffer.concat([header, Buffer.from(payload, "latin1")]);
}

/** A receiver report with one SDES item per [type, text]. */
export function rtcp(items: readonly (readonly [number, string])[], ssrc = 0x1234): Buffer {
  const report = Buffer.from([0x80, 201, 0, 1, 0, 0, 0, 0]);
  report.writeUInt32BE(ssrc, 4);
  const texts = items.map(([type, text]) => Buffer.concat([Buffer.from([type, text.length]), Buffer.from(text)]));
  const chunk = Buffer.concat([report.subarray(4), ...texts, Buffer.alloc(1)]);
  const padded = Buffer.concat([chunk, Buffer.alloc((4 - (chunk.length % 4)) % 4)]);
  const header = Buffer.from([0x81, 202, 0, padded.length / 4]);
  return Buffer.concat([report, header, padded]);
}

export function side(
  local: { ip?: string; port: number; rtcpPort?: number },
  remote: Peer | undefined,
  more: Partial<RelaySide> = {},
): RelaySide {
  const ip = local.ip ?? "127.0.0.1";
  return {
    local: { ip, rtpPort: local.port, rtcpPort: local.rtcpPort ?? local.port },
    remote: remote && { ip: remote.socket.address().address, rtpPort: remote.port, rtcpPort: remote.port },
    latch: "off",
    latchFrom: undefined,
    rx: undefined,
    tx: undefined,
    ice: undefined,
    dtls: undefined,
    dscp: 46,
    receive: true,
    send: true,
    cname: "sallyport",
    silenceLimitMs: 0,
    payloadTypes: [],
    digits: undefined,
    reports: false,
    maxDatagram: 0,
    bundle: undefined,
    ...more,
  };
}

export const open = (pair: number, caller: RelaySide, callee: RelaySide): RelayCommand => ({
  word: "open",
  pair,
  kind: "audio",
  sides: [caller, callee],
});

/** Ports that nobody has, below the range from which the kernel gives ports to those who ask for any. */
export async function freePorts(count: number, ip = "127.0.0.1"): Promise<number[]> {
  const free: number[] = [];
  while (free.length < count) {
    candidate = candidate >= 30_000 ? 10_000 : candidate + 1;
    const peer = await Peer.open(ip, candidate).catch(() => undefined);
    if (peer !== undefined) free.push(candidate);
    peer?.close();
  }
  return free;
}

/** Test files run side by side: each begins somewhere else. */
let candidate = 10_000 + ((process.pid * 331) % 20_000);
