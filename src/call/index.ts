export type { CallTransport } from "./call-transport.ts";
export type { CallView } from "./call-view.ts";
export { type CallCounts, Calls, type CallsOptions } from "./calls.ts";
export { productFor } from "./house.ts";
