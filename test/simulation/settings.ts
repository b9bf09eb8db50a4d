/** The box of the simulation: a carrier outside with SRTP, a PBX inside with plain RTP. */
import {
  type AuthSettings,
  type ListenerSettings,
  type PeerSettings,
  type PreconditionPolicy,
  type RealmSettings,
  type RegisterSettings,
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

/** The same, where the inside has IPv6 alone. */
const BOX_6 = {
  outside: BOX.outside,
  inside: {
    ...BOX.inside,
    box: "2001:db8:9::1",
    neighbour: { ip: "2001:db8:9::7", port: 5060 },
    words: /iNsIdE|2001:db8:9:|inside/i,
  },
} as const;

export type Box = typeof BOX | typeof BOX_6;

export const boxIn = ({ insideIs6 }: Pick<Ways, "insideIs6">): Box => (insideIs6 ? BOX_6 : BOX);

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

const TRUNK: RegisterSettings = {
  aor: `sip:trunk@${BOX.outside.mark}.example`,
  scheme: "sip",
  user: "trunk",
  host: `${BOX.outside.mark}.example`,
  contactUser: "trunk",
  everySeconds: 600,
  gin: true,
};

/** What DNS knows this side's neighbour by. */
export const PBX_NAME = "pbx.insidename.example";

/** What of a climate the box is configured by. */
export type Ways = Omit<Climate, "name" | "tempers" | "loss" | "duplicate" | "reorder" | "happenings">;

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
  insideIs6 = false,
  registers = false,
}: Pick<Ways, "outside"> & Partial<Ways>): Settings {
  const box = boxIn({ insideIs6 });
  const realms = [
    { ...realm("outside", box.outside.box, "required", trusted ? "peer" : "none"), refer },
    { ...realm("inside", box.inside.box, "off", "full"), refer },
  ];
  const target = { kind: "host", protocol: outside, host: box.outside.neighbour.ip, port: 5060 } as const;
  const common = { redirects, diversion, ...(challenges ? { auth: ACCOUNT } : {}) };
  const peers: PeerSettings[] = [
    peerSettings("carrier", "outside", {
      ...common,
      preconditions: preconditionsOf("outside", preconditions),
      ...(registers ? { auth: ACCOUNT, register: TRUNK } : {}),
      targets: [target],
    }),
    peerSettings("pbx", "inside", {
      ...common,
      preconditions: preconditionsOf("inside", preconditions),
      targets: [
        ...(targets === "a dead one first" ? [{ kind: "host", protocol: "udp", host: DEAD, port: 5060 } as const] : []),
        targets === "by name"
          ? { kind: "uri", uri: `sip:${PBX_NAME}` }
          : { kind: "host", protocol: "udp", host: box.inside.neighbour.ip, port: 5060 },
        // The same once more: another target to try.
        { kind: "host", protocol: "udp", host: box.inside.neighbour.ip, port: 5060 },
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
