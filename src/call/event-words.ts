/** Event and Subscription-State as they are written on the other side: built anew, so that nothing unknown crosses. */
import { PeerError } from "../base/index.ts";
import { Event, type EventValue, isToken, type Request, SubscriptionState } from "../message/index.ts";

/** Limit: characters of an event package or id. */
const WORD_LIMIT = 128;

/** What a subscription is about: `refer` for the one that a REFER makes (RFC 3515 §2.4.4). Throws PeerError(489). */
export function eventOf(request: Request): EventValue {
  if (request.method === "REFER") return { package: "refer", params: new Map() };
  const event = request.get(Event);
  if (event === undefined) throw new PeerError(489, "no Event");
  if (event.package.length > WORD_LIMIT || (event.id?.length ?? 0) > WORD_LIMIT)
    throw new PeerError(400, "Event: too long");
  return event;
}

/** The id of a REFER's subscription is its CSeq, which is another one on the other side: the dialog tells enough. */
export const eventText = ({ package: name, id }: EventValue): string =>
  id === undefined || name === "refer" || !isToken(id) ? name : `${name};id=${id}`;

/** RFC 6665 §8.2.1: byte by byte; of a REFER's subscription there is but one in a dialog. */
export const sameEvent = (a: EventValue, b: EventValue): boolean =>
  a.package === b.package && (a.id === b.id || a.package === "refer");

export interface Standing {
  readonly over: boolean;
  /** Seconds that are left; `undefined`: it does not say. */
  readonly expires: number | undefined;
  readonly text: string;
  readonly reason: string | undefined;
}

/** Throws PeerError(400). */
export function standingOf(notify: Request): Standing {
  const value = notify.get(SubscriptionState);
  if (value === undefined) throw new PeerError(400, "no Subscription-State");
  const expires = numberOf(value.params.get("expires"));
  const retryAfter = numberOf(value.params.get("retry-after"));
  const reason = value.params.get("reason")?.toLowerCase();
  const known = reason !== undefined && REASONS.has(reason) ? reason : undefined;
  const over = value.state === "terminated";
  const state = over || value.state === "pending" ? value.state : "active";
  let text = state;
  if (expires !== undefined && !over) text += `;expires=${expires}`;
  if (known !== undefined && over) text += `;reason=${known}`;
  if (retryAfter !== undefined && over) text += `;retry-after=${retryAfter}`;
  return { over, expires, text, reason: known };
}

/** RFC 6665 §4.1.3; an unknown one means the same as none. */
const REASONS: ReadonlySet<string> = new Set([
  ...["deactivated", "probation", "rejected", "timeout", "giveup", "noresource", "invariant"],
]);

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Math.min(Number(text), 2 ** 32 - 1) : undefined;
}
