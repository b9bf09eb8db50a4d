import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { faultText, loadSettings, readSettings } from "../../../src/manage/index.ts";
import { makeTestTls, type TestTls } from "./test-tls.ts";

/** A minute from now: the certificates are made after this line. */
const NOW = Date.now() + 60_000;
const DAY_MS = 86_400_000;
const config = (name: string): string => fileURLToPath(new URL(`../../../config/${name}`, import.meta.url));

let tls: TestTls;
let otherTls: TestTls;
beforeAll(() => {
  tls = makeTestTls();
  otherTls = makeTestTls();
});
afterAll(() => {
  tls.remove();
  otherTls.remove();
});

describe("files that come with the box", () => {
  test.each(["example.jsonc", "default.jsonc"])("%s has no fault once there are certificates", (name) => {
    const text = readFileSync(config(name), "utf8").replaceAll('"tls/', `"${tls.directory}/`);
    expect(faults(text)).toEqual([]);
  });
});

describe("what settings come out", () => {
  test("the example says what it means", () => {
    const loaded = read(sample());
    if (!loaded.ok) throw new Error(loaded.faults.map(faultText).join("\n"));
    const { settings } = loaded;
    const outside = settings.realms.get("outside");
    expect(outside?.listeners.map(({ id }) => id)).toEqual([
      "outside/udp:127.0.0.1:5060",
      "outside/tls:127.0.0.1:5061",
      "outside/udp:[::1]:5060",
    ]);
    expect(outside?.dscp).toEqual({ signalling: 24, audio: 46, video: 34, other: 34 });
    expect(outside?.tls).toEqual({ certificate: tls.certificate, key: tls.key, ca: tls.ca, verify: "mutual" });
    expect(outside?.media).toEqual({
      addresses: ["127.0.0.1", "::1"],
      firstPort: 20_000,
      lastPort: 29_999,
      path: "auto",
      silenceLimitMs: 60_000,
    });
    expect(settings.peers.get("carrier")).toMatchObject({
      name: "carrier",
      realm: "outside",
      targets: [
        { kind: "host", protocol: "udp", host: "sip.carrier.test", port: 5060 },
        { kind: "uri", uri: "sips:carrier.test" },
      ],
      sources: ["192.0.2.0/24", "2001:db8::1/128"],
      options: { everySeconds: 30 },
      maxCalls: 200,
      maxCallsPerSecond: 50,
      tcpForLargeRequests: false,
      reliable1xx: "pass",
      preconditions: "off",
    });
    expect(settings.routes[0]).toEqual({ when: { from: "pbx", number: /^\+?[0-9]+$/u }, to: ["carrier"] });
    expect(settings).toMatchObject({ name: "edge-1", control: "/etc/sallyport/run/control.sock", drainSeconds: 0 });
    expect(settings.limits).toEqual({
      calls: 10_000,
      transactions: 200_000,
      connections: 10_000,
      connectionsPerSource: 100,
      messagesPerSource: 100,
      callSeconds: 86_400,
      subscriptions: 10_000,
      subscriptionsPerSource: 1_000,
    });
    expect(settings.sessionTimer).toEqual({ seconds: 1_800, minimumSeconds: 90 });
  });

  test("comments, trailing commas and a byte order mark are fine", () => {
    expect(
      faults(`\ufeff// hello\n${sample().replace('"to": ["carrier"] }', '"to": ["carrier",], /* x */ }')}`),
    ).toEqual([]);
  });
});

