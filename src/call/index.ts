export type { CallTransport } from "./call-transport.ts";
export { type CallCounts, Calls, type CallsOptions, type CallView } from "./calls.ts";
