/**
 * Which of several refusals the caller is told, when more than one target was asked: RFC 3261 §16.7 step 6. We ask one
 * target after the other, so the choice is made between two at a time.
 */

/** 4xx that tell the caller what to change, if it wants to try again: they go before their class. */
const CHANGEABLE: ReadonlySet<number> = new Set([415, 420, 484]);

/** Lower is better. `status`: as the target gave it; 408 and 503 of our own making count alike. */
export function rankOf(status: number): number {
  if (status >= 600) return 0;
  if (CHANGEABLE.has(status)) return 1;
  // Deviation: RFC 3261 §16.7 prefers 401 and 407, so that the caller can try again with credentials. It has none for a
  // target that we hide from it: it is told 403, and anything that a target said of its own accord is worth more.
  if (status === 401 || status === 407) return 4;
  if (status === 408) return 5; // Nobody spoke: whoever did knows more.
  if (status < 400) return 3; // Told as 480: its Contacts are not for the caller.
  if (status < 500) return 2;
  return status === 503 ? 7 : 6;
}

/** A way that has come round, or is too long, is so for whoever else is asked: RFC 5393 would have no more of it. */
const FOR_ALL: ReadonlySet<number> = new Set([440, 482, 483]);

/** Does this refusal end the search for others? Those of 6xx speak for everybody. */
export const endsSearch = (status: number): boolean => status >= 600 || FOR_ALL.has(status);
