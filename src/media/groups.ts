/**
 * Names of m-lines (`a=mid`) and what groups them (`a=group`): RFC 5888, RFC 9143, RFC 4091. Names are a leg's own: an
 * answer repeats those of its offer, and the other leg has others for the same lines.
 *
 * BUNDLE is each leg's own, too: see bundle.ts. FID and LS cross with the names of the other leg.
 */
import { type Family, familyOf, type RealmSettings } from "../base/index.ts";
import { attribute, type Media, profileOf, type Sdp } from "../sdp/index.ts";
import { bundlesOnward } from "./bundle.ts";
import { mediaLimits } from "./limits.ts";
import type { Position } from "./line.ts";
import type { SideIndex } from "./party.ts";

export interface Group {
  readonly semantics: string;
  /** Names of lines, each once. */
  readonly tags: readonly string[];
}

const NONE: readonly Group[] = [];

/** Semantics that mean the same on both legs, stream by stream. */
const crosses = (semantics: string): boolean => semantics === "LS" || semantics === "FID";

export function groupsOf(sdp: Sdp): readonly Group[] {
  let groups: Group[] | undefined;
  for (const { name, value } of sdp.attributes) {
    if (name !== "group" || value === undefined) continue;
    const [semantics = "", ...tags] = value.trim().split(/ +/, 1 + mediaLimits.groupNames);
    groups ??= [];
    if (groups.length === mediaLimits.groups) break;
    groups.push({ semantics, tags: [...new Set(tags)] });
  }
  return groups ?? NONE;
}

/** The name of the line in this description; `undefined`: it has none. */
export function midOf(media: Media): string | undefined {
  const mid = attribute(media, "mid");
  return mid === undefined || mid === "" ? undefined : mid;
}

/** A name of ours for a line that has none on that leg yet: its number, or longer while another line is called so. */
export function freshMid(index: number, side: SideIndex, ...taken: (readonly Position[])[]): string {
  let name = String(index);
  while (taken.some((lines) => lines.some((line, other) => other !== index && line?.sides[side].mid === name)))
    name += "+";
  return name;
}

/** The groups of an offer that `from` made, in the names of the other leg. Lines that are not offered on are left out. */
export function groupsOnward(
  groups: readonly Group[],
  lines: readonly Position[],
  before: readonly Position[],
  from: SideIndex,
): string {
  let text = "";
  for (const { semantics, tags } of groups) {
    if (!crosses(semantics)) continue;
    let names = "";
    for (const tag of tags) {
      const mid = lines.find((line) => line?.sides[from].mid === tag)?.sides[from === 0 ? 1 : 0].mid;
      if (mid !== undefined) names += ` ${mid}`;
    }
    if (names !== "") text += `a=group:${semantics}${names}\r\n`;
  }
  return text + bundlesOnward(lines, before, from === 0 ? 1 : 0);
}

/**
 * The groups that our answer to `offer` names: each with what is left of its lines, as far as the other side took the
 * group up too. RFC 5888 §9.2. `lines`: as answered, with `undefined` for each that was declined; `to`: the offerer.
 */
export function groupsAnswered(
  offer: readonly Group[],
  answer: Sdp,
  lines: readonly Position[],
  to: SideIndex,
): string {
  if (offer.length === 0) return "";
  const taken = groupsOf(answer);
  let text = "";
  for (const { semantics, tags } of offer) {
    if (semantics === "BUNDLE") {
      const taken = tags.filter((tag) => lines.some((line) => line?.sides[to].bundled && line.sides[to].mid === tag));
      if (taken.length > 0) text += `a=group:BUNDLE ${taken.join(" ")}\r\n`;
      continue;
    }
    if (semantics !== "ANAT" && !(crosses(semantics) && taken.some((group) => group.semantics === semantics))) continue;
    let names = "";
    for (const tag of tags) {
      const sides = lines.find((line) => line?.sides[to].mid === tag)?.sides;
      const other = sides?.[to === 0 ? 1 : 0].mid;
      const agreed = semantics === "ANAT" ? sides !== undefined : named(taken, semantics, other);
      if (agreed) names += ` ${tag}`;
    }
    text += `a=group:${semantics}${names}\r\n`;
  }
  return text;
}

const named = (groups: readonly Group[], semantics: string, mid: string | undefined): boolean =>
  mid !== undefined && groups.some((group) => group.semantics === semantics && group.tags.includes(mid));

/**
 * Numbers of the lines that are left aside, because they offer a stream once more at an address of the other family:
 * the first of each ANAT group that this realm can reach is taken. RFC 4091 §5.
 */
export function alternatives(groups: readonly Group[], sdp: Sdp, realm: RealmSettings): readonly number[] {
  const aside: number[] = [];
  if (!groups.some(({ semantics }) => semantics === "ANAT")) return aside;
  const mids = sdp.media.map(midOf);
  for (const { semantics, tags } of groups) {
    if (semantics !== "ANAT") continue;
    const lines = tags.map((tag) => mids.indexOf(tag)).filter((index) => index >= 0);
    const taken = lines.find((index) => isReachable(sdp.media[index] as Media, sdp, realm));
    if (taken !== undefined) for (const index of lines) if (index !== taken) aside.push(index);
  }
  return aside;
}

function isReachable(media: Media, sdp: Sdp, realm: RealmSettings): boolean {
  const family = (media.connection ?? sdp.connection)?.family;
  return (
    media.port !== 0 && profileOf(media.protocol) !== undefined && family !== undefined && hasFamily(realm, family)
  );
}

export function hasFamily(realm: RealmSettings, family: Family): boolean {
  for (const ip of realm.media.addresses) if (familyOf(ip) === family) return true;
  return false;
}
