/** Settings as `manage/config` makes them where the operator says nothing, in addresses of documentation. */
import type { LimitSettings, PeerSettings, RealmMediaSettings, RealmSettings, Settings } from "../../src/base/index.ts";

/** A realm with one UDP listener at `ip`; nothing that is said of it stands in its `media`, which `media` changes in part. */
export function realmSettings(
  name: string,
  ip: string,
  { media, ...set }: Partial<Omit<RealmSettings, "media">> & { readonly media?: Partial<RealmMediaSettings> } = {},
): RealmSettings {
  return {
    name,
    trust: "none",
    listeners: [{ id: `${name}/udp`, realm: name, protocol: "udp", address: { ip, port: 5060 } }],
    domain: undefined,
    advertise: undefined,
    publicDomains: [],
    tls: undefined,
    media: { addresses: [ip], firstPort: 20_000, lastPort: 20_999, path: "auto", silenceLimitMs: 30_000, ...media },
    srtp: "off",
    srtpKeys: ["sdes"],
    sdesWithoutTls: false,
    dscp: { signalling: 24, audio: 46, video: 34, other: 0 },
    sips: "refuse",
    allowHeaders: [],
    otherMethods: "refuse",
    sessionId: "pass",
    refer: "pass",
    ...set,
  };
}

export function peerSettings(
  name: string,
  realm: string,
  set: Partial<PeerSettings> & Pick<PeerSettings, "targets">,
): PeerSettings {
  return {
    name,
    realm,
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

/** A box with these realms; without peers, routes and session timers, and with small limits. */
export function boxSettings(
  realms: readonly RealmSettings[],
  { limits, ...set }: Partial<Omit<Settings, "limits" | "realms">> & { readonly limits?: Partial<LimitSettings> } = {},
): Settings {
  return {
    name: "box",
    control: "",
    drainSeconds: 0,
    realms: byName(realms),
    peers: new Map(),
    routes: [],
    limits: {
      calls: 100,
      transactions: 10_000,
      connections: 100,
      connectionsPerSource: 10,
      messagesPerSource: 0,
      callSeconds: 86_400,
      subscriptions: 100,
      subscriptionsPerSource: 20,
      ...limits,
    },
    sessionTimer: { seconds: 0, minimumSeconds: 90 },
    ...set,
  };
}

export const byName = <T extends { readonly name: string }>(things: readonly T[]): ReadonlyMap<string, T> =>
  new Map(things.map((one) => [one.name, one]));
