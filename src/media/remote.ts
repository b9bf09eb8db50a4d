/**
 * Whereto we may send media. Order matters: a literal address, its kind, our own ports; only then it is believed. The
 * relay must not become anybody's lever against hosts behind us.
 */
import { PeerError, type RealmSettings, type Settings } from "../base/index.ts";
import { type Media, rtcpAttribute, type Sdp } from "../sdp/index.ts";
import { type Ip, type IpKind, readIp } from "./ip.ts";
import type { Remote } from "./line.ts";
import type { Standing } from "./party.ts";

/** Ports of ours on one address: media sent there would turn in a circle, or reach our signalling. */
export interface OwnPorts {
  readonly ip: string;
  readonly first: number;
  readonly last: number;
  /** Is one of our streams on that port now? Absent: these are no media ports. */
  readonly isOut?: (port: number) => boolean;
  /** Neighbours have this address too: a port without a stream is theirs. */
  readonly shared?: boolean;
}

/**
 * `isOut`: is one of our streams on that port of that address? On loopback every neighbour has the same address as we,
 * so only ports that are in use there are ours; anywhere else the whole range is.
 */
export function ownPorts(settings: Settings, isOut: (ip: string, port: number) => boolean): OwnPorts[] {
  const ports: OwnPorts[] = [];
  for (const { media, advertise, listeners } of settings.realms.values()) {
    for (const ip of advertise === undefined ? media.addresses : [...media.addresses, advertise]) {
      const range = { ip: readIp(ip)?.text ?? ip, first: media.firstPort, last: media.lastPort };
      ports.push({ ...range, isOut: (port) => isOut(ip, port), shared: readIp(ip)?.kind === "loopback" });
    }
    for (const { address } of listeners) {
      for (const ip of advertise === undefined ? [address.ip] : [address.ip, advertise]) {
        ports.push({ ip: readIp(ip)?.text ?? ip, first: address.port, last: address.port });
      }
    }
  }
  return ports;
}

/**
 * Where this m-line wants its media; "none" when it says 0.0.0.0, :: or a name in
 * `.invalid`, the old ways to hold (RFC 3264 §8.4). Throws
 * PeerError 400 when nothing says where, 488 when we do not send there.
 */
export function remoteOf(
  media: Media,
  sdp: Sdp,
  standing: Standing,
  own: readonly OwnPorts[],
  mux: boolean,
): Remote | "none" {
  const connection = media.connection ?? sdp.connection;
  if (connection === undefined) throw new PeerError(400, "SDP: no c= line for a stream");
  if (connection.suffix !== "") throw new PeerError(488, "media to a multicast group is not carried", 330);
  const ip = readIp(connection.ip);
  if (ip === undefined) {
    if (INVALID_NAME.test(connection.ip)) return "none";
    throw new PeerError(488, "c= holds no IP address", 301);
  }
  if (ip.family !== connection.family) throw new PeerError(400, "SDP: address and address type in c= differ");
  if (ip.kind === "unspecified") return "none";

  const rtcpPort = mux ? media.port : rtcpPortOf(media, standing, own);
  refuseKind(ip, standing);
  refuseOwn(ip, media.port, standing, own);
  refuseOwn(ip, rtcpPort, standing, own);
  return latching(ip, media.port, rtcpPort, standing);
}

/** "No address" in IPv6's words: RFC 6157 §4.1. */
const INVALID_NAME = /\.invalid\.?$/i;

/** RFC 3605. Another address for RTCP than for RTP is checked like one, and then not used: one stream, one host. */
function rtcpPortOf(media: Media, standing: Standing, own: readonly OwnPorts[]): number {
  const rtcp = rtcpAttribute(media);
  if (rtcp === undefined || rtcp.port === 0) {
    if (media.port === 65_535) throw new PeerError(488, "no port is left for RTCP after 65535");
    return media.port + 1;
  }
  if (rtcp.ip !== undefined) {
    const ip = readIp(rtcp.ip);
    if (ip === undefined) throw new PeerError(488, "a=rtcp holds no IP address");
    if (ip.kind !== "unspecified") {
      refuseKind(ip, standing);
      refuseOwn(ip, rtcp.port, standing, own);
    }
  }
  return rtcp.port;
}

function refuseKind(ip: Ip, { realm }: Standing): void {
  const local = LOCAL_KINDS.includes(ip.kind);
  if (NEVER.includes(ip.kind) || (local && !realm.media.addresses.some((ours) => readIp(ours)?.kind === ip.kind))) {
    throw new PeerError(488, `media to a ${ip.kind} address is refused`);
  }
}

function refuseOwn(ip: Ip, port: number, { realm }: Standing, own: readonly OwnPorts[]): void {
  for (const ours of own) {
    if (port < ours.first || port > ours.last || ours.ip !== ip.text) continue;
    if (!mayTurnBack(ours, port, realm)) throw new PeerError(488, "media to our own ports is refused");
  }
}

/**
 * A proxy on a trusted side sends a call of ours back to us, with our own description in it: then each of the two calls
 * has a port of the other for its peer. A ring of such ports carries nothing, since each takes packets from its peer only.
 */
function mayTurnBack({ ip, isOut, shared }: OwnPorts, port: number, realm: RealmSettings): boolean {
  if (isOut === undefined) return false;
  if (!isOut(port)) return shared === true;
  return realm.trust !== "none" && realm.media.addresses.some((address) => readIp(address)?.text === ip);
}

const NEVER: readonly IpKind[] = ["multicast", "reserved", "mapped", "unspecified"];
/** Only where the realm's own media address is of that kind: everybody on that side then is a neighbour. */
const LOCAL_KINDS: readonly IpKind[] = ["loopback", "link-local"];

/**
 * A private address signalled from a public one is behind NAT: nothing is ever sent to the private address, which
 * may be somebody else's in a network of ours, but to where the signalling came from.
 */
function latching(ip: Ip, rtpPort: number, rtcpPort: number, { party }: Standing): Remote {
  const source = readIp(party.signallingSource);
  const address = { ip: ip.text, rtpPort, rtcpPort };
  if (source === undefined || source.family !== ip.family || source.text === ip.text) {
    return { address, family: ip.family, latch: "signalled", latchFrom: undefined };
  }
  if (ip.kind === "private" && source.kind === "public") {
    return { address: { ...address, ip: source.text }, family: ip.family, latch: "source", latchFrom: source.text };
  }
  if (!party.nat) return { address, family: ip.family, latch: "signalled", latchFrom: undefined };
  return { address, family: ip.family, latch: "source", latchFrom: source.text };
}
