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
import {
  fitsTogether,
  fitTogether,
  freeExtension,
  isLed,
  midExtension,
  payloadTypesOf,
  sharers,
  unbundled,
  withSide,
} from "./bundle.ts";
import { certified } from "./certificates.ts";
import { digitsOffered } from "./digits.ts";
import { faxCarried, faxForOffer, faxToOffer, isFax, isFaxProfile, maxDatagramOf } from "./fax.ts";
import { alternatives, freshMid, groupsOf, groupsOnward, hasFamily, midOf } from "./groups.ts";
import { iceForOffer, iceToOffer } from "./ice.ts";
import { readIp } from "./ip.ts";
import { keysForOffer, keysToOffer, type OfferedKeys } from "./keys.ts";
import { mediaLimits } from "./limits.ts";
import type { Line, LineSide, Local, Position, Remote } from "./line.ts";
import { withLines } from "./lines-off.ts";
import { SAME_NUMBERS } from "./numbers.ts";
import { isBrowser, keyingsFor, otherSide, rulesOf, type SideIndex } from "./party.ts";
import { shownAddress } from "./port-books.ts";
import type { DtlsIdentity } from "./relay-command.ts";
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
  /** A certificate that this offer is the first to show, the same for all lines of that side; `undefined`: none can be had. */
  identity(side: SideIndex): DtlsIdentity | undefined;
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

  const described = withLines(offer, Math.max(known, legs[to].voice.lines));
  const groups = groupsOf(described);
  const { sdp, tagged } = unbundled(groups, described);
  const aside = groups.length === 0 ? NONE : alternatives(groups, sdp, legs[from].realm);
  const rules = rulesOf(legs[to]);
  const asked: (Asked | undefined)[] = [];
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
      asked.push(undefined);
      onward.push(media.port === 0 ? media : { ...media, port: 0 });
      continue;
    }
    carried++;
    asked.push(askedOf(context, sdp, media, profile, index, tagged));
    onward.push(told);
  }
  if (carried === 0 && unshaped > 0) throw new PeerError(488, "no codec is left that both sides may have", 305);
  if (wanted > 0 && carried === 0) throw new PeerError(488, "none of the offered streams can be carried", 302);

  const lines = namedInPackets(offeredLines(context, sdp, asked, onward), base.lines, to, onward);
  const writings = lines.map((line, index): Writing => {
    const media = sdp.media[index] as Media;
    const profile = asked[index]?.profile;
    if (line === undefined || profile === undefined) return placeholder(media, undefined);
    const preconditions = offeredPreconditions(legs[from], legs[to], media);
    const writing = offeredWriting(line, from, onward[index] as Media, profile, legs[to], preconditions);
    return isLed(lines, index, to) ? { ...writing, led: true } : writing;
  });
  const leg = legs[to];
  const shown = shownOn(lines, to, leg);
  const frame = {
    source: sdp,
    times: ALWAYS,
    groups: groupsOnward(groups, lines, base.lines, from),
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
  if (isFax(media)) return faxCarried(media, legs, from);
  const profile = profileOf(media.protocol);
  if (profile === undefined || media.kind === "image") return undefined;
  if (profile.dtls && !keyingsFor(legs[from]).includes("dtls")) return undefined;
  if (!areRtpFormats(media.formats)) throw new PeerError(488, "a format is no RTP payload type, or stands twice");
  return profile;
}

/** As the other side hears of it; `undefined`: nothing is left. */
function toldOf(media: Media, profile: Profile, legs: readonly [Leg, Leg], from: SideIndex): Media | undefined {
  if (isFaxProfile(profile.name)) return media;
  const told = shaped(media, rulesOf(legs[otherSide(from)]), rulesOf(legs[from]));
  return told === undefined ? undefined : digitsOffered(told, legs, from);
}

/** A line of the offer that we would carry, as far as it says itself how. */
interface Asked {
  readonly media: Media;
  readonly profile: Profile;
  readonly mux: boolean;
  readonly ice: LineSide["ice"];
  readonly remote: Remote | undefined;
  /** 0.0.0.0, or where only checks tell. */
  readonly nowhere: boolean;
  /** The line that is tagged in its bundle. */
  readonly tagged: number | undefined;
  /** What that bundle has, where it lives on. */
  readonly transport: LineSide | undefined;
}

