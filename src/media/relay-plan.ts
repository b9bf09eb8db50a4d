/** From what stands on both legs to the words of the relay: only what changed is said. */
import type { RealmSettings } from "../base/index.ts";
import { receives, sends } from "../sdp/index.ts";
import type { Line } from "./line.ts";
import { otherSide, rulesOf, type SideIndex } from "./party.ts";
import type { MediaAddress, PairKind, RelayChange, RelaySide } from "./relay-command.ts";
import type { Gate, Leg } from "./session.ts";

/** Of images fax alone is carried. */
export const pairKind = (kind: string): PairKind =>
  kind === "audio" || kind === "video" ? kind : kind === "image" ? "udptl" : "other";

/** Fax is a part of a telephone call, and as impatient: it goes as its sound did. */
const markOf = ({ dscp }: RealmSettings, kind: string): number => {
  const pair = pairKind(kind);
  return pair === "udptl" ? dscp.audio : dscp[pair];
};

/** As many as a header extension bears: RFC 8285 §4.2. */
const MID_BYTES = 16;

/** What stands once for a transport: at the pair that carries it. */
export const transportOf = ({ remote, latch, latchFrom, rx, tx, ice, dtls }: RelaySide) => ({
  remote,
  latch,
  latchFrom,
  rx,
  tx,
  ice,
  dtls,
});

/** A line that goes by the transport of another pair. */
export const carried = (side: RelaySide): RelaySide => ({
  ...side,
  remote: undefined,
  latch: "off",
  latchFrom: undefined,
  rx: undefined,
  tx: undefined,
  ice: undefined,
  dtls: undefined,
});

/**
 * `settled`: the final answer is there; before it nobody owes anybody media. `carrier`: the pair whose transport it has, in a
 * bundle.
 */
export function relaySide(
  line: Line,
  index: SideIndex,
  leg: Leg,
  settled: boolean,
  gate: Gate | undefined,
  carrier?: number,
): RelaySide {
  const { realm, cname } = leg;
  const side = line.sides[index];
  const other = line.sides[otherSide(index)];
  const towards = gate === undefined || (index === 0 ? gate.forward : gate.backward);
  const fromOther = gate === undefined || (index === 0 ? gate.backward : gate.forward);
  const receive = towards && sends(side.direction) && receives(other.direction);
  const send = fromOther && receives(side.direction) && sends(other.direction);
  const { ip, rtpPort, rtcpPort } = side.local;
  const shown = side.mid !== undefined && side.mid.length <= MID_BYTES ? side.mid : "";
  const midId = shown === "" ? 0 : side.midId;
  return {
    local: { ip, rtpPort, rtcpPort: side.mux ? rtpPort : rtcpPort },
    remote: side.remote?.address,
    latch: side.remote?.latch ?? "signalled",
    latchFrom: side.remote?.latchFrom,
    rx: side.rx,
    tx: side.tx?.key,
    ice: side.ice?.agreed,
    dtls: side.dtls?.agreed,
    dscp: markOf(realm, line.kind),
    receive,
    send,
    cname,
    // A held stream, fax that prints a page, or one way only, may be silent for ever; so may a side that has not told where it is.
    silenceLimitMs:
      settled && receive && send && line.kind !== "image" && (side.remote ?? side.ice?.agreed) !== undefined
        ? realm.media.silenceLimitMs
        : 0,
    payloadTypes: side.payloadTypes,
    digits: side.digits,
    reports: rulesOf(leg)?.rtcp === "generate" && line.kind !== "image",
    maxDatagram: side.maxDatagram,
    bundle:
      carrier === undefined
        ? undefined
        : { pair: carrier, mid: midId === 0 ? "" : shown, midId, payloadTypes: side.arriving },
  };
}

/** What to tell the relay so that `before` becomes `after`, on the same ports; `undefined` when nothing. */
export function relayChange(before: RelaySide, after: RelaySide): RelayChange | undefined {
  const change: { -readonly [K in keyof RelayChange]?: RelayChange[K] } = {};
  let changed = false;
  if (!sameMedia(before.remote, after.remote) || before.latchFrom !== after.latchFrom || before.latch !== after.latch) {
    change.remote = after.remote;
    change.latch = after.latch;
    change.latchFrom = after.latchFrom;
    change.relatch = true;
    changed = true;
  }
  if (before.rx !== after.rx) {
    change.rx = after.rx;
    changed = true;
  }
  if (before.tx !== after.tx) {
    change.tx = after.tx;
    changed = true;
  }
  if (before.ice !== after.ice) {
    change.ice = after.ice;
    changed = true;
  }
  if (before.dtls !== after.dtls) {
    change.dtls = after.dtls;
    changed = true;
  }
  if (before.receive !== after.receive || before.send !== after.send) {
    change.receive = after.receive;
    change.send = after.send;
    changed = true;
  }
  if (before.silenceLimitMs !== after.silenceLimitMs) {
    change.silenceLimitMs = after.silenceLimitMs;
    changed = true;
  }
  if (before.dscp !== after.dscp) {
    change.dscp = after.dscp;
    changed = true;
  }
  if (before.cname !== after.cname) {
    change.cname = after.cname;
    changed = true;
  }
  if (!sameNumbers(before.payloadTypes, after.payloadTypes)) {
    change.payloadTypes = after.payloadTypes;
    changed = true;
  }
  if (!sameDigits(before.digits, after.digits)) {
    change.digits = after.digits;
    changed = true;
  }
  if (before.reports !== after.reports) {
    change.reports = after.reports;
    changed = true;
  }
  if (!sameBundle(before.bundle, after.bundle)) {
    change.bundle = after.bundle;
    changed = true;
  }
  if (before.maxDatagram !== after.maxDatagram) {
    change.maxDatagram = after.maxDatagram;
    changed = true;
  }
  return changed ? change : undefined;
}

const sameNumbers = (a: RelaySide["payloadTypes"], b: RelaySide["payloadTypes"]): boolean =>
  a === b || (a.length === b.length && a.every(([from, to], index) => from === b[index]?.[0] && to === b[index]?.[1]));

const sameDigits = (a: RelaySide["digits"], b: RelaySide["digits"]): boolean =>
  a === b ||
  (a !== undefined && b !== undefined && a.take === b.take && a.insert === b.insert && sameNumbers(a.events, b.events));

const sameBundle = (a: RelaySide["bundle"], b: RelaySide["bundle"]): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    a.mid === b.mid &&
    a.midId === b.midId &&
    a.payloadTypes.length === b.payloadTypes.length &&
    a.payloadTypes.every((type, index) => type === b.payloadTypes[index]));

const sameMedia = (a: MediaAddress | undefined, b: MediaAddress | undefined): boolean =>
  a === b ||
  (a !== undefined && b !== undefined && a.ip === b.ip && a.rtpPort === b.rtpPort && a.rtcpPort === b.rtcpPort);
