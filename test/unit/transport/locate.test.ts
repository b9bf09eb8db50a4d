import { beforeEach, expect, test } from "vitest";
import type { Destination, TargetSettings } from "../../../src/base/index.ts";
import type { DnsRecord } from "../../../src/transport/index.ts";
import { Bench, settingsOf } from "./bench.ts";

let bench: Bench;
let zone: Record<string, readonly DnsRecord[]>;
/** How long an empty answer holds, in seconds; where it is not told, nobody says. */
let negative: Record<string, number>;

beforeEach(() => {
  bench = new Bench();
  zone = {};
  negative = {};
});

test("an IP address: its port or the default, UDP unless the URI says otherwise, no question", () => {
  expect(resolve("sip:192.0.2.9")).toEqual(["udp 192.0.2.9:5060"]);
  expect(resolve("sip:a@192.0.2.9:5099;transport=tcp")).toEqual(["tcp 192.0.2.9:5099"]);
  expect(resolve("sip:192.0.2.9;transport=tls")).toEqual(["tls 192.0.2.9:5061 as 192.0.2.9"]);
  expect(resolve("sips:192.0.2.9")).toEqual(["tls 192.0.2.9:5061 as 192.0.2.9"]);
  expect(resolve("sip:[2001:DB8:0::9]")).toEqual(["udp [2001:db8::9]:5060"]);
  expect(asked).toEqual([]);
});

test("a port: only addresses are asked for", () => {
  zone = { "A a.test": [a("192.0.2.1"), a("192.0.2.2")], "AAAA a.test": [aaaa("2001:db8::1")] };
  expect(resolve("sip:a.test:5070")).toEqual(["udp [2001:db8::1]:5070", "udp 192.0.2.1:5070", "udp 192.0.2.2:5070"]);
  expect(asked).toEqual(["AAAA a.test", "A a.test"]);
});

test("a transport: its SRV records, else the host itself", () => {
  zone = {
    "SRV _sip._tcp.a.test": [srv("s1.test", 5080)],
    "A s1.test": [a("192.0.2.3")],
    "A a.test": [a("192.0.2.4")],
  };
  expect(resolve("sip:a.test;transport=tcp")).toEqual(["tcp 192.0.2.3:5080"]);
  expect(asked).not.toContain("NAPTR a.test");
  zone = { "A b.test": [a("192.0.2.4")] };
  expect(resolve("sip:b.test;transport=tcp")).toEqual(["tcp 192.0.2.4:5060"]);
});

test("neither: NAPTR in its order, SRV in theirs, all places of all services to fail over to", () => {
  zone = {
    "NAPTR a.test": [
      naptr(20, 1, "SIP+D2U", "_sip._udp.a.test"),
      naptr(10, 2, "SIP+D2T", "_sip._tcp.a.test"),
      naptr(10, 1, "SIPS+D2T", "_sips._tcp.a.test."),
      naptr(1, 1, "SIP+D2S", "_sip._sctp.a.test"),
    ],
    "SRV _sips._tcp.a.test": [srv("s2.test", 5061, 2), srv("s1.test", 5062, 1)],
    "SRV _sip._tcp.a.test": [srv("s1.test", 5060)],
    "SRV _sip._udp.a.test": [srv("s1.test", 5060)],
    "A s1.test": [a("192.0.2.1")],
    "A s2.test": [a("192.0.2.2")],
  };
  expect(resolve("sip:a.test")).toEqual([
    "tls 192.0.2.1:5062 as a.test",
    "tls 192.0.2.2:5061 as a.test",
    "tcp 192.0.2.1:5060",
    "udp 192.0.2.1:5060",
  ]);
  expect(resolve("sips:a.test")).toEqual(["tls 192.0.2.1:5062 as a.test", "tls 192.0.2.2:5061 as a.test"]);
});

test("no NAPTR: the SRV names of every protocol the realm speaks; no SRV either: the host by UDP", () => {
  zone = { "SRV _sip._tcp.a.test": [srv("s.test", 5060)], "A s.test": [a("192.0.2.1")] };
  expect(resolve("sip:a.test")).toEqual(["tcp 192.0.2.1:5060"]);
  expect(asked).toEqual(
    expect.arrayContaining(["SRV _sip._udp.a.test", "SRV _sip._tcp.a.test", "SRV _sips._tcp.a.test"]),
  );
  zone = { "A b.test": [a("192.0.2.4")] };
  expect(resolve("sip:b.test")).toEqual(["udp 192.0.2.4:5060"]);
  expect(resolve("sip:b.test", "inside")).toEqual(["udp 192.0.2.4:5060"]);
});

