import type { HeaderField } from "../field.ts";
import { formatParams, type ParamMap } from "../params.ts";
import { readWorded } from "./words.ts";

/** What a subscription is about. RFC 6665 §8.2.1. */
export interface EventValue {
  /** With its templates: `presence.winfo`. Compared byte by byte. */
  readonly package: string;
  readonly id?: string;
  /** All of them, `id` too. */
  readonly params: ParamMap;
}

export const Event: HeaderField<EventValue> = {
  name: "Event",
  compact: "o",
  parse(text) {
    const { word, params } = readWorded("Event", text);
    const id = params.get("id");
    return id === undefined ? { package: word, params } : { package: word, id, params };
  },
  format: (value) => value.package + formatParams(value.params),
};

/** How a subscription stands. RFC 6665 §8.2.3. */
export interface SubscriptionStateValue {
  /** Lower case: `active`, `pending`, `terminated` or another. */
  readonly state: string;
  /** `expires`, `reason`, `retry-after` … */
  readonly params: ParamMap;
}

export const SubscriptionState: HeaderField<SubscriptionStateValue> = {
  name: "Subscription-State",
  parse(text) {
    const { word, params } = readWorded("Subscription-State", text);
    return { state: word.toLowerCase(), params };
  },
  format: ({ state, params }) => state + formatParams(params),
};
