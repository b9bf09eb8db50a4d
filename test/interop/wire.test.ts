/** What tshark sees on both sides of the box during a call: marks, encryption, and nothing of the other side. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Box, makeFolder, makeTls } from "../support/box.ts";
import { Capture, type Datagram } from "../support/capture.ts";
import { twoDoors } from "../support/configurations.ts";
import { type Hosts, makeHosts } from "../support/network-namespaces.ts";
import { SrtpCheck } from "../support/srtp-check.ts";
import { expectTones } from "../support/tone-call.ts";

const EF = 46;
const CS3 = 24;

let hosts: Hosts;

beforeAll(() => {
  hosts = makeHosts("sypwr", 63);
}, 60_000);

afterAll(() => hosts?.remove());

/** Both sides in one family, and from one family into the other, both ways. */
describe.each([
  { out: 4, ins: 4 },
  { out: 6, ins: 6 },
  { out: 4, ins: 6 },
  { out: 6, ins: 4 },
] as const)("IPv$out outside, IPv$ins inside", ({ out, ins }) => {
  const folder = makeFolder(`wire-${out}-${ins}`);
  let ip: Hosts["ip"];
  let outside: Capture;
  let inside: Capture;

  beforeAll(async () => {
    const [outer, inner] = [out === 4 ? hosts.ip : hosts.ip6, ins === 4 ? hosts.ip : hosts.ip6];
    ip = { outside: outer.outside, boxOutside: outer.boxOutside, boxInside: inner.boxInside, inside: inner.inside };
    const tls = makeTls(folder);
    const host = (address: string): string => (address.includes(":") ? `[${address}]` : address);
    const config = twoDoors({
      ...ip,
      carrier: `udp:${host(ip.outside)}:5060`,
      pbx: `udp:${host(ip.inside)}:5060`,
      // SDES over UDP so that the capture shows the keys, and each packet can be checked against them.
      sdesWithoutTls: true,
    });
    const box = await Box.start(folder, config, { netns: hosts.box });
    outside = await Capture.start(folder, hosts.box, hosts.interfaces.outside);
    inside = await Capture.start(folder, hosts.box, hosts.interfaces.inside);
    await expectTones({
      folder: join(folder, "call"),
      tls,
      caller: { ip: ip.outside, port: 5060, transport: "udp", encryption: "srtp-mand", netns: hosts.outside },
      callee: { ip: ip.inside, port: 5060, transport: "udp", encryption: "none", netns: hosts.inside },
      dial: `sip:callee@${host(ip.boxOutside)}:5060`,
      seconds: 8, // Long enough for RTCP, every 5 s.
    });
    await box.stop();
    await outside.stop();
    await inside.stop();
  }, 90_000);

  test("every SIP packet of the box is marked CS3, every RTP and RTCP packet EF", () => {
    for (const [capture, source] of [[outside, ip.boxOutside] as const, [inside, ip.boxInside] as const]) {
      const signalling = sent(capture, source).filter(isSip);
      const media = sent(capture, source).filter((datagram) => !isSip(datagram));
      expect(signalling.length).toBeGreaterThan(2);
      expect(media.length).toBeGreaterThan(200);
      expect(new Set(signalling.map(({ dscp }) => dscp))).toEqual(new Set([CS3]));
      expect(new Set(media.map(({ dscp }) => dscp))).toEqual(new Set([EF]));
    }
  });

  test("every media packet of the box on the outside authenticates as SRTP: no plain RTP", () => {
    const keys = cryptoOf(sipOf(outside, ip.boxOutside));
    expect(keys).toHaveLength(1);
    const check = new SrtpCheck(keys[0] as string);
    const packets = mediaOf(outside, ip.boxOutside).filter(isRtp);
    expect(packets.length).toBeGreaterThan(200);
    expect(packets.filter((packet) => !check.authenticates(packet))).toEqual([]);
    // The check can fail: with another key nothing authenticates.
    const other = new SrtpCheck(Buffer.alloc(30, 7).toString("base64"));
    expect(packets.some((packet) => other.authenticates(packet))).toBe(false);
  });

  test("a key of one side never appears on the other, and no key at all inside", () => {
    const theirs = cryptoOf(sipOf(outside, ip.outside));
    const ours = cryptoOf(sipOf(outside, ip.boxOutside));
    expect(theirs.length).toBeGreaterThan(0);
    expect(theirs.filter((key) => ours.includes(key))).toEqual([]);
    expect(sipOf(inside)).not.toMatch(/inline:|a=crypto/);
  });

  test("no byte that the box sends on one side holds an address, identifier or name of the other", () => {
    const sides = [
      { from: outside, host: ip.outside, box: ip.boxOutside, to: inside, sender: ip.boxInside },
      { from: inside, host: ip.inside, box: ip.boxInside, to: outside, sender: ip.boxOutside },
    ];
    for (const { from, host, box, to, sender } of sides) {
      const secrets = [host, box, ...identifiersIn(sipOf(from)), ...cnamesIn(mediaOf(from, host))];
      expect(secrets.length).toBeGreaterThan(8);
      const told = [sipOf(to, sender), ...mediaOf(to, sender).map(latin1)];
      const leaks = secrets.filter((secret) => told.some((bytes) => bytes.includes(secret)));
      expect(leaks).toEqual([]);
    }
  });
});

