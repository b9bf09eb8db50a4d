/** WebSocket listeners, `origins` and `messagesPerSource` of the operator's file. */
import { expect, test } from "vitest";
import { faultText, readSettings } from "../../../src/manage/index.ts";

test("a listener, a target and origins, as browsers write them", () => {
  const loaded = read(["ws:127.0.0.1:8080"], `, "origins": ["https://Phone.Example.com", "http://localhost:3000"]`);
  if (!loaded.ok) throw new Error(loaded.faults.map(faultText).join());
  const realm = loaded.settings.realms.get("a");
  expect(realm?.listeners).toEqual([
    { id: "a/ws:127.0.0.1:8080", realm: "a", protocol: "ws", address: { ip: "127.0.0.1", port: 8080 } },
  ]);
  expect(realm?.origins).toEqual(["https://phone.example.com", "http://localhost:3000"]);
  expect(loaded.settings.peers.get("p")?.targets).toMatchObject([{ protocol: "ws", host: "192.0.2.1", port: 80 }]);
  expect(loaded.settings.limits.messagesPerSource).toBe(7);
  expect(loaded.warnings).toEqual([]);
});

test.each([
  [["wss:127.0.0.1:8443"], "", /realms\.a\.listen: a wss: listener needs a certificate/],
  [["ws:127.0.0.1:80", "tcp:127.0.0.1:80"], "", /realms\.a\.listen\[1\]: the port is already taken by a\/ws:/],
  [["web:127.0.0.1:80"], "", /does not begin with udp:, tcp:, tls:, ws: or wss:/],
  [["ws:127.0.0.1:80"], `, "origins": ["phone.example.com"]`, /origins\[0\]: "phone.example.com" is not a web origin/],
  [["ws:127.0.0.1:80"], `, "origins": ["https://a.test/path"]`, /origins\[0\]: .* is not a web origin/],
])("%j%s is a fault", (listen, more, fault) => {
  const loaded = read(listen, more);
  expect(loaded.ok ? [] : loaded.faults.map(faultText)).toContainEqual(expect.stringMatching(fault));
});

test("origins of a realm without a WebSocket are a warning", () => {
  const loaded = read(["udp:127.0.0.1:5060"], `, "origins": ["https://a.test"]`, "udp");
  expect(loaded.warnings.map(faultText)).toEqual([
    expect.stringMatching(/realms\.a\.origins: the realm has no ws: or/),
  ]);
});

const read = (listen: readonly string[], more: string, target = "ws") =>
  readSettings(
    "x.jsonc",
    `{ "limits": { "messagesPerSource": 7 },
       "realms": { "a": { "trust": "full", "listen": ${JSON.stringify(listen)}${more}, "media": { "address": "127.0.0.1", "ports": "20000-59999" }, "srtp": "off" } },
       "peers": { "p": { "realm": "a", "targets": ["${target}:192.0.2.1:80"] } } }`,
    1_790_000_000_000,
  );
