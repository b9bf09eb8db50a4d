export { type AccessVerdict, accessVerdict } from "./access.ts";
export { endsSearch, rankOf } from "./best-response.ts";
export { type BodyContext, bodyAcross, CARRIED_TYPES, type CarriedBody } from "./carried-bodies.ts";
export { causeOfStatus, isQ850Cause, NORMAL_CLEARING, statusOfCause } from "./causes.ts";
export { type Retarget, tellDiversions } from "./diversion.ts";
export {
  ALLOWED_HEADERS_FULL,
  ALLOWED_HEADERS_NONE,
  ALLOWED_HEADERS_PEER,
  NEVER_CROSS,
} from "./header-table.ts";
export { type Crossing, crossingHeaders } from "./headers.ts";
export { leaksHost, mentionsAddress } from "./leaks.ts";
export { q850In, q850Of, reasonAmong, reasonHeadersToward, reasonToward } from "./reasons.ts";
export { contactsToward, type Redirection, redirectionsIn, userOf } from "./redirect.ts";
export { mapStatus, reasonPhrase } from "./responses.ts";
export { type SipsVerdict, sipsVerdict } from "./sips.ts";
export { type HidingContext, hideNameAddr, ourHost, requestUriFor } from "./topology.ts";
