import type { RealmSettings } from "../../../src/base/index.ts";

/** A realm with one UDP listener, as `manage/config` would make it. */
export function realm(name: string, set: Partial<RealmSettings> = {}): RealmSettings {
  const ip = name === "outside" ? "203.0.113.1" : "10.0.0.1";
  return {
    name,
    trust: name === "outside" ? "none" : "full",
    listeners: [{ id: `${name}-udp`, realm: name, protocol: "udp", address: { ip, port: 5060 } }],
    domain: name === "outside" ? "sbc.example.test" : undefined,
    advertise: undefined,
    publicDomains: [],
    tls: undefined,
    media: { addresses: [ip], firstPort: 20_000, lastPort: 20_999, path: "auto", silenceLimitMs: 0 },
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
