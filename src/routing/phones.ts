import { type PeerSettings, REGISTRATION } from "../base/index.ts";

/** What stands for all registered phones where a peer is called: it has no targets, its places are their contacts. */
export const PHONES: PeerSettings = {
  name: REGISTRATION,
  realm: "",
  targets: [],
  sources: [],
  options: undefined,
  maxCalls: undefined,
  maxCallsPerSecond: undefined,
  maxRequestsPerSecond: undefined,
  refer: undefined,
  tcpForLargeRequests: false,
  reliable1xx: "pass",
  preconditions: "off",
  redirects: "refuse",
  responses: new Map(),
  diversion: "pass",
  reasons: "pass",
};
