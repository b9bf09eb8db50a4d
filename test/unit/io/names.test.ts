import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { FileReading, parseHosts, parseResolvConf } from "../../../src/io/dns/files.ts";
import { Names, type NamesOptions } from "../../../src/io/names.ts";
import type { DnsType } from "../../../src/transport/index.ts";
import {
  type Asked,
  a,
  alias,
  NXDOMAIN,
  naptr,
  OK,
  type RecordText,
  reply,
  ScriptedNameServer,
  SERVFAIL,
  soa,
  srv,
  TRUNCATED,
  words,
} from "./name-server.ts";

const servers: ScriptedNameServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop();
});

test("records come with their own time to live, of whatever type", async () => {
  const server = await start(zone);
  expect(await ask([server], "A", "pbx.test")).toEqual({
    in: "resolved",
    query: 7,
    records: [{ type: "A", ttlSeconds: 17, ip: "192.0.2.7" }],
  });
  expect(await ask([server], "SRV", "_sip._udp.test")).toMatchObject({ records: [{ ttlSeconds: 23, port: 5_060 }] });
  expect(await ask([server], "NAPTR", "test")).toMatchObject({ records: [{ ttlSeconds: 29, service: "SIP+D2U" }] });
  expect(server.asked.every(({ over, isEdns }) => over === "udp" && isEdns)).toBe(true);
});

test("nothing there is an answer, with the zone's word for how long; a server that fails is a failure", async () => {
  const server = await start(zone);
  expect(await ask([server], "A", "nowhere.test")).toEqual({
    in: "resolved",
    query: 7,
    records: [],
    negativeSeconds: 120,
  });
  expect(await ask([server], "A", "broken.test")).toEqual({ in: "resolve-failed", query: 7, reason: "SERVFAIL" });
  expect(server.asked.filter(({ name }) => name === "broken.test")).toHaveLength(2);
});

test("an answer that does not fit comes over TCP, byte by byte", async () => {
  const many = Array.from({ length: 60 }, (_, i) => srv("_sip._udp.test", 5_000 + i, `host-${i}.test`));
  const server = await start((asked) => [asked.over === "udp" ? reply(asked, TRUNCATED) : reply(asked, OK, many)]);
  const { records } = (await ask([server], "SRV", "_sip._udp.test")) as { records: unknown[] };
  expect(records).toHaveLength(60);
  expect(server.asked.map(({ over }) => over)).toEqual(["udp", "tcp"]);
});

test("TCP that answers with another number, or cut again, is a failure", async () => {
  for (const wrong of [
    (asked: Asked) => reply({ ...asked, id: asked.id ^ 1 }, OK, [a("pbx.test", "192.0.2.66")]),
    (asked: Asked) => reply(asked, TRUNCATED),
    () => words(1),
  ]) {
    const server = await start((asked) => [asked.over === "udp" ? reply(asked, TRUNCATED) : wrong(asked)]);
    expect(await ask([server], "A", "pbx.test")).toMatchObject({ in: "resolve-failed", reason: "malformed" });
  }
});

test("forged answers, by number or by sender, are not heard; the right one is", async () => {
  const server = await start((asked) => {
    const forged = [a("pbx.test", "192.0.2.66")];
    void asked.forge(reply(asked, OK, forged)).then(() => {
      for (let i = 1; i <= 5; i++) asked.send(reply({ ...asked, id: asked.id ^ i }, OK, forged));
      asked.send(reply(asked, OK, [a("pbx.test", "192.0.2.7")]));
    });
    return [];
  });
  expect(await ask([server], "A", "pbx.test")).toMatchObject({ records: [{ ip: "192.0.2.7" }] });
  expect(server.asked).toHaveLength(1);
});

test("who guesses at the number drives the question to TCP", async () => {
  const server = await start((asked) => {
    if (asked.over === "tcp") return [reply(asked, OK, [a("pbx.test", "192.0.2.7")])];
    return Array.from({ length: 9 }, (_, i) =>
      reply({ ...asked, id: asked.id ^ (i + 1) }, OK, [a("pbx.test", "192.0.2.66")]),
    );
  });
  expect(await ask([server], "A", "pbx.test")).toMatchObject({ records: [{ ip: "192.0.2.7" }] });
  expect(server.asked.map(({ over }) => over)).toEqual(["udp", "tcp"]);
});

