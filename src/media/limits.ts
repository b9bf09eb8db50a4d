export const mediaLimits = {
  /** Relay slots. Limit: a stream beyond them is refused with 503. */
  pairs: 65_536,
  /** Live media sessions. Limit: one more is refused with 503. */
  sessions: 65_536,
  /** Streams of one session that are carried. Limit: an offer with more is refused with 488. */
  streams: 16,
} as const;
