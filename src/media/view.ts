/** A media session as people see it. No keys. */
import { addressText, type MediaEnd } from "../base/index.ts";
import type { Direction } from "../sdp/index.ts";
import type { Line } from "./line.ts";
import type { SideIndex } from "./party.ts";
import { currentState, type Session } from "./session.ts";

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
}

export function mediaView(session: Session): MediaView {
  const streams: StreamView[] = [];
  for (const [stream, line] of currentState(session).lines.entries()) {
    if (line === undefined) continue;
    streams.push({ stream, kind: line.kind, caller: endView(line, 0), callee: endView(line, 1) });
  }
  return { session: session.id, streams };
}

function endView(line: Line, index: SideIndex): EndView {
  const { local, remote, profile, tx, direction, mux } = line.sides[index];
  return {
    codecs: line.codecs,
    profile,
    suite: tx?.key.suite,
    local: addressText({ ip: local.ip, port: local.rtpPort }),
    remote: remote === undefined ? undefined : addressText({ ip: remote.address.ip, port: remote.address.rtpPort }),
    direction,
    rtcpMux: mux,
  };
}