test("sips never leads anywhere but to TLS", () => {
  zone = {
    "NAPTR a.test": [naptr(1, 1, "SIP+D2U", "_sip._udp.a.test")],
    "SRV _sip._udp.a.test": [srv("s.test", 5060)],
    "A s.test": [a("192.0.2.1")],
    "A a.test": [a("192.0.2.2")],
  };
  expect(resolve("sips:a.test")).toEqual(["tls 192.0.2.2:5061 as a.test"]);
  expect(resolve("sips:a.test;transport=tcp")).toEqual(["tls 192.0.2.2:5061 as a.test"]);
  expect(resolve("sips:a.test;transport=udp")).toEqual([]);
  expect(resolve("sips:a.test", "inside")).toEqual([]); // No certificate there.
});

test("a service that is decidedly not there is not sought at the host", () => {
  zone = { "SRV _sip._udp.a.test": [srv(".", 5060)], "A a.test": [a("192.0.2.2")] };
  expect(resolve("sip:a.test;transport=udp")).toEqual([]);
});

test("what we do not speak, and addresses that no neighbour has, lead nowhere", () => {
  for (const uri of [
    "tel:+49301",
    "sip:a.test;transport=sctp",
    "sip:a.test;transport=ws",
    "mailto:x@y",
    "sip:",
    "sip:0.0.0.0",
    "sip:224.0.1.75",
    "sip:255.255.255.255",
    "sip:[ff02::1]",
    "sip:[::]",
    "sip:a.test;maddr=239.1.1.1",
  ]) {
    expect(resolve(uri)).toEqual([]);
  }
  zone = { "A evil.test": [a("224.0.1.75"), a("192.0.2.1")] };
  expect(resolve("sip:evil.test:5060")).toEqual(["udp 192.0.2.1:5060"]);
  expect(resolve(`sip:${"x".repeat(70)}.test:5060`)).toEqual([]);
});

test("families the realm has no listener for are not asked for", () => {
  zone = { "A a.test": [a("10.0.0.9")], "AAAA a.test": [aaaa("2001:db8::9")] };
  expect(resolve("sip:a.test:5060", "inside")).toEqual(["udp 10.0.0.9:5060"]);
  expect(asked).toEqual(["A a.test"]);
});

test("configured targets: protocol and port stand, the name is the one for the certificate", () => {
  zone = { "A pbx.test": [a("192.0.2.1")] };
  expect(target({ kind: "host", protocol: "tls", host: "PBX.test", port: 5091 })).toEqual([
    "tls 192.0.2.1:5091 as pbx.test",
  ]);
  expect(target({ kind: "host", protocol: "udp", host: "127.0.0.1", port: 5080 })).toEqual(["udp 127.0.0.1:5080"]);
  expect(target({ kind: "uri", uri: "sip:pbx.test:5062;transport=tcp" })).toEqual(["tcp 192.0.2.1:5062"]);
});

test("places are bounded and not doubled", () => {
  zone = { "A a.test": Array.from({ length: 60 }, (_, i) => a(`192.0.2.${i >> 1}`)) };
  expect(resolve("sip:a.test:5060")).toHaveLength(16);
});

test("answers are kept for their TTL, empty ones as the zone says; a hostile TTL is bounded both ways", () => {
  zone = {
    "A a.test": [a("10.0.0.9", 60)],
    "A short.test": [a("10.0.0.9", 0)],
    "A long.test": [a("10.0.0.9", 2 ** 31)],
  };
  const rounds = (name: string, afterMs: number): number => {
    resolve(`sip:${name}:5060`, "inside");
    bench.pass(afterMs);
    resolve(`sip:${name}:5060`, "inside", false);
    return asked.length;
  };
  expect([rounds("a.test", 59_999), rounds("a.test", 60_000)]).toEqual([1, 2]);
  expect([rounds("untold.test", 4_999), rounds("untold.test", 5_000)]).toEqual([1, 2]);
  negative = { "A none.test": 120, "A long-none.test": 2 ** 31 };
  expect([rounds("none.test", 119_999), rounds("none.test", 120_000)]).toEqual([1, 2]);
  expect([rounds("long-none.test", 899_999), rounds("long-none.test", 900_000)]).toEqual([1, 2]);
  expect([rounds("short.test", 4_999), rounds("short.test", 5_000)]).toEqual([1, 2]);
  expect([rounds("long.test", 3_599_999), rounds("long.test", 3_600_000)]).toEqual([1, 2]);
});

