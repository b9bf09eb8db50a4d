/** From an offer to what stands if it is accepted, and to our own offer for the other side. */
import { type Family, PeerError, type Random } from "../base/index.ts";
import {
  areRtpFormats,
  type Direction,
  direction,
  directionFrom,
  hasAttribute,
  type Media,
  type Profile,
  profileName,
  profileOf,
  reofferFault,
  type Sdp,
  sends,
} from "../sdp/index.ts";
import { withinReach } from "./altc.ts";
import { mergedLines, standsForBundle } from "./bundle.ts";
import { digitsOffered } from "./digits.ts";
import { carriesFax, FAX, isFax, maxDatagramOf } from "./fax.ts";
import { alternatives, freshMid, type Group, groupsOf, groupsOnward, hasFamily, midOf } from "./groups.ts";
import { iceForOffer, iceToOffer } from "./ice.ts";
import { readIp } from "./ip.ts";
import { keysForOffer, keysToOffer, NO_KEYS, NO_OFFERED_KEYS, type OfferedKeys } from "./keys.ts";
import { mediaLimits } from "./limits.ts";
import type { Line, LineSide, Local, Position } from "./line.ts";
import { withLines } from "./lines-off.ts";
import { SAME_NUMBERS } from "./numbers.ts";
import { isBrowser, keyingsFor, otherSide, rulesOf, type SideIndex } from "./party.ts";
import { shownAddress } from "./port-books.ts";
import { type OwnPorts, remoteOf } from "./remote.ts";
import type { Leg, Session, State } from "./session.ts";
import { shaped } from "./shape.ts";
import { say } from "./voice.ts";
import { offeredPreconditions } from "./waiting.ts";
import { ALWAYS, handshakeLines, type Writing, writeBody } from "./write-sdp.ts";

export interface OfferContext {
  readonly session: Session;
  readonly from: SideIndex;
  /** Where reuse of ports and keys begins. */
  readonly base: State;
  readonly legs: readonly [Leg, Leg];
  readonly random: Random;
  readonly own: readonly OwnPorts[];
  reserve(leg: Leg, family: Family | undefined): Local;
}

export interface Offered {
  readonly state: State;
  readonly onward: { readonly media: readonly Media[] };
  readonly text: string;
}

/** Throws PeerError; ports that it reserved until then are the caller's to free. */
export function applyOffer(context: OfferContext, offer: Sdp): Offered {
  const { base, from, legs, session } = context;
  const to = otherSide(from);
  const known = base.lines.length;
  // One side may have heard of more m-lines than the other: those of a call that it was to change over to, in vain.
  const heard = session.pending === undefined ? legs[from].voice.lines : 0;
  const fault = reofferFault(heard === 0 ? known : Math.min(known, heard), offer);
  if (fault !== undefined) throw new PeerError(488, fault);

  const sdp = withLines(offer, Math.max(known, legs[to].voice.lines));
  const groups = groupsOf(sdp);
  const aside =
    groups.length === 0
      ? NONE
      : [...alternatives(groups, sdp, legs[from].realm), ...mergedLines(groups, sdp, base.lines, from)];
  const rules = rulesOf(legs[to]);
  const lines: Position[] = [];
  const writings: Writing[] = [];
  const onward: Media[] = [];
  let wanted = 0;
  let carried = 0;
  let unshaped = 0;
  for (const [index, media] of sdp.media.entries()) {
    if (media.port !== 0) wanted++;
    const profile =
      carried < mediaLimits.streams && !aside.includes(index) ? carriedProfile(media, legs, from) : undefined;
    const told = profile === undefined ? undefined : toldOf(media, profile, legs, from);
    if (profile === undefined || told === undefined) {
      if (profile !== undefined) unshaped++;
      lines.push(undefined);
      onward.push(media.port === 0 ? media : { ...media, port: 0 });
      writings.push(placeholder(media, undefined));
      continue;
    }
    carried++;
    const line = offeredLine(context, { sdp, groups }, media, profile, index, lines);
    lines.push(line);
    onward.push(told);
    const preconditions = offeredPreconditions(legs[from], legs[to], media);
    writings.push(offeredWriting(line, from, told, profile, legs[to], preconditions));
  }
  if (carried === 0 && unshaped > 0) throw new PeerError(488, "no codec is left that both sides may have", 305);
  if (wanted > 0 && carried === 0) throw new PeerError(488, "none of the offered streams can be carried", 302);

  const leg = legs[to];
  const shown = shownOn(lines, to, leg);
  const frame = {
    source: sdp,
    times: ALWAYS,
    groups: groupsOnward(groups, lines, from),
    ice: hasIce(lines, to),
    rules,
  };
  const voice = say(leg.voice, shown, writeBody(frame, shown, writings), writings.length);
  return { state: { lines, legs: withVoice(legs, to, voice) }, onward: { media: onward }, text: voice.text };
}

const NONE: readonly number[] = [];

