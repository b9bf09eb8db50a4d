/**
 * Digits of a line: which payload types are telephone-event (RFC 4733), and what becomes of them where one leg has them as
 * INFO. Such a leg's description knows no telephone-event; the other leg's has it all the same, since the box stands at its
 * other end.
 */
import type { DigitForm } from "../base/index.ts";
import { type Codec, codecsOf, type Media } from "../sdp/index.ts";
import type { Line, LineSide } from "./line.ts";
import { otherSide, rulesOf, type SideIndex, type Standing } from "./party.ts";
import type { SideDigits } from "./relay-command.ts";
import { COMPANIONS, formatOf, OF_A_FORMAT } from "./shape.ts";

export type EventTypes = SideDigits["events"];

export const NO_EVENTS: EventTypes = [];

type Ends = readonly [Standing, Standing];

const EVENT = "telephone-event";
/** Limit: as many as the relay watches; others pass like any packet. */
const WATCHED = 4;
/** The events that every phone has: 0 to 9, *, #, A to D. */
const USUAL = "0-15";

export const digitFormOf = (standing: Standing): DigitForm => rulesOf(standing)?.dtmf ?? "pass";

/** Does anybody ask for more of digits than to let them pass? */
export const isAnyoneAfterDigits = (legs: Ends): boolean => isAfterDigits(legs[0]) || isAfterDigits(legs[1]);

function isAfterDigits(standing: Standing): boolean {
  const rules = rulesOf(standing);
  return rules !== undefined && ((rules.dtmf ?? "pass") !== "pass" || (rules.digitFacts ?? "off") !== "off");
}

/** The side that has digits as INFO where the other one has not. */
export function infoSide(legs: Ends): SideIndex | undefined {
  const first = digitFormOf(legs[0]) === "info";
  if (first === (digitFormOf(legs[1]) === "info")) return undefined;
  return first ? 0 : 1;
}

/** What `from` offers, as the other side is to hear of its digits. */
export function digitsOffered(media: Media, legs: Ends, from: SideIndex): Media {
  const info = media.kind === "audio" ? infoSide(legs) : undefined;
  if (info === undefined) return media;
  return info === from ? withEvents(media) : withoutEvents(media);
}

/** What `from` answers, as the other side is to hear of its digits. `offer`: what that one had offered. */
export function digitsAnswered(media: Media, offer: Media, legs: Ends, from: SideIndex): Media {
  const info = media.kind === "audio" ? infoSide(legs) : undefined;
  if (info === undefined) return media;
  return info === from ? withEventsOf(media, offer) : withoutEvents(media);
}

/** Payload types of telephone-event in a description, with their clocks. */
export function eventTypesOf(media: Media): EventTypes {
  if (media.kind !== "audio") return NO_EVENTS;
  const found = codecsOf(media).filter(isEvent);
  return found.length === 0
    ? NO_EVENTS
    : found.slice(0, WATCHED).map(({ format, clockRate }) => [Number(format), clockRate]);
}

/** An end sends by the numbers that it was told, or by its own. */
export function bothTypes(own: EventTypes, told: EventTypes): EventTypes {
  const more = told.filter(([type]) => !own.some(([one]) => one === type));
  return more.length === 0 ? own : [...own, ...more].slice(0, WATCHED);
}

/** What the relay does with the digits of a side; `undefined`: it lets them pass. */
export function sideDigits(legs: Ends, side: SideIndex, events: EventTypes, out: EventTypes): SideDigits | undefined {
  if (!isAnyoneAfterDigits(legs)) return undefined;
  const take = infoSide(legs) === otherSide(side);
  const insert = digitFormOf(legs[side]) === "rfc4733" && out.length > 0;
  const told = take || (rulesOf(legs[side])?.digitFacts ?? "off") !== "off";
  if (!insert && (!told || events.length === 0)) return undefined;
  return { events: told ? events : NO_EVENTS, take, insert };
}

