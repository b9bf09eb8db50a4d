/**
 * What two honest ends that nothing stands between may expect of a call: that it comes to pass as its script has it. A box
 * that refuses everything, loses holds or forgets streams keeps every law of the RFCs, and fails here.
 */
import type { Millis } from "../../src/base/index.ts";
import type { Dialog } from "./dialog.ts";
import type { CalleeScript, CallerScript, CallScript } from "./script.ts";
import { type Direction, directionOf, hasNoPlace, sectionsOf } from "./sdp-text.ts";

/** Both ends of one call, with all dialogs that they had under its number. */
export interface Ends {
  readonly number: string;
  readonly script: CallScript;
  readonly caller: readonly Dialog[];
  readonly callee: readonly Dialog[];
}

/**
 * Was the call meant to be answered, whatever comes first: nobody gives up, nobody is asked for what he has not? `proves`:
 * whoever is asked who we are is told.
 */
export function mustBeAnswered({ caller, callee }: CallScript, proves: boolean): boolean {
  const patient = caller.cancelAfter === undefined && caller.prackAfter < 1_000;
  const plain = caller.early.length === 0 && callee.early.length === 0 && !caller.prackOffers;
  return (
    patient &&
    plain &&
    (callee.status === 200 || (proves && callee.nextStatus === 200 && [401, 407].includes(callee.status))) &&
    !callee.returns &&
    !leavesEarly(caller, callee) &&
    callee.otherForkAfter === undefined &&
    callee.rings.every(({ fork }) => fork === callee.fork)
  );
}

/** Where the box keeps the answer back until the caller has its resources, the callee may have gone by then. */
const leavesEarly = ({ waits }: CallerScript, { byeAfter = 60_000 }: CalleeScript): boolean =>
  waits !== "no" && byeAfter < 8_000;

/** Limit: what begins so shortly before the end may be cut off by it, and then each end has its own view. */
const SETTLING: Millis = 8_000;

/** From then on the box repeats to each end what it was told, and hears less than was said: `inactive` to `inactive`. */
const FIRST_REFRESH: Millis = 45_000;

function changesLate({ caller, callee }: CallScript): boolean {
  const end = Math.min(caller.byeAfter ?? Number.POSITIVE_INFINITY, callee.byeAfter ?? Number.POSITIVE_INFINITY);
  if (end > FIRST_REFRESH) return true;
  return [...caller.steps, ...callee.steps].some(({ after }) => after > end - SETTLING);
}

/** What did not come to pass. `carried`: our media addresses at which the relay heard and spoke when all was over. */
export function disappointments(
  { number, script, caller, callee }: Ends,
  proves: boolean,
  carried: ReadonlySet<string>,
): string[] {
  if (!mustBeAnswered(script, proves)) return [];
  const ours = caller.find(({ ours }) => ours !== "");
  const theirs = callee.find(({ ours }) => ours !== "");
  if (ours === undefined || theirs === undefined) return [`call ${number}: it was to be answered, and was not`];
  if (changesLate(script)) return [];
  return [
    ...faults(`call ${number}, to the callee`, ours, theirs),
    ...faults(`call ${number}, to the caller`, theirs, ours),
    ...silences(`call ${number}, the caller`, ours, theirs, carried),
    ...silences(`call ${number}, the callee`, theirs, ours, carried),
  ];
}

/** What `one` said last must be what the other end was told, for as long as nothing was under way at the end. */
function faults(name: string, one: Dialog, other: Dialog): string[] {
  if (!settled(one) || !settled(other)) return [];
  const said = sectionsOf(one.ours);
  const told = sectionsOf(other.theirs);
  if (said.length !== told.length) return [`${name}: ${told.length} streams were told, ${said.length} were said`];
  return said.flatMap((section, index) => {
    const mine = stateOf(one.ours, section);
    const theirs = stateOf(other.theirs, told[index]!);
    return mine === theirs || hasNoPlace(section)
      ? []
      : [`${name}, stream ${index}: ${theirs} was told, ${mine} was said`];
  });
}

/** Streams that both ends want both ways, and that the relay does not carry so: a gate of early media was left shut, perhaps. */
function silences(name: string, one: Dialog, other: Dialog, carried: ReadonlySet<string>): string[] {
  if (!settled(one) || !settled(other)) return [];
  const told = sectionsOf(one.theirs);
  const open = [one.ours, one.theirs, other.ours, other.theirs].map((sdp) =>
    sectionsOf(sdp).map((section) => stateOf(sdp, section) === "sendrecv" && !hasNoPlace(section)),
  );
  return told.flatMap((section, index) => {
    if (!open.every((states) => states[index] === true)) return [];
    const ip = /\nc=IN IP[46] (\S+)/.exec(section) ?? /\nc=IN IP[46] (\S+)/.exec(one.theirs);
    const place = `${ip?.[1]} ${section.split(" ")[1]}`;
    return carried.has(place) ? [] : [`${name}, stream ${index}: nothing passes both ways at ${place}`];
  });
}

const settled = (dialog: Dialog): boolean => dialog.exchange === "stable" && !dialog.updating;

/** `off`, or its direction. */
function stateOf(sdp: string, section: string): Direction | "off" {
  if (section.split(" ")[1] === "0") return "off";
  return directionOf(section) ?? directionOf(sdp.split(/\r\nm=/)[0] ?? "") ?? "sendrecv";
}