/** [what the operator did, what stands in the file, what he wrote instead, the faults: line:column: path: …] */
const cases: readonly (readonly [name: string, from: string, to: string, ...faults: string[]])[] = [
  [
    "syntax: a comma is missing",
    '"name": "edge-1",',
    '"name": "edge-1"',
    "4:3: (file): a comma is missing; put one after what stands before",
  ],
  [
    "syntax: single quotes",
    '"name": "edge-1"',
    "\"name\": 'edge-1'",
    "3:11: (file): this is not JSON; put texts in double quotes; other values are numbers, true, false and null",
  ],
  [
    "a member stands twice",
    '"name": "edge-1",',
    '"name": "edge-1", "name": "edge-2",',
    "3:21: name: stands here for the second time; keep one of them",
  ],
  [
    "a member is misspelt",
    '"trust": "none"',
    '"trsut": "none"',
    '6:16: realms.outside: "trust" is missing; write it',
    '7:7: realms.outside.trsut: there is no member "trsut" in realms.outside; did you mean "trust"?',
  ],
  [
    "a member of something else",
    '"routes": [',
    '"webServer": {}, "routes": [',
    '30:3: webServer: there is no member "webServer" at the top; write name, control, drainSeconds, realms, peers, routes, limits, registration or sessionTimer',
  ],
  [
    "a member of every object",
    '"name": "edge-1"',
    '"__proto__": {}, "name": "edge-1"',
    '3:3: __proto__: there is no member "__proto__" at the top; write name, control, drainSeconds, realms, peers, routes, limits, registration or sessionTimer',
  ],
  [
    "a value of the wrong type",
    '"maxCalls": 200',
    '"maxCalls": "200"',
    '27:100: peers.carrier.maxCalls: "200" is not a whole number; write a whole number',
  ],
  [
    "a word that is not known",
    '"trust": "none"',
    '"trust": "ful"',
    '7:16: realms.outside.trust: "ful" is not known; did you mean "full"?',
  ],
  [
    "a number out of range",
    '"maxCalls": 200',
    '"maxCalls": 0',
    "27:100: peers.carrier.maxCalls: 0 is out of range; write 1 to 1000000",
  ],
  [
    "a name that is no name",
    '"pbx":     {',
    '"p b x": {',
    '28:5: peers["p b x"]: "p b x" is not a name; write 1 to 63 letters, digits, dots, - and _, with a letter or digit first',
  ],
  [
    "a list with a thing twice",
    '["carrier"] }',
    '["carrier", "carrier"] }',
    '31:78: routes[0].to[1]: "carrier" stands here twice; keep one of them',
  ],

  [
    "a listener on a name",
    "tls:127.0.0.1:5061",
    "tls:localhost:5061",
    '8:40: realms.outside.listen[1]: "localhost" is not an IP address; write an address of this machine, IPv6 in [ ]',
  ],
  [
    "a listener without a port",
    "tls:127.0.0.1:5061",
    "tls:127.0.0.1",
    '8:40: realms.outside.listen[1]: "tls:127.0.0.1" is not tls:host:port; write it as in tls:192.0.2.1:5060',
  ],
  [
    "a listener on every address",
    "tls:127.0.0.1:5061",
    "tls:0.0.0.0:5061",
    '8:40: realms.outside.listen[1]: 0.0.0.0 is no address that others can answer to; write the address of one interface, or set "advertise"',
  ],
  [
    "two listeners on one port",
    '"tcp:127.0.0.1:5070"',
    '"tcp:127.0.0.1:5070", "tls:127.0.0.1:5070", "udp:127.0.0.1:5060"',
    '19:17: realms.inside.listen: a tls: listener needs a certificate; write "tls" with certificate and key',
    "19:62: realms.inside.listen[2]: the port is already taken by inside/tcp:127.0.0.1:5070; give it another port or address",
    "19:84: realms.inside.listen[3]: the port is already taken by outside/udp:127.0.0.1:5060; give it another port or address",
  ],
  [
    "a listener among the media ports",
    "30000-39999",
    "5000-9999",
    "20:51: realms.inside.media.ports: the range contains the port of the listener outside/udp:127.0.0.1:5060; write a range without it",
    "20:51: realms.inside.media.ports: the range contains the port of the listener inside/udp:127.0.0.1:5070; write a range without it",
  ],
  [
    "media ranges that overlap",
    "30000-39999",
    "29000-39999",
    '20:51: realms.inside.media.ports: 29000-29999 on 127.0.0.1 also belong to realm "outside"; write ranges that do not overlap, or another address',
  ],
  [
    "a range too small",
    "20000-29999",
    "20000-20199",
    "12:60: realms.outside.media.ports: 20000-20199 holds 50 calls but peers.carrier.maxCalls is 200; widen it to 20000-20799 or lower peers.carrier.maxCalls to 50",
  ],
  [
    "a range the wrong way round",
    "30000-39999",
    "39999-30000",
    "20:51: realms.inside.media.ports: 39999 is above 30000; write 30000-39999",
  ],
  [
    "a range of one odd port",
    "30000-39999",
    "30001-30002",
    "20:51: realms.inside.media.ports: 30001-30002 holds no even port with the odd one above it; widen it",
  ],
  [
    "an advertised name",
    '"advertise": null',
    '"advertise": "example.com"',
    '10:20: realms.outside.advertise: "example.com" is not an IP address; write the public address, or null',
  ],
  [
    "two media addresses of one family",
    '["127.0.0.1", "::1"]',
    '["127.0.0.1", "127.0.0.2"]',
    "12:43: realms.outside.media.address[1]: two addresses are of one family; keep one IPv4 and one IPv6 address at most",
  ],
  [
    "a mark that is not known",
    '"audio": "EF"',
    '"audio": "AF44"',
    '15:47: realms.outside.dscp.audio: "AF44" is not a code point; did you mean "AF41"?',
  ],
  [
    "keys that can never be agreed",
    '"srtp": "off"',
    '"srtp": "required", "srtpKeys": ["sdes"]',
    '21:15: realms.inside.srtp: no call can meet it: SDES keys travel over TLS alone, and the realm has no tls: listener; add one, add "dtls" to "srtpKeys", or set "sdesWithoutTls"',
  ],
  [
    "translating sips on a side that is not trusted",
    '"advertise": null',
    '"sips": "translate"',
    '10:15: realms.outside.sips: "translate" needs full trust, and trust is "none"; write "refuse"',
  ],
  [
    "a header that may not cross",
    '"advertise": null',
    '"allowHeaders": ["X-A", "Via", "a b"]',
    "10:31: realms.outside.allowHeaders[1]: Via is made anew on each side; take it out",
    '10:38: realms.outside.allowHeaders[2]: "a b" is not a header name; write one as in X-Account',
  ],

  [
    "a peer in no realm",
    '"realm": "inside"',
    '"realm": "insde"',
    '28:27: peers.pbx.realm: there is no realm "insde"; did you mean "inside"?',
  ],
  [
    "a target without a listener to send from",
    "udp:127.0.0.1:5080",
    "tls:127.0.0.1:5080",
    '28:49: peers.pbx.targets[0]: realm "inside" has no tls: listener to send from; add one there',
  ],
  [
    "a target of another family",
    "udp:127.0.0.1:5080",
    "udp:[::1]:5080",
    '28:49: peers.pbx.targets[0]: realm "inside" has no udp: listener on IPv6 to send from; add one there',
  ],
  [
    "a target that is the box",
    "udp:127.0.0.1:5080",
    "udp:127.0.0.1:5060",
    "28:49: peers.pbx.targets[0]: udp:127.0.0.1:5060 is this box itself; write the address of the peer",
  ],
  [
    "a target with a bad port",
    "udp:127.0.0.1:5080",
    "udp:127.0.0.1:65536",
    "28:49: peers.pbx.targets[0]: 65536 is not a port; write 1 to 65535",
  ],
  [
    "a target of no protocol",
    "udp:127.0.0.1:5080",
    "127.0.0.1:5080",
    '28:49: peers.pbx.targets[0]: "127.0.0.1:5080" does not begin with udp:, tcp:, tls:, ws: or wss:; write it as in udp:192.0.2.1:5060',
  ],
  [
    "a SIP URI with spaces",
    "udp:127.0.0.1:5080",
    "sip:pbx test",
    '28:49: peers.pbx.targets[0]: "sip:pbx test" is not a SIP URI; write one as in sip:carrier.example.com;transport=tcp',
  ],
  [
    "a CIDR with bits beyond its prefix",
    "192.0.2.0/24",
    "192.0.2.7/24",
    "27:19: peers.carrier.sources[0]: 192.0.2.7 has bits beyond /24; write 192.0.2.0/24, or 192.0.2.7/32",
  ],
  [
    "a CIDR with too long a prefix",
    "192.0.2.0/24",
    "192.0.2.0/33",
    "27:19: peers.carrier.sources[0]: /33 is not a prefix length; write /0 to /32",
  ],
  [
    "an octal address",
    "192.0.2.0/24",
    "010.0.0.0/8",
    '27:19: peers.carrier.sources[0]: "010.0.0.0/8" is not a CIDR; write it as in 192.0.2.0/24 or 2001:db8::/32',
  ],

  [
    "a route to nobody",
    '["carrier"] }',
    '["carier"] }',
    '31:67: routes[0].to[0]: there is no peer "carier"; did you mean "carrier"?',
  ],
  [
    "a route from nobody",
    '"from": "pbx"',
    '"from": "pxb"',
    '31:25: routes[0].when.from: there is no peer "pxb"; did you mean "pbx"?',
  ],
  [
    "a route that never holds",
    '"from": "pbx"',
    '"from": "pbx", "realm": "outside"',
    '31:41: routes[0].when.realm: peer "pbx" lives in "inside", so this never holds; take it out',
  ],
  [
    "a pattern that does not compile",
    "^\\\\+?[0-9]+$",
    "^[0-9",
    "31:42: routes[0].when.number: not a regular expression: Unterminated character class; correct it; a backslash is written \\\\ in JSON",
  ],
  [
    "a pattern that can take for ever",
    "^\\\\+?[0-9]+$",
    "^([0-9]+)*$",
    "31:42: routes[0].when.number: the pattern repeats a group that can match in several ways, which can take for ever; repeat single characters or classes such as [0-9]+ instead",
  ],
  [
    "a method in small letters",
    '"from": "pbx"',
    '"method": "invite"',
    '31:27: routes[0].when.method: "invite" is not a method; write it in capitals, as in INVITE',
  ],
];

