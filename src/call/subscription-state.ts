/**
 * One subscription that we hide: what comes from its notifier, what from its subscriber, and when it is over. RFC 6665
 * §4.1.2 (figure 1) and §4.2.2 (figure 2), both at once: we are the subscriber of one side and the notifier of the other.
 */

/**
 * `fresh`    asked for, or granted: no NOTIFY yet;
 * `live`     a NOTIFY has said so;
 * `leaving`  nothing is left to be waited for but the last NOTIFY.
 */
export type SubscriptionState = "fresh" | "live" | "leaving" | "over";

export type SubscriptionEvent =
  /** 2xx to a SUBSCRIBE, with time; `last grant`: with none. */
  | "grant"
  | "last grant"
  | "NOTIFY"
  /** `Subscription-State: terminated`. */
  | "last NOTIFY"
  /** Timer N. RFC 6665 §4.1.2.4. */
  | "no NOTIFY"
  | "expired"
  /** A NOTIFY of ours, or a SUBSCRIBE of ours, got an answer that ends it (RFC 6665 §4.2.2, §4.1.2.2), or none. */
  | "subscriber gone"
  | "notifier gone"
  | "told to end";

export type SubscriptionEffect =
  | "await NOTIFY"
  | "stop awaiting"
  | "watch expiry"
  | "tell subscriber"
  | "tell notifier"
  | "close";

type Rule = readonly [next: SubscriptionState, ...effects: SubscriptionEffect[]];

/** An event without a rule is absorbed. */
// biome-ignore format: laid out as a figure
export const subscriptionFigure: Record<SubscriptionState, Partial<Record<SubscriptionEvent, Rule>>> = {
  fresh: {
    "grant":           ["fresh", "await NOTIFY", "watch expiry"],
    "last grant":      ["leaving", "await NOTIFY"],
    "NOTIFY":          ["live", "stop awaiting", "watch expiry"],
    "last NOTIFY":     ["over", "close"],
    "no NOTIFY":       ["over", "close"], // The subscriber's own Timer N tells him.
    "expired":         ["over", "close"],
    "subscriber gone": ["over", "close"],
    "notifier gone":   ["over", "close"],
    "told to end":     ["over", "tell notifier", "close"],
  },
  live: {
    "grant":           ["live", "watch expiry"],
    "last grant":      ["leaving", "await NOTIFY"],
    "NOTIFY":          ["live", "watch expiry"],
    "last NOTIFY":     ["over", "close"],
    "expired":         ["over", "tell subscriber", "close"],
    "subscriber gone": ["over", "close"],
    "notifier gone":   ["over", "close"],
    "told to end":     ["over", "tell subscriber", "tell notifier", "close"],
  },
  leaving: {
    "grant":           ["live", "stop awaiting", "watch expiry"], // Asked for again before the end.
    "last NOTIFY":     ["over", "close"],
    "no NOTIFY":       ["over", "close"],
    "expired":         ["over", "close"],
    "subscriber gone": ["over", "close"],
    "notifier gone":   ["over", "close"],
    "told to end":     ["over", "close"],
  },
  over: {},
};
