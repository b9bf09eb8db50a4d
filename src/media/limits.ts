export const mediaLimits = {
  /** Relay slots, unless the box says otherwise: as many as its relay has. Limit: a stream beyond them is refused with 503. */
  pairs: 20_000,
  /** Live media sessions. Limit: one more is refused with 503. */
  sessions: 65_536,
  /** Streams of one session that are carried. Limit: those after them are declined. */
  streams: 16,
  /** Payload types of one stream that the relay renumbers: as many as it can. Limit: others are told as they are. */
  renumbered: 32,
  /** `a=group` lines of one description, and names in each. Limit: more are left alone, as if they were not there. */
  groups: 16,
  groupNames: 64,
} as const;
