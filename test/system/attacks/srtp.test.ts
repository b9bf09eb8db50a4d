/** Attacks on encrypted media: packets that do not authenticate, replays, and ways to be talked out of encryption. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bodyOf, MediaPort, rtp, sdpOf, statusOf, type Talk } from "../../support/sip-party.ts";
import { newInlineKey, SrtpStream } from "../../support/srtp-stream.ts";
import { Siege, STRANGER } from "./siege.ts";

const SUITE = "AES_CM_128_HMAC_SHA1_80";

let siege: Siege;
let thief: MediaPort;
beforeAll(async () => {
  siege = await Siege.start("srtp", { srtp: "required", outside: { sdesWithoutTls: true } });
  thief = await MediaPort.start(STRANGER);
});
afterAll(async () => {
  thief.close();
  await siege.stop();
});

test("what does not authenticate is neither latched to nor passed on, though it comes first and from the right host", async () => {
  const call = await secureCall();
  const forger = await MediaPort.start(siege.carrier.place.ip);
  const forged = new SrtpStream(newInlineKey());
  for (let i = 0; i < 20; i++) {
    forger.send(forged.protect(rtp(i, "forged")), call.talk.mediaOfBox);
    forger.send(rtp(i, "forged"), call.talk.mediaOfBox);
    thief.send(forged.protect(rtp(i, "forged")), call.talk.mediaOfBox);
  }
  await call.talksBothWays();
  expect(siege.pbx.media.received.filter((packet) => packet.includes("forged"))).toEqual([]);
  expect(forger.received).toEqual([]);
  expect(thief.received).toEqual([]);
  forger.close();
  await call.talk.hangUp();
});

test("the control: the same port with the right key is latched to", async () => {
  const call = await secureCall();
  const moved = await MediaPort.start(siege.carrier.place.ip);
  moved.send(call.ours.protect(rtp(1, "moved")), call.talk.mediaOfBox);
  await siege.pbx.media.until(1, (packet) => packet.includes("moved"));
  siege.pbx.media.send(rtp(1, "to the moved one"), siege.pbxMedia());
  await moved.until(1);
  moved.close();
  await call.talk.hangUp();
});

test("2,000 packets of garbage from the right place do not end the call, nor do replays get through", async () => {
  const call = await secureCall();
  await call.talksBothWays();
  const good = call.ours.protect(rtp(30_000, "replayed"));
  siege.carrier.media.send(good, call.talk.mediaOfBox);
  await siege.pbx.media.until(1, (packet) => packet.includes("replayed"));
  for (let i = 0; i < 2_000; i++) {
    const garbage = randomBytes(60 + (i % 300));
    garbage[0] = 0x80;
    garbage[1] = 0;
    siege.carrier.media.send(i % 4 === 0 ? good : garbage, call.talk.mediaOfBox);
    if (i % 50 === 49) await new Promise((resolve) => setImmediate(resolve));
  }
  await call.talksBothWays(30_001);
  expect(siege.pbx.media.received.filter((packet) => packet.includes("replayed"))).toHaveLength(1);
  expect(await siege.box.get<object[]>("/calls")).toHaveLength(1);
  await call.talk.hangUp();
});

test("a forged sequence number far ahead does not move the roll-over counter", async () => {
  const call = await secureCall();
  await call.talksBothWays(10);
  const forged = new SrtpStream(newInlineKey());
  for (const sequence of [65_000, 40_000, 1, 65_535])
    siege.carrier.media.send(forged.protect(rtp(sequence, "ahead")), call.talk.mediaOfBox);
  await call.talksBothWays(100);
  await call.talk.hangUp();
});

test("an offer without encryption is refused", async () => {
  const { carrier, outside } = siege;
  expect(statusOf(await carrier.ask(carrier.request("INVITE", outside, { body: carrier.sdp }), outside))).toBe(488);
});

test.each([
  ["a key that is too short", `a=crypto:1 ${SUITE} inline:AAAA`],
  ["a suite that nobody knows", `a=crypto:1 ROT13 inline:${newInlineKey()}`],
  ["no encryption by name", `a=crypto:1 ${SUITE} inline:${newInlineKey()} UNENCRYPTED_SRTP`],
  ["no authentication by name", `a=crypto:1 ${SUITE} inline:${newInlineKey()} UNAUTHENTICATED_SRTP`],
  ["no key at all", "a=crypto:1"],
])("an offer with %s is refused", async (_what, line) => {
  const { carrier, outside } = siege;
  const body = sdpOf(carrier.place.ip, carrier.media.place.port, [line]).replace("RTP/AVP", "RTP/SAVP");
  expect(statusOf(await carrier.ask(carrier.request("INVITE", outside, { body }), outside))).toBe(488);
});

test("a re-INVITE cannot talk the call out of encryption: 488, and it goes on as it was", async () => {
  const call = await secureCall();
  await call.talksBothWays();
  expect(statusOf(await call.talk.ask("INVITE", { body: siege.carrier.sdp }))).toBe(488);
  await call.talksBothWays(200);
  await call.talk.hangUp();
});

test("a callee who answers our encrypted offer without encryption gets ACK and BYE, and the caller a refusal", async () => {
  const { carrier, pbx, inside } = siege;
  const before = carrier.received.length;
  carrier.answers = (request) => ({
    status: "200 OK",
    ...(request.startsWith("INVITE ") && { body: sdpOf(carrier.place.ip, carrier.media.place.port) }),
  });
  const answer = await pbx.ask(pbx.request("INVITE", inside, { body: pbx.sdp }), inside);
  expect(statusOf(answer)).toBeGreaterThanOrEqual(400);
  await carrier.until(
    (message) => message.startsWith("BYE ") && carrier.received.indexOf(message) >= before,
    "the BYE",
  );
  const offer = carrier.received.slice(before).find((message) => message.startsWith("INVITE ")) ?? "";
  expect(bodyOf(offer)).toContain("RTP/SAVP");
});

test("a refusal of the encrypted offer is not answered by a plain one", async () => {
  const { carrier, pbx, inside } = siege;
  const before = carrier.received.length;
  carrier.answers = (request) => ({ status: request.startsWith("INVITE ") ? "488 Not Acceptable Here" : "200 OK" });
  expect(statusOf(await pbx.ask(pbx.request("INVITE", inside, { body: pbx.sdp }), inside))).toBe(488);
  const offers = carrier.received.slice(before).filter((message) => message.startsWith("INVITE "));
  expect(offers.length).toBeGreaterThan(0);
  for (const offer of offers) expect(bodyOf(offer)).toMatch(/RTP\/SAVP[\s\S]*a=crypto/);
});

test("nothing that was said inside was ever on the outer wire in clear, and nothing is left", async () => {
  expect(siege.carrier.media.received.length).toBeGreaterThan(0);
  expect(siege.carrier.media.received.filter((packet) => packet.includes("said inside"))).toEqual([]);
  await siege.sane();
  await siege.empty();
});

test("keys never travel in clear where that is not allowed: no call instead", async () => {
  await siege.stop();
  siege = await Siege.start("srtp-clear", { srtp: "required" });
  const { carrier, pbx, inside, outside } = siege;
  expect(statusOf(await pbx.ask(pbx.request("INVITE", inside, { body: pbx.sdp }), inside))).toBeGreaterThanOrEqual(400);
  const body = sdpOf(carrier.place.ip, carrier.media.place.port, [
    `a=crypto:1 ${SUITE} inline:${newInlineKey()}`,
  ]).replace("RTP/AVP", "RTP/SAVP");
  expect(statusOf(await carrier.ask(carrier.request("INVITE", outside, { body }), outside))).toBe(488);
  expect(carrier.received.filter((message) => message.includes("a=crypto"))).toEqual([]);
});

interface SecureCall {
  readonly talk: Talk;
  readonly ours: SrtpStream;
  /** `from`: the first sequence number to use; higher than any before. */
  talksBothWays(from?: number): Promise<void>;
}

let lastMark = 0;

async function secureCall(): Promise<SecureCall> {
  const { carrier, pbx, outside } = siege;
  const inline = newInlineKey();
  const body = sdpOf(carrier.place.ip, carrier.media.place.port, [`a=crypto:1 ${SUITE} inline:${inline}`]).replace(
    "RTP/AVP",
    "RTP/SAVP",
  );
  const talk = await carrier.call(outside, { body });
  const ours = new SrtpStream(inline);
  const theirs = new SrtpStream(/a=crypto:\d+ \S+ inline:([^|\s]+)/.exec(bodyOf(talk.answer))?.[1] ?? "");
  const talksBothWays = async (from = 100): Promise<void> => {
    const mark = `said inside ${++lastMark} `;
    for (let i = 0; i < 5; i++) carrier.media.send(ours.protect(rtp(from + i, `${mark}c`)), talk.mediaOfBox);
    await pbx.media.until(1, (packet) => packet.includes(`${mark}c`));
    for (let i = 0; i < 5; i++) pbx.media.send(rtp(from + i, `${mark}p`), siege.pbxMedia());
    await carrier.media.until(1, (packet) => theirs.unprotect(packet)?.includes(`${mark}p`) ?? false);
  };
  return { talk, ours, talksBothWays };
}
