export { type AccessVerdict, accessVerdict } from "./access.ts";
export {
  ALLOWED_HEADERS_FULL,
  ALLOWED_HEADERS_NONE,
  ALLOWED_HEADERS_PEER,
  NEVER_CROSS,
} from "./header-table.ts";
export { type Crossing, crossingHeaders } from "./headers.ts";
export { leaksHost, mentionsAddress } from "./leaks.ts";
export { mapStatus, reasonPhrase } from "./responses.ts";
export { type SipsVerdict, sipsVerdict } from "./sips.ts";
export { type HidingContext, hideNameAddr, ourHost, requestUriFor } from "./topology.ts";
