import type { PeerSettings, RouteSettings, Settings } from "../../../src/base/index.ts";
import { realm } from "../policy/realms.ts";

export function peer(name: string, set: Partial<PeerSettings> = {}): PeerSettings {
  return {
    name,
    realm: "inside",
    targets: [{ kind: "host", protocol: "udp", host: "10.0.0.9", port: 5080 }],
    sources: [],
    options: undefined,
    maxCalls: undefined,
    maxCallsPerSecond: undefined,
    maxRequestsPerSecond: undefined,
    refer: undefined,
    tcpForLargeRequests: false,
    redirects: "refuse",
    responses: new Map(),
    diversion: "pass",
    reasons: "pass",
    reliable1xx: "pass",
    preconditions: "off",
    ...set,
  };
}

export function settings(
  peers: readonly PeerSettings[],
  routes: readonly RouteSettings[] = [],
  realms = [realm("outside"), realm("inside")],
): Settings {
  return {
    name: "edge-1",
    control: "/tmp/control.sock",
    drainSeconds: 0,
    realms: new Map(realms.map((one) => [one.name, one])),
    peers: new Map(peers.map((one) => [one.name, one])),
    routes,
    limits: {
      calls: 1_000,
      transactions: 10_000,
      connections: 100,
      connectionsPerSource: 10,
      callSeconds: 86_400,
      subscriptions: 100,
      subscriptionsPerSource: 20,
    },
    sessionTimer: { seconds: 0, minimumSeconds: 90 },
  };
}
