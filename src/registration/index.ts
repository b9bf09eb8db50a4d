export { Accounts } from "./accounts.ts";
export { CHALLENGES_PER_REQUEST, PeerAuthenticator, type RequestAuthentication } from "./authenticator.ts";
export { type Challenge, challengesIn, readChallenge } from "./challenge.ts";
export { type Algorithm, algorithmNamed, digestOf, ha1Of, sameDigest } from "./digest.ts";
