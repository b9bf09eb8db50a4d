/** Phones with several flows (RFC 5626): what the inside knows such a phone by, and which flow is the one to use. */
import { token } from "../../base/index.ts";
import { GONE_CONNECTION, type HeldBinding, type Wish } from "../../registration/index.ts";
import type { PhoneHouse } from "./house.ts";

/** Of the name that stands for a binding in what the inside is told: too long to be guessed. */
export const NAME_CHARS = 20;

/**
 * The Contact inside: of the instance's other flows, if it has any. Flows that register at the same moment know nothing of
 * each other, so a new instance's name is made of who it is, and of a secret, since it must not be guessed.
 */
export function insideName(house: PhoneHouse, aor: string, wish: Wish): string {
  const { book, hash, random, secret } = house;
  if (wish.regId === 0) return token(random, NAME_CHARS);
  const [sibling] = book.siblings({ aor, ...wish });
  return sibling?.inside ?? hash("SHA-256", `${secret}\n${aor}\n${wish.instance}`).slice(0, NAME_CHARS);
}

/** The best first: those that can be used, the one that its phone came by last, the lower number. */
export function byWorth(a: HeldBinding, b: HeldBinding): number {
  const [lives, other] = [a, b].map(({ flow }) => Number(flow.connection !== GONE_CONNECTION)) as [number, number];
  return other - lives || b.expiresAt - a.expiresAt || a.regId - b.regId;
}
