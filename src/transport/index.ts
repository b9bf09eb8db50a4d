export type { Destination, Hop, SendToken } from "../base/index.ts";
export * from "./words.ts";
