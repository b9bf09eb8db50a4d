export { type AdmitVerdict, CallLimits } from "./call-limits.ts";
export { type Cidr, canonicalIp, cidrContains, parseCidr, parseIp } from "./cidr.ts";
export { type Outcome, type TargetHealth, TargetState } from "./health.ts";
export { numberOf } from "./number.ts";
export { PHONES } from "./phones.ts";
export { type PeerView, type RouteInput, Routing, type RoutingOutput, type TargetView } from "./routing.ts";
