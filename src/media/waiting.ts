/**
 * What our descriptions say of preconditions (RFC 3312): those of the other side where both have them; where the side that is
 * told has them alone, what an end says that has all its resources, for that is what the box is.
 */
import { type Attribute, type Media, preconditionsOf, READY_OFFER, readyAnswer } from "../sdp/index.ts";
import type { MediaParty } from "./party.ts";

interface End {
  readonly party: MediaParty;
}

const NONE: readonly Attribute[] = [];

/** Of an m-line that `from` offers, as `to` gets it. */
export function offeredPreconditions(from: End, to: End, media: Media): readonly Attribute[] {
  if (!has(to)) return NONE;
  const own = has(from) ? preconditionsOf(media.attributes) : NONE;
  return own.length === 0 && to.party.preconditions === "require" ? READY_OFFER : own;
}

/** Of an m-line that `from` answers. `offer`: what `to` had offered. */
export function answeredPreconditions(from: End, to: End, offer: Media, answer: Media): readonly Attribute[] {
  if (!has(to)) return NONE;
  return has(from) ? preconditionsOf(answer.attributes) : readyAnswer(offer.attributes);
}

const has = ({ party }: End): boolean => party.preconditions !== undefined && party.preconditions !== "off";
