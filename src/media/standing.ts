/** One side of a session as it stands, for another session that carries it on: a call that was transferred. */
import {
  type Direction,
  direction,
  directionFrom,
  directionNames,
  formatSdp,
  type Media,
  parseSdp,
  receives,
  type Sdp,
  sends,
} from "../sdp/index.ts";
import { withLines } from "./lines-off.ts";
import { type MediaParty, otherSide, type SideIndex } from "./party.ts";
import type { Session } from "./session.ts";
import { type Spoken, spokenBy } from "./voice.ts";

export interface Standing {
  readonly party: MediaParty;
  /** How far our voice toward it has come. */
  readonly voice: Spoken;
  /**
   * What it said of itself last, as a new offer: where its direction only gave way to the other side's, as on hold, it is
   * free again.
   */
  readonly offer: string;
}

export function standingOf(held: Session, index: SideIndex): Standing {
  const { party, voice } = (held.pending?.state ?? held.settled).legs[index];
  const own = held.said[index];
  const gaveWay = held.lastAnswerer === index;
  const offer = gaveWay ? freed(parseSdp(own), parseSdp(held.said[otherSide(index)])) : own;
  const shaken =
    party.shaken === true || held.settled.lines.some((line) => line?.sides[index].dtls?.agreed !== undefined);
  return { party: shaken ? { ...party, shaken } : party, voice: spokenBy(voice), offer };
}

/** An answer cannot be wider than its offer (RFC 3264 §6.1); what it lacks for that reason alone is given back to it. */
function freed(answer: Sdp, offer: Sdp): string {
  const media = answer.media.map((line, index) => {
    const asked = offer.media[index];
    if (line.port === 0 || asked === undefined) return line;
    const own = direction(line, answer);
    const other = direction(asked, offer);
    // Phones of old say 0.0.0.0 for hold (RFC 3264 §8.4).
    const takes = receives(other) && (asked.connection ?? offer.connection)?.ip !== "0.0.0.0";
    const wide = directionFrom(sends(own) || !takes, receives(own) || !sends(other));
    return wide === own ? line : withDirection(line, wide);
  });
  return formatSdp({ ...answer, media });
}

function withDirection(line: Media, wide: Direction): Media {
  const attributes = line.attributes.filter(({ name }) => !directionNames.has(name));
  return { ...line, attributes: [...attributes, { name: wide }] };
}

/** The same description with so many m-lines at least: a new offer may not have fewer (RFC 3264 §8). */
export const padded = (text: string, lines: number): string => {
  const sdp = parseSdp(text);
  return sdp.media.length >= lines ? text : formatSdp(withLines(sdp, lines));
};
