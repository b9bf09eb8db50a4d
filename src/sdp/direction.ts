/** Directions of a stream, as the side that speaks sees them. RFC 3264 §5.1 and §6.1. */
export type Direction = "sendrecv" | "sendonly" | "recvonly" | "inactive";

export const directionNames: ReadonlySet<string> = new Set(["sendrecv", "sendonly", "recvonly", "inactive"]);

export const sends = (direction: Direction): boolean => direction === "sendrecv" || direction === "sendonly";

export const receives = (direction: Direction): boolean => direction === "sendrecv" || direction === "recvonly";

export function directionFrom(send: boolean, receive: boolean): Direction {
  if (send) return receive ? "sendrecv" : "sendonly";
  return receive ? "recvonly" : "inactive";
}

/** The same stream as the other side sees it. */
export const reversed = (direction: Direction): Direction => directionFrom(receives(direction), sends(direction));

/** What of the answerer's wish the offer leaves room for: nobody sends to one that does not receive. */
export const answerDirection = (offered: Direction, wanted: Direction): Direction =>
  directionFrom(sends(wanted) && receives(offered), receives(wanted) && sends(offered));