test("numbers and ports are other ones for each question", async () => {
  const server = await start(zone);
  for (let i = 0; i < 20; i++) await ask([server], "A", "pbx.test");
  expect(new Set(server.asked.map(({ id }) => id)).size).toBeGreaterThan(15);
  expect(new Set(server.asked.map(({ from }) => from)).size).toBeGreaterThan(15);
});

test("a silent server is given up for the next, and asked last from then on", async () => {
  const mute = await start(() => []);
  const good = await start(zone);
  const names = new Heard({ servers: [mute.address, good.address], tryLimitMs: 2_000 });
  expect(await names.ask("A", "pbx.test")).toMatchObject({ records: [{ ip: "192.0.2.7" }] });
  expect(await names.ask("SRV", "_sip._udp.test")).toMatchObject({ in: "resolved" });
  expect([mute.asked.length, good.asked.length]).toEqual([1, 2]);
});

test("a server that is not there is told by ICMP: the next is asked at once", async () => {
  const gone = await start(zone);
  const { address } = gone;
  const good = await start(zone);
  gone.stop();
  servers.splice(servers.indexOf(gone), 1);
  const names = new Heard({ servers: [address, good.address], tryLimitMs: 60_000, questionLimitMs: 60_000 });
  expect(await names.ask("A", "pbx.test")).toMatchObject({ records: [{ ip: "192.0.2.7" }] });
});

test("servers that stay silent fail the question after their rounds, or its limit", async () => {
  const mute = await start(() => []);
  const rounds = new Heard({ servers: [mute.address], tryLimitMs: 50, rounds: 3 });
  expect(await rounds.ask("A", "pbx.test")).toMatchObject({ in: "resolve-failed", reason: "timeout" });
  await wasAsked(mute, 3);
  const limit = new Heard({ servers: [mute.address], tryLimitMs: 60_000, rounds: 3, questionLimitMs: 50 });
  expect(await limit.ask("A", "pbx.test")).toMatchObject({ in: "resolve-failed", reason: "timeout" });
  await wasAsked(mute, 4);
});

test("a server from before EDNS gets the question without", async () => {
  const server = await start((asked) =>
    asked.isEdns ? [words(asked.id, 0x8181, 0, 0, 0, 0)] : [reply(asked, OK, [a("pbx.test", "192.0.2.7")])],
  );
  expect(await ask([server], "A", "pbx.test")).toMatchObject({ records: [{ ip: "192.0.2.7" }] });
  expect(server.asked.map(({ isEdns }) => isEdns)).toEqual([true, false]);
});

test("aliases over several answers are followed to their end; those without end fail", async () => {
  const server = await start((asked) => {
    const next = Number(/\d+/.exec(asked.name)?.[0]) + 1;
    if (asked.name === "end4.test") return [reply(asked, OK, [a("end4.test", "192.0.2.7", 300)])];
    const stem = asked.name.startsWith("end") ? "end" : "more";
    return [reply(asked, OK, [alias(asked.name, `${stem}${next}.test`, 40 - next)])];
  });
  expect(await ask([server], "A", "end1.test")).toMatchObject({ records: [{ ip: "192.0.2.7", ttlSeconds: 36 }] });
  expect(await ask([server], "A", "more1.test")).toMatchObject({ reason: "aliases without end" });
  expect(server.asked).toHaveLength(4 + 8);
});

test("more questions than the limit fail, those before them do not", async () => {
  const server = await start(zone);
  const answers: string[] = [];
  const done = Promise.withResolvers<void>();
  const names = new Names(
    (answer) => {
      answers.push(answer.in === "resolved" ? "resolved" : answer.reason);
      if (answers.length === 513) done.resolve();
    },
    // The server's socket may lose some of so many at once.
    { servers: [server.address], tryLimitMs: 300, rounds: 100, questionLimitMs: 60_000 },
  );
  for (let query = 0; query < 513; query++) names.ask({ out: "resolve", query, type: "A", name: "pbx.test" });
  await done.promise;
  expect(answers.filter((word) => word !== "resolved")).toEqual(["too many questions on their way"]);
});

test("closing breaks off what is on its way", async () => {
  const mute = await start(() => []);
  const names = new Heard({ servers: [mute.address], tryLimitMs: 60_000, questionLimitMs: 60_000 });
  const answer = names.ask("A", "pbx.test");
  names.close();
  expect(await answer).toMatchObject({ in: "resolve-failed", reason: "broken off" });
});

