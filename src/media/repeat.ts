/** An offer that repeats what a side was told: nothing is new but, perhaps, its answer. */
import type { Media, Sdp } from "../sdp/index.ts";
import type { Position } from "./line.ts";
import { otherSide, type SideIndex } from "./party.ts";
import type { Pending, State } from "./session.ts";

/** `said`: our description toward the side `to`, parsed. */
export function repetition(settled: State, to: SideIndex, said: Sdp): Pending {
  const lines = said.media.map((media, index) => asSaid(settled.lines[index], to, media));
  return {
    from: otherSide(to),
    offer: said,
    onward: { media: said.media },
    offered: lines,
    state: { lines, legs: settled.legs },
    answered: false,
    stale: false,
    repeated: true,
    text: "",
  };
}

/** Every offer leaves open who begins a handshake, and what stands goes on all the same: RFC 8842 §5.5. */
export const asOffer = (body: string): string =>
  body.includes("\na=setup:") ? body.replace(/^a=setup:(?:active|passive)\r$/gm, "a=setup:actpass\r") : body;

/** An answer of ours named one key; as an offer it offers that one alone. */
function asSaid(line: Position, to: SideIndex, media: Media): Position {
  const side = line?.sides[to];
  if (line === undefined || side?.tx === undefined) return line;
  if (media.attributes.filter(({ name }) => name === "crypto").length !== 1) return line;
  const said = { ...side, offered: [side.tx] };
  return { ...line, sides: to === 0 ? [said, line.sides[1]] : [line.sides[0], said] };
}
