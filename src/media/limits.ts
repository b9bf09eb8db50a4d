export const mediaLimits = {
  /** Relay slots, unless the box says otherwise: as many as its relay has. Limit: a stream beyond them is refused with 503. */
  pairs: 20_000,
  /** Live media sessions. Limit: one more is refused with 503. */
  sessions: 65_536,
  /** Streams of one session that are carried. Limit: an offer with more is refused with 488. */
  streams: 16,
} as const;
