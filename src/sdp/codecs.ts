/** Names of what a line carries. */
import { rtpmaps } from "./attributes.ts";
import type { Media } from "./sdp.ts";

/** Payload types with a fixed meaning. RFC 3551 §6. */
const STATIC: ReadonlyMap<string, string> = new Map([
  ["0", "PCMU"],
  ["3", "GSM"],
  ["4", "G723"],
  ["5", "DVI4"],
  ["6", "DVI4"],
  ["7", "LPC"],
  ["8", "PCMA"],
  ["9", "G722"],
  ["10", "L16"],
  ["11", "L16"],
  ["12", "QCELP"],
  ["13", "CN"],
  ["14", "MPA"],
  ["15", "G728"],
  ["16", "DVI4"],
  ["17", "DVI4"],
  ["18", "G729"],
  ["25", "CelB"],
  ["26", "JPEG"],
  ["28", "nv"],
  ["31", "H261"],
  ["32", "MPV"],
  ["33", "MP2T"],
  ["34", "H263"],
]);

/** A name cut out of a message keeps the whole message in memory, unless it is short: the common long one is ours. */
const LONG_NAMES: ReadonlyMap<string, string> = new Map([["telephone-event", "telephone-event"]]);

/** The encoding of each format in order; the format itself where nobody said what it is. */
export function codecNames(media: Media): string[] {
  const maps = rtpmaps(media);
  return media.formats.map((format) => {
    const encoding = maps.find((map) => map.format === format)?.encoding;
    if (encoding === undefined) return STATIC.get(format) ?? format;
    return LONG_NAMES.get(encoding) ?? encoding;
  });
}