describe("each fault names line, column, what is wrong and what to do", () => {
  test.each(cases)("%s", (_name, from, to, ...expected) => {
    expect(sample()).toContain(from);
    expect(faults(sample().replace(from, () => to))).toEqual(expected);
  });

  test("a file that is not there", () => {
    const loaded = loadSettings("/nowhere/edge.jsonc", NOW);
    expect(loaded.ok ? [] : loaded.faults.map(faultText)).toEqual([
      "/nowhere/edge.jsonc:1:1: (file): the file does not exist; name a configuration file that this user may read",
    ]);
  });

  test("a file that is not UTF-8, and one that is empty", () => {
    const directory = mkdtempSync(join(tmpdir(), "sallyport-config-"));
    const file = join(directory, "bad.jsonc");
    writeFileSync(file, Buffer.from([0x7b, 0xff, 0x7d]));
    const loaded = loadSettings(file, NOW);
    rmSync(directory, { recursive: true });
    expect(loaded.ok ? [] : loaded.faults.map(({ problem }) => problem)).toEqual(["the file is not UTF-8"]);
    expect(faults("")[0]).toContain("1:1: (file): a value is missing");
  });

  test("no text whatever makes the reader throw", () => {
    for (let length = 0; length < sample().length; length += 7) expect(read(sample().slice(0, length)).ok).toBe(false);
    for (const text of ["null", "[]", "1", '"x"', "{}", '{"realms":[]}', '{"realms":{"a":null}}', "{".repeat(5_000)])
      expect(read(text).ok).toBe(false);
  });
});

