export type { Destination, Hop, SendToken } from "../base/index.ts";
export { ClientTransaction, viaText } from "./client.ts";
export { ServerTransaction } from "./server.ts";
export * from "./transactions.ts";
export * from "./words.ts";
