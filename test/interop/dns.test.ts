/** Our resolver against dnsmasq: times to live, answers that do not fit a datagram, aliases, and what is not there. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Names } from "../../src/io/names.ts";
import type { DnsType } from "../../src/transport/index.ts";
import { Child } from "../support/child.ts";

/** An address of loopback that no other test uses. */
const SERVER = "127.0.53.1";
const PORT = 5_300;

let dns: Child;

beforeAll(async () => {
  const services = Array.from(
    { length: 40 },
    (_, i) => `--srv-host=_sips._tcp.zone.test,server-${i}.zone.test,${5_061 + i},10,${i}`,
  );
  dns = new Child("dnsmasq", [
    ...[
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--no-resolv",
      "--no-hosts",
      "--log-facility=-",
      "--pid-file=",
    ],
    ...[`--port=${PORT}`, `--listen-address=${SERVER}`, "--bind-interfaces", "--local=/test/"],
    ...["--local-ttl=41"],
    ...["--host-record=one.zone.test,192.0.2.1,2001:db8::1", "--cname=other.zone.test,one.zone.test"],
    "--srv-host=_sip._udp.zone.test,one.zone.test,5081,10,20",
    "--naptr-record=zone.test,10,20,s,SIP+D2U,,_sip._udp.zone.test",
    ...services,
  ]);
  await dns.line(/started, version/, 20_000);
});

afterAll(async () => {
  await dns?.stop("SIGKILL");
});

test("SRV, NAPTR and addresses come with the time to live that the server gives", async () => {
  expect(await ask("SRV", "_sip._udp.zone.test")).toMatchObject({
    records: [{ ttlSeconds: 41, priority: 10, weight: 20, port: 5_081, target: "one.zone.test" }],
  });
  expect(await ask("NAPTR", "zone.test")).toMatchObject({
    records: [
      { ttlSeconds: 41, order: 10, preference: 20, flags: "s", service: "SIP+D2U", replacement: "_sip._udp.zone.test" },
    ],
  });
  expect(await ask("A", "one.zone.test")).toMatchObject({ records: [{ ttlSeconds: 41, ip: "192.0.2.1" }] });
  expect(await ask("AAAA", "ONE.zone.test.")).toMatchObject({
    records: [{ ttlSeconds: 41, ip: "2001:db8::1" }],
  });
  expect(await ask("A", "other.zone.test")).toMatchObject({ records: [{ ttlSeconds: 41, ip: "192.0.2.1" }] });
});

test("an answer too long for a datagram comes whole", async () => {
  const { records } = (await ask("SRV", "_sips._tcp.zone.test")) as { records: { port: number }[] };
  expect(records.map(({ port }) => port).sort()).toEqual(Array.from({ length: 40 }, (_, i) => 5_061 + i));
});

test("what is not there is an answer; how long it stays so is not told without a zone of its own", async () => {
  for (const [type, name] of [
    ["A", "nowhere.test"], // No such name.
    ["NAPTR", "one.zone.test"], // No such record.
  ] as const)
    expect(await ask(type, name)).toEqual({ in: "resolved", query: 1, records: [], negativeSeconds: undefined });
});

function ask(type: DnsType, name: string): Promise<unknown> {
  return new Promise((resolve) =>
    new Names(resolve, { servers: [{ ip: SERVER, port: PORT }], hosts: "/nowhere/hosts", rounds: 4 }).ask({
      out: "resolve",
      query: 1,
      type,
      name,
    }),
  );
}
