export { Accounts } from "./accounts.ts";
export { CHALLENGES_PER_REQUEST, PeerAuthenticator, type RequestAuthentication } from "./authenticator.ts";
export { type Challenge, challengesIn, readChallenge } from "./challenge.ts";
export { type Algorithm, algorithmNamed, digestOf, ha1Of, sameDigest } from "./digest.ts";
export { bulkContact, type Grant, grantOf, minExpiresIn, registerDraft, retryAfterIn } from "./register.ts";
export type { TrunkBook } from "./trunk-book.ts";
export { type TrunkEffect, type TrunkEvent, type TrunkState, trunkFigure } from "./trunk-state.ts";
export { backOff, keepaliveAfter, refreshAfter, soon } from "./trunk-times.ts";
