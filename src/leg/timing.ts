import { MINUTE, type Millis, SECOND } from "../base/index.ts";

/** RFC 3261 §17.1.1.1. */
export const T1: Millis = 500;
export const T2: Millis = 4 * SECOND;

/** Limit: a 2xx that is not acknowledged for this long ends the leg with BYE, cause `no-ack`. RFC 3261 §13.3.1.4. */
export const ACK_LIMIT: Millis = 64 * T1;

/** Limit: a reliable 1xx that is not acknowledged for this long refuses the INVITE with 504. RFC 3262 §3. */
export const PRACK_LIMIT: Millis = 64 * T1;

/**
 * Limit: unacknowledged reliable 1xx on one INVITE; beyond it a 1xx goes out unreliably, or not at all
 * to one who takes nothing else. RFC 3262 §3.
 */
export const RELIABLE_QUEUE_LIMIT = 8;

/**
 * Limit: early dialogs of one INVITE; the 1xx of further forks are dropped. As many again may answer with 2xx, to be
 * acknowledged and ended; the 2xx of those beyond are dropped, and their own timer ends them.
 */
export const FORK_LIMIT = 12;

/**
 * Limit: a re-INVITE that stands for somebody's UPDATE is cancelled after this long: what comes of it must be told before
 * 64·T1, when nobody waits for it any more. RFC 3261 §17.1.2.2, RFC 4320.
 */
export const UPDATE_PATIENCE: Millis = 20 * SECOND;

/** Limit: entries of a route set; a peer that asks for more gets 400. */
export const ROUTE_LIMIT = 30;

/** Limit: how often the box itself tries a re-INVITE again after 491; then the 491 is handed on. */
export const GLARE_RETRIES = 3;

/**
 * Limit: a caller waits this long for an answer; then it gets 408 and the callee a CANCEL. RFC 3261 §16.6 step 11 asks
 * for more than three minutes of a proxy's timer C.
 */
export const RING_LIMIT: Millis = 3 * MINUTE + SECOND;
