/** Two baresip call each other through the box: every transport and encryption outside, plain UDP inside, both ways. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { betweenHosts } from "../support/configurations.ts";
import { type Hosts, makeHosts } from "../support/network-namespaces.ts";
import { type End, expectTones } from "../support/tone-call.ts";

const SECONDS = 4;

let hosts: Hosts;

beforeAll(() => {
  hosts = makeHosts("sypbs", 62);
}, 60_000);

afterAll(() => hosts?.remove());

describe.each([
  { transport: "udp", encryption: "none" },
  { transport: "udp", encryption: "srtp-mand" },
  { transport: "tcp", encryption: "none" },
  { transport: "tcp", encryption: "srtp-mand" },
  { transport: "tls", encryption: "none" },
  { transport: "tls", encryption: "srtp-mand" },
] as const)("outside $transport with $encryption", ({ transport, encryption }) => {
  const folder = makeFolder(`baresip-${transport}-${encryption}`);
  let box: Box;
  let tls: string;
  let outside: End;
  let inside: End;

  beforeAll(async () => {
    tls = makeTls(folder);
    const { ip } = hosts;
    outside = { ip: ip.outside, port: 5060, transport, encryption, netns: hosts.outside };
    inside = { ip: ip.inside, port: 5060, transport: "udp", encryption: "none", netns: hosts.inside };
    const config = betweenHosts(hosts, {
      carrier: `${transport}:${ip.outside}:${transport === "tls" ? 5061 : 5060}`,
      pbx: `udp:${ip.inside}:5060`,
      srtp: encryption === "none" ? "off" : "required",
      sdesWithoutTls: true,
    });
    box = await Box.start(folder, config, { netns: hosts.box });
  }, 60_000);

  afterAll(async () => void (await box?.stop()));

  test("outside calls inside", async () => {
    const port = transport === "tls" ? 5061 : 5060;
    const dial = `sip:callee@${hosts.ip.boxOutside}:${port};transport=${transport}`;
    await expectTones({ folder: join(folder, "in"), tls, caller: outside, callee: inside, dial, seconds: SECONDS });
    expect(await box.fact("call.ended", 1)).toMatchObject({ cause: "bye" });
  }, 60_000);

  test("inside calls outside", async () => {
    const dial = `sip:callee@${hosts.ip.boxInside}:5060`;
    await expectTones({ folder: join(folder, "out"), tls, caller: inside, callee: outside, dial, seconds: SECONDS });
    expect(await box.fact("call.ended", 2)).toMatchObject({ cause: "bye" });
  }, 60_000);
});