test("one question for many who ask at once; a question nobody answers fails after 10 s", () => {
  const found: number[] = [];
  for (let i = 0; i < 5; i++) ask("sip:slow.test:5060", (places) => found.push(places.length));
  expect(bench.take()).toHaveLength(1);
  bench.pass(9_999);
  expect(found).toEqual([]);
  bench.pass(1);
  expect(found).toEqual([0, 0, 0, 0, 0]);
  expect(bench.agenda.size).toBe(0);
  bench.transport.handle({ in: "resolved", query: 1, records: [a("10.0.0.9")] }, bench.now);
});

test("when the DNS is down the last answer serves on for an hour", () => {
  zone = { "A a.test": [a("10.0.0.9", 60)] };
  resolve("sip:a.test:5060", "inside");
  bench.pass(61_000);
  const found: string[] = [];
  ask("sip:a.test:5060", (places) => found.push(...places.map(show)));
  const [question] = bench.take();
  if (question?.out !== "resolve") throw new Error("no question");
  bench.transport.handle({ in: "resolve-failed", query: question.query, reason: "timeout" }, bench.now);
  expect(found).toEqual(["udp 10.0.0.9:5060"]);
  bench.pass(3_700_000);
  ask("sip:a.test:5060", (places) => found.push(String(places.length)));
  bench.pass(10_000);
  expect(found.at(-1)).toBe("0");
});

test("questions under way are bounded", () => {
  let empty = 0;
  for (let i = 0; i < 300; i++) {
    ask(`sip:n${i}.test:5060`, () => {
      empty += 1;
    });
  }
  expect(bench.take()).toHaveLength(256);
  expect(empty).toBe(44);
  expect(bench.count("dns.over-limit")).toBe(44);
});

test("a realm without UDP uses what it has", () => {
  const only = settingsOf({
    outside: {
      listeners: settingsOf()
        .realms.get("outside")!
        .listeners.filter((l) => l.protocol === "tls"),
    },
  });
  bench = new Bench(only);
  expect(resolve("sip:192.0.2.9", "outside", false)).toEqual(["tcp 192.0.2.9:5060"]);
});

/** Every question of the running test, as `TYPE name`. */
let asked: string[] = [];

function resolve(uri: string, realm = "outside", afresh = true): string[] {
  if (afresh) {
    bench = new Bench();
    asked = [];
  }
  return collect((done) => bench.transport.resolve({ realm, uri }, done, bench.now));
}

function target(settings: TargetSettings): string[] {
  bench = new Bench();
  return collect((done) => bench.transport.resolve({ realm: "outside", target: settings }, done, bench.now));
}

function ask(uri: string, done: (places: readonly Destination[]) => void): void {
  bench.transport.resolve({ realm: "inside", uri }, done, bench.now);
}

/** Answers questions from the zone until the answer is there; it comes exactly once. */
function collect(start: (done: (places: readonly Destination[]) => void) => void): string[] {
  const answers: string[][] = [];
  start((places) => answers.push(places.map(show)));
  for (let questions = bench.take(); questions.length > 0; questions = bench.take()) {
    for (const question of questions) {
      if (question.out !== "resolve") throw new Error(`unexpected ${question.out}`);
      const key = `${question.type} ${question.name}`;
      asked.push(key);
      const answer = { records: zone[key] ?? [], negativeSeconds: negative[key] };
      bench.transport.handle({ in: "resolved", query: question.query, ...answer }, bench.now);
    }
  }
  expect(answers).toHaveLength(1);
  return answers[0] as string[];
}

function show({ protocol, remote, serverName }: Destination): string {
  const ip = remote.ip.includes(":") ? `[${remote.ip}]` : remote.ip;
  return `${protocol} ${ip}:${remote.port}${serverName === undefined ? "" : ` as ${serverName}`}`;
}

function a(ip: string, ttlSeconds = 300): DnsRecord {
  return { type: "A", ttlSeconds, ip };
}

function aaaa(ip: string): DnsRecord {
  return { type: "AAAA", ttlSeconds: 300, ip };
}

function srv(target: string, port: number, priority = 1): DnsRecord {
  return { type: "SRV", ttlSeconds: 300, priority, weight: 1, port, target };
}

function naptr(order: number, preference: number, service: string, replacement: string): DnsRecord {
  return { type: "NAPTR", ttlSeconds: 300, order, preference, flags: "s", service, regexp: "", replacement };
}
