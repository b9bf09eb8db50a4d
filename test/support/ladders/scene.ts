/** Builds the stage of a ladder: a peer for every party, routes by name, and what its `settings` block changes. */
import {
  type AuthSettings,
  type PeerSettings,
  type Protocol,
  type RealmSettings,
  type RouteSettings,
  Secret,
  type Settings,
} from "../../../src/base/index.ts";
import { BOX, type Place, Stage } from "../stage.ts";
import { NAMES } from "./cast.ts";
import type { Ladder, PartyColumn } from "./format.ts";
import { LadderParty, memberOf, type Wire } from "./party.ts";

export interface Scene {
  readonly stage: Stage;
  readonly parties: readonly LadderParty[];
}

const PORTS: Readonly<Record<Wire, number>> = { udp: 5060, tcp: 5060, tls: 5061, ws: 8080 };

export function sceneOf(ladder: Ladder, wire: Wire): Scene {
  const change = (settings: Settings): Settings =>
    changed(withCast(settings, ladder.parties, wire), ladder.settings, wire);
  const box = { outside: boxIn("outside", ladder.parties), inside: boxIn("inside", ladder.parties) };
  const stage = new Stage({ names: NAMES, change, box });
  const parties = ladder.parties.map(({ name, realm }, i) => {
    const stream = wire === "udp" ? {} : { [wire]: 2 ** 31 + i };
    const place: Place = { realm, ip: memberOf(name).ip, port: PORTS[wire], ...stream };
    const party = stage.join(new LadderParty(stage, name, place, box[realm], wire));
    party.account = ladder.settings.some((line) => line.startsWith(`auth ${name} `));
    return party;
  });
  return { stage, parties };
}

/** The box as it is on a side whose parties have IPv6 addresses. */
const BOX6 = { outside: "2001:db8:b::1", inside: "2001:db8:b::2" } as const;

function boxIn(realm: "outside" | "inside", parties: readonly PartyColumn[]): string {
  const [first] = parties.filter((one) => one.realm === realm);
  return first !== undefined && memberOf(first.name).ip.includes(":") ? BOX6[realm] : BOX[realm];
}

function withCast(settings: Settings, cast: readonly PartyColumn[], wire: Wire): Settings {
  const peers = cast.map((one) => peerOf(one, settings, wire));
  const first = (realm: string): string[] =>
    cast
      .filter((one) => one.realm === realm)
      .slice(0, 1)
      .map(({ name }) => name);
  const routes: RouteSettings[] = [
    ...cast.map(({ name }) => ({ when: { number: new RegExp(`^${name}$`) }, to: [name] })),
    { when: { realm: "outside" }, to: first("inside") },
    { when: { realm: "inside" }, to: first("outside") },
  ];
  const realms = [...settings.realms.values()].map((realm): [string, RealmSettings] => [realm.name, listening(realm)]);
  return {
    ...settings,
    realms: new Map(realms),
    peers: new Map(peers.map((peer) => [peer.name, peer])),
    routes: routes.filter(({ to }) => to.length > 0),
  };
}

function listening(realm: RealmSettings): RealmSettings {
  const { name } = realm;
  const ip = realm.listeners[0]?.address.ip ?? "";
  const protocols: Protocol[] = ["udp", "tcp", "tls", "ws"];
  const listeners = protocols.map((protocol) => ({
    id: `${name}/${protocol}`,
    realm: name,
    protocol,
    address: { ip, port: PORTS[protocol as Wire] },
  }));
  return { ...realm, listeners };
}

/** Like the stage's own peers in all that a ladder does not say. */
function peerOf({ name, realm }: PartyColumn, settings: Settings, wire: Wire): PeerSettings {
  const [like] = settings.peers.values();
  return { ...(like as PeerSettings), name, realm, targets: [targetOf(name, wire)] };
}

const targetOf = (name: string, wire: Wire) =>
  ({ kind: "host", protocol: wire, host: memberOf(name).ip, port: PORTS[wire] }) as const;

/** `auth bob = user:password` is an account of ours there; `limits.calls = 1` sets any setting by its path; `targets bob = bob, carol` gives a peer more targets. */
function changed(settings: Settings, lines: readonly string[], wire: Wire): Settings {
  return lines.reduce((before, line) => {
    const [path = "", value = ""] = line.split(/\s*=\s*(.*)/);
    const account = /^auth (\w+)$/.exec(path)?.[1];
    if (account !== undefined) return setAt(before, ["peers", account, "auth"], accountOf(value)) as Settings;
    const peer = /^targets (\w+)$/.exec(path)?.[1];
    if (peer === undefined) return setAt(before, path.split("."), JSON.parse(value)) as Settings;
    const targets = value.split(",").map((name) => targetOf(name.trim(), wire));
    return setAt(before, ["peers", peer, "targets"], targets) as Settings;
  }, settings);
}

function accountOf(text: string): AuthSettings {
  const [user = "", password = ""] = text.split(":");
  return { user, realm: undefined, password: new Secret(password), ha1: new Map(), hashes: ["SHA-256", "MD5"] };
}

function setAt(where: unknown, [step, ...path]: readonly string[], value: unknown): unknown {
  if (step === undefined) return value;
  if (where instanceof Map) return new Map([...where, [step, setAt(where.get(step), path, value)]]);
  const record = where as Record<string, unknown> | undefined;
  return { ...record, [step]: setAt(record?.[step], path, value) };
}
