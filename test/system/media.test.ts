/** What the box does with media beside moving it, seen from outside: digits as INFO and as RFC 4733, T.38, RTCP and quality. */
import { readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Box, makeFolder } from "../support/box.ts";
import { bodyOf, mediaIn, type Place, rtp, SipParty, statusOf, type Talk } from "../support/sip-party.ts";

const OUTSIDE = { ip: "127.94.0.1", port: 5060 };
const INSIDE = { ip: "127.94.0.2", port: 5060 };
const EVENT = 101;

interface Call {
  readonly media: { readonly streams: readonly { readonly caller: End; readonly callee: End }[] };
}
interface End {
  readonly quality: {
    readonly packets: number;
    readonly lost: number;
    readonly mos?: number;
    readonly rttMs?: number;
    readonly reported?: { readonly lost: number };
  };
}

const folder = makeFolder("media");
let box: Box;
let carrier: SipParty;
let pbx: SipParty;

beforeAll(async () => {
  [carrier, pbx] = [await SipParty.start("127.94.0.11", 5060), await SipParty.start("127.94.0.12", 5060)];
  box = await Box.start(folder, configuration());
});
afterAll(async () => {
  await box?.stop();
  carrier?.close();
  pbx?.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  for (const party of [carrier, pbx]) {
    party.received.splice(0);
    party.media.received.splice(0);
  }
  pbx.answers = (request) =>
    request.startsWith("INVITE ")
      ? { status: "200 OK", body: sound(pbx, `0 ${EVENT}`, [`a=rtpmap:${EVENT} telephone-event/8000`]) }
      : { status: "200 OK" };
});

test("digits by INFO of the carrier are events in the PBX's stream: one source, no gap in its numbers, its time", async () => {
  const talk = await carrier.call(OUTSIDE, { body: sound(carrier, "0") });
  for (let i = 1; i <= 5; i++) carrier.media.send(rtp(i, "sound"), talk.mediaOfBox);
  await pbx.media.until(5);
  for (const signal of ["7", "#"]) {
    const info = { body: `Signal=${signal}\r\nDuration=100\r\n`, contentType: "application/dtmf-relay" };
    expect(statusOf(await talk.ask("INFO", info))).toBe(200);
  }
  const isEvent = (packet: Buffer): boolean => (packet[1]! & 0x7f) === EVENT;
  const events = await pbx.media.until(14, isEvent);
  expect(events.map((packet) => packet[12])).toEqual([...Array(7).fill(7), ...Array(7).fill(11)]);
  expect(events.filter((packet) => packet[13]! & 0x80).map((packet) => packet.readUInt16BE(14))).toEqual(
    Array(6).fill(800),
  );
  carrier.media.send(rtp(60, "after"), talk.mediaOfBox);
  await pbx.media.until(1, (packet) => packet.includes("after"));
  const all = pbx.media.received.filter((packet) => packet[1]! < 192 || packet[1]! > 223);
  expect(new Set(all.map((packet) => packet.readUInt32BE(8))).size).toBe(1);
  expect(all.map((packet) => packet.readUInt16BE(2))).toEqual(all.map((_, index) => index + 1));
  expect(events[0]!.readUInt32BE(4)).toBeGreaterThanOrEqual(5 * 160);
  expect(events[7]!.readUInt32BE(4) - events[0]!.readUInt32BE(4)).toBeGreaterThanOrEqual(160 * 8);
  expect(pbx.received.some((message) => message.startsWith("INFO "))).toBe(false);
  await talk.hangUp();
});

test("an event of the PBX is an INFO for the carrier, once, and no packet of it gets there", async () => {
  const talk = await carrier.call(OUTSIDE, { body: sound(carrier, "0") });
  const to = mediaIn(pbx.received.find((message) => message.startsWith("INVITE ")) ?? "");
  for (let i = 1; i <= 3; i++) pbx.media.send(rtp(i, "sound"), to);
  for (let i = 0; i < 8; i++) pbx.media.send(event(4 + i, 3, Math.min(800, (i + 1) * 160), i >= 5), to);
  for (let i = 12; i <= 14; i++) pbx.media.send(rtp(i, "sound"), to);
  const info = await carrier.until((message) => message.startsWith("INFO "), "the INFO");
  expect(bodyOf(info)).toBe("Signal=3\r\nDuration=100\r\n");
  const heard = await carrier.media.until(6);
  expect(heard.map((packet) => packet[1])).toEqual(Array(6).fill(0));
  expect(heard.map((packet) => packet.readUInt16BE(2))).toEqual([1, 2, 3, 4, 5, 6]);
  const fact = await box.fact("media.digit", 1);
  expect(fact).toMatchObject({ side: "callee", via: "rfc4733", durationMs: 100 });
  expect(fact).not.toHaveProperty("digit");
  await talk.hangUp();
  expect(carrier.received.filter((message) => message.startsWith("INFO "))).toHaveLength(1);
});

