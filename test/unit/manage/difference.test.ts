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
      .replace('5060",', '5062",'),
  );
  expect(differences(settings(), after).map(changeText)).toEqual([
    'name: "a" -> "b"; at the next start',
    'realms.inside.listeners: ["inside/tcp:127.0.0.1:5060","inside/udp:127.0.0.1:5060"] -> ["inside/tcp:127.0.0.1:5060","inside/udp:127.0.0.1:5062"]; at once; connections that are up stay',
    'realms.inside.srtp: "off" -> "preferred"; for new calls',
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
