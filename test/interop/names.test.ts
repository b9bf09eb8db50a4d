/** RFC 3263 with a real name server: NAPTR, SRV by priority, and the next target when the first is gone. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { Child, run } from "../support/child.ts";
import { betweenHosts } from "../support/configurations.ts";
import { type Hosts, makeHosts } from "../support/network-namespaces.ts";

const folder = makeFolder("names");
let hosts: Hosts;
let box: Box;
let dns: Child;
let first: Child;
let second: Child;
let overTcp: Child;
let resolvConf: string;

beforeAll(async () => {
  hosts = makeHosts("sypnm", 65);
  makeTls(folder);
  const { ip } = hosts;
  // `ip netns exec` puts what stands there in the place of /etc.
  resolvConf = `/etc/netns/${hosts.box}`;
  mkdirSync(resolvConf, { recursive: true });
  writeFileSync(join(resolvConf, "resolv.conf"), `nameserver ${ip.inside}\n`);
  dns = new Child(
    "dnsmasq",
    [
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--no-resolv",
      "--no-hosts",
      "--log-facility=-",
      "--log-queries",
      "--pid-file=",
      `--listen-address=${ip.inside}`,
      "--bind-interfaces",
      "--local=/test/",
      `--host-record=one.pbx.test,${ip.inside}`,
      `--host-record=two.pbx.test,${ip.inside}`,
      "--srv-host=_sip._udp.pbx.test,one.pbx.test,5081,10,0",
      "--srv-host=_sip._udp.pbx.test,two.pbx.test,5082,20,0",
      "--naptr-record=carried.test,10,10,s,SIP+D2T,,_sip._tcp.carried.test",
      "--naptr-record=carried.test,20,10,s,SIP+D2U,,_sip._udp.pbx.test",
      "--srv-host=_sip._tcp.carried.test,one.pbx.test,5083,10,0",
    ],
    { netns: hosts.inside },
  );
  await dns.line(/started, version/, 10_000);
  first = callee(5081, "u1");
  second = callee(5082, "u1");
  overTcp = callee(5083, "t1");
  const config = betweenHosts(hosts, {
    carrier: `udp:${ip.outside}:5060`,
    pbx: "sip:pbx.test",
    srtp: "off",
  });
  box = await Box.start(
    folder,
    {
      ...config,
      peers: {
        carrier: { realm: "outside", targets: [`udp:${ip.outside}:5060`] },
        pbx: { realm: "inside", targets: ["sip:pbx.test"] },
        carried: { realm: "inside", targets: ["sip:carried.test"] },
      },
      routes: [
        { when: { from: "carrier", number: "^7" }, to: ["carried"] },
        { when: { from: "carrier" }, to: ["pbx"] },
      ],
    },
    { netns: hosts.box },
  );
}, 60_000);

afterAll(async () => {
  await box?.stop();
  for (const child of [first, second, overTcp, dns]) await child?.stop("SIGKILL");
  rmSync(resolvConf, { recursive: true, force: true });
  hosts?.remove();
});

test("SRV: the call goes to the target of the best priority", async () => {
  call("100");
  expect((await box.fact("call.answered", 1)).callee).toMatchObject({ remote: `${hosts.ip.inside}:5081` });
}, 30_000);

test("NAPTR: what the domain prefers is TCP, and so the call goes", async () => {
  call("700");
  expect((await box.fact("call.answered", 2)).callee).toMatchObject({ remote: `${hosts.ip.inside}:5083` });
}, 30_000);

test("the first target is gone: ICMP says so, and the next one takes the call", async () => {
  await first.stop("SIGKILL");
  call("100");
  expect(await box.fact("leg.refused", 1)).toMatchObject({ reason: "unreachable" });
  expect((await box.fact("call.answered", 3)).callee).toMatchObject({ remote: `${hosts.ip.inside}:5082` });
}, 60_000);

const callee = (port: number, transport: string): Child =>
  new Child(
    "sipp",
    [
      "-sn",
      "uas",
      "-i",
      hosts.ip.inside,
      "-p",
      String(port),
      "-t",
      transport,
      "-nostdin",
      "-mp",
      String((port - 5_000) * 100),
    ],
    { netns: hosts.inside, env: { TERM: "dumb" } },
  );

/** One call that the callee answers; throws when it fails. */
function call(number: string): void {
  const { ip } = hosts;
  const where = ["-i", ip.outside, "-p", "5060", "-mp", "9000", `${ip.boxOutside}:5060`];
  run("sipp", ["-sn", "uac", "-s", number, "-m", "1", "-nostdin", "-timeout", "50", ...where], {
    netns: hosts.outside,
  });
}