/** RTP with keys that we can handle, or fax, on one port; everything else keeps its place with port 0. */
function carriedProfile(media: Media, legs: readonly [Leg, Leg], from: SideIndex): Profile | undefined {
  if (media.port === 0 || media.portCount !== 1) return undefined;
  if (isFax(media)) return carriesFax(legs[0]) && carriesFax(legs[1]) ? FAX : undefined;
  const profile = profileOf(media.protocol);
  if (profile === undefined || media.kind === "image") return undefined;
  if (profile.dtls && !keyingsFor(legs[from]).includes("dtls")) return undefined;
  if (!areRtpFormats(media.formats)) throw new PeerError(488, "a format is no RTP payload type, or stands twice");
  return profile;
}

/** As the other side hears of it; `undefined`: nothing is left. */
function toldOf(media: Media, profile: Profile, legs: readonly [Leg, Leg], from: SideIndex): Media | undefined {
  if (profile === FAX) return media;
  const told = shaped(media, rulesOf(legs[otherSide(from)]), rulesOf(legs[from]));
  return told === undefined ? undefined : digitsOffered(told, legs, from);
}

/** `earlier`: the lines of this offer that stand before it. */
function offeredLine(
  context: OfferContext,
  { sdp, groups }: { readonly sdp: Sdp; readonly groups: readonly Group[] },
  media: Media,
  profile: Profile,
  index: number,
  earlier: readonly Position[],
): Line {
  const { from, legs, own, random } = context;
  const to = otherSide(from);
  const fax = profile === FAX;
  const wantsMux = fax || hasAttribute(media, "rtcp-mux");
  const mux =
    wantsMux && (context.base.lines[index]?.sides[from].mux !== false || fax || hasAttribute(media, "rtcp-mux-only"));
  const ice = fax ? undefined : iceForOffer(media, sdp, legs[from], iceBefore(context, index, from), random);
  const found =
    ice === undefined ? remoteOf(withinReach(media, sdp, legs[from].realm), sdp, legs[from], own, mux) : "none";
  const remote = found === "none" ? undefined : found;
  const declared = direction(media, sdp);
  const before = linePortsFit(context, index, media.kind, remote?.family, mux);
  const beforeFrom = before[from];
  const beforeTo = before[to];

  const keys = fax ? NO_KEYS : keysForOffer(media, sdp, profile, legs[from], beforeFrom, random);
  const offered = fax ? NO_OFFERED_KEYS : keysToOffer(legs[to], beforeTo, random);
  const held = found === "none" && ice === undefined && beforeFrom?.remote !== undefined;
  const offerer: LineSide = {
    local: beforeFrom?.local ?? context.reserve(legs[from], remote?.family ?? familyShown(media, sdp, legs[from])),
    remote: ice === undefined ? (remote ?? beforeFrom?.remote) : undefined,
    profile: profile.name,
    mid: midOf(media),
    bundled: groups.length > 0 && standsForBundle(groups, sdp, index, mux),
    mux,
    ice,
    rx: keys.rx,
    tx: keys.tx,
    dtls: keys.dtls,
    offered: beforeFrom?.offered ?? [],
    payloadTypes: SAME_NUMBERS,
    digits: beforeFrom?.digits,
    plays: beforeFrom?.plays,
    maxDatagram: fax ? maxDatagramOf(media) : 0,
    direction: held ? heldDirection(declared) : declared,
  };
  const answerer: LineSide = {
    local: beforeTo?.local ?? context.reserve(legs[to], undefined),
    remote: beforeTo?.remote,
    profile: fax ? FAX.name : onwardProfile(legs[to], beforeTo, offered, profile),
    mid: onwardMid(context, index, media, earlier),
    bundled: beforeTo?.bundled ?? (isBrowser(legs[to]) && !earlier.some((line) => line?.sides[to].bundled)),
    mux: beforeTo?.mux ?? (wantsMux || isBrowser(legs[to])),
    ice: fax ? undefined : iceToOffer(legs[to], beforeTo?.ice, random),
    rx: beforeTo?.rx,
    tx: beforeTo?.tx,
    dtls: offered.dtls,
    offered: offered.sdes,
    payloadTypes: SAME_NUMBERS,
    digits: beforeTo?.digits,
    plays: beforeTo?.plays,
    maxDatagram: beforeTo?.maxDatagram ?? 0,
    direction: beforeTo?.direction ?? "inactive",
  };
  return { kind: media.kind, sides: from === 0 ? [offerer, answerer] : [answerer, offerer], codecs: [] };
}

/**
 * 0.0.0.0 in place of an address that was there is hold, and is told so in today's words (RFC 3264 §8.4). Where none was
 * there before, a third party is setting up the call (RFC 3725) and wants to hear how the stream would be.
 */
const heldDirection = (declared: Direction): Direction => directionFrom(sends(declared), false);

/** ICE lives on with the stream, even where it gets other ports: the other end has not restarted it. */
function iceBefore({ base, session }: OfferContext, index: number, side: SideIndex): LineSide["ice"] {
  return session.upcoming[side] === undefined ? base.lines[index]?.sides[side].ice : undefined;
}

