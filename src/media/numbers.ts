/**
 * One payload type for one codec on each leg. An answer should keep the numbers of its offer (RFC 3264 §6.1); one that does not
 * is told in these all the same, and the relay renumbers the packets: many an endpoint sends by its own number, whatever the
 * answer said, and takes digits by its own alone.
 */
import { type Attribute, type Codec, codecsOf, type Media } from "../sdp/index.ts";
import { mediaLimits } from "./limits.ts";
import type { RelaySide } from "./relay-command.ts";
import { formatOf, OF_A_FORMAT } from "./shape.ts";

type PayloadTypes = RelaySide["payloadTypes"];

export const SAME_NUMBERS: PayloadTypes = [];

export interface Renumbered {
  /** The answer in the numbers of the offer. */
  readonly media: Media;
  readonly toAnswerer: PayloadTypes;
  /** Who answers sends by the numbers of the offer; some send by their own. */
  readonly toOfferer: PayloadTypes;
}

/** `undefined`: there is nothing to renumber. */
export function inOfferedNumbers(answered: Media, offered: Media): Renumbered | undefined {
  if (keepsTo(answered.formats, offered.formats)) return undefined;
  const numbers = numbersFor(answered, offered);
  if (numbers.size === 0) return undefined;
  const pairs = [...numbers].map(([own, told]) => [Number(own), Number(told)] as const);
  return {
    media: {
      ...answered,
      formats: answered.formats.map((format) => numbers.get(format) ?? format),
      attributes: answered.attributes.map((attribute) => renumbered(attribute, numbers)),
    },
    toAnswerer: pairs.map(([own, told]) => [told, own]),
    toOfferer: pairs,
  };
}

/** Most answers do: this is all that a plain call pays. */
function keepsTo(answered: readonly string[], offered: readonly string[]): boolean {
  for (const format of answered) if (!offered.includes(format)) return false;
  return true;
}

/** From the answerer's number to the offer's, where both have the codec under one number, and nothing else has that number. */
function numbersFor(answered: Media, offered: Media): Map<string, string> {
  const own = codecsOf(answered);
  const theirs = codecsOf(offered);
  const numbers = new Map<string, string>();
  for (const codec of own) {
    if (offered.formats.includes(codec.format) || numbers.size === mediaLimits.renumbered) continue;
    const twins = theirs.filter((one) => isSame(one, codec));
    const twin = twins[0]?.format;
    if (twin === undefined || twins.length > 1 || answered.formats.includes(twin)) continue;
    if (own.filter((one) => isSame(one, codec)).length === 1) numbers.set(codec.format, twin);
  }
  return numbers;
}

/** A format that nobody explained is not the same as anything. */
const isSame = (one: Codec, other: Codec): boolean =>
  one.clockRate > 0 && one.name === other.name && one.clockRate === other.clockRate;

function renumbered(attribute: Attribute, numbers: ReadonlyMap<string, string>): Attribute {
  const { name, value } = attribute;
  if (value === undefined || !OF_A_FORMAT.has(name)) return attribute;
  const format = formatOf(value);
  let rest = value.trimStart().slice(format.length);
  if (name === "fmtp") rest = inOtherNumbers(rest, numbers);
  return { name, value: `${numbers.get(format) ?? format}${rest}` };
}

/** Formats that speak of others: `apt=96` (RFC 4588 §8.6), `96/97` (RFC 2198 §5). */
function inOtherNumbers(params: string, numbers: ReadonlyMap<string, string>): string {
  if (/^ *[0-9]{1,3}(?:\/[0-9]{1,3})+ *$/.test(params))
    return ` ${params
      .trim()
      .split("/")
      .map((one) => numbers.get(one) ?? one)
      .join("/")}`;
  return params.replace(/\bapt=([0-9]{1,3})\b/, (_, one: string) => `apt=${numbers.get(one) ?? one}`);
}
