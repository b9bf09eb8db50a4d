/** A whole box whose plain calls the kernel forwards: two phones hear each other, and the wire shows right packets. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LiveCall } from "../../src/manage/index.ts";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { Capture } from "../support/capture.ts";
import { run } from "../support/child.ts";
import { twoDoors } from "../support/configurations.ts";
import { type Hosts, makeHosts } from "../support/network-namespaces.ts";
import { expectTones } from "../support/tone-call.ts";

let hosts: Hosts;

beforeAll(() => {
  hosts = makeHosts("sysmp", 64);
}, 60_000);

afterAll(() => hosts?.remove());

describe.each([
  { out: 4, ins: 4 },
  { out: 6, ins: 4 },
] as const)("IPv$out outside, IPv$ins inside", ({ out, ins }) => {
  const folder = makeFolder(`media-path-${out}-${ins}`);
  let ip: Hosts["ip"];
  let box: Box;
  let outside: Capture;
  let inside: Capture;
  let during: readonly LiveCall[] = [];
  let attached = "";

  beforeAll(async () => {
    const [outer, inner] = [out === 4 ? hosts.ip : hosts.ip6, ins === 4 ? hosts.ip : hosts.ip6];
    ip = { outside: outer.outside, boxOutside: outer.boxOutside, boxInside: inner.boxInside, inside: inner.inside };
    const host = (address: string): string => (address.includes(":") ? `[${address}]` : address);
    const tls = makeTls(folder);
    box = await Box.start(
      folder,
      twoDoors({ ...ip, carrier: `udp:${host(ip.outside)}:5060`, pbx: `udp:${host(ip.inside)}:5060`, srtp: "off" }),
      { netns: hosts.box },
    );
    attached = run("ip", ["-n", hosts.box, "-d", "link"]);
    // At the phones: what the kernel forwards is not seen by captures on the box.
    outside = await Capture.start(makeFolder(`media-path-${out}-outside`), hosts.outside, "eth0");
    inside = await Capture.start(makeFolder(`media-path-${out}-inside`), hosts.inside, "eth0");
    const call = expectTones({
      folder: join(folder, "call"),
      tls,
      caller: { ip: ip.outside, port: 5060, transport: "udp", encryption: "none", netns: hosts.outside },
      callee: { ip: ip.inside, port: 5060, transport: "udp", encryption: "none", netns: hosts.inside },
      dial: `sip:callee@${host(ip.boxOutside)}:5060`,
      seconds: 8,
    });
    const seen = box
      .until<readonly LiveCall[]>("/calls", (calls) => calls.some((live) => pathOf(live) === "xdp"), 15_000)
      .catch(() => []);
    [during] = await Promise.all([seen, call]);
    await outside.stop();
    await inside.stop();
  }, 90_000);

  afterAll(() => box?.stop());

  test("the log names the interface of each realm, and the call shows what carries it", () => {
    expect(attached).toMatch(/xdp/);
    expect(during.map(pathOf)).toEqual(["xdp"]);
  });

  test("every packet at either phone has the box's mark and hop limit", () => {
    for (const [capture, source, family] of [
      [outside, ip.boxOutside, out] as const,
      [inside, ip.boxInside, ins] as const,
    ]) {
      const word = family === 4 ? "ip" : "ipv6";
      const fields = family === 4 ? ["ip.dsfield.dscp", "ip.ttl"] : ["ipv6.tclass.dscp", "ipv6.hlim"];
      const rows = capture.rows(`${word}.src == ${source} && udp && !(udp.port == 5060) && !icmp && !icmpv6`, fields);
      expect(rows.length).toBeGreaterThan(200);
      expect([...new Set(rows.map((row) => row.join(" ")))]).toEqual(["46 64"]);
    }
  });

  test("the record of the call counts what the kernel forwarded", async () => {
    const ended = await box.fact("call.ended", 1, 10_000);
    expect(JSON.stringify(ended)).toMatch(/"packets":(3|4)\d\d/);
  });

  test("a box that is gone leaves nothing at the interfaces", async () => {
    await box.stop();
    expect(run("ip", ["-n", hosts.box, "-d", "link"])).not.toMatch(/xdp/);
  });
});

const pathOf = (live: LiveCall): unknown => (live.media?.streams[0] as { path?: string } | undefined)?.path;