describe("TLS files", () => {
  test("the key of another certificate is told", () => {
    expect(faults(sample().replace(tls.key, otherTls.key))).toEqual([
      `11:55: realms.outside.tls.key: ${otherTls.key} is not the key of ${tls.certificate}; name the key it was made with`.replace(
        "11:55",
        positionOf(sample().replace(tls.key, otherTls.key), `"${otherTls.key}"`),
      ),
    ]);
  });

  test("of the certificates beside the first, each must fit its key", () => {
    const others = `"others": [{ "certificate": "${otherTls.certificate}", "key": "${otherTls.key}" }, { "certificate": "${otherTls.certificate}", "key": "${tls.key}" }],`;
    const text = sample().replace('"tls": {', `"tls": { ${others}`);
    expect(faults(text)).toEqual([
      expect.stringMatching(/: realms\.outside\.tls\.others\[1\]\.key: .* is not the key of /),
    ]);
  });

  test("a certificate is told when it has expired, is not valid yet, or soon ends", () => {
    const at = positionOf(sample(), `"${tls.certificate}"`);
    expect(faults(sample(), NOW + 900 * DAY_MS)).toEqual([
      expect.stringMatching(
        new RegExp(`^${at}: realms.outside.tls.certificate: the certificate expired on .*; renew it$`),
      ),
    ]);
    expect(faults(sample(), NOW - 2 * DAY_MS)).toEqual([
      expect.stringMatching(new RegExp(`^${at}: realms.outside.tls.certificate: the certificate is not valid before `)),
    ]);
    const soon = read(sample(), NOW + 815 * DAY_MS);
    expect(soon.ok && soon.warnings.map(({ path }) => path)).toEqual([["realms", "outside", "tls", "certificate"]]);
  });

  test("files that are missing or hold something else are told", () => {
    expect(faults(sample().replace(tls.ca, "nowhere/ca.pem"))).toEqual([
      expect.stringMatching(/: realms\.outside\.tls\.ca: \/etc\/sallyport\/nowhere\/ca\.pem does not exist; make it/),
    ]);
    expect(faults(sample().replace(`"${tls.key}"`, `"${tls.ca}"`))).toEqual([
      expect.stringMatching(/: realms\.outside\.tls\.key: .*ca\.pem has no PEM private key; name a file/),
    ]);
    expect(faults(sample().replace(`"${tls.certificate}"`, `"${tls.key}"`))).toEqual([
      expect.stringMatching(/: realms\.outside\.tls\.certificate: .*sbc\.key has no PEM certificate; name a file/),
    ]);
  });

  test("verifying needs something to verify by", () => {
    expect(faults(sample().replace(`, "ca": "${tls.ca}"`, ""))).toEqual([
      expect.stringMatching(/^11:14: realms\.outside\.tls: "verify" is "mutual", but there is no "ca" to verify with;/),
    ]);
  });
});

