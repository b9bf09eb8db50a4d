export type { Destination, Hop, SendToken } from "../base/index.ts";
export * from "./transport.ts";
export * from "./words.ts";
