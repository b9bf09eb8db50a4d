/** An offer that repeats what a side was told: nothing is new but, perhaps, its answer, or the keys. */
import type { Random } from "../base/index.ts";
import type { Media, Sdp } from "../sdp/index.ts";
import type { OwnKey, Position } from "./line.ts";
import { otherSide, type SideIndex } from "./party.ts";
import { cryptoText, renewedKey } from "./sdes.ts";
import type { Pending, State } from "./session.ts";

/** By position: what stands in a line in place of the key that stood there. */
export type Renewed = readonly (OwnKey | undefined)[];

/** Keys of ours in descriptions, each with a new one for it. Those of a handshake are the handshake's business. */
export const renewedKeys = ({ lines, legs }: State, to: SideIndex, random: Random): Renewed =>
  lines.map((line) => {
    const own = line?.sides[to].tx;
    return own === undefined ? undefined : renewedKey(own, legs[to], random);
  });

/** Our description with the new keys alone. */
export function withKeys(body: string, renewed: Renewed): string {
  const [head = "", ...sections] = body.split(/^(?=m=)/m);
  const lines = sections.map((section, index) => {
    const own = renewed[index];
    if (own === undefined) return section;
    let first = true;
    return section.replace(/^a=crypto:.*\r\n/gm, () => {
      if (!first) return "";
      first = false;
      return `a=crypto:${cryptoText(own)}\r\n`;
    });
  });
  return head + lines.join("");
}

/** `said`: our description toward the side `to`, parsed. */
export function repetition(settled: State, to: SideIndex, said: Sdp, renewed: Renewed = []): Pending {
  const lines = said.media.map((media, index) => asSaid(settled.lines[index], to, media, renewed[index]));
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
function asSaid(line: Position, to: SideIndex, media: Media, renewed: OwnKey | undefined): Position {
  const side = line?.sides[to];
  if (line === undefined || side?.tx === undefined) return line;
  if (media.attributes.filter(({ name }) => name === "crypto").length !== 1) return line;
  const said = { ...side, offered: [renewed ?? side.tx] };
  return { ...line, sides: to === 0 ? [said, line.sides[1]] : [line.sides[0], said] };
}