function askedOf(
  context: OfferContext,
  sdp: Sdp,
  media: Media,
  profile: Profile,
  index: number,
  groups: readonly (number | undefined)[],
): Asked {
  const { base, from, legs, own, random } = context;
  const tagged = groups[index];
  const fax = isFaxProfile(profile.name);
  const wantsMux = fax || hasAttribute(media, "rtcp-mux");
  const before = base.lines[index]?.sides[from];
  const mux =
    wantsMux && (before?.mux !== false || fax || hasAttribute(media, "rtcp-mux-only") || tagged !== undefined);
  const transport = tagged === undefined ? undefined : transportBefore(context, groups, tagged);
  // ICE lives on with the stream, even where it gets other ports: the other end has not restarted it.
  const known = transport?.ice ?? sideBefore(context, index, from)?.ice;
  const ice = fax ? undefined : iceForOffer(media, sdp, legs[from], known, random);
  const found =
    ice === undefined ? remoteOf(withinReach(media, sdp, legs[from].realm), sdp, legs[from], own, mux) : "none";
  const nowhere = found === "none";
  const remote = nowhere ? undefined : found;
  return { media, profile, mux, ice, remote, nowhere: nowhere && ice === undefined, tagged, transport };
}

/** The transport that a bundle had, whichever of its lines: RFC 9143 §7.5. */
function transportBefore(
  { base, session, from }: OfferContext,
  groups: readonly (number | undefined)[],
  tagged: number,
): LineSide | undefined {
  if (session.upcoming[from] !== undefined) return undefined;
  const found = base.lines.find((line, index) => groups[index] === tagged && line?.sides[from].bundled === true);
  return found?.sides[from];
}

function offeredLines(
  context: OfferContext,
  sdp: Sdp,
  asked: readonly (Asked | undefined)[],
  onward: readonly Media[],
): Position[] {
  const before = portsBefore(context, asked);
  /** Of the bundles of this offer, by the line that is tagged. */
  const ways = new Map<number, Local>();
  for (const [index, each] of asked.entries()) {
    const was = before[index]?.[context.from];
    if (each?.tagged === undefined || was?.bundled !== true) continue;
    if (!ways.has(each.tagged) || index === each.tagged) ways.set(each.tagged, was.local);
  }
  const lines: Position[] = [];
  for (const [index, each] of asked.entries()) {
    lines.push(
      each === undefined ? undefined : offeredLine(context, sdp, each, index, before[index], ways, lines, onward),
    );
  }
  return lines;
}