test("what phones were recorded to send is heard: digits, stars and pounds, each once", async () => {
  const talk = await carrier.call(OUTSIDE, { body: sound(carrier, "0") });
  const to = mediaIn(pbx.received.find((message) => message.startsWith("INVITE ")) ?? "");
  const signals = ["1", "5", "0", "9", "star", "pound"];
  for (const [at, name] of signals.entries()) {
    for (const packet of recorded(name)) pbx.media.send(packet, to);
    await carrier.until(
      () => carrier.received.filter((one) => one.startsWith("INFO ")).length === at + 1,
      `digit ${name}`,
    );
  }
  const told = carrier.received.filter((message) => message.startsWith("INFO ")).map((info) => bodyOf(info));
  expect(told).toEqual(["1", "5", "0", "9", "*", "#"].map((signal) => `Signal=${signal}\r\nDuration=280\r\n`));
  await talk.hangUp();
});

test("sound, fax, sound: UDPTL crosses byte by byte with its redundancy, and each time on ports of its own", async () => {
  const talk = await carrier.call(OUTSIDE, { body: sound(carrier, "0") });
  pbx.answers = (request) => ({ status: "200 OK", ...(request.startsWith("INVITE ") && { body: fax(pbx) }) });
  const before = pbx.received.length;
  const answer = await talk.ask("INVITE", { body: fax(carrier) });
  expect(bodyOf(answer)).toMatch(/m=image \d+ udptl t38\r\n(?:.*\r\n)*a=T38FaxUdpEC:t38UDPRedundancy/);
  const offered = pbx.received.slice(before).find((message) => message.startsWith("INVITE ")) ?? "";
  expect(bodyOf(offered)).toMatch(/m=image \d+ udptl t38/);
  expect(mediaIn(offered).port).not.toBe(mediaIn(pbx.received[0]!).port);
  const there = udptl();
  const back = udptl().map((packet) => Buffer.from(packet).reverse());
  for (const packet of there) carrier.media.send(packet, mediaIn(answer));
  expect(await pbx.media.until(there.length)).toEqual(there);
  for (const packet of back) pbx.media.send(packet, mediaIn(offered));
  expect(await carrier.media.until(back.length)).toEqual(back);

  pbx.answers = (request) => ({ status: "200 OK", ...(request.startsWith("INVITE ") && { body: sound(pbx, "0") }) });
  const again = await talk.ask("INVITE", { body: sound(carrier, "0") });
  carrier.media.send(rtp(1, "again"), mediaIn(again));
  await pbx.media.until(1, (packet) => packet.includes("again"));
  expect((await hungUp(talk)).streams).toMatchObject([
    { caller: { packets: there.length + 1 }, callee: { packets: back.length } },
  ]);
});

test("a PBX whose other end sends no RTCP gets ours; from its answer come round trip, loss and opinion of the live call", async () => {
  pbx.answers = (request) => {
    const body = request.startsWith("INVITE ") ? sound(pbx, "0", ["a=rtcp-mux"]) : "";
    return { status: "200 OK", body };
  };
  const talk = await carrier.call(OUTSIDE, { body: sound(carrier, "0", ["a=rtcp-mux"]) });
  const to = mediaIn(pbx.received.find((message) => message.startsWith("INVITE ")) ?? "");
  pbx.media.send(rtp(1, "answer", 0xb0b), to);
  for (let i = 1; i <= 150; i++) if (i % 10 !== 0) carrier.media.send(rtp(i, "sound"), talk.mediaOfBox);
  const [report] = await pbx.media.until(1, (packet) => packet[1] === 200, 20_000);
  expect(report!.readUInt32BE(4)).toBe(0x1111_1111);
  expect(report!.readUInt32BE(20)).toBe(135);
  const ntp = report!.readUInt32BE(8) - 2_208_988_800;
  expect(Math.abs(ntp - Date.now() / 1_000)).toBeLessThan(5);
  pbx.media.send(answerTo(report!, 14), to);
  type Found = { readonly calls?: readonly Call[] } & readonly Call[];
  const calls = await box.until<Found>(
    "/calls",
    (found) => found[0]?.media.streams[0]?.callee.quality.rttMs !== undefined,
  );
  const { caller, callee } = calls[0]!.media.streams[0]!;
  expect(caller.quality).toMatchObject({ packets: 135, lost: 14 });
  expect(caller.quality.mos).toBeGreaterThan(1);
  expect(caller.quality.mos).toBeLessThan(4.2);
  expect(callee.quality.rttMs).toBeLessThan(1_000);
  expect(callee.quality.reported).toMatchObject({ lost: 14 });
  expect((await hungUp(talk)).streams).toMatchObject([{ caller: { lost: 14, mos: caller.quality.mos } }]);
});

