import { expect, test } from "vitest";
import type { RelayCommand } from "../../../src/media/index.ts";
import { type Bench, call, INSIDE, insideParty, KEY_A, lines, portsInUse, realm, sdp, statusOf } from "./kit.ts";

const KEY_LINE = `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${KEY_A}`;
const OPEN = realm("outside", "198.51.100.1");
const caller = (...more: string[]) => sdp("203.0.113.5", "m=audio 4000 RTP/AVP 8", ...more);
const callee = (...more: string[]) => sdp("10.0.0.9", "m=audio 7000 RTP/AVP 8", ...more);

/** An answered call; the commands so far are forgotten. */
function talking(offer = caller(), answer = callee()): Bench {
  const made = call([OPEN, INSIDE]);
  made.media.offer("call", "caller", offer);
  made.media.answer("call", "callee", answer);
  made.commands.length = 0;
  return made;
}

test.each([
  ["sendonly", "recvonly", [true, false], [false, true]],
  ["inactive", "inactive", [false, false], [false, false]],
  ["recvonly", "sendonly", [false, true], [true, false]],
  ["sendonly", "inactive", [false, false], [false, false]],
  ["sendonly", "sendrecv", [true, false], [false, true]],
])("hold: the caller says %s, the callee %s", (offered, answered, callerGates, calleeGates) => {
  const { media, take } = talking();
  expect(lines(media.offer("call", "caller", caller(`a=${offered}`)), "a=").at(-1)).toBe(offered);
  expect(take()).toEqual([]);
  media.answer("call", "callee", callee(`a=${answered}`));
  expect(gates(take())).toEqual([
    [0, ...callerGates, 0],
    [1, ...calleeGates, 0],
  ]);

  media.offer("call", "caller", caller());
  media.answer("call", "callee", callee());
  expect(gates(take())).toEqual([
    [0, true, true, 30_000],
    [1, true, true, 30_000],
  ]);
});

test("an answer that wants more than the offer leaves is cut to it", () => {
  const { media } = talking();
  media.offer("call", "caller", caller("a=sendonly"));
  expect(lines(media.answer("call", "callee", callee("a=sendrecv")), "a=").at(-1)).toBe("recvonly");
});

test("c=0.0.0.0 is hold, told to the other side in today's words, and the remote is kept", () => {
  const { media, take } = talking();
  const onward = media.offer("call", "caller", sdp("0.0.0.0", "m=audio 4000 RTP/AVP 8"));
  expect([lines(onward, "c="), lines(onward, "a=").at(-1)]).toEqual([["IN IP4 10.0.0.1"], "sendonly"]);
  media.answer("call", "callee", callee("a=recvonly"));
  expect(gates(take())).toEqual([
    [0, true, false, 0],
    [1, false, true, 0],
  ]);
});

test("a call that begins on hold at 0.0.0.0 gets its remote with the resume", () => {
  const { media, take } = talking(sdp("0.0.0.0", "m=audio 4000 RTP/AVP 8"), callee("a=recvonly"));
  media.offer("call", "caller", caller());
  media.answer("call", "callee", callee());
  expect(take()[0]).toMatchObject({
    side: 0,
    set: { remote: { ip: "203.0.113.5", rtpPort: 4000 }, relatch: true, send: true },
  });
});

test("0.0.0.0 in the first offer is no hold: the stream is offered as it will be, and nobody is missed meanwhile", () => {
  const { media, take } = call([OPEN, INSIDE]);
  expect(lines(media.offer("call", "caller", sdp("0.0.0.0", "m=audio 9 RTP/AVP 8")), "a=").at(-1)).toBe("sendrecv");
  expect(lines(media.answer("call", "callee", callee()), "a=").at(-1)).toBe("sendrecv");
  expect(take()).toMatchObject([{ word: "open", sides: [{ remote: undefined, silenceLimitMs: 0 }, {}] }]);
  media.offer("call", "caller", caller());
  media.answer("call", "callee", callee());
  expect(take()).toMatchObject([{ side: 0, set: { remote: { ip: "203.0.113.5" }, silenceLimitMs: 30_000 } }]);
});

test("a new address or port is followed, and the source is learnt again", () => {
  const { media, take } = talking();
  media.offer("call", "caller", sdp("203.0.113.77", "m=audio 4444 RTP/AVP 8"));
  expect(take()).toEqual([]);
  media.answer("call", "callee", callee());
  expect(take()).toEqual([
    {
      word: "change",
      pair: 0,
      side: 0,
      set: {
        remote: { ip: "203.0.113.77", rtpPort: 4444, rtcpPort: 4445 },
        latch: "signalled",
        latchFrom: undefined,
        relatch: true,
      },
    },
  ]);
});

test("a stream is added, switched off, and its place used again", () => {
  const made = talking();
  const { media, take, relayLetsGo } = made;
  media.offer("call", "caller", caller("m=video 4002 RTP/AVP 96"));
  media.answer("call", "callee", callee("m=video 7002 RTP/AVP 96"));
  expect(take().map(({ word, pair }) => [word, pair])).toEqual([["open", 1]]);

  const onward = media.offer("call", "caller", caller("m=video 0 RTP/AVP 96"));
  expect(lines(onward, "m=video ")).toEqual(["0 RTP/AVP 96"]);
  media.answer("call", "callee", callee("m=video 0 RTP/AVP 96"));
  expect(take().map(({ word, pair }) => [word, pair])).toEqual([["close", 1]]);
  expect(portsInUse(made)).toEqual({ outside: 4, inside: 4 });
  relayLetsGo();
  expect(portsInUse(made)).toEqual({ outside: 2, inside: 2 });

  media.offer("call", "callee", callee("m=text 7004 RTP/AVP 98"));
  media.answer("call", "caller", caller("m=text 4004 RTP/AVP 98"));
  expect(take()).toMatchObject([{ word: "open", pair: 1, kind: "other" }]);
});

