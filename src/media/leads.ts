/** Which line of a bundle leads it once it is answered: RFC 9143 §7.3.1. It says how they all are reached and secured. */
import { led, withSide } from "./bundle.ts";
import type { Group } from "./groups.ts";
import type { Line, LineSide, Position } from "./line.ts";
import type { SideIndex } from "./party.ts";

/** By line: the number of the one that leads it, perhaps itself; `undefined`: it is in no bundle. */
export type Leads = readonly (number | undefined)[];

/** A line that the answer has in its bundle. `midId`: the header extension that it takes names by. */
export function inBundle(line: Line, side: SideIndex, arriving: readonly number[], midId: number): Line {
  const before = line.sides[side];
  return withSide(line, side, { ...before, bundled: true, arriving, midId: before.midId === midId ? midId : 0 });
}

/** Of the side that answers. `tagged`: as its answer says; what shared ports already goes on to (§7.3.2). */
export function leadsTaken(
  taken: readonly Position[],
  offered: readonly Position[],
  side: SideIndex,
  tagged: Leads,
): Leads {
  return taken.map((line, index) => {
    if (line?.sides[side].bundled !== true) return undefined;
    const first = tagged[index];
    if (first !== undefined) return taken[first] === undefined ? index : first;
    const local = offered[index]?.sides[side].local;
    return taken.findIndex(
      (other, at) => other?.sides[side].bundled === true && offered[at]?.sides[side].local === local,
    );
  });
}

/** Of the side that offered: the first, in its own order, that is taken. */
export function leadsOffered(lines: readonly Position[], side: SideIndex, groups: readonly Group[]): Leads {
  return lines.map((line) => {
    const own = line?.sides[side];
    if (own?.bundled !== true) return undefined;
    const sharing = lines.flatMap((other, at) => (other?.sides[side].local === own.local ? [at] : []));
    for (const { semantics, tags } of groups) {
      if (semantics !== "BUNDLE") continue;
      for (const tag of tags) {
        const found = sharing.find((at) => lines[at]?.sides[side].mid === tag);
        if (found !== undefined) return found;
      }
    }
    return sharing[0];
  });
}

/** Lines of a bundle have the transport of the one that leads them; one that is alone in it needs no name in its packets. */
export function oneTransport(lines: readonly Position[], side: SideIndex, leads: Leads): readonly Position[] {
  if (!leads.some((lead) => lead !== undefined)) return lines;
  return lines.map((line, index) => {
    const lead = leads[index];
    const leading = lead === undefined ? undefined : lines[lead];
    if (line === undefined || leading === undefined) return line;
    const own: LineSide = lead === index ? line.sides[side] : led(line.sides[side], leading.sides[side]);
    const alone = leads.filter((each) => each === lead).length === 1;
    return withSide(line, side, alone && own.midId !== 0 ? { ...own, midId: 0 } : own);
  });
}
