import { expect, test } from "vitest";
import { changeText, differences, readSettings, touched } from "../../../src/manage/index.ts";

test("equal configurations differ in nothing, whatever their order", () => {
  expect(differences(settings(), settings())).toEqual([]);
  expect(
    differences(
      settings(),
      settings((text) => text.replace(/"udp:127.0.0.1:5060", ("tcp[^"]*")/, '$1, "udp:127.0.0.1:5060"')),
    ),
  ).toEqual([]);
});

test("each change has its path, its values and its effect", () => {
  const after = settings((text) =>
    text
      .replace('"srtp": "off"', '"srtp": "preferred"')
      .replace('"name": "a"', '"name": "b"')
      .replace('5060",', '5062",')
      .replace('"peers"', '"limits": { "transactions": 1000 }, "peers"'),
  );
  expect(differences(settings(), after).map(changeText)).toEqual([
    'name: "a" -> "b"; at the next start',
    'realms.inside.listen: ["tcp:127.0.0.1:5060","udp:127.0.0.1:5060"] -> ["tcp:127.0.0.1:5060","udp:127.0.0.1:5062"]; at once; connections that are up stay',
    'realms.inside.srtp: "off" -> "preferred"; for new calls',
    "limits.transactions: 200000 -> 1000; at once, up to what the box was started with",
  ]);
});

test("a change is named as the file names it", () => {
  const peer = (more: string) => (text: string) => text.replace('5080"]', `5080"]${more}`);
  const realm = (more: string) => (text: string) => text.replace('39999"', `39999"${more}`);
  const told = (one: (text: string) => string, other: (text: string) => string) =>
    differences(settings(one), settings(other)).map(changeText);

  expect(told(realm(""), realm(', "silenceSeconds": 5, "codecs": { "deny": ["G729"] }'))).toEqual([
    "realms.inside.media.silenceSeconds: 60 -> 5; for new calls",
    "realms.inside.media.codecs: added; for new calls",
    "peers.p.1.media: added; for new calls",
  ]);
  expect(told(realm(""), (text) => text.replace("30000-39999", "30000-38999"))).toEqual([
    'realms.inside.media.ports: "30000-39999" -> "30000-38999"; for new calls',
  ]);
  expect(told(peer(', "reason": "sip", "media": { "ptime": 20 }'), peer(', "media": { "ptime": 30 }'))).toEqual([
    'peers.p.1.reason: "sip" -> "pass"; at once; calls that are up stay',
    "peers.p.1.media.ptime: 20 -> 30; for new calls",
  ]);
  expect(told(peer(""), (text) => text.replace("5080", "5081"))).toEqual([
    'peers.p.1.targets: ["udp:127.0.0.1:5080"] -> ["udp:127.0.0.1:5081"]; at once; calls that are up stay',
  ]);
  const auth = (algorithm: string) => `, "auth": { "user": "u", "password": "p", "algorithms": ["${algorithm}"] }`;
  expect(told(peer(auth("MD5")), peer(auth("SHA-256")))).toEqual([
    'peers.p.1.auth.algorithms: ["MD5"] -> ["SHA-256"]; at once; calls that are up stay',
  ]);
  const account = (user: string) => `, "register": { "aor": "sip:${user}@c.example", "contactUser": "box" }`;
  expect(told(peer(account("1")), peer(account("2")))).toEqual([
    'peers.p.1.register.aor: "sip:1@c.example" -> "sip:2@c.example"; at once; calls that are up stay',
  ]);
});

test("peers come and go by name, dots and all", () => {
  const after = settings((text) => text.replace('"p.1"', '"p.2"'));
  const changes = differences(settings(), after);
  expect(changes.map(({ path, kind }) => `${kind} ${path}`)).toEqual(["removed peers.p.1", "added peers.p.2"]);
  expect(touched(changes)).toEqual({ realms: new Set(), peers: new Set(["p.1", "p.2"]) });
});

function settings(change = (text: string) => text) {
  const loaded = readSettings("/etc/a.jsonc", change(file), 0);
  if (!loaded.ok) throw new Error("the sample is wrong");
  return loaded.settings;
}

const file = `{
  "name": "a",
  "realms": { "inside": { "trust": "full", "listen": ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"],
    "media": { "address": "127.0.0.1", "ports": "30000-39999" }, "srtp": "off" } },
  "peers": { "p.1": { "realm": "inside", "targets": ["udp:127.0.0.1:5080"] } }
}`;