test("a place that changes its kind gets other ports and another pair", () => {
  const { media, take } = talking();
  media.offer("call", "caller", sdp("203.0.113.5", "m=video 4000 RTP/AVP 96"));
  media.answer("call", "callee", sdp("10.0.0.9", "m=video 7000 RTP/AVP 96"));
  expect(take()).toMatchObject([
    { word: "close", pair: 0 },
    { word: "open", pair: 1, kind: "video" },
  ]);
});

test("an early dialog that falls back to what it had left: the key of then may send nothing more", () => {
  const { media, take } = call();
  const early = { provisional: true };
  media.offer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 96", KEY_LINE));
  media.answer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 96"), early);
  media.offer("call", "callee", sdp("10.0.0.9", "m=video 7000 RTP/AVP 96"));
  media.answer("call", "caller", sdp("203.0.113.5", "m=video 4000 RTP/SAVP 96", KEY_LINE), early);
  media.withdraw("call", "callee");
  const [first, moved, back] = take().flatMap((command) => (command.word === "open" ? [command.sides[0].tx] : []));
  expect(back?.key.reveal()).toEqual(first?.key.reveal());
  expect([first, moved, back].map((key) => key?.lifetimePackets)).toEqual([undefined, undefined, 0]);
});

test("a new offer with fewer m= lines is refused", () => {
  const { media } = talking(caller("m=video 0 RTP/AVP 96"), callee("m=video 0 RTP/AVP 96"));
  expect(statusOf(() => media.offer("call", "caller", caller()))).toBe(488);
  expect(statusOf(() => media.offer("call", "callee", callee()))).toBe(488);
});

test("two ports do not become one for RTCP later; one becomes two by moving", () => {
  const { media, take } = talking();
  media.offer("call", "caller", caller("a=rtcp-mux"));
  expect(media.answer("call", "callee", callee())).not.toContain("rtcp-mux");
  expect(take()).toEqual([]);

  const muxed = talking(caller("a=rtcp-mux"));
  expect(muxed.media.offer("call", "callee", callee())).toContain("a=rtcp-mux");
  muxed.media.withdraw("call", "callee");
  muxed.media.offer("call", "caller", caller());
  muxed.media.answer("call", "callee", callee());
  const [closed, opened] = muxed.take();
  expect(closed?.word).toBe("close");
  expect(opened?.word === "open" && opened.sides[0].local.rtcpPort - opened.sides[0].local.rtpPort).toBe(1);
});

test("a refused re-offer leaves ports and the relay as they were; its version number is used up", () => {
  const made = talking();
  const { media, take } = made;
  const ports = portsInUse(made);
  const again = media.offer("call", "caller", caller());
  media.answer("call", "callee", callee());
  media.offer("call", "caller", caller("m=video 4002 RTP/AVP 96"));
  expect(portsInUse(made)).not.toEqual(ports);
  media.withdraw("call", "caller");
  expect(portsInUse(made)).toEqual(ports);
  expect(take()).toEqual([]);
  const after = media.offer("call", "caller", caller());
  expect(after).toBe(again.replace(/^(o=- \d+) 1 /m, "$1 3 "));
  media.withdraw("call", "callee");
  media.answer("call", "callee", callee());
  media.withdraw("call", "caller");
  expect(media.query("call").streams.length).toBe(1);
});

test("after a refused offer the other side may offer", () => {
  const { media } = talking();
  media.offer("call", "caller", caller("a=inactive"));
  expect(statusOf(() => media.offer("call", "callee", callee()))).toBe(491);
  media.withdraw("call", "caller");
  expect(statusOf(() => media.offer("call", "callee", callee()))).toBe("done");
});

test("a provisional answer to a re-offer waits for the final one before media follows", () => {
  const { media, take } = talking();
  media.offer("call", "caller", caller("a=inactive"));
  media.answer("call", "callee", callee("a=inactive"), { provisional: true });
  expect(take()).toEqual([]);
  media.withdraw("call", "caller");
  expect(take()).toEqual([]);
});

test("ports run out with 503, and nothing is kept of the attempt", () => {
  const small = realm("inside", "10.0.0.1", { media: { ...INSIDE.media, firstPort: 20_000, lastPort: 20_003 } });
  const made = call([OPEN, small]);
  const three = ["m=video 4002 RTP/AVP 96", "m=text 4004 RTP/AVP 98"];
  expect(statusOf(() => made.media.offer("call", "caller", caller(...three)))).toBe(503);
  expect(portsInUse(made)).toEqual({ outside: 0, inside: 0 });
  expect(statusOf(() => made.media.offer("call", "caller", caller(three[0] as string)))).toBe("done");
  made.media.open("second", { caller: insideParty, callee: insideParty });
  expect(statusOf(() => made.media.offer("second", "caller", callee()))).toBe(503);
});

const gates = (commands: RelayCommand[]) =>
  commands.map(
    (command) =>
      command.word === "change" && [command.side, command.set.receive, command.set.send, command.set.silenceLimitMs],
  );
