/**
 * Sides without keys, ICE, a bundle or digits, as numbers and bytes that the addon reads at once: nearly all are such, and to
 * be asked for each member of an object by its name costs it as much as all the rest of opening a pair.
 * `native/addon/plain.h` is the other end: its struct is this layout.
 */
import type { RelayChange, RelayCommand, RelaySide } from "../engine/index.ts";

type PairKind = Extract<RelayCommand, { word: "open" }>["kind"];
type MediaAddress = RelaySide["local"];

const SIDE_BYTES = 336;
export const DESK_BYTES = 2 * SIDE_BYTES;

/** Words of a side. */
const BITS = 0;
const FLAGS = 1;
const KIND = 2;
const LATCH = 3;
const DSCP = 4;
const SILENCE = 5;
const LOCAL_PORTS = 6;
const REMOTE_PORTS = 8;
const LOCAL_SIZE = 10;
const REMOTE_SIZE = 11;
const LATCH_FROM_SIZE = 12;
const CNAME_SIZE = 13;
const PAYLOAD_TYPES = 14;
const MAX_DATAGRAM = 15;

/** Texts of a side, from its first byte, and the room of each. */
const LOCAL_TEXT = 64;
const REMOTE_TEXT = 112;
const LATCH_FROM_TEXT = 160;
const IP_BYTES = 48;
const CNAME_TEXT = 208;
const CNAME_BYTES = 64;
const COUPLES = 272;
const MAX_COUPLES = 32;
const MAX_PAYLOAD_TYPE = 127;

const REMOTE_GIVEN = 1;
const LATCH_FROM_GIVEN = 2;
const RECEIVE = 4;
const SEND = 8;
const REPORTS = 16;

/** Bits of a change: ChangeBits of native/relay/relay.h. 0: it cannot be said here, and `isPlain` asks for it, too. */
const CHANGES: Readonly<Record<keyof RelayChange, number>> = {
  remote: 1 << 0,
  latch: 1 << 1,
  latchFrom: 1 << 2,
  rx: 0,
  tx: 0,
  receive: 1 << 5,
  send: 1 << 6,
  cname: 1 << 7,
  silenceLimitMs: 1 << 8,
  payloadTypes: 1 << 9,
  dscp: 1 << 10,
  relatch: 1 << 11,
  ice: 0,
  dtls: 0,
  digits: 0,
  reports: 1 << 15,
  maxDatagram: 1 << 16,
  bundle: 0,
};

const KINDS: Readonly<Record<PairKind, number>> = { audio: 0, video: 1, other: 2, udptl: 3 };
const LATCHES: Readonly<Record<RelaySide["latch"], number>> = { off: 0, signalled: 1, source: 2 };

export class PlainDesk {
  readonly #words: Uint32Array;
  readonly #bytes: Uint8Array;

  /** `desk`: DESK_BYTES that the addon reads when it is told. */
  constructor(desk: Uint8Array) {
    this.#bytes = desk;
    this.#words = new Uint32Array(desk.buffer, desk.byteOffset, DESK_BYTES / 4);
  }

  /** False: it has to be said in objects. */
  putPair(kind: PairKind, [caller, callee]: readonly [RelaySide, RelaySide]): boolean {
    if (!isPlain(caller) || !isPlain(callee)) return false;
    this.#words[KIND] = KINDS[kind];
    return this.#putWhole(0, caller) && this.#putWhole(1, callee);
  }

  /** False: it has to be said in objects. */
  putChange(set: RelayChange): boolean {
    let bits = 0;
    for (const name in set) {
      const bit = CHANGES[name as keyof RelayChange];
      if (!bit) return false;
      bits |= bit;
    }
    this.#words[BITS] = bits;
    return this.#put(0, set);
  }

  #putWhole(first: number, side: RelaySide): boolean {
    const at = first * SIDE_BYTES;
    return this.#putAddress(at, side.local, LOCAL_PORTS, LOCAL_SIZE, LOCAL_TEXT) && this.#put(at, side);
  }

  /** What a change does not carry is written as nothing, so that the addon never meets what is left of another one. */
  #put(at: number, side: RelayChange): boolean {
    const words = this.#words;
    const first = at >> 2;
    const { remote, latchFrom, payloadTypes = [], cname = "" } = side;
    words[first + FLAGS] =
      (remote === undefined ? 0 : REMOTE_GIVEN) |
      (latchFrom === undefined ? 0 : LATCH_FROM_GIVEN) |
      (side.receive === true ? RECEIVE : 0) |
      (side.send === true ? SEND : 0) |
      (side.reports === true ? REPORTS : 0);
    words[first + LATCH] = LATCHES[side.latch ?? "off"] as number;
    words[first + DSCP] = side.dscp ?? 0;
    words[first + SILENCE] = side.silenceLimitMs ?? 0;
    words[first + MAX_DATAGRAM] = side.maxDatagram ?? 0;
    if (remote !== undefined && !this.#putAddress(at, remote, REMOTE_PORTS, REMOTE_SIZE, REMOTE_TEXT)) return false;
    if (latchFrom !== undefined && !this.#putText(at, latchFrom, LATCH_FROM_SIZE, LATCH_FROM_TEXT, IP_BYTES)) {
      return false;
    }
    if (payloadTypes.length > MAX_COUPLES) return false;
    words[first + PAYLOAD_TYPES] = payloadTypes.length;
    let couple = at + COUPLES;
    for (const [from, to] of payloadTypes) {
      if (from > MAX_PAYLOAD_TYPE || to > MAX_PAYLOAD_TYPE) return false;
      this.#bytes[couple++] = from;
      this.#bytes[couple++] = to;
    }
    return this.#putText(at, cname, CNAME_SIZE, CNAME_TEXT, CNAME_BYTES);
  }

  #putAddress(at: number, { ip, rtpPort, rtcpPort }: MediaAddress, ports: number, size: number, text: number): boolean {
    this.#words[(at >> 2) + ports] = rtpPort;
    this.#words[(at >> 2) + ports + 1] = rtcpPort;
    return this.#putText(at, ip, size, text, IP_BYTES);
  }

  #putText(at: number, text: string, size: number, to: number, room: number): boolean {
    if (text.length > room) return false;
    this.#words[(at >> 2) + size] = text.length;
    for (let i = 0; i < text.length; i++) this.#bytes[at + to + i] = text.charCodeAt(i);
    return true;
  }
}

const isPlain = ({ rx, tx, ice, dtls, digits, bundle }: RelaySide): boolean =>
  rx === undefined &&
  tx === undefined &&
  ice === undefined &&
  dtls === undefined &&
  digits === undefined &&
  bundle === undefined;