test("the hosts file goes before the name servers, and is read again when it has changed", async () => {
  const server = await start(zone);
  const folder = mkdtempSync(join(tmpdir(), "sallyport-names-"));
  const hosts = join(folder, "hosts");
  writeFileSync(hosts, "192.0.2.1 Local.test\n");
  const names = new Heard({ servers: [server.address], hosts });
  expect(await names.ask("A", "local.test.")).toMatchObject({ records: [{ ip: "192.0.2.1", ttlSeconds: 60 }] });
  expect(await names.ask("A", "pbx.test")).toMatchObject({ records: [{ ip: "192.0.2.7" }] });
  appendFileSync(hosts, "192.0.2.2 pbx.test\n");
  names.refresh();
  expect(await names.ask("A", "pbx.test")).toMatchObject({ records: [{ ip: "192.0.2.2" }] });
  rmSync(folder, { recursive: true });
});

test("a file is read again when it has changed and some time has passed, and may vanish", () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-names-"));
  const file = join(folder, "file");
  const reading = new FileReading(file, (text) => text);
  expect(reading.value(0)).toBe("");
  writeFileSync(file, "one");
  expect([reading.value(1_999), reading.value(2_000)]).toEqual(["", "one"]);
  writeFileSync(file, "three");
  expect([reading.value(3_999), reading.value(4_000)]).toEqual(["one", "three"]);
  rmSync(folder, { recursive: true });
  expect(reading.value(6_000)).toBe("");
});

test("resolv.conf: three servers, of both families; options; none means this machine", () => {
  const conf = parseResolvConf(
    "# us\nsearch example.test\nnameserver 192.0.2.1 ; first\nnameserver fe80::1%eth0\nnameserver nonsense\n" +
      "nameserver 2001:db8::1\nnameserver 192.0.2.4\noptions edns0 timeout:1 attempts:5 timeout:x\n",
  );
  expect(conf.servers.map(({ ip, port }) => `${ip} ${port}`)).toEqual([
    "192.0.2.1 53",
    "fe80::1%eth0 53",
    "2001:db8::1 53",
  ]);
  expect([conf.timeoutSeconds, conf.attempts]).toEqual([1, 5]);
  expect(parseResolvConf("").servers).toEqual([{ ip: "127.0.0.1", port: 53 }]);
});

test("the hosts file: both families, several names, comments", () => {
  const text = "# names\n192.0.2.1\tPBX.test pbx # ours\n2001:db8::1 pbx.test\nfe80::1%lo0 bad\nnonsense bad\n\n";
  expect([...parseHosts(text)]).toEqual([
    ["pbx.test", ["192.0.2.1", "2001:db8::1"]],
    ["pbx", ["192.0.2.1"]],
  ]);
});

/** The last question may still be on its way when we have given it up. */
async function wasAsked(server: ScriptedNameServer, times: number): Promise<void> {
  await expect.poll(() => server.asked.length, { timeout: 10_000 }).toBe(times);
}

async function start(answer: (asked: Asked) => readonly Buffer[]): Promise<ScriptedNameServer> {
  const server = await ScriptedNameServer.start(answer);
  servers.push(server);
  return server;
}

/** Three records it knows, one name that breaks it, and nothing else. */
function zone(asked: Asked): readonly Buffer[] {
  const known: readonly RecordText[] = [
    a("pbx.test", "192.0.2.7", 17),
    srv("_sip._udp.test", 5_060, "pbx.test", 23),
    naptr("test", "_sip._udp.test", 29),
  ];
  if (asked.name === "broken.test") return [reply(asked, SERVFAIL)];
  const found = known.filter(({ name, type }) => name === asked.name && type === asked.type);
  return [found.length > 0 ? reply(asked, OK, found) : reply(asked, NXDOMAIN, [], [soa("test", 900, 120)])];
}

/** Names that are asked one thing at a time. */
class Heard {
  #answer: (answer: unknown) => void = () => {};
  readonly #names: Names;

  constructor(options: NamesOptions) {
    this.#names = new Names((answer) => this.#answer(answer), { hosts: "/nowhere/hosts", ...options });
  }

  ask(type: DnsType, name: string): Promise<unknown> {
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.#names.ask({ out: "resolve", query: 7, type, name });
    });
  }

  refresh(): void {
    this.#names.refresh();
  }

  close(): void {
    this.#names.close();
  }
}

const ask = (from: readonly ScriptedNameServer[], type: DnsType, name: string): Promise<unknown> =>
  new Heard({ servers: from.map(({ address }) => address), tryLimitMs: 10_000, questionLimitMs: 60_000 }).ask(
    type,
    name,
  );
