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
import { midExtension, payloadTypesOf, sharers, unbundled } from "./bundle.ts";
import { agreedDigits, digitsAnswered } from "./digits.ts";
import { FAX, faxForAnswer, isFax, isFaxProfile, maxDatagramOf, SECURE_FAX } from "./fax.ts";
import { groupsAnswered, groupsOf, midOf } from "./groups.ts";
import { iceForAnswer } from "./ice.ts";
import { keysForAnswer } from "./keys.ts";
import { inBundle, leadsOffered, leadsTaken, oneTransport } from "./leads.ts";
import type { Line, LineSide, Position } from "./line.ts";
import { inOfferedNumbers, type Renumbered } from "./numbers.ts";
import { hasIce, placeholder, shownOn, withVoice } from "./offer.ts";
import { isBrowser, otherSide, rulesOf, type SideIndex } from "./party.ts";
import { type OwnPorts, remoteOf } from "./remote.ts";
import type { Leg, Pending, State } from "./session.ts";
import { shaped } from "./shape.ts";
import { say } from "./voice.ts";
import { answeredPreconditions } from "./waiting.ts";
import { handshakeLines, type Writing, writeBody } from "./write-sdp.ts";

export interface Answered {
  readonly state: State;
  readonly text: string;
}

/** Throws PeerError 488 or 400. Reserves nothing. */
export function applyAnswer(pending: Pending, answer: Sdp, own: readonly OwnPorts[]): Answered {
  const fault = answerFault(pending.onward, answer);
  if (fault !== undefined) throw new PeerError(488, fault);

  const { legs } = pending.state;
  const to = pending.from;
  const from = otherSide(to);
  const rules = rulesOf(legs[to]);
  const may = (index: number): boolean => pending.offered[index]?.sides[from].bundled === true;
  const { sdp, tagged } = unbundled(groupsOf(answer), answer, may);
  const taken: Position[] = [];
  const texts: (Media | undefined)[] = [];
  for (const [index, media] of sdp.media.entries()) {
    const offered = pending.offered[index];
    const source = pending.offer.media[index];
    if (source === undefined || offered === undefined || media.port === 0) {
      taken.push(undefined); // Without a source only the answerer knows of it: see lines-off.ts.
      continue;
    }
    const fax = isFax(media);
    if (!fax && !areRtpFormats(media.formats))
      throw new PeerError(488, "a format is no RTP payload type, or stands twice");
    const before = pending.state.lines[index] ?? offered;
    const onward = pending.onward.media[index] as Media;
    const left = fax ? media : shaped(media, rules, rulesOf(legs[from]), onward);
    if (left === undefined) throw new PeerError(488, "the answer takes none of the codecs that were offered", 305);
    const other = inOfferedNumbers(left, onward);
    const told = digitsAnswered(other?.media ?? left, source, legs, from);
    const agreed = answeredLine(offered, before, sdp, told, from, legs[from], own, other);
    const line = pending.repeated ? agreed : agreedDigits(agreed, legs, from, { answer: media, onward, told });
    const joins =
      tagged[index] !== undefined || (may(index) && sharers(pending.offered, from, offered.sides[from].local) > 1);
    taken.push(joins ? inBundle(line, from, payloadTypesOf(media, onward), midExtension(media)) : line);
    texts[index] = told;
  }
  const offeredGroups = groupsOf(pending.offer);
  const leads = leadsOffered(taken, to, offeredGroups);
  const answered = oneTransport(taken, from, leadsTaken(taken, pending.offered, from, tagged));
  const lines = oneTransport(answered, to, leads);
  const writings: Writing[] = [];
  for (const [index, source] of pending.offer.media.entries()) {
    const line = lines[index];
    const told = texts[index];
    if (line === undefined || told === undefined) {
      writings.push(placeholder(source, midOf(source)));
      continue;
    }
    const preconditions = answeredPreconditions(legs[from], legs[to], source, sdp.media[index] as Media);
    const writing = answeredWriting(line, to, told, source, legs[to], preconditions);
    writings.push((leads[index] ?? index) === index ? writing : { ...writing, led: true });
  }
  const shown = shownOn(lines, to, legs[to]);
  const { offer } = pending;
  const groups = groupsAnswered(offeredGroups, sdp, lines, to);
  const frame = { source: sdp, times: offer.times, groups, ice: hasIce(lines, to), rules };
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
  const fax = isFaxProfile(offered.sides[from].profile);
  const secured = offered.sides[from].profile === SECURE_FAX.name;
  const profile = fax ? (secured ? SECURE_FAX : FAX) : (profileOf(media.protocol) as Profile);
  const side = offered.sides[from];
  const asOffered = offered.sides[otherSide(from)];
  const offerer = numbers === undefined ? asOffered : { ...asOffered, payloadTypes: numbers.toOfferer };
  const mux = side.mux && (fax || hasAttribute(media, "rtcp-mux"));
  if (side.mux && !mux && isBrowser(leg)) throw new PeerError(488, "the answer would have RTCP on a port of its own");
  const ice = fax ? undefined : iceForAnswer(media, sdp, side.ice, before.sides[from].ice);
  const found = ice === undefined ? remoteOf(media, sdp, leg, own, mux) : "none";
  const remote = ice !== undefined ? undefined : found === "none" ? side.remote : found;
  if (remote !== undefined && remote.family !== side.local.family) {
    throw new PeerError(488, `IPv${side.local.family} media is answered with IPv${remote.family}`, 301);
  }
  const secure = profileOf(side.profile)?.secure === true;
  const keys = fax
    ? faxForAnswer(media, sdp, { offered: side, before: before.sides[from], remote })
    : keysForAnswer(media, sdp, profile, leg, { offered: side, before: before.sides[from], remote, secure });
  const declared = direction(media, sdp);
  const held = found === "none" && ice === undefined;
  const answerer: LineSide = {
    local: side.local,
    remote,
    profile: profile.name,
    mid: side.mid,
    bundled: false,
    midId: side.midId,
    arriving: side.arriving,
    mux,
    ice,
    rx: keys.rx,
    tx: keys.tx,
    dtls: keys.dtls,
    offered: side.offered,
    payloadTypes: numbers?.toAnswerer ?? side.payloadTypes,
    digits: side.digits,
    plays: side.plays,
    maxDatagram: fax ? maxDatagramOf(media) : 0,
    direction: answerDirection(offerer.direction, held ? directionFrom(sends(declared), false) : declared),
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
  asked: Media,
  leg: Leg,
  preconditions: Writing["preconditions"],
): Writing {
  const side = line.sides[to];
  const { dtls } = side;
  return {
    source,
    side,
    mid: side.mid,
    protocol: side.profile,
    feedback: profileOf(side.profile)?.feedback === true,
    direction: line.sides[otherSide(to)].direction,
    keys: side.tx === undefined ? [] : [side.tx],
    dtls: dtls?.agreed === undefined ? undefined : handshakeLines(leg, dtls, dtls.agreed.setup),
    muxOnly: false,
    preconditions,
    offer: false,
    led: false,
    asked,
  };
}
