/** Attacks on media that need no keys: RTP bleed and inject, hijacked RTCP, the relay as a pivot. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { MediaPort, type Place, rtp, sdpOf, statusOf } from "../../support/sip-party.ts";
import { Siege, STRANGER } from "./siege.ts";

let siege: Siege;
let thief: MediaPort;
beforeAll(async () => {
  siege = await Siege.start("media");
  thief = await MediaPort.start(STRANGER);
});
afterAll(async () => {
  thief.close();
  await siege.stop();
});
beforeEach(() => void thief.received.splice(0));

test("RTP bleed, before any packet of the caller: a stranger who sends first gets nothing, nor does he get through", async () => {
  const talk = await siege.carrier.call(siege.outside);
  spray(talk.mediaOfBox, "bleed");
  spray(siege.pbxMedia(), "bleed");
  await siege.talksBothWays(talk); // What was sprayed before has been dealt with when this has crossed.
  expect(thief.received).toEqual([]);
  expect(heard("bleed")).toEqual([]);
  await talk.hangUp();
});

test("RTP bleed and inject, after both sides are latched: nothing back, nothing through", async () => {
  const talk = await siege.carrier.call(siege.outside);
  await siege.talksBothWays(talk);
  spray(talk.mediaOfBox, "inject");
  spray(siege.pbxMedia(), "inject");
  await siege.talksBothWays(talk);
  expect(thief.received).toEqual([]);
  expect(heard("inject")).toEqual([]);
  await talk.hangUp();
});

test("the control: the signalled host itself is latched to on another port, and is answered there", async () => {
  const talk = await siege.carrier.call(siege.outside);
  const moved = await MediaPort.start(siege.carrier.place.ip);
  moved.send(rtp(1, "moved"), talk.mediaOfBox);
  await siege.pbx.media.until(1, (packet) => packet.includes("moved"));
  siege.pbx.media.send(rtp(2, "answer"), siege.pbxMedia());
  expect(await moved.until(1)).toHaveLength(1);
  moved.close();
  await talk.hangUp();
});

test("a late packet from the signalled host's other port does not take the stream over", async () => {
  const talk = await siege.carrier.call(siege.outside);
  await siege.talksBothWays(talk);
  const second = await MediaPort.start(siege.carrier.place.ip);
  second.send(rtp(1, "second"), talk.mediaOfBox);
  await siege.talksBothWays(talk);
  expect(second.received).toEqual([]);
  expect(heard("second")).toEqual([]);
  second.close();
  await talk.hangUp();
});

test.each([
  ["nothing", ""],
  ["one byte", "80"],
  ["a header cut short", "80c80000"],
  ["a length beyond the datagram", "80c8ffff11111111"],
  ["more report blocks than there are", "9fc8000611111111000000000000000000000000000000000000000000"],
  ["an SDES item that runs over its end", "81ca0002111111110dff4141"],
  ["a BYE for the other's SSRC", "81cb000111111111"],
  ["a BYE whose reason runs over its end", "81cb000111111111ff414141"],
  ["an application packet without a name", "80cc0001"],
  ["an XR block of a length that lies", "80cf00021111111104ffffff00000000"],
  ["feedback without a target", "81cd0001"],
  ["a compound whose second part lies", "80c90001111111118fcbffff00000000"],
])("RTCP that is %s changes nothing, from the peer or from a stranger", async (_what, hex) => {
  const talk = await siege.carrier.call(siege.outside);
  await siege.talksBothWays(talk);
  const bytes = Buffer.from(hex, "hex");
  const { ip, port } = talk.mediaOfBox;
  for (const to of [
    { ip, port },
    { ip, port: port + 1 },
  ]) {
    siege.carrier.media.send(bytes, to);
    thief.send(bytes, to);
  }
  await siege.talksBothWays(talk);
  expect(thief.received).toEqual([]);
  await siege.sane();
  await talk.hangUp();
});

const forbidden: readonly (readonly [string, string])[] = [
  ["a multicast address", "c=IN IP4 239.1.1.1/127"],
  ["a multicast address without its TTL", "c=IN IP4 224.0.0.5"],
  ["the broadcast address", "c=IN IP4 255.255.255.255"],
  ["a mapped address", "c=IN IP6 ::ffff:127.0.0.1"],
  ["link-local", "c=IN IP4 169.254.169.254"],
  ["an octal spelling of loopback", "c=IN IP4 0177.0.0.1"],
  ["a host name", "c=IN IP4 localhost"],
];

test.each(forbidden)("media to %s is refused, in an offer", async (_what, line) => {
  const body = sdpOf(siege.carrier.place.ip, siege.carrier.media.place.port).replace(/^c=.*$/m, line);
  const answer = await siege.carrier.ask(siege.carrier.request("INVITE", siege.outside, { body }), siege.outside);
  expect(statusOf(answer)).toBe(488);
});

test("media to 0.0.0.0 is hold, and nothing is sent anywhere", async () => {
  const talk = await siege.carrier.call(siege.outside);
  await siege.talksBothWays(talk);
  const body = siege.carrier.sdp.replace(/^c=.*$/m, "c=IN IP4 0.0.0.0");
  expect(statusOf(await talk.ask("INVITE", { body }))).toBe(200);
  const before = siege.carrier.media.received.length;
  const toPbx = siege.pbxMedia();
  for (let i = 0; i < 20; i++) siege.pbx.media.send(rtp(40_000 + i, "to nobody"), toPbx);
  expect(statusOf(await talk.ask("INVITE", { body: siege.carrier.sdp }))).toBe(200);
  await siege.talksBothWays(talk);
  expect(siege.carrier.media.received.slice(before).filter((packet) => packet.includes("to nobody"))).toEqual([]);
  await talk.hangUp();
});

test("media to our own signalling port, or to a port of a call that is up, is refused", async () => {
  const talk = await siege.carrier.call(siege.outside);
  const targets: readonly Place[] = [siege.outside, siege.inside, talk.mediaOfBox, siege.pbxMedia()];
  for (const { ip, port } of targets) {
    const body = sdpOf(ip, port);
    const answer = await siege.carrier.ask(siege.carrier.request("INVITE", siege.outside, { body }), siege.outside);
    expect(statusOf(answer), `${ip}:${port}`).toBe(488);
  }
  await talk.hangUp();
});

test("a=rtcp and a=candidate aim at nobody: the one is refused or not used, the other is not passed on", async () => {
  const aimed = [
    `a=rtcp:${thief.place.port} IN IP4 ${thief.place.ip}`,
    `a=candidate:1 1 UDP 2130706431 ${thief.place.ip} ${thief.place.port} typ host`,
  ];
  const body = sdpOf(siege.carrier.place.ip, siege.carrier.media.place.port, aimed);
  const talk = await siege.carrier.call(siege.outside, { body });
  await siege.talksBothWays(talk);
  const { ip, port } = siege.pbxMedia();
  siege.pbx.media.send(Buffer.from("81c90007222222221111111100000000000000000000000000000000000000", "hex"), {
    ip,
    port: port + 1,
  });
  siege.pbx.media.send(Buffer.from("80c9000122222222", "hex"), { ip, port });
  await siege.talksBothWays(talk);
  expect(thief.received).toEqual([]);
  expect(siege.pbxGot(thief.place.ip)).toEqual([]);
  await talk.hangUp();
});

test("after all this a call can be made, and nothing is left of the others", async () => {
  await siege.alive();
  await siege.empty();
});

function spray(to: Place, mark: string): void {
  for (let i = 0; i < 20; i++) thief.send(rtp(i, mark, 0x6666_6666), to);
  for (let i = 0; i < 5; i++) thief.send(rtp(i, mark, 0x6666_6666), { ip: to.ip, port: to.port + 1 });
}

const heard = (mark: string): readonly Buffer[] =>
  [...siege.carrier.media.received, ...siege.pbx.media.received].filter((packet) => packet.includes(mark));
