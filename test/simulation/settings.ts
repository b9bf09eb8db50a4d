/** The box of the simulation: a carrier outside with SRTP, a PBX inside with plain RTP. */
import type { ListenerSettings, PeerSettings, RealmSettings, Settings, TargetSettings } from "../../src/base/index.ts";
import type { Climate } from "./climate.ts";

export const BOX = {
  outside: {
    udp: "outside/udp",
    tls: "outside/tls",
    box: "203.0.113.1",
    neighbour: { ip: "198.51.100.7", port: 5060 },
    mark: "oUtSiDe",
    /** What belongs to this side alone. */
    words: /oUtSiDe|198\.51\.100\.|203\.0\.113\.|outside/i,
  },
  inside: {
    udp: "inside/udp",
    tls: "",
    box: "10.9.0.1",
    neighbour: { ip: "10.9.0.7", port: 5060 },
    mark: "iNsIdE",
    words: /iNsIdE|10\.9\.0\.|inside/i,
  },
} as const;

/** Nobody is there. */
export const DEAD = "10.9.0.99";
/** What DNS knows this side's neighbour by. */
export const PBX_NAME = "pbx.insidename.example";

export function simulatedSettings(
  outside: Climate["outside"],
  targets: Climate["targets"] = "one",
  refer: Climate["refer"] = "pass",
): Settings {
  const realms = [
    { ...realm("outside", BOX.outside.box, "required", "none"), refer },
    { ...realm("inside", BOX.inside.box, "off", "full"), refer },
  ];
  const target = { kind: "host", protocol: outside, host: BOX.outside.neighbour.ip, port: 5060 } as const;
  const peers: PeerSettings[] = [
    { ...peer("carrier", "outside"), targets: [target] },
    {
      ...peer("pbx", "inside"),
      targets: [
        ...(targets === "a dead one first" ? [{ kind: "host", protocol: "udp", host: DEAD, port: 5060 } as const] : []),
        targets === "by name"
          ? { kind: "uri", uri: `sip:${PBX_NAME}` }
          : { kind: "host", protocol: "udp", host: BOX.inside.neighbour.ip, port: 5060 },
        // The same once more: another target to try.
        { kind: "host", protocol: "udp", host: BOX.inside.neighbour.ip, port: 5060 },
      ].slice(0, targets === "one" ? 1 : 3) as TargetSettings[],
    },
  ];
  return {
    name: "simulated",
    control: "",
    drainSeconds: 0,
    realms: new Map(realms.map((one) => [one.name, one])),
    peers: new Map(peers.map((one) => [one.name, one])),
    routes: [
      { when: { from: "carrier" }, to: ["pbx"] },
      { when: { from: "pbx" }, to: ["carrier"] },
    ],
    limits: {
      calls: 10_000,
      transactions: 200_000,
      connections: 1_000,
      connectionsPerSource: 100,
      callSeconds: 1_000,
      subscriptions: 100,
      subscriptionsPerSource: 20,
    },
    sessionTimer: { seconds: 300, minimumSeconds: 90 },
  };
}

function realm(
  name: "outside" | "inside",
  ip: string,
  srtp: "required" | "off",
  trust: "none" | "full",
): RealmSettings {
  const listener = (protocol: "udp" | "tls", port: number): ListenerSettings => ({
    id: `${name}/${protocol}`,
    realm: name,
    protocol,
    address: { ip, port },
  });
  return {
    name,
    trust,
    listeners: name === "outside" ? [listener("udp", 5060), listener("tls", 5061)] : [listener("udp", 5060)],
    domain: undefined,
    advertise: undefined,
    publicDomains: [],
    tls: name === "outside" ? { certificate: "", key: "", ca: undefined, verify: "none" } : undefined,
    media: { addresses: [ip], firstPort: 20_000, lastPort: 29_999, path: "socket", silenceLimitMs: 30_000 },
    srtp,
    srtpKeys: ["sdes"],
    sdesWithoutTls: true,
    dscp: { signalling: 24, audio: 46, video: 34, other: 0 },
    sips: "translate",
    allowHeaders: [],
    otherMethods: "refuse",
    sessionId: "pass",
    refer: "pass",
  };
}

const peer = (name: string, realmName: string): Omit<PeerSettings, "targets"> => ({
  name,
  realm: realmName,
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
});
