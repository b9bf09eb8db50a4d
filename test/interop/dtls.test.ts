/** baresip outside with DTLS-SRTP and with ICE, plain UDP inside, both ways: tones are heard at both ends. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { betweenHosts } from "../support/configurations.ts";
import { type Hosts, makeHosts } from "../support/network-namespaces.ts";
import { type End, expectTones } from "../support/tone-call.ts";

const SECONDS = 5;

let hosts: Hosts;

beforeAll(() => {
  hosts = makeHosts("sydtls", 63);
}, 60_000);

afterAll(() => hosts?.remove());

describe.each([
  { encryption: "dtls_srtp", ice: false, rtcpMux: false },
  { encryption: "dtls_srtp", ice: false, rtcpMux: true },
  { encryption: "dtls_srtp", ice: true, rtcpMux: false },
  { encryption: "dtls_srtp", ice: true, rtcpMux: true },
  { encryption: "srtp-mand", ice: true, rtcpMux: true },
  { encryption: "none", ice: true, rtcpMux: true },
] as const)("outside $encryption, ICE $ice, rtcp-mux $rtcpMux", ({ encryption, ice, rtcpMux }) => {
  const folder = makeFolder(`baresip-${encryption}-${ice}-${rtcpMux}`);
  let box: Box;
  let tls: string;
  let outside: End;
  let inside: End;

  beforeAll(async () => {
    tls = makeTls(folder);
    const { ip } = hosts;
    outside = { ip: ip.outside, port: 5060, transport: "udp", encryption, ice, rtcpMux, netns: hosts.outside };
    inside = { ip: ip.inside, port: 5060, transport: "udp", encryption: "none", netns: hosts.inside };
    const config = betweenHosts(hosts, {
      carrier: `udp:${ip.outside}:5060`,
      pbx: `udp:${ip.inside}:5060`,
      srtp: encryption === "none" ? "off" : "required",
      srtpKeys: encryption === "dtls_srtp" ? ["dtls"] : ["sdes"],
      ice: ice ? "lite" : "off",
      sdesWithoutTls: true,
    });
    box = await Box.start(folder, config, { netns: hosts.box });
  }, 60_000);

  afterAll(async () => void (await box?.stop()));

  test("outside calls inside", async () => {
    const dial = `sip:callee@${hosts.ip.boxOutside}:5060`;
    await expectTones({ folder: join(folder, "in"), tls, caller: outside, callee: inside, dial, seconds: SECONDS });
    expect(await box.fact("call.ended", 1)).toMatchObject({ cause: "bye" });
  }, 60_000);

  test("inside calls outside", async () => {
    const dial = `sip:callee@${hosts.ip.boxInside}:5060`;
    await expectTones({ folder: join(folder, "out"), tls, caller: inside, callee: outside, dial, seconds: SECONDS });
    expect(await box.fact("call.ended", 2)).toMatchObject({ cause: "bye" });
  }, 60_000);
});
