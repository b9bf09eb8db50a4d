import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Names, readHosts } from "../../../src/io/names.ts";
import type { DnsType } from "../../../src/transport/index.ts";

let server: Socket;
beforeAll(async () => {
  server = await dnsServer();
});
afterAll(() => server.close());

test("addresses come with their time to live", async () => {
  expect(await ask("A", "pbx.test")).toEqual({
    in: "resolved",
    query: 7,
    records: [{ type: "A", ttlSeconds: 300, ip: "192.0.2.7" }],
  });
});

test("SRV and NAPTR come whole, and are held for a minute", async () => {
  expect(await ask("SRV", "_sip._udp.test")).toMatchObject({
    records: [{ type: "SRV", ttlSeconds: 60, priority: 1, weight: 2, port: 5060, target: "pbx.test" }],
  });
  expect(await ask("NAPTR", "test")).toMatchObject({
    records: [
      {
        type: "NAPTR",
        ttlSeconds: 60,
        order: 10,
        preference: 20,
        flags: "s",
        service: "SIP+D2U",
        regexp: "",
        replacement: "_sip._udp.test",
      },
    ],
  });
});

test("a name that does not exist is an empty answer; a server that fails is a failure", async () => {
  expect(await ask("A", "nowhere.test")).toEqual({ in: "resolved", query: 7, records: [] });
  expect(await ask("A", "broken.test")).toEqual({ in: "resolve-failed", query: 7, reason: "ESERVFAIL" });
});

test("more questions than the limit fail, those before them do not", async () => {
  const answers: string[] = [];
  const done = Promise.withResolvers<void>();
  const names = new Names(
    (answer) => {
      answers.push(answer.in);
      if (answers.length === 513) done.resolve();
    },
    [serverAddress()],
  );
  for (let query = 0; query < 513; query++) names.ask({ out: "resolve", query, type: "A", name: "pbx.test" });
  await done.promise;
  expect(answers.filter((word) => word === "resolve-failed")).toHaveLength(1);
});

test("a question on its way is answered though the name servers are read again meanwhile", async () => {
  const answer = Promise.withResolvers<unknown>();
  const names = new Names(answer.resolve, [serverAddress()]);
  names.ask({ out: "resolve", query: 1, type: "A", name: "pbx.test" });
  names.refresh();
  expect(await answer.promise).toMatchObject({ in: "resolved", records: [{ ip: "192.0.2.7" }] });
  names.close();
});

test("the hosts file: both families, several names, comments", () => {
  const directory = mkdtempSync(join(tmpdir(), "sallyport-hosts-"));
  const file = join(directory, "hosts");
  writeFileSync(file, "# names\n192.0.2.1\tPBX.test pbx # ours\n2001:db8::1 pbx.test\nfe80::1%lo0 bad\n\n");
  const hosts = readHosts(file);
  rmSync(directory, { recursive: true });
  expect([...hosts]).toEqual([
    ["pbx.test", ["192.0.2.1", "2001:db8::1"]],
    ["pbx", ["192.0.2.1"]],
  ]);
  expect(readHosts("/nowhere/hosts").size).toBe(0);
});

const serverAddress = (): string => `127.0.0.1:${server.address().port}`;

function ask(type: DnsType, name: string): Promise<unknown> {
  return new Promise((resolve) => new Names(resolve, [serverAddress()]).ask({ out: "resolve", query: 7, type, name }));
}

/** A name server that knows three records, has never heard of others, and fails for one. RFC 1035 §4. */
async function dnsServer(): Promise<Socket> {
  const answers: Readonly<Record<string, readonly [type: number, ttl: number, data: Buffer]>> = {
    "pbx.test 1": [1, 300, Buffer.from([192, 0, 2, 7])],
    "_sip._udp.test 33": [33, 300, Buffer.concat([words(1, 2, 5_060), name("pbx.test")])],
    "test 35": [35, 300, Buffer.concat([words(10, 20), text("s"), text("SIP+D2U"), text(""), name("_sip._udp.test")])],
  };
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  socket.on("message", (query, from) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString("latin1", at + 1, at + 1 + length));
      at += 1 + length;
    }
    const asked = labels.join(".").toLowerCase();
    const question = query.subarray(12, at + 5);
    const answer = answers[`${asked} ${query.readUInt16BE(at + 1)}`];
    const code = asked === "broken.test" ? 2 : answer === undefined ? 3 : 0;
    const head = Buffer.concat([query.subarray(0, 2), words(0x8180 | code, 1, answer === undefined ? 0 : 1, 0, 0)]);
    const record =
      answer === undefined
        ? Buffer.alloc(0)
        : Buffer.concat([words(0xc00c, answer[0], 1, 0, answer[1], answer[2].length), answer[2]]);
    socket.send(Buffer.concat([head, question, record]), from.port, from.address);
  });
  return socket;
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, index * 2);
  return bytes;
}

const text = (value: string): Buffer => Buffer.from(`${String.fromCharCode(value.length)}${value}`, "latin1");
const name = (value: string): Buffer => Buffer.concat([...value.split(".").map(text), Buffer.from([0])]);
