/**
 * What the rules of both sides leave of a line: its codecs and their order, the length of packets, the bandwidth. A codec
 * that a side may not have is neither offered to it nor taken from its offer, so an answer cannot hold it either.
 */
import type { CodecRules, MediaRules } from "../base/index.ts";
import { type Attribute, attribute, type Bandwidth, type Codec, codecsOf, type Media } from "../sdp/index.ts";

/** Formats that say nothing by themselves: they go with a codec, and a line of them alone is none. */
export const COMPANIONS: ReadonlySet<string> = new Set([
  "telephone-event",
  "tone",
  "cn",
  "red",
  "rtx",
  "ulpfec",
  "flexfec",
  "flexfec-03",
  "parityfec",
]);

/** Attributes whose value begins with the format that they speak of; `*` speaks of all. */
export const OF_A_FORMAT: ReadonlySet<string> = new Set(["rtpmap", "fmtp", "rtcp-fb", "imageattr", "framesize"]);

/**
 * The line as `to` is told of it. `from`: the rules of the side that described it; `offered`: the line that it answers.
 * `undefined`: nothing is left.
 */
export function shaped(
  media: Media,
  to: MediaRules | undefined,
  from: MediaRules | undefined,
  offered?: Media,
): Media | undefined {
  if (to === undefined && from?.codecs === undefined) return media;
  const formats = formatsLeft(media, to?.codecs, from?.codecs, offered);
  if (formats === undefined) return undefined;
  return {
    ...media,
    formats,
    attributes: attributesLeft(media, formats, media.kind === "audio" ? to?.ptimeMs : undefined),
    bandwidths: capped(media.bandwidths, limitOf(media.kind, to?.bandwidth)),
  };
}

function formatsLeft(
  media: Media,
  to: CodecRules | undefined,
  from: CodecRules | undefined,
  offered: Media | undefined,
): readonly string[] | undefined {
  if (to === undefined && from === undefined) return media.formats;
  const codecs = codecsOf(media, offered);
  const kept = codecs.filter((codec) => mayHave(to, codec, media.kind) && mayHave(from, codec, media.kind));
  const left = kept.length === codecs.length ? kept : withoutLonely(media, kept);
  if (left.length < codecs.length && left.every(({ name }) => COMPANIONS.has(name))) return undefined;
  return (to === undefined ? left : ordered(left, to.order, media.kind)).map(({ format }) => format);
}

/** telephone-event stays unless it is denied: whoever lists codecs seldom means to forbid digits. */
function mayHave(rules: CodecRules | undefined, codec: Codec, kind: string): boolean {
  if (rules === undefined) return true;
  const { allow, deny } = rules;
  if (deny.some((word) => means(word, codec, kind))) return false;
  return allow.length === 0 || codec.name === "telephone-event" || allow.some((word) => means(word, codec, kind));
}

const means = (word: string, { name, clockRate }: Codec, kind: string): boolean =>
  word === name || word === `${name}/${clockRate}` || word === `${kind}/*`;

function ordered(codecs: readonly Codec[], order: readonly string[], kind: string): readonly Codec[] {
  if (order.length === 0) return codecs;
  const rank = (codec: Codec): number => {
    const found = order.findIndex((word) => means(word, codec, kind));
    return found < 0 ? order.length : found;
  };
  return [...codecs].sort((one, other) => rank(one) - rank(other)); // It is stable.
}

/** Companions of codecs that are gone go with them: retransmission, redundancy, and events by another clock (RFC 4733 §2.4.1). */
function withoutLonely(media: Media, kept: readonly Codec[]): readonly Codec[] {
  const formats = new Set(kept.map(({ format }) => format));
  const clocks = new Set(kept.filter(({ name }) => !COMPANIONS.has(name)).map(({ clockRate }) => clockRate));
  const timed = kept.some(({ name, clockRate }) => name === "telephone-event" && clocks.has(clockRate));
  return kept.filter(({ name, clockRate, format }) => {
    if (name === "telephone-event") return !timed || clocks.has(clockRate);
    if (name === "cn") return clocks.has(clockRate);
    if (name === "rtx" || name === "red") return servedBy(media, format).every((served) => formats.has(served));
    return true;
  });
}

/** The formats that this one repeats: `apt=96` (RFC 4588 §8.6), `96/97` (RFC 2198 §5). */
function servedBy({ attributes }: Media, format: string): readonly string[] {
  for (const { name, value } of attributes) {
    if (name !== "fmtp" || value === undefined || formatOf(value) !== format) continue;
    const params = value.trimStart().slice(format.length).trim();
    const apt = /(?:^|;)\s*apt=([0-9]{1,3})/.exec(params)?.[1];
    return apt === undefined ? params.split("/").filter((one) => /^[0-9]{1,3}$/.test(one)) : [apt];
  }
  return [];
}

/** The format that such a value begins with. */
export function formatOf(text: string): string {
  const value = text.trimStart();
  const space = value.indexOf(" ");
  return space < 0 ? value : value.slice(0, space);
}

function attributesLeft(media: Media, formats: readonly string[], ptimeMs: number | undefined): readonly Attribute[] {
  const fewer = formats.length < media.formats.length;
  if (!fewer && ptimeMs === undefined) return media.attributes;
  const left = media.attributes.filter(({ name, value = "" }) => {
    if (name === "ptime") return ptimeMs === undefined;
    if (!fewer || !OF_A_FORMAT.has(name)) return true;
    const format = formatOf(value);
    return format === "*" || formats.includes(format) || !media.formats.includes(format);
  });
  if (ptimeMs !== undefined) left.push({ name: "ptime", value: String(Math.min(ptimeMs, longestPacket(media))) });
  return left;
}

/** In milliseconds: nobody is asked for more than the other side can take. RFC 8866 §6.5. */
function longestPacket(media: Media): number {
  const most = Number(attribute(media, "maxptime"));
  return most > 0 ? Math.floor(most) : Number.POSITIVE_INFINITY;
}

const limitOf = (kind: string, limits: MediaRules["bandwidth"]): number | undefined =>
  kind === "audio" ? limits?.audio : kind === "video" ? limits?.video : undefined;

/** `limit`: kbit/s. AS counts in these, TIAS in bit/s; of RTCP's share (RS, RR) it says nothing. */
function capped(bandwidths: readonly Bandwidth[], limit: number | undefined): readonly Bandwidth[] {
  if (limit === undefined) return bandwidths;
  const lowered = bandwidths.map(({ type, value }) => {
    const most = type === "TIAS" ? limit * 1_000 : type === "AS" || type === "CT" ? limit : Number.POSITIVE_INFINITY;
    return Number(value) > most ? { type, value: String(most) } : { type, value };
  });
  if (!lowered.some(({ type }) => type === "AS")) lowered.unshift({ type: "AS", value: String(limit) });
  return lowered;
}
