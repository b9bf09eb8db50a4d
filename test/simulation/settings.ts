/** The box of the simulation: a carrier outside with SRTP, a PBX inside with plain RTP. */
import {
  type AuthSettings,
  type ListenerSettings,
  type PeerSettings,
  type PreconditionPolicy,
  type RealmSettings,
  Secret,
  type Settings,
  type TargetSettings,
  type Trust,
} from "../../src/base/index.ts";
import { boxSettings, byName, peerSettings, realmSettings } from "../support/settings.ts";
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
/** What the box proves itself with, at both peers. */
export const WHO = { user: "box", password: "a secret of nobody else" } as const;

const ACCOUNT: AuthSettings = {
  user: WHO.user,
  realm: "*",
  password: new Secret(WHO.password),
  ha1: new Map(),
  hashes: ["MD5", "SHA-256", "SHA-512-256"],
};

/** What DNS knows this side's neighbour by. */
export const PBX_NAME = "pbx.insidename.example";

export type Ways = Pick<
  Climate,
  "outside" | "targets" | "refer" | "redirects" | "challenges" | "preconditions" | "trusted" | "diversion"
>;

/** What the configuration says of preconditions at the peer of this side. */
export const preconditionsOf = (side: "outside" | "inside", way: Ways["preconditions"]): PreconditionPolicy => {
  if (way === "inside requires") return side === "inside" ? "require" : "off";
  return way === "both" || way === side ? "pass" : "off";
};

export function simulatedSettings({
  outside,
  targets = "one",
  refer = "pass",
  redirects = "refuse",
  challenges = false,
  preconditions = "neither",
  trusted = false,
  diversion = "pass",
}: Pick<Ways, "outside"> & Partial<Ways>): Settings {
  const realms = [
    { ...realm("outside", BOX.outside.box, "required", trusted ? "peer" : "none"), refer },
    { ...realm("inside", BOX.inside.box, "off", "full"), refer },
  ];
  const target = { kind: "host", protocol: outside, host: BOX.outside.neighbour.ip, port: 5060 } as const;
  const common = { redirects, diversion, ...(challenges ? { auth: ACCOUNT } : {}) };
  const peers: PeerSettings[] = [
    peerSettings("carrier", "outside", {
      ...common,
      preconditions: preconditionsOf("outside", preconditions),
      targets: [target],
    }),
    peerSettings("pbx", "inside", {
      ...common,
      preconditions: preconditionsOf("inside", preconditions),
      targets: [
        ...(targets === "a dead one first" ? [{ kind: "host", protocol: "udp", host: DEAD, port: 5060 } as const] : []),
        targets === "by name"
          ? { kind: "uri", uri: `sip:${PBX_NAME}` }
          : { kind: "host", protocol: "udp", host: BOX.inside.neighbour.ip, port: 5060 },
        // The same once more: another target to try.
        { kind: "host", protocol: "udp", host: BOX.inside.neighbour.ip, port: 5060 },
      ].slice(0, targets === "one" ? 1 : 3) as TargetSettings[],
    }),
  ];
  return boxSettings(realms, {
    name: "simulated",
    peers: byName(peers),
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
    },
    sessionTimer: { seconds: 300, minimumSeconds: 90 },
  });
}

function realm(name: "outside" | "inside", ip: string, srtp: "required" | "off", trust: Trust): RealmSettings {
  const listener = (protocol: "udp" | "tls", port: number): ListenerSettings => ({
    id: `${name}/${protocol}`,
    realm: name,
    protocol,
    address: { ip, port },
  });
  return realmSettings(name, ip, {
    trust,
    listeners: name === "outside" ? [listener("udp", 5060), listener("tls", 5061)] : [listener("udp", 5060)],
    tls: name === "outside" ? { certificate: "", key: "", ca: undefined, verify: "none" } : undefined,
    media: { lastPort: 29_999, path: "socket" },
    srtp,
    sdesWithoutTls: true,
    sips: "translate",
  });
}