/** `earlier`: the lines of this offer that stand before it. */
function offeredLine(
  context: OfferContext,
  sdp: Sdp,
  { media, profile, mux, ice, remote, nowhere, tagged, transport }: Asked,
  index: number,
  before: Before | undefined,
  ways: Map<number, Local>,
  earlier: readonly Position[],
  onward: readonly Media[],
): Line {
  const { base, from, legs, random, session } = context;
  const to = otherSide(from);
  const fax = isFaxProfile(profile.name);
  const declared = direction(media, sdp);
  const way = tagged === undefined ? undefined : ways.get(tagged);
  const sleeping = base.lines[index] === undefined ? asleep(context, index, media.kind) : undefined;
  // Whoever came to stand in a bundle, or left it, has other ports than before.
  const kept = before?.[from];
  const stays =
    kept !== undefined && (way === undefined ? !isTaken(base.lines, index, from, tagged) : way === kept.local);
  const moves = kept !== undefined && !stays;
  const both = moves && session.relays[index] !== undefined;
  const beforeFrom = moves ? undefined : kept;
  const beforeTo = both ? undefined : before?.[to];

  const keys = fax
    ? faxForOffer(media, sdp, beforeFrom, remote, random)
    : keysForOffer(media, sdp, profile, legs[from], transport ?? beforeFrom, remote, random);
  const faxOffered = fax ? faxToOffer(legs[to], beforeTo, random) : undefined;
  const offered = faxOffered?.keys ?? keysToOffer(legs[to], beforeTo, sideBefore(context, index, to), random);
  const held = nowhere && beforeFrom?.remote !== undefined;
  const local =
    way ??
    beforeFrom?.local ??
    sleeping?.[from] ??
    context.reserve(legs[from], remote?.family ?? familyShown(media, sdp, legs[from]));
  if (tagged !== undefined) ways.set(tagged, local);
  const offerer: LineSide = {
    local,
    remote: ice === undefined ? (remote ?? beforeFrom?.remote) : undefined,
    profile: profile.name,
    mid: midOf(media),
    bundled: tagged !== undefined,
    midId: tagged === undefined ? 0 : midExtension(media),
    arriving: tagged === undefined ? NONE : payloadTypesOf(media),
    mux,
    ice,
    rx: keys.rx,
    tx: keys.tx,
    dtls: certified(context, from, index, (transport ?? beforeFrom)?.dtls, keys.dtls),
    offered: beforeFrom?.offered ?? [],
    payloadTypes: SAME_NUMBERS,
    digits: beforeFrom?.digits,
    plays: beforeFrom?.plays,
    maxDatagram: fax ? maxDatagramOf(media) : 0,
    direction: held ? heldDirection(declared) : declared,
  };
  const answerer: LineSide = {
    local: beforeTo?.local ?? sleeping?.[to] ?? context.reserve(legs[to], undefined),
    remote: beforeTo?.remote,
    profile: faxOffered?.profile.name ?? onwardProfile(legs[to], beforeTo, offered, profile),
    mid: onwardMid(context, index, media, earlier),
    bundled: beforeTo?.bundled ?? (!fax && isBrowser(legs[to]) && fitsBundle(earlier, to, onward, index)),
    midId: beforeTo?.midId ?? 0,
    arriving: beforeTo?.arriving ?? NONE,
    mux: beforeTo?.mux ?? (mux || fax || hasAttribute(media, "rtcp-mux") || isBrowser(legs[to])),
    ice: fax ? undefined : iceToOffer(legs[to], beforeTo?.ice, random),
    rx: beforeTo?.rx,
    tx: beforeTo?.tx,
    dtls: certified(context, to, index, beforeTo?.dtls, offered.dtls),
    offered: offered.sdes,
    payloadTypes: SAME_NUMBERS,
    digits: beforeTo?.digits,
    plays: beforeTo?.plays,
    maxDatagram: beforeTo?.maxDatagram ?? 0,
    direction: beforeTo?.direction ?? "inactive",
  };
  return { kind: media.kind, sides: from === 0 ? [offerer, answerer] : [answerer, offerer], codecs: [] };
}

/** Do others stand on its ports, that it does not go with? Then these stay theirs. */
const isTaken = (lines: readonly Position[], index: number, side: SideIndex, tagged: number | undefined): boolean => {
  const local = lines[index]?.sides[side].local;
  return tagged === undefined && local !== undefined && sharers(lines, side, local) > 1;
};

/** Can this line be offered in the bundle of those that are offered in it before? */
function fitsBundle(earlier: readonly Position[], to: SideIndex, onward: readonly Media[], index: number): boolean {
  const others = onward.filter((_, other) => other < index && earlier[other]?.sides[to].bundled === true);
  return fitsTogether(onward[index] as Media, others);
}

/** Where several lines are offered in bundles, packets say by name whose they are: RFC 9143 §15. */
function namedInPackets(
  lines: readonly Position[],
  before: readonly Position[],
  to: SideIndex,
  onward: readonly Media[],
): readonly Position[] {
  const bundled = onward.filter((_, index) => lines[index]?.sides[to].bundled === true);
  if (bundled.length < 2) return lines;
  const agreed = before.find((line) => (line?.sides[to].midId ?? 0) !== 0)?.sides[to].midId ?? 0;
  const midId = freeExtension(bundled, agreed);
  return lines.map((line) =>
    line?.sides[to].bundled === true ? withSide(line, to, { ...line.sides[to], midId }) : line,
  );
}

/**
 * 0.0.0.0 in place of an address that was there is hold, and is told so in today's words (RFC 3264 §8.4). Where none was
 * there before, a third party is setting up the call (RFC 3725) and wants to hear how the stream would be.
 */
const heldDirection = (declared: Direction): Direction => directionFrom(sends(declared), false);

/** How the same end had that line, whether its ports live on or not. */
const sideBefore = ({ base, session }: OfferContext, index: number, side: SideIndex): LineSide | undefined =>
  session.upcoming[side] === undefined ? base.lines[index]?.sides[side] : undefined;

