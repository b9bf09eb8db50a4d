/** Phones with several flows (RFC 5626): what the inside knows such a phone by, and which flow is the one to use. */
import { token } from "../../base/index.ts";
import { GONE_CONNECTION, type HeldBinding, ownText, type Wish } from "../../registration/index.ts";
import type { PhoneHouse } from "./house.ts";

/** Of the name that stands for a binding in what the inside is told: too long to be guessed. */
export const NAME_CHARS = 20;

/**
 * The Contact inside: of the instance's other flows, if it has any. REGISTERs of one phone that are under way at the same
 * moment know nothing of each other, so a new name is made of who it is, and of a secret, since it must not be guessed.
 */
export function insideName(house: PhoneHouse, aor: string, wish: Wish): string {
  const { book, hash, random, secret } = house;
  const [sibling] = wish.regId === 0 ? [] : book.siblings({ aor, ...wish });
  if (sibling !== undefined) return sibling.inside;
  const who = wish.regId === 0 ? `contact ${wish.uri}` : `instance ${wish.instance}`;
  const name = ownText(hash("SHA-256", `${secret}\n${aor}\n${who}`).slice(0, NAME_CHARS));
  // Of a phone that has changed its Contact since: it keeps its name, and this is another one.
  return wish.regId === 0 && book.named(name) !== undefined ? token(random, NAME_CHARS) : name;
}

/** The best first: those that can be used, the one that its phone came by last, the lower number. */
export function byWorth(a: HeldBinding, b: HeldBinding): number {
  const [lives, other] = [a, b].map(({ flow }) => Number(flow.connection !== GONE_CONNECTION)) as [number, number];
  return other - lives || b.expiresAt - a.expiresAt || a.regId - b.regId;
}
