/** What a line carries: the codec of each of its formats. */
import { numberIn } from "./parse.ts";
import type { Media } from "./sdp.ts";

/** Payload types with a fixed meaning, and the clock rate of each. RFC 3551 §6. */
const STATIC: ReadonlyMap<string, readonly [name: string, clockRate: number]> = new Map([
  ["0", ["PCMU", 8_000]],
  ["3", ["GSM", 8_000]],
  ["4", ["G723", 8_000]],
  ["5", ["DVI4", 8_000]],
  ["6", ["DVI4", 16_000]],
  ["7", ["LPC", 8_000]],
  ["8", ["PCMA", 8_000]],
  ["9", ["G722", 8_000]],
  ["10", ["L16", 44_100]],
  ["11", ["L16", 44_100]],
  ["12", ["QCELP", 8_000]],
  ["13", ["CN", 8_000]],
  ["14", ["MPA", 90_000]],
  ["15", ["G728", 8_000]],
  ["16", ["DVI4", 11_025]],
  ["17", ["DVI4", 22_050]],
  ["18", ["G729", 8_000]],
  ["25", ["CelB", 90_000]],
  ["26", ["JPEG", 90_000]],
  ["28", ["nv", 90_000]],
  ["31", ["H261", 90_000]],
  ["32", ["MPV", 90_000]],
  ["33", ["MP2T", 90_000]],
  ["34", ["H263", 90_000]],
]);

/** A name cut out of a message keeps the whole message in memory, unless it is short: the common long one is ours. */
const LONG_NAME = "telephone-event";

/** The encoding of each format in order; the format itself where nobody said what it is. */
export function codecNames(media: Media): string[] {
  const maps = mapsOf(media);
  const names: string[] = [];
  for (let i = 0; i < maps.length; i++) {
    const map = maps[i];
    const format = media.formats[i] as string;
    if (map === undefined) names.push(STATIC.get(format)?.[0] ?? format);
    else {
      const slash = map.indexOf("/");
      names.push(slash === LONG_NAME.length && map.startsWith(LONG_NAME) ? LONG_NAME : map.slice(0, slash));
    }
  }
  return names;
}

export interface Codec {
  readonly format: string;
  /** Lower case: names of codecs are the same in any case (RFC 4855 §3). The format itself where nobody said what it is. */
  readonly name: string;
  /** In Hz; 0: nobody said. */
  readonly clockRate: number;
}

/** The codec of each format in order. `offered`: the line that this one answers; it may have said more. */
export function codecsOf(media: Media, offered?: Media): Codec[] {
  const maps = mapsOf(media);
  const more = offered === undefined ? [] : mapsOf(offered);
  return media.formats.map((format, index) => {
    const map = maps[index] ?? more[offered?.formats.indexOf(format) ?? -1];
    if (map !== undefined) {
      const [name = "", rate = ""] = map.split("/", 2);
      return { format, name: name.toLowerCase(), clockRate: Math.max(0, numberIn(rate.trimEnd(), 0xffff_ffff)) };
    }
    const [name, clockRate] = STATIC.get(format) ?? [format, 0];
    return { format, name: name.toLowerCase(), clockRate };
  });
}

/**
 * What rtpmap says of each format, in order: `opus/48000/2`; `undefined`: nothing that can be read. The first line of a
 * format counts. One pass, however many lines and formats there are.
 */
function mapsOf({ attributes, formats }: Media): (string | undefined)[] {
  const maps: (string | undefined)[] = [];
  for (let index = 0; index < formats.length; index++) maps.push(undefined);
  for (const { name, value } of attributes) {
    if (name !== "rtpmap" || value === undefined) continue;
    const text = value.charCodeAt(0) === SPACE ? value.trimStart() : value; // Some write a space after the colon.
    const index = formatIn(text, formats);
    if (index < 0 || maps[index] !== undefined) continue;
    const map = text.slice((formats[index] as string).length + 1).trimStart();
    if (map.indexOf("/") > 0) maps[index] = map;
  }
  return maps;
}

/** The first of these that the text begins with, and a space behind it; -1: none. */
function formatIn(text: string, formats: readonly string[]): number {
  for (let index = 0; index < formats.length; index++) {
    const format = formats[index] as string;
    if (text.charCodeAt(format.length) === SPACE && text.startsWith(format)) return index;
  }
  return -1;
}

const SPACE = 32;
