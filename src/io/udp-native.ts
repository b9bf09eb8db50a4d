/**
 * UDP for signalling through the addon: receive by recvmmsg as the event loop sees the socket readable, send by one
 * sendmmsg a turn of the loop. Costs a fraction of node:dgram, and sets what dgram cannot: DSCP.
 * `UdpPort` is the interface that the dgram fallback serves too.
 */
import { isIPv4 } from "node:net";
import type { NativeUdp } from "../../native/addon/relay.d.ts";
import { type Address, familyOf } from "../base/index.ts";
import { loadAddon } from "./addon.ts";

/** What arrived. `text` is binary (latin1): one char, one byte. `local`: where it arrived, when bound to a wildcard; else "". */
export interface UdpDatagram {
  readonly ip: string;
  readonly port: number;
  readonly text: string;
  readonly local: string;
}

export interface UdpPort {
  /** The bound address; the port is the kernel's choice where 0 was asked. */
  readonly address: Address;
  /** Queues a datagram, which leaves by `flush` at the latest. Never throws: what cannot be sent is lost and counted. */
  send(ip: string, port: number, text: string): void;
  /** Sends what is queued: whoever sends calls it at the end of his turn. */
  flush(): void;
  close(): void;
  readonly counters: { received: number; sent: number; sendFailed: number; truncated: number };
}

export interface UdpOptions {
  readonly address: Address;
  /** DiffServ code point, 0 to 63. */
  readonly dscp: number;
  onBatch(datagrams: readonly UdpDatagram[]): void;
  /** A datagram of ours found nobody: what ICMP quotes of it, from its first byte. Never told by the fallback. */
  onUndelivered(quoted: string): void;
}

/** Limit: datagrams taken at one wake-up; more wait in the socket for the next. */
const RECEIVE_BATCH = 64;
/** Limit: datagrams queued to be sent; a full queue is flushed at once. */
const SEND_BATCH = 128;
/** Limit: bytes of a datagram; longer ones do not exist on IPv4 or IPv6 without jumbograms. */
const SLOT_BYTES = 65_536;
/** Limit: bytes of a send queue; a queue that would overflow is flushed first. */
const SEND_BYTES = 512 * 1024;
const ADDRESS_BYTES = 48;
/** Limit: IPv4 addresses whose text is remembered; with one more all are forgotten, at no other cost than to be written again. */
const KNOWN_ADDRESSES = 4_096;

/** Throws (with `code`) when the address cannot be bound, or when there is no addon for this machine. */
export function openNativeUdp(options: UdpOptions): UdpPort {
  return new NativeUdpPort(options);
}

class NativeUdpPort implements UdpPort {
  readonly address: Address;
  readonly counters = { received: 0, sent: 0, sendFailed: 0, truncated: 0 };
  readonly #udp: NativeUdp;
  readonly #options: UdpOptions;
  readonly #receive = Buffer.allocUnsafeSlow(RECEIVE_BATCH * SLOT_BYTES);
  readonly #meta = new Int32Array(RECEIVE_BATCH * 4);
  readonly #addresses = Buffer.alloc(RECEIVE_BATCH * 2 * ADDRESS_BYTES);
  readonly #sending = Buffer.allocUnsafeSlow(SEND_BYTES);
  readonly #sendMeta = new Int32Array(SEND_BATCH * 4);
  readonly #sendAddresses = Buffer.alloc(SEND_BATCH * ADDRESS_BYTES);
  readonly #family: 4 | 6;
  #queued = 0;
  #queuedBytes = 0;
  #closed = false;