/** Candidates are of no family: what `c=` says counts as far as we can follow it. */
function familyShown(media: Media, sdp: Sdp, { realm }: Leg): Family | undefined {
  const connection = media.connection ?? sdp.connection;
  const ip = connection === undefined ? undefined : readIp(connection.ip);
  return ip === undefined || ip.kind === "unspecified" || !hasFamily(realm, ip.family) ? undefined : ip.family;
}

/** Streams keep their names on each leg; one that is named on the offerer's gets one on the other. RFC 5888 §9.1. */
function onwardMid(
  { base, session, from, legs }: OfferContext,
  index: number,
  media: Media,
  earlier: readonly Position[],
) {
  const to = otherSide(from);
  const before = session.upcoming[to] === undefined ? base.lines[index]?.sides[to].mid : undefined;
  const named = midOf(media) !== undefined || isBrowser(legs[to]);
  return before ?? (!named ? undefined : freshMid(index, to, base.lines, earlier));
}

/**
 * What of the line before can live on, by side. Ports that were bound for RTP and RTCP each do not become one port for
 * both: such a wish is declined (RFC 5761 §5.1.1); the opposite one gets other ports. A relay that is open lives on with both its ports or not at all: the
 * relay never binds a port again that it is about to close.
 */
function linePortsFit(
  context: OfferContext,
  index: number,
  kind: string,
  family: Family | undefined,
  mux: boolean,
): [LineSide | undefined, LineSide | undefined] {
  const { base, session, from } = context;
  const line = base.lines[index];
  if (line === undefined || line.kind !== kind) return [undefined, undefined];
  const fits = (side: SideIndex): boolean =>
    session.upcoming[side] === undefined &&
    (side !== from ||
      (line.sides[side].mux === mux && (family === undefined || line.sides[side].local.family === family)));
  const both = [fits(0), fits(1)] as const;
  if (session.relays[index] !== undefined && !(both[0] && both[1])) return [undefined, undefined];
  return [both[0] ? line.sides[0] : undefined, both[1] ? line.sides[1] : undefined];
}

/**
 * RFC 8643 where SRTP is preferred: keys under a plain profile, unless the side itself asked for the secure one. Feedback
 * comes with every DTLS profile of a browser: what it means to other ends is told by the others alone.
 */
function onwardProfile(leg: Leg, before: LineSide | undefined, { sdes, dtls }: OfferedKeys, profile: Profile): string {
  const browser = isBrowser(leg);
  const was = before === undefined ? undefined : profileOf(before.profile);
  const feedback = browser || (profile.dtls ? was?.feedback === true : profile.feedback);
  const keys = sdes.length > 0 || dtls !== undefined;
  const secure = keys && (leg.realm.srtp === "required" || browser || was?.secure === true);
  // A side that asked for DTLS under the profile of SDES is spoken to in its own way.
  return profileName(secure, feedback, secure && sdes.length === 0 && (was?.secure !== true || was.dtls));
}

function offeredWriting(
  line: Line,
  from: SideIndex,
  source: Media,
  profile: Profile,
  leg: Leg,
  preconditions: Writing["preconditions"],
): Writing {
  const side = line.sides[otherSide(from)];
  return {
    source,
    side,
    mid: side.mid,
    protocol: side.profile,
    feedback: profile.feedback && profileOf(side.profile)?.feedback === true,
    direction: line.sides[from].direction,
    keys: side.offered,
    dtls: side.dtls === undefined ? undefined : handshakeLines(leg, side.dtls, "actpass"),
    muxOnly: side.mux && isBrowser(leg),
    preconditions,
    offer: true,
    asked: undefined,
  };
}

/** A position without a stream, as it stands on either leg. `mid`: what the offer that it answers called it. */
export const placeholder = (source: Media, mid: string | undefined): Writing => ({
  source,
  side: undefined,
  mid,
  protocol: source.protocol,
  feedback: false,
  direction: "inactive",
  keys: [],
  dtls: undefined,
  muxOnly: false,
  preconditions: [],
  offer: false,
  asked: undefined,
});

/** For the session's `c=`: the address of the first stream. */
export function shownOn(lines: readonly Position[], index: SideIndex, leg: Leg): string {
  for (const line of lines) if (line !== undefined) return line.sides[index].local.shown;
  return shownAddress(leg);
}

export function hasIce(lines: readonly Position[], index: SideIndex): boolean {
  for (const line of lines) if (line?.sides[index].ice !== undefined) return true;
  return false;
}

export function withVoice(legs: readonly [Leg, Leg], index: SideIndex, voice: Leg["voice"]): readonly [Leg, Leg] {
  const leg = legs[index];
  if (leg.voice === voice) return legs;
  const { party, realm, cname, fingerprint } = leg;
  const spoken: Leg = { party, realm, cname, fingerprint, voice };
  return index === 0 ? [spoken, legs[1]] : [legs[0], spoken];
}
