/** A media session as people see it. No keys. */
import { addressText, type MediaEnd, type MediaEnds, type StreamQuality } from "../base/index.ts";
import type { Direction } from "../sdp/index.ts";
import type { Line } from "./line.ts";
import type { SideIndex } from "./party.ts";
import { type Counted, streamQuality } from "./quality.ts";
import type { FlowPath, SecuredBy } from "./relay-command.ts";
import { currentState, type Relay, type Session } from "./session.ts";

export interface MediaView {
  readonly session: string;
  readonly streams: readonly StreamView[];
}

export interface StreamView {
  /** Position of the m-line. Positions without a stream are left out. */
  readonly stream: number;
  readonly kind: string;
  readonly caller: EndView;
  readonly callee: EndView;
}

export interface EndView extends MediaEnd {
  /** Our address and port on that side, and the signalled one of the other end. */
  readonly local: string;
  readonly remote: string | undefined;
  readonly direction: Direction;
  readonly rtcpMux: boolean;
  /** So far, where the relay was asked. */
  readonly quality?: StreamQuality;
  /** What carries its packets on, where the relay was asked. */
  readonly path?: FlowPath;
  /** Media goes where checks of that end have shown it to be. */
  readonly ice: boolean;
}

/** `counters`: what the relay has counted of a pair so far. */
export function mediaView(session: Session, counters?: (pair: number) => Counted): MediaView {
  const streams: StreamView[] = [];
  for (const [stream, line] of currentState(session).lines.entries()) {
    if (line === undefined) continue;
    const { kind, codecs } = line;
    const relay = session.relays[stream];
    const secured = securedOf(session, relay);
    const view = { stream, kind, caller: endView(line, 0, secured?.[0]), callee: endView(line, 1, secured?.[1]) };
    if (counters === undefined || relay === undefined) {
      streams.push(view);
      continue;
    }
    const counted = counters(relay.pair);
    streams.push({
      ...view,
      caller: { ...view.caller, quality: streamQuality(counted, 0, kind, codecs), path: counted[0].path },
      callee: { ...view.callee, quality: streamQuality(counted, 1, kind, codecs), path: counted[1].path },
    });
  }
  return { session: session.id, streams };
}

/** What was agreed, and no more. */
export function mediaEnds(session: Session): readonly MediaEnds[] {
  const ends: MediaEnds[] = [];
  for (const [stream, line] of currentState(session).lines.entries()) {
    if (line === undefined) continue;
    const secured = securedOf(session, session.relays[stream]);
    ends.push({ kind: line.kind, caller: mediaEnd(line, 0, secured?.[0]), callee: mediaEnd(line, 1, secured?.[1]) });
  }
  return ends;
}

/** Of a line in a bundle: what the handshake of its transport brought. */
const securedOf = ({ relays }: Session, relay: Relay | undefined): Relay["secured"] | undefined => {
  if (relay === undefined) return undefined;
  const of = (side: SideIndex): SecuredBy | undefined => {
    const carrier = relay.sides[side].bundle?.pair ?? relay.pair;
    return carrier === relay.pair
      ? relay.secured[side]
      : relays.find((other) => other?.pair === carrier)?.secured[side];
  };
  return [of(0), of(1)];
};

function mediaEnd({ codecs, sides }: Line, index: SideIndex, secured: SecuredBy | undefined): MediaEnd {
  const { profile, tx, dtls } = sides[index];
  return {
    codecs,
    profile,
    keys: dtls?.agreed !== undefined ? "dtls" : tx !== undefined ? "sdes" : "none",
    suite: tx?.key.suite ?? secured,
  };
}

function endView(line: Line, index: SideIndex, secured: SecuredBy | undefined): EndView {
  const { local, remote, ice, direction, mux } = line.sides[index];
  return {
    ...mediaEnd(line, index, secured),
    local: addressText({ ip: local.ip, port: local.rtpPort }),
    remote: remote === undefined ? undefined : addressText({ ip: remote.address.ip, port: remote.address.rtpPort }),
    direction,
    rtcpMux: mux,
    ice: ice?.agreed !== undefined,
  };
}