const isSip = ({ sourcePort, port }: Datagram): boolean => sourcePort === 5060 || port === 5060;

/** By `source`, or by anybody. */
const sent = (capture: Capture, source?: string): readonly Datagram[] =>
  capture.datagrams().filter((datagram) => source === undefined || datagram.source === source);

const sipOf = (capture: Capture, source?: string): string =>
  sent(capture, source)
    .filter(isSip)
    .map(({ payload }) => latin1(payload))
    .join("\n");

const mediaOf = (capture: Capture, source: string): Buffer[] =>
  sent(capture, source)
    .filter((datagram) => !isSip(datagram))
    .map(({ payload }) => payload);

const latin1 = (bytes: Buffer): string => bytes.toString("latin1");

/** RFC 5761 §4: RTCP packet types stand where marker and payload type of RTP would be 64 to 95. */
const isRtp = (packet: Buffer): boolean => {
  const type = (packet[1] as number) & 0x7f;
  return (packet[0] as number) >> 6 === 2 && (type < 64 || type > 95);
};

const cryptoOf = (sip: string): string[] => [
  ...new Set([...sip.matchAll(/AES_CM_128_HMAC_SHA1_80 inline:([A-Za-z0-9+/=]+)/g)].map((match) => match[1] as string)),
];

/** Call-IDs, tags, branches, SDP session ids and media ports of one side. */
function identifiersIn(sip: string): string[] {
  const patterns = [
    /^Call-ID: *(\S+)/gim,
    /;tag=([^;>\s]+)/g,
    /branch=([^;,\s]+)/g,
    /^o=\S+ (\d{5,}) /gm,
    /^m=audio (\d+)/gm,
    /^X-[^:]*: *(\S+)/gim,
  ];
  const found = patterns.flatMap((pattern) => [...sip.matchAll(pattern)].map((match) => match[1] as string));
  return [...new Set(found)].filter((text) => text.length > 3);
}

/** CNAMEs in plain RTCP source descriptions (RFC 3550 §6.5.1). */
function cnamesIn(packets: readonly Buffer[]): string[] {
  const names = packets.flatMap((packet) => {
    const at = packet.findIndex((byte, index) => index % 4 === 0 && byte >> 5 === 4 && packet[index + 1] === 202);
    const length = at < 0 ? 0 : (packet[at + 9] ?? 0);
    return at >= 0 && packet[at + 8] === 1 ? [packet.toString("latin1", at + 10, at + 10 + length)] : [];
  });
  return [...new Set(names)].filter((name) => name.length > 3);
}
