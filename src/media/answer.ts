/** From an answer to what stands then, and to our own answer for the side that offered. */
import { PeerError } from "../base/index.ts";
import {
  answerDirection,
  answerFault,
  areRtpFormats,
  codecNames,
  direction,
  directionFrom,
  hasAttribute,
  type Media,
  type Profile,
  profileOf,
  type Sdp,
  sends,
} from "../sdp/index.ts";
import { groupsAnswered, groupsOf, midOf } from "./groups.ts";
import { keysForAnswer } from "./keys.ts";
import type { Line, LineSide, Position } from "./line.ts";
import { inOfferedNumbers, type Renumbered } from "./numbers.ts";
import { placeholder, shownOn, withVoice } from "./offer.ts";
import { otherSide, rulesOf, type SideIndex } from "./party.ts";
import { type OwnPorts, remoteOf } from "./remote.ts";
import type { Leg, Pending, State } from "./session.ts";
import { shaped } from "./shape.ts";
import { say } from "./voice.ts";
import { answeredPreconditions } from "./waiting.ts";
import { type Writing, writeBody } from "./write-sdp.ts";

export interface Answered {
  readonly state: State;
  readonly text: string;
}

/** Throws PeerError 488 or 400. Reserves nothing. */
export function applyAnswer(pending: Pending, sdp: Sdp, own: readonly OwnPorts[]): Answered {
  const fault = answerFault(pending.onward, sdp);
  if (fault !== undefined) throw new PeerError(488, fault);

  const { legs } = pending.state;
  const to = pending.from;
  const from = otherSide(to);
  const rules = rulesOf(legs[to]);
  const lines: Position[] = [];
  const writings: Writing[] = [];
  for (const [index, media] of sdp.media.entries()) {
    const offered = pending.offered[index];
    const source = pending.offer.media[index];
    if (source === undefined) {
      lines.push(undefined); // Only the answerer knows of it: see lines-off.ts.
      continue;
    }
    if (offered === undefined || media.port === 0) {
      lines.push(undefined);
      writings.push(placeholder(source, midOf(source)));
      continue;
    }
    if (!areRtpFormats(media.formats)) throw new PeerError(488, "a format is no RTP payload type, or stands twice");
    const before = pending.state.lines[index] ?? offered;
    const onward = pending.onward.media[index] as Media;
    const left = shaped(media, rules, rulesOf(legs[from]), onward);
    if (left === undefined) throw new PeerError(488, "the answer takes none of the codecs that were offered", 305);
    const other = inOfferedNumbers(left, onward);
    const told = other?.media ?? left;
    const line = answeredLine(offered, before, sdp, told, from, legs[from], own, other);
    lines.push(line);
    const preconditions = answeredPreconditions(legs[from], legs[to], source, media);
    writings.push(answeredWriting(line, to, told, line.sides[from].direction, preconditions));
  }
  const shown = shownOn(lines, to, legs[to]);
  const { offer } = pending;
  const frame = { source: sdp, times: offer.times, groups: groupsAnswered(groupsOf(offer), sdp, lines, to), rules };
  const voice = say(legs[to].voice, shown, writeBody(frame, shown, writings), writings.length);
  return { state: { lines, legs: withVoice(legs, to, voice) }, text: voice.text };
}

/** `before`: after an earlier provisional answer, so that a key said twice stays one key. */
function answeredLine(
  offered: Line,
  before: Line,
  sdp: Sdp,
  media: Media,
  from: SideIndex,
  leg: Leg,
  own: readonly OwnPorts[],
  numbers: Renumbered | undefined,
): Line {
  const profile = profileOf(media.protocol) as Profile;
  const side = offered.sides[from];
  const asOffered = offered.sides[otherSide(from)];
  const offerer = numbers === undefined ? asOffered : { ...asOffered, payloadTypes: numbers.toOfferer };
  const mux = side.mux && hasAttribute(media, "rtcp-mux");
  const found = remoteOf(media, sdp, leg, own, mux);
  const remote = found === "none" ? side.remote : found;
  if (remote !== undefined && remote.family !== side.local.family) {
    throw new PeerError(488, `IPv${side.local.family} media is answered with IPv${remote.family}`, 301);
  }
  const offeredSecure = profileOf(side.profile)?.secure === true;
  const keys = keysForAnswer(media, profile, offeredSecure, leg, { ...side, rx: before.sides[from].rx });
  const declared = direction(media, sdp);
  const answerer: LineSide = {
    local: side.local,
    remote,
    profile: profile.name,
    mid: side.mid,
    mux,
    rx: keys.rx,
    tx: keys.tx,
    offered: side.offered,
    payloadTypes: numbers?.toAnswerer ?? side.payloadTypes,
    direction: answerDirection(offerer.direction, found === "none" ? directionFrom(sends(declared), false) : declared),
  };
  return {
    kind: offered.kind,
    sides: from === 0 ? [answerer, offerer] : [offerer, answerer],
    codecs: codecNames(media),
  };
}

function answeredWriting(
  line: Line,
  to: SideIndex,
  source: Media,
  answered: Writing["direction"],
  preconditions: Writing["preconditions"],
): Writing {
  const side = line.sides[to];
  return {
    source,
    side,
    mid: side.mid,
    protocol: side.profile,
    feedback: profileOf(side.profile)?.feedback === true,
    direction: answered,
    keys: side.tx === undefined ? [] : [side.tx],
    preconditions,
    offer: false,
  };
}