  constructor(options: UdpOptions) {
    this.#options = options;
    this.#family = familyOf(options.address.ip);
    this.#udp = loadAddon().openUdp({
      ip: options.address.ip,
      port: options.address.port,
      dscp: options.dscp,
      receiveBuffer: this.#receive,
      sendBuffer: this.#sending,
      slotBytes: SLOT_BYTES,
      receiveMeta: this.#meta,
      addresses: this.#addresses,
      sendMeta: this.#sendMeta,
      sendAddresses: this.#sendAddresses,
      onBatch: (count) => this.#arrived(count),
      onUndelivered: (count) => this.#returned(count),
    });
    this.address = { ip: options.address.ip, port: this.#udp.port };
  }

  send(ip: string, port: number, text: string): void {
    const fits = text.length <= 65_507 && ip.length < ADDRESS_BYTES && familyOf(ip) === this.#family;
    const address = !fits ? undefined : this.#family === 4 ? ipv4.bits(ip) : ip.length;
    if (this.#closed || address === undefined) {
      this.counters.sendFailed += 1;
      return;
    }
    if (this.#queued === SEND_BATCH || this.#queuedBytes + text.length > SEND_BYTES) this.flush();
    const at = this.#queued * 4;
    this.#sending.write(text, this.#queuedBytes, "latin1");
    this.#sendMeta[at] = this.#queuedBytes;
    this.#sendMeta[at + 1] = text.length;
    this.#sendMeta[at + 2] = port;
    this.#sendMeta[at + 3] = address;
    if (this.#family === 6) this.#sendAddresses.write(ip, this.#queued * ADDRESS_BYTES, "latin1");
    this.#queued += 1;
    this.#queuedBytes += text.length;
  }

  flush(): void {
    if (this.#queued === 0 || this.#closed) return;
    const taken = this.#udp.flush(this.#queued);
    this.counters.sent += taken;
    this.counters.sendFailed += this.#queued - taken;
    this.#queued = 0;
    this.#queuedBytes = 0;
  }

  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    this.#udp.close();
  }

  #returned(count: number): void {
    const texts: string[] = [];
    for (let i = 0; i < count; i += 1)
      texts.push(this.#receive.toString("latin1", i * SLOT_BYTES, i * SLOT_BYTES + this.#meta[i * 4]!));
    for (const text of texts) this.#options.onUndelivered(text);
  }

  #arrived(count: number): void {
    const batch: UdpDatagram[] = [];
    for (let i = 0; i < count; i += 1) {
      const length = this.#meta[i * 4]!;
      if (length < 0) {
        this.counters.truncated += 1;
        continue;
      }
      const at = i * 2 * ADDRESS_BYTES;
      batch.push({
        ip: this.#address(this.#meta[i * 4 + 2]!, at),
        port: this.#meta[i * 4 + 1]!,
        text: this.#receive.toString("latin1", i * SLOT_BYTES, i * SLOT_BYTES + length),
        local: this.#address(this.#meta[i * 4 + 3]!, at + ADDRESS_BYTES),
      });
    }
    this.counters.received += batch.length;
    if (batch.length > 0) this.#options.onBatch(batch);
  }

  /** What a word of the door says of an address; `at`: where its text stands if it is IPv6. */
  #address(told: number, at: number): string {
    if (told === 0) return "";
    return this.#family === 4 ? ipv4.text(told) : this.#addresses.toString("latin1", at, at + told);
  }
}

/** IPv4 addresses as 32 bits and as text: the same few come again and again, and one string serves them all. */
const ipv4 = {
  texts: new Map<number, string>(),
  numbers: new Map<string, number>(),

  text(bits: number): string {
    let text = this.texts.get(bits);
    if (text === undefined) {
      text = `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`;
      this.remember(bits, text);
    }
    return text;
  },

  /** `undefined`: that is no IPv4 address. */
  bits(text: string): number | undefined {
    const known = this.numbers.get(text);
    if (known !== undefined || !isIPv4(text)) return known;
    let bits = 0;
    for (const part of text.split(".")) bits = (bits << 8) | Number(part);
    this.remember(bits, text);
    return bits;
  },

  remember(bits: number, text: string): void {
    if (this.texts.size >= KNOWN_ADDRESSES) {
      this.texts.clear();
      this.numbers.clear();
    }
    this.texts.set(bits, text);
    this.numbers.set(text, bits);
  },
};
