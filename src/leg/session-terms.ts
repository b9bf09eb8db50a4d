/** Who refreshes a session, and how often: what two ends agree on. RFC 4028 §7.2 and §9. */
import { PeerError, type SessionTimerSettings } from "../base/index.ts";
import {
  type HeaderField,
  type Message,
  MinSE,
  type Request,
  Require,
  type Response,
  SessionExpires,
  Supported,
} from "../message/index.ts";

/** RFC 4028 §5: no interval is shorter. In seconds. */
export const SHORTEST_INTERVAL = 90;

/** Limit: a longer interval that a peer insists on runs for this long with us. In seconds: a week. */
export const LONGEST_INTERVAL = 604_800;

export interface Terms {
  readonly seconds: number;
  readonly refresher: "ours" | "theirs";
  /** The peer knows of it. If not, refreshing is for our own benefit, and any answer is a sign of life. */
  readonly shared: boolean;
}

/** The Min-SE of a 422, when this request asks for less than we take; `undefined`: it may pass. Throws PeerError(400). */
export function tooShort(request: Request, { seconds, minimumSeconds }: SessionTimerSettings): number | undefined {
  if (seconds === 0 || !request.headers.has(SessionExpires.name)) return undefined;
  const asked = request.get(SessionExpires);
  // RFC 4028 §8.1, §9: who knows no timers cannot ask for more; somebody on the way did, and it must do.
  if (asked === undefined || asked.seconds >= minimumSeconds || !knowsTimers(request)) return undefined;
  return minimumSeconds;
}

/**
 * What our 2xx to this INVITE or UPDATE says. `now`: what stands already. Table 2 of RFC 4028: the caller's choice of the
 * refresher holds; without one whoever has refreshed goes on, and at first whoever asked for the timer begins.
 * What cannot be read was refused by `tooShort`, or is as good as not written.
 */
export function termsAsked(request: Request, wanted: number, now: Terms | undefined): Terms {
  const asked = readable(request, SessionExpires);
  const least = Math.max(SHORTEST_INTERVAL, readable(request, MinSE) ?? 0);
  const most = asked === undefined ? (now?.seconds ?? wanted) : Math.min(asked.seconds, wanted);
  const seconds = Math.min(Math.max(most, least), LONGEST_INTERVAL);
  if (!knowsTimers(request)) return { seconds, refresher: "ours", shared: asked !== undefined };
  // Whoever refreshes may do so more often: an interval that is longer than we want is ours to cut.
  const begun = asked === undefined || least > wanted ? "ours" : "theirs";
  const chosen = asked?.refresher === "uac" ? "theirs" : asked?.refresher === "uas" ? "ours" : undefined;
  return { seconds, refresher: chosen ?? now?.refresher ?? begun, shared: true };
}

/** What a 2xx to our INVITE or UPDATE says, which offered so many seconds. */
export function termsAnswered(response: Response, offered: number): Terms {
  const answer = readable(response, SessionExpires);
  // RFC 4028 §7.2: the peer knows no timers, so we are the one who refreshes.
  if (answer === undefined) return { seconds: offered, refresher: "ours", shared: false };
  // Nobody may answer with more than was offered: then it is ours to refresh in time.
  const theirs = answer.refresher === "uas" && answer.seconds <= offered;
  const seconds = Math.max(Math.min(answer.seconds, offered), SHORTEST_INTERVAL);
  return { seconds, refresher: theirs ? "theirs" : "ours", shared: true };
}

/** Min-SE of a 422; `undefined` when it has none that could be met. */
export function minimumIn(response: Response): number | undefined {
  const seconds = readable(response, MinSE);
  return seconds !== undefined && seconds <= LONGEST_INTERVAL ? seconds : undefined;
}

export function knowsTimers(request: Request): boolean {
  return request.lists(Supported, "timer") || request.lists(Require, "timer");
}

/** What cannot be read is as good as not written. */
function readable<T>(message: Message, field: HeaderField<T>): T | undefined {
  try {
    return message.headers.has(field.name) ? message.get(field) : undefined;
  } catch (error) {
    if (error instanceof PeerError) return undefined;
    throw error;
  }
}
