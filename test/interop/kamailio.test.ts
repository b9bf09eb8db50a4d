/** Kamailio as the PBX inside: a real record-routing proxy between the box and the phone, TLS and SRTP outside. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { Child } from "../support/child.ts";
import { betweenHosts } from "../support/configurations.ts";
import { type Hosts, makeHosts } from "../support/network-namespaces.ts";
import { type End, expectTones } from "../support/tone-call.ts";

let hosts: Hosts;
let box: Box;
let kamailio: Child;
let tls: string;
let outside: End;
let inside: End;
const folder = makeFolder("kamailio");

beforeAll(async () => {
  hosts = makeHosts("sypkm", 64);
  tls = makeTls(folder);
  const { ip } = hosts;
  outside = { ip: ip.outside, port: 5060, transport: "tls", encryption: "srtp-mand", netns: hosts.outside };
  inside = { ip: ip.inside, port: 5080, transport: "udp", encryption: "none", netns: hosts.inside };
  const config = readFileSync(join(import.meta.dirname, "kamailio/pbx.cfg"), "utf8")
    .replaceAll("ADDRESS", ip.inside)
    .replaceAll("PHONE", `${ip.inside}:5080`)
    .replaceAll("BOX", ip.boxInside);
  const file = join(folder, "pbx.cfg");
  writeFileSync(file, config);
  kamailio = new Child("kamailio", ["-f", file, "-DD", "-E", "-m", "32", "-M", "4", "-Y", folder], {
    netns: hosts.inside,
  });
  await kamailio.line(/processes at startup|child process|io_wait|ready/i, 15_000).catch(() => "");
  box = await Box.start(
    folder,
    {
      ...betweenHosts(hosts, { carrier: `tls:${ip.outside}:5061`, pbx: `udp:${ip.inside}:5060` }),
      peers: {
        carrier: { realm: "outside", targets: [`tls:${ip.outside}:5061`] },
        pbx: { realm: "inside", targets: [`udp:${ip.inside}:5060`], options: { everySeconds: 5 } },
      },
    },
    { netns: hosts.box },
  );
}, 60_000);

afterAll(async () => {
  await box?.stop();
  await kamailio?.stop();
  hosts?.remove();
});

test("health checks find the PBX up", async () => {
  const peers = await box.until<unknown[]>(
    "/peers",
    (now) => /"(state|health)":"up"/.test(JSON.stringify(now)),
    15_000,
  );
  expect(JSON.stringify(peers)).toContain("pbx");
}, 20_000);

test("a call from outside goes through the PBX to the phone, by its Record-Route", async () => {
  const dial = `sip:callee@${hosts.ip.boxOutside}:5061;transport=tls`;
  await expectTones({ folder: join(folder, "in"), tls, caller: outside, callee: inside, dial, seconds: 4 });
  expect(await box.fact("call.ended", 1)).toMatchObject({ cause: "bye" });
}, 60_000);

test("a call from the phone goes through the PBX to the outside", async () => {
  const dial = `sip:callee@${hosts.ip.inside}:5060`;
  await expectTones({ folder: join(folder, "out"), tls, caller: inside, callee: outside, dial, seconds: 4 });
  expect(await box.fact("call.ended", 2)).toMatchObject({ cause: "bye" });
}, 60_000);
