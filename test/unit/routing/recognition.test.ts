import { expect, test } from "vitest";
import { Agenda, type PeerSettings, type Protocol, seededRandom, type TlsSettings } from "../../../src/base/index.ts";
import { Routing } from "../../../src/routing/index.ts";
import { realm } from "../policy/realms.ts";
import { peer, settings } from "./peers.ts";

test("a target's address tells its peer, whatever the port, in its own realm only", () => {
  const routing = make([peer("pbx")]);
  expect(who(routing, "10.0.0.9")).toBe("pbx");
  expect(who(routing, "10.0.0.8")).toBeUndefined();
  expect(who(routing, "10.0.0.9", { realm: "outside" })).toBeUndefined();
});

test("sources alone tell a peer that has them; the longest prefix wins", () => {
  const routing = make([
    peer("wide", { sources: ["192.0.2.0/24"] }),
    peer("narrow", { sources: ["192.0.2.64/26", "2001:db8::/32"] }),
  ]);
  expect(who(routing, "192.0.2.1")).toBe("wide");
  expect(who(routing, "192.0.2.65")).toBe("narrow");
  expect(who(routing, "2001:db8::5")).toBe("narrow");
  expect(who(routing, "10.0.0.9")).toBeUndefined();
});

test("an IPv6 target is found in every spelling", () => {
  const routing = make([
    peer("six", { targets: [{ kind: "host", protocol: "udp", host: "2001:DB8:0::9", port: 5060 }] }),
  ]);
  expect(who(routing, "2001:db8::9")).toBe("six");
});

test("a name tells its peer once it is resolved, and keeps its addresses when resolving fails", () => {
  const named = peer("named", { targets: [{ kind: "uri", uri: "sip:pbx.example" }] });
  const routing = make([named]);
  const [target] = routing.targets(named, 0);
  expect(who(routing, "10.0.0.77")).toBeUndefined();
  routing.resolvedAddresses(target!, ["10.0.0.77"]);
  expect(who(routing, "10.0.0.77")).toBe("named");
  routing.resolvedAddresses(target!, []);
  expect(who(routing, "10.0.0.77")).toBe("named");
});

test("with mutual TLS the certificate decides, and an address is not enough for a peer with a name", () => {
  const tls: TlsSettings = { certificate: "c", key: "k", ca: "a", verify: "mutual" };
  const named = peer("named", { targets: [{ kind: "host", protocol: "tls", host: "Carrier.example", port: 5061 }] });
  const numbered = peer("numbered");
  const routing = make([named, numbered], tls);
  routing.resolvedAddresses(routing.targets(named, 0)[0]!, ["10.0.0.50"]);
  expect(who(routing, "10.9.9.9", { protocol: "tls", tlsNames: ["carrier.example"] })).toBe("named");
  expect(who(routing, "10.0.0.50", { protocol: "tls", tlsNames: ["other.example"] })).toBeUndefined();
  expect(who(routing, "10.0.0.9", { protocol: "tls", tlsNames: [] })).toBe("numbered");
  expect(who(routing, "10.0.0.50", { protocol: "udp" })).toBe("named");
});

function make(peers: readonly PeerSettings[], tls?: TlsSettings): Routing {
  const realms = [realm("outside"), realm("inside", { tls })];
  return new Routing({
    settings: settings(peers, [], realms),
    random: seededRandom(1),
    emit: () => {},
    agenda: new Agenda(),
  });
}

function who(
  routing: Routing,
  ip: string,
  hop: { realm?: string; protocol?: Protocol; tlsNames?: readonly string[] } = {},
): string | undefined {
  const caller = { realm: "inside", protocol: "udp" as const, tlsNames: [], remote: { ip, port: 40_000 }, ...hop };
  return routing.recognise(caller, 0)?.name;
}