describe("what is odd but taken", () => {
  test("two peers at one address, and a route that is never reached", () => {
    const text = sample()
      .replace('"pbx":     {', '"twin": { "realm": "inside", "targets": ["udp:127.0.0.1:5082"] }, "pbx":     {')
      .replace('"routes": [', '"routes": [ { "to": ["pbx"] },');
    const loaded = read(text);
    expect(loaded.ok && loaded.warnings.map(({ path, problem }) => `${path.join(".")}: ${problem}`)).toEqual([
      'peers.pbx: requests from 127.0.0.1 are already taken for those of "twin"',
      "routes.1: it is never reached: routes[0] takes everything",
    ]);
  });
});

function read(text: string, wallMs = NOW) {
  return readSettings("/etc/sallyport/edge.jsonc", text, wallMs);
}

/** The faults without the name of the file. */
function faults(text: string, wallMs = NOW): string[] {
  const loaded = read(text, wallMs);
  return loaded.ok ? [] : loaded.faults.map((fault) => faultText(fault).replace(/^\/etc\/sallyport\/edge\.jsonc:/, ""));
}

function positionOf(text: string, part: string): string {
  const before = text.slice(0, text.indexOf(part)).split("\n");
  return `${before.length}:${(before.at(-1) ?? "").length + 1}`;
}

function sample(): string {
  return `{
  "$schema": "./schema/sallyport.schema.json",
  "name": "edge-1",
  "control": "run/control.sock",
  "realms": {
    "outside": {
      "trust": "none", // nobody
      "listen": ["udp:127.0.0.1:5060", "tls:127.0.0.1:5061", "udp:[0:0::1]:5060"],
      "domain": "sbc.example.test",
      "advertise": null,
      "tls": { "certificate": "${tls.certificate}", "key": "${tls.key}", "ca": "${tls.ca}", "verify": "mutual" },
      "media": { "address": ["127.0.0.1", "::1"], "ports": "20000-29999", "path": "auto" },
      "srtp": "required",
      "srtpKeys": ["sdes", "dtls"], "sdesWithoutTls": false,
      "dscp": { "signalling": "CS3", "audio": "EF", "video": 34 }
    },
    "inside": {
      "trust": "full",
      "listen": ["udp:127.0.0.1:5070", "tcp:127.0.0.1:5070"],
      "media": { "address": "127.0.0.1", "ports": "30000-39999" },
      "srtp": "off"
    }
  },
  "peers": {
    "carrier": {
      "realm": "outside", "targets": ["udp:sip.carrier.test:5060", "sips:carrier.test"],
      "sources": ["192.0.2.0/24", "2001:DB8:0::1"], "options": { "everySeconds": 30 }, "maxCalls": 200, "maxCallsPerSecond": 50 },
    "pbx":     { "realm": "inside", "targets": ["udp:127.0.0.1:5080"] }
  },
  "routes": [
    { "when": { "from": "pbx", "number": "^\\\\+?[0-9]+$" }, "to": ["carrier"] }
  ]
}
`;
}
