/** What stands on both legs for one m-line. Values: an offer or an answer makes new ones, so that it can be undone. */

import type { Family } from "../base/index.ts";
import type { CryptoSuite, Direction } from "../sdp/index.ts";
import type { LineDtls } from "./association.ts";
import type { LineIce } from "./ice.ts";
import type { PortBook } from "./port-book.ts";
import type { LatchPolicy, MediaAddress, RelaySide, SrtpKey } from "./relay-command.ts";

/** Ports of ours, out of a realm's book. */
export interface Local {
  readonly book: PortBook;
  readonly realm: string;
  readonly family: Family;
  readonly ip: string;
  /** What stands in SDP: `ip`, or the advertised address. */
  readonly shown: string;
  readonly rtpPort: number;
  /** The odd one: stays reserved, but unused, while RTCP shares the RTP port. */
  readonly rtcpPort: number;
}

/** A key of ours as it stands in our SDP. */
export interface OwnKey {
  readonly tag: number;
  readonly name: CryptoSuite | string;
  readonly key: SrtpKey;
}

/** Where a side's media comes from and goes to. */
export interface Remote {
  readonly address: MediaAddress;
  readonly family: Family;
  readonly latch: LatchPolicy;
  readonly latchFrom: string | undefined;
}

export interface LineSide {
  readonly local: Local;
  /** `undefined`: not answered yet, or it said 0.0.0.0 from the start. */
  readonly remote: Remote | undefined;
  readonly profile: string;
  /** What the line is called on this leg (RFC 5888); `undefined`: nobody named it. */
  readonly mid: string | undefined;
  /** It stands in a BUNDLE on this leg, with all that have the same `local`, or alone. RFC 9143. */
  readonly bundled: boolean;
  /** In a BUNDLE: the header extension that names it in its packets; 0: none. */
  readonly midId: number;
  /** In a BUNDLE: payload types of packets that may come from it. */
  readonly arriving: readonly number[];
  /** RTP and RTCP share one port, on this leg. */
  readonly mux: boolean;
  /** `undefined`: media goes where `remote` says. */
  readonly ice: LineIce | undefined;
  /** Keys by a handshake, offered or agreed; then `rx` and `tx` are `undefined` once it is agreed. */
  readonly dtls: LineDtls | undefined;
  readonly rx: SrtpKey | undefined;
  /** What we encrypt with, once agreed. */
  readonly tx: OwnKey | undefined;
  /** What we offered; the answer picks one, or none. */
  readonly offered: readonly OwnKey[];
  /** Renumbering of the packets that go to this side. */
  readonly payloadTypes: RelaySide["payloadTypes"];
  /** What becomes of RFC 4733 digits from and to this side. */
  readonly digits: RelaySide["digits"];
  /** telephone-event toward this side, by the clock of its sound; `undefined`: it takes none. */
  readonly plays: readonly [payloadType: number, clockHz: number] | undefined;
  /** Fax: the longest datagram that it takes, in bytes. 0: it does not say. */
  readonly maxDatagram: number;
  /** What this side said last, from where it stands. */
  readonly direction: Direction;
}

export interface Line {
  readonly kind: string;
  readonly sides: readonly [LineSide, LineSide];
  readonly codecs: readonly string[];
}

/** A position whose stream we carry, or `undefined`: declined, switched off, not RTP. */
export type Position = Line | undefined;
