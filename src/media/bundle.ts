/**
 * BUNDLE (RFC 9143): one address and port for several lines. Each line of ours has ports of its own, so a group that we name
 * has one line: the first that we take. Of the others those that offer ports of their own too are moved out of the group
 * (§7.3.2), and those that would stand on the first one's are declined (§7.3.3).
 */
import { hasAttribute, type Media, profileOf, type Sdp } from "../sdp/index.ts";
import { type Group, midOf } from "./groups.ts";
import type { Position } from "./line.ts";
import type { SideIndex } from "./party.ts";

const isBundle = ({ semantics }: Group): boolean => semantics === "BUNDLE";

/** The place of the line that stands for the group; -1: none of it can. RFC 9143 §7.3.1. */
function taggedLine({ tags }: Group, { media }: Sdp): number {
  for (const tag of tags) {
    const index = media.findIndex((line) => midOf(line) === tag);
    const line = media[index];
    if (line !== undefined && line.port !== 0 && profileOf(line.protocol) !== undefined) return index;
  }
  return -1;
}

/** Does this line stand for a group that its offer asks for? RFC 9143 §9.3 bundles RTP with its RTCP or not at all. */
export const standsForBundle = (groups: readonly Group[], sdp: Sdp, index: number, mux: boolean): boolean =>
  mux && groups.some((group) => isBundle(group) && taggedLine(group, sdp) === index);

/** Numbers of the lines that have nowhere to stand outside of their group. `before`: what is agreed. */
export function mergedLines(
  groups: readonly Group[],
  sdp: Sdp,
  before: readonly Position[],
  side: SideIndex,
): readonly number[] {
  const merged: number[] = [];
  for (const group of groups) {
    const first = isBundle(group) ? taggedLine(group, sdp) : -1;
    if (first < 0) continue;
    const port = (sdp.media[first] as Media).port;
    // Once there is such a group, a line that joins it brings no candidates of its own (RFC 8829 §5.2.2).
    const stood = before[first]?.sides[side].bundled === true;
    for (const [index, media] of sdp.media.entries()) {
      if (index === first || !group.tags.includes(midOf(media) ?? "")) continue;
      const shares = media.port === port && port !== NO_PORT;
      if (shares || hasAttribute(media, "bundle-only") || (stood && before[index] === undefined)) merged.push(index);
    }
  }
  return merged;
}

/** What stands in `m=` while nobody knows yet: RFC 8829 §5.2.1. */
const NO_PORT = 9;
