/** SIP statuses and Q.850 causes, each by the other. RFC 3398 §7.2.4.1 and §8.2.6.1. */

/** Q.850: normal call clearing. A BYE or CANCEL without any other reason says so. */
export const NORMAL_CLEARING = 16;
/** Q.850: normal, unspecified. What has no cause of its own gets this one. */
const UNSPECIFIED = 31;
/** Q.850 §2.2.5: seven bits. */
const LARGEST_CAUSE = 127;

// biome-ignore format: the table of RFC 3398 §8.2.6.1.
const causes: ReadonlyMap<number, number> = new Map([
  [400, 41], [401, 21], [402, 21], [403, 21], [404, 1], [405, 63], [406, 79], [407, 21], [408, 102], [410, 22],
  [413, 127], [414, 127], [415, 79], [416, 127], [420, 127], [421, 127], [423, 127], [480, 18], [481, 41], [482, 25],
  [483, 25], [484, 28], [485, 1], [486, 17], [487, NORMAL_CLEARING], [500, 41], [501, 79], [502, 38], [503, 41],
  [504, 102], [505, 127], [513, 127], [600, 17], [603, 21], [604, 1],
]);

// biome-ignore format: the table of RFC 3398 §7.2.4.1.
const statuses: ReadonlyMap<number, number> = new Map([
  [1, 404], [2, 404], [3, 404], [17, 486], [18, 408], [19, 480], [20, 480], [21, 403], [22, 410], [23, 410], [26, 404],
  [27, 502], [28, 484], [29, 501], [31, 480], [34, 503], [38, 503], [41, 503], [42, 503], [47, 503], [55, 403],
  [57, 403], [58, 503], [65, 488], [70, 488], [79, 501], [87, 403], [88, 503], [102, 504], [111, 500], [127, 500],
]);

/** The Q.850 cause of a final status. One that is not in the table is `normal, unspecified`, as §8.2.6.1 asks. */
export const causeOfStatus = (status: number): number => causes.get(status) ?? UNSPECIFIED;

/** The status of a Q.850 cause; `undefined` for normal clearing, which refuses nothing. */
export const statusOfCause = (cause: number): number | undefined =>
  cause === NORMAL_CLEARING ? undefined : (statuses.get(cause) ?? 500);

export const isQ850Cause = (cause: number | undefined): cause is number =>
  cause !== undefined && cause >= 1 && cause <= LARGEST_CAUSE;