/** Candidates are of no family: what `c=` says counts as far as we can follow it. */
function familyShown(media: Media, sdp: Sdp, { realm }: Leg): Family | undefined {
  const connection = media.connection ?? sdp.connection;
  const ip = connection === undefined ? undefined : readIp(connection.ip);
  return ip === undefined || ip.kind === "unspecified" || !hasFamily(realm, ip.family) ? undefined : ip.family;
}

/** Streams keep their names on each leg; one that is named on the offerer's gets one on the other. RFC 5888 §9.1. */
function onwardMid(context: OfferContext, index: number, media: Media, earlier: readonly Position[]) {
  const { base, from, legs } = context;
  const to = otherSide(from);
  const before = sideBefore(context, index, to)?.mid;
  const named = midOf(media) !== undefined || isBrowser(legs[to]);
  return before ?? (!named ? undefined : freshMid(index, to, base.lines, earlier));
}

type Before = readonly [LineSide | undefined, LineSide | undefined];

/** Of a first offer. */
const NO_PORTS: readonly (Before | undefined)[] = [];

/**
 * What of the lines before can live on, by side. Ports that were bound for RTP and RTCP each do not become one port for
 * both: such a wish is declined (RFC 5761 §5.1.1); the opposite one gets other ports. A relay that is open lives on with both its ports or not at all: the
 * relay never binds a port again that it is about to close.
 */
function portsBefore(context: OfferContext, asked: readonly (Asked | undefined)[]): readonly (Before | undefined)[] {
  const { base, session, from } = context;
  const { lines } = base;
  if (lines.length === 0) return NO_PORTS;
  const bySide = ([0, 1] as const).map((side) =>
    lines.map((line, index) => {
      const each = asked[index];
      if (line === undefined)
        return session.relays[index] === undefined || asleep(context, index, each?.media.kind) !== undefined;
      if (each === undefined) return true;
      if (line.kind !== each.media.kind || session.upcoming[side] !== undefined) return false;
      const { mux, local } = line.sides[side];
      return side !== from || (mux === each.mux && (each.remote === undefined || local.family === each.remote.family));
    }),
  ) as [boolean[], boolean[]];
  for (const [index, relay] of session.relays.entries()) {
    const kind = asked[index]?.media.kind;
    if (relay === undefined || lines[index] !== undefined || kind === undefined || kind === relay.kind) continue;
    // Another stream takes the place of the pair whose sockets they share.
    for (const [other, line] of lines.entries()) {
      if (line?.sides.some(({ local }, side) => local === relay.locals[side])) bySide[0][other] = false;
    }
  }
  const whole = lines.map((_, index) => bySide[0][index] === true && bySide[1][index] === true);
  if (lines.some((line) => line?.sides[0].bundled === true || line?.sides[1].bundled === true)) {
    fitTogether(lines, whole);
    for (const [index, fits] of whole.entries()) if (!fits) bySide[0][index] = bySide[1][index] = false;
  }
  return lines.map((line, index): Before | undefined => {
    if (line === undefined || line.kind !== asked[index]?.media.kind) return undefined;
    if (session.relays[index] !== undefined && whole[index] !== true) return undefined;
    return [bySide[0][index] ? line.sides[0] : undefined, bySide[1][index] ? line.sides[1] : undefined];
  });
}

/** The ports of a line that is off, where its pair goes on for others that share its transport. */
function asleep(
  { base, session }: OfferContext,
  index: number,
  kind: string | undefined,
): readonly Local[] | undefined {
  const relay = session.relays[index];
  if (relay === undefined || session.upcoming[0] !== undefined || session.upcoming[1] !== undefined) return undefined;
  const carries = ([0, 1] as const).some((side) => sharers(base.lines, side, relay.locals[side]) > 0);
  return carries && (kind === undefined || kind === relay.kind) ? relay.locals : undefined;
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
    led: false,
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
  led: false,
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
  const { party, realm, cname, fingerprint, alternative } = leg;
  const spoken: Leg = { party, realm, cname, fingerprint, alternative, voice };
  return index === 0 ? [spoken, legs[1]] : [legs[0], spoken];
}