/** What the log tells of this call at its end. */
async function hungUp(talk: Talk): Promise<Record<string, unknown>> {
  const [live] = await box.get<readonly { readonly call: string }[]>("/calls");
  await talk.hangUp();
  const isIt = ({ call }: Record<string, unknown>): boolean => call === live!.call;
  await box.child.line(new RegExp(`"call":"${live!.call}".*"call.ended"`), 20_000);
  return box.facts("call.ended").find(isIt)!;
}

function configuration(): object {
  const realm = ({ ip, port }: Place, trust: string, media: object): object => ({
    trust,
    listen: [`udp:${ip}:${port}`],
    media: { address: ip, ports: "20000-20999", ...media },
    srtp: "off",
  });
  return {
    name: "media",
    realms: {
      outside: realm(OUTSIDE, "none", { dtmf: "info" }),
      inside: realm(INSIDE, "full", { dtmf: "rfc4733", digitFacts: "times", rtcp: "generate" }),
    },
    peers: {
      carrier: { realm: "outside", targets: ["udp:127.94.0.11:5060"] },
      pbx: { realm: "inside", targets: ["udp:127.94.0.12:5060"] },
    },
    routes: [{ when: { from: "carrier" }, to: ["pbx"] }],
  };
}

function described(party: SipParty, line: string, attributes: readonly string[]): string {
  const { ip } = party.place;
  const lines = ["v=0", `o=- 1 ${++version} IN IP4 ${ip}`, "s=-", `c=IN IP4 ${ip}`, "t=0 0", line, ...attributes, ""];
  return lines.join("\r\n");
}
let version = 0;

const sound = (party: SipParty, formats: string, more: readonly string[] = []): string =>
  described(party, `m=audio ${party.media.place.port} RTP/AVP ${formats}`, more);

const fax = (party: SipParty): string =>
  described(party, `m=image ${party.media.place.port} udptl t38`, [
    "a=T38FaxVersion:0",
    "a=T38MaxBitRate:14400",
    "a=T38FaxRateManagement:transferredTCF",
    "a=T38FaxMaxDatagram:400",
    "a=T38FaxUdpEC:t38UDPRedundancy",
  ]);

/** Packets of a digit as sipp has them from a phone, under the number that we agreed on. */
function recorded(name: string): Buffer[] {
  const file = readFileSync(`/usr/share/sip-tester/dtmf_2833_${name}.pcap`);
  const packets: Buffer[] = [];
  for (let at = 24; at < file.length; ) {
    const size = file.readUInt32LE(at + 8);
    const ip = file.subarray(at + 16 + 14, at + 16 + size); // Behind the Ethernet header.
    const packet = Buffer.from(ip.subarray((ip[0]! & 15) * 4 + 8));
    packet[1] = (packet[1]! & 0x80) | EVENT;
    packets.push(packet);
    at += 16 + size;
  }
  return packets;
}

/** Indicators and data with two former packets behind each: ITU-T T.38 §9.1.4.1. */
function udptl(): Buffer[] {
  const ifp = (number: number): Buffer => Buffer.from([0xc0, 0x01, 0x80, 0x00, number, number ^ 0xff]);
  return Array.from({ length: 30 }, (_, number) => {
    const former = [number - 1, number - 2].filter((one) => one >= 0).map(ifp);
    const parts = former.flatMap((one) => [Buffer.from([one.length]), one]);
    return Buffer.concat([Buffer.from([0, number, 6]), ifp(number), Buffer.from([0, former.length]), ...parts]);
  });
}

/** RFC 4733 §2.3: at 1600, `units` long so far. */
function event(sequence: number, digit: number, units: number, end: boolean): Buffer {
  const packet = rtp(sequence, "").subarray(0, 16);
  packet[1] = EVENT | (units === 160 ? 0x80 : 0);
  packet.writeUInt32BE(1_600, 4);
  packet[12] = digit;
  packet[13] = (end ? 0x80 : 0) | 10;
  packet.writeUInt16BE(units, 14);
  return packet;
}

/** A receiver report for that sender report: so many lost, and answered at once. */
function answerTo(report: Buffer, lost: number): Buffer {
  const answer = Buffer.alloc(32);
  answer.writeUInt32BE(0x81c9_0007, 0);
  answer.writeUInt32BE(0xb0b, 4);
  answer.writeUInt32BE(report.readUInt32BE(4), 8);
  answer.writeUInt32BE(lost, 12);
  answer.writeUInt32BE(report.readUInt32BE(10), 24);
  return answer;
}
