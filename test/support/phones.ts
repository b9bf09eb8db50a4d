/** The cast of registrations: phones outside, the registrar inside. */
import {
  type DomainSettings,
  type RealmSettings,
  Secret,
  type Settings,
  type UserTable,
} from "../../src/base/index.ts";
import { machineHash } from "../../src/io/hash.ts";
import { ha1Of } from "../../src/registration/index.ts";
import { InsideRegistrar, Phone } from "./phone.ts";
import { BOB, BOX, type Place, Stage, type StageOptions } from "./stage.ts";

export const AT_HOME: Place = { realm: "outside", ip: "198.51.100.20", port: 31_000 };

export function domainSettings(set: Partial<DomainSettings> = {}): DomainSettings {
  return {
    domain: "example.test",
    realm: "outside",
    registrar: "pbx",
    users: undefined,
    digestRealm: "example.test",
    algorithms: ["SHA-256", "MD5"],
    contacts: 10,
    datagramSeconds: 60,
    streamSeconds: 600,
    keepalive: "off",
    keepaliveSeconds: 25,
    shortestSeconds: 20,
    registrarSeconds: 3_600,
    calls: "challenge",
    fork: "parallel",
    ringSeconds: 20,
    path: false,
    survivalSeconds: 86_400,
    wakeSeconds: 10,
    ...set,
  };
}

/** Users whose password is their name and `-secret`. */
export function usersNamed(...names: string[]): DomainSettings["users"] {
  const table: UserTable = {
    size: names.length,
    ha1: (user, name) =>
      names.includes(user) ? ha1Of(machineHash, name, user, "example.test", `${user}-secret`) : undefined,
  };
  return { kind: "table", table: new Secret(table) };
}

export interface PhonesOptions extends StageOptions {
  readonly domain?: Partial<DomainSettings>;
  readonly perSecond?: number;
  readonly bindings?: number;
  readonly routes?: Settings["routes"];
}

export const PHONE_ROUTES: Settings["routes"] = [
  { when: { from: "carrier" }, to: ["pbx"] },
  { when: { realm: "outside", registered: true }, to: ["pbx"] },
  { when: { from: "pbx", registered: "callee" }, to: ["registration"] },
  { when: { from: "pbx" }, to: ["carrier"] },
];

export function phonesAt(options: PhonesOptions = {}) {
  const domain = domainSettings(options.domain);
  const stage = new Stage({
    ...options,
    change: (settings) => {
      const registration = {
        domains: new Map([[domain.domain, domain]]),
        file: undefined,
        bindings: options.bindings ?? 1_000,
        perSecond: options.perSecond ?? 100,
        pushGateway: undefined,
      };
      const outside = settings.realms.get("outside") as RealmSettings;
      const streams = (["tcp", "tls"] as const).map((protocol) => ({
        ...{ id: `outside/${protocol}`, realm: "outside", protocol },
        address: { ip: BOX.outside, port: protocol === "tls" ? 5_061 : 5_060 },
      }));
      const realms = new Map(settings.realms).set("outside", {
        ...outside,
        listeners: [...outside.listeners, ...streams],
      });
      const routes = options.routes ?? PHONE_ROUTES;
      const changed: Settings = { ...settings, realms, routes, registration };
      return options.change?.(changed) ?? changed;
    },
  });
  const registrar = new InsideRegistrar(stage, BOB);
  return { stage, registrar, alice: new Phone(stage, "alice", AT_HOME) };
}
