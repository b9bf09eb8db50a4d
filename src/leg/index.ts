export { Dialog, type Exchange } from "./dialog.ts";
export type { Progress } from "./invitation.ts";
export { InviteServer, type PrackNote } from "./invite-server.ts";
export { ALLOW, type Ending, Leg, type LegOptions, type LegOwner } from "./leg.ts";
export type { LegState } from "./leg-state.ts";
export { carriesSdp, fill, NOTHING, type Parcel, withHeaders } from "./parcel.ts";
export type * from "./ports.ts";
export { Reinvite, type ReinviteOwner } from "./reinvite.ts";
export * as timing from "./timing.ts";