/** `answer`: of `from`, as it came; `onward`: what that side had been offered; `told`: what the other side hears. */
export function agreedDigits(
  line: Line,
  legs: Ends,
  from: SideIndex,
  { answer, onward, told }: { readonly answer: Media; readonly onward: Media; readonly told: Media },
): Line {
  if (line.kind !== "audio" || !isAnyoneAfterDigits(legs)) return line;
  const own = eventTypesOf(answer);
  const answerer = withDigits(
    line.sides[from],
    legs,
    from,
    bothTypes(own, own.length > 0 ? eventTypesOf(onward) : own),
    own,
    answer,
  );
  const to = otherSide(from);
  const heard = eventTypesOf(told);
  const offerer = withDigits(line.sides[to], legs, to, heard, heard, told);
  return { ...line, sides: from === 0 ? [answerer, offerer] : [offerer, answerer] };
}

function withDigits(
  side: LineSide,
  legs: Ends,
  index: SideIndex,
  events: EventTypes,
  out: EventTypes,
  media: Media,
): LineSide {
  const clock = codecsOf(media).find(({ name }) => !COMPANIONS.has(name))?.clockRate;
  const plays = out.find(([, clockHz]) => clockHz === clock) ?? out[0];
  return { ...side, digits: sideDigits(legs, index, events, out), plays };
}

const isEvent = ({ name, clockRate }: Codec): boolean => name === EVENT && clockRate >= 1_000;

/** Without telephone-event; as it is where nothing else would be left. */
function withoutEvents(media: Media): Media {
  const codecs = codecsOf(media);
  const events = new Set(codecs.filter(({ name }) => name === EVENT).map(({ format }) => format));
  if (events.size === 0 || events.size === media.formats.length) return media;
  return {
    ...media,
    formats: media.formats.filter((format) => !events.has(format)),
    attributes: media.attributes.filter(
      ({ name, value = "" }) => !OF_A_FORMAT.has(name) || !events.has(formatOf(value)),
    ),
  };
}

/** With telephone-event for each clock that the line has (RFC 4733 §2.1), on numbers that nothing else has. */
function withEvents(media: Media): Media {
  const codecs = codecsOf(media);
  if (codecs.some(isEvent)) return media;
  const clocks = new Set<number>();
  for (const { name, clockRate } of codecs) if (!COMPANIONS.has(name) && clockRate >= 1_000) clocks.add(clockRate);
  const made: [format: string, clockRate: number][] = [];
  for (const clock of [...clocks].slice(0, WATCHED)) {
    const format = freeNumber([...media.formats, ...made.map(([one]) => one)]);
    if (format !== undefined) made.push([format, clock]);
  }
  return plusEvents(media, made);
}

/** With the telephone-events that `offer` had, by the clocks that were taken. */
function withEventsOf(media: Media, offer: Media): Media {
  const codecs = codecsOf(media, offer);
  if (codecs.some(isEvent)) return media;
  const clocks = new Set(codecs.filter(({ name }) => !COMPANIONS.has(name)).map(({ clockRate }) => clockRate));
  const offered = codecsOf(offer).filter((codec) => isEvent(codec) && clocks.has(codec.clockRate));
  const free = offered.filter(({ format }) => !media.formats.includes(format));
  return plusEvents(
    media,
    free.slice(0, WATCHED).map(({ format, clockRate }) => [format, clockRate]),
  );
}

function plusEvents(media: Media, events: readonly (readonly [format: string, clockRate: number])[]): Media {
  if (events.length === 0) return media;
  const lines = events.flatMap(([format, clockRate]) => [
    { name: "rtpmap", value: `${format} ${EVENT}/${clockRate}` },
    { name: "fmtp", value: `${format} ${USUAL}` },
  ]);
  const formats = [...media.formats, ...events.map(([format]) => format)];
  return { ...media, formats, attributes: [...media.attributes, ...lines] };
}

/** 101 is what half of the world has for it. */
function freeNumber(taken: readonly string[]): string | undefined {
  for (let number = 101; number < 128; number++) if (!taken.includes(String(number))) return String(number);
  for (let number = 96; number < 101; number++) if (!taken.includes(String(number))) return String(number);
  return undefined;
}
