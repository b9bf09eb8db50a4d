/** Codecs, packets and bandwidth by the rules of a realm or a peer. */
import { expect, test } from "vitest";
import type { CodecRules, MediaRules } from "../../../src/base/index.ts";
import { type Bench, call, INSIDE, insideParty, lines, outsideParty, realm, sdp, shape, statusOf } from "./kit.ts";

const codecs = (rules: Partial<CodecRules>): MediaRules => ({ codecs: { allow: [], deny: [], order: [], ...rules } });

/** From outside to inside, with the rules of each side. */
function ruled(outside: MediaRules | undefined, inside: MediaRules | undefined): Bench {
  const with_ = (rules: MediaRules | undefined) => ({ media: { ...INSIDE.media, rules } });
  return call([realm("outside", "198.51.100.1", with_(outside)), realm("inside", "10.0.0.1", with_(inside))]);
}

const rich = sdp(
  "203.0.113.5",
  "m=audio 4000 RTP/AVP 96 9 0 8 18 101 102 13",
  "a=rtpmap:96 opus/48000/2",
  "a=fmtp:96 useinbandfec=1",
  "a=rtpmap:0 PCMU/8000",
  "a=rtpmap:101 telephone-event/8000",
  "a=fmtp:101 0-16",
  "a=rtpmap:102 telephone-event/48000",
  "a=rtcp-fb:* nack",
);
const formats = (text: string): string => (lines(text, "m=")[0] ?? "").split(" ").slice(3).join(" ");
const offered = (outside: MediaRules | undefined, inside: MediaRules | undefined, offer = rich): string =>
  ruled(outside, inside).media.offer("call", "caller", offer);

test.each<[string, Partial<CodecRules>, string]>([
  ["all, when nothing is said", {}, "96 9 0 8 18 101 102 13"],
  ["those that are allowed, by name, static ones without rtpmap too", { allow: ["pcma", "g722"] }, "9 8 101"],
  ["telephone-event by the clock of what is left", { allow: ["opus"] }, "96 102"],
  ["not what is denied", { deny: ["g729", "g722", "opus"] }, "0 8 101 13"],
  ["denial goes before permission", { allow: ["pcma", "pcmu"], deny: ["pcmu"] }, "8 101"],
  ["no digits, when they are denied", { deny: ["telephone-event"] }, "96 9 0 8 18 13"],
  ["a name with a clock rate", { deny: ["telephone-event/48000"] }, "96 9 0 8 18 101 13"],
  ["the ordered ones first, the others as they came", { order: ["pcma", "opus"] }, "8 96 9 0 18 101 102 13"],
  ["a kind as a whole", { allow: ["audio/*"] }, "96 9 0 8 18 101 102 13"],
])("the offer has %s", (_what, rules, left) => {
  expect(formats(offered(undefined, codecs(rules)))).toBe(left);
});

test("of a codec that is gone nothing is said", () => {
  expect(shape(offered(undefined, codecs({ allow: ["PCMU".toLowerCase()] })))).toEqual([
    "v=0",
    "o=- ID 1 IN IP4 10.0.0.1",
    "s=-",
    "c=IN IP4 10.0.0.1",
    "t=0 0",
    "m=audio PORT RTP/AVP 0 101",
    "a=rtpmap:0 PCMU/8000",
    "a=rtpmap:101 telephone-event/8000",
    "a=fmtp:101 0-16",
    "a=rtcp:PORT",
    "a=sendrecv",
  ]);
});

test("a codec that either side may not have is not offered; each side is told in its own order", () => {
  const { media } = ruled(codecs({ deny: ["opus"], order: ["pcmu"] }), codecs({ deny: ["g729"], order: ["pcma"] }));
  expect(formats(media.offer("call", "caller", rich))).toBe("8 9 0 101 13");
  expect(formats(media.answer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 8 0 101")))).toBe("0 8 101");
});

test("what was taken out of the offer cannot come back with the answer", () => {
  const { media } = ruled(codecs({ allow: ["pcmu", "pcma"] }), undefined);
  media.offer("call", "caller", rich);
  const greedy = sdp("10.0.0.9", "m=audio 7000 RTP/AVP 96 8", "a=rtpmap:96 opus/48000/2");
  const answer = media.answer("call", "callee", greedy);
  expect([formats(answer), answer.includes("opus")]).toEqual(["8", false]);
  expect(media.query("call").streams[0]?.caller.codecs).toEqual(["PCMA"]);
});

test("an answer of nothing but what was not offered is no answer; without its own rtpmap the offer's names count", () => {
  const { media } = ruled(codecs({ deny: ["opus"] }), undefined);
  media.offer("call", "caller", rich);
  const greedy = sdp("10.0.0.9", "m=audio 7000 RTP/AVP 96", "a=rtpmap:96 OPUS/48000/2");
  expect(statusOf(() => media.answer("call", "callee", greedy))).toBe(488);
  const named = ruled(codecs({ allow: ["g726-32"] }), undefined).media;
  named.offer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/AVP 97 0", "a=rtpmap:97 G726-32/8000"));
  expect(formats(named.answer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 97")))).toBe("97");
});

test("nothing left: 305; a stream of which nothing is left is declined beside another", () => {
  const { media } = ruled(undefined, codecs({ allow: ["gsm"] }));
  let warning = 0;
  try {
    media.offer("call", "caller", rich);
  } catch (error) {
    warning = (error as { warning: number }).warning;
  }
  expect(warning).toBe(305);
  const both = rich.replace("m=audio", "m=video 4002 RTP/AVP 34\r\nm=audio");
  expect(lines(offered(undefined, codecs({ allow: ["pcma"] }), both), "m=")).toEqual([
    "video 0 RTP/AVP 34",
    expect.stringMatching(/^audio [1-9]\d* RTP\/AVP 8 101$/),
  ]);
  expect(formats(offered(undefined, codecs({ allow: ["pcma", "video/*"] }), both))).toBe("34");
});

test("retransmission and redundancy go with what they serve", () => {
  const video = sdp(
    "203.0.113.5",
    "m=video 4000 RTP/AVP 96 97 98 99",
    "a=rtpmap:96 VP8/90000",
    "a=rtpmap:97 rtx/90000",
    "a=fmtp:97 apt=96",
    "a=rtpmap:98 H264/90000",
    "a=rtpmap:99 rtx/90000",
    "a=fmtp:99 rtx-time=3000;apt=98",
  );
  expect(formats(offered(undefined, codecs({ deny: ["vp8"] }), video))).toBe("98 99");
  const text = sdp(
    "203.0.113.5",
    "m=audio 4000 RTP/AVP 121 0 96",
    "a=rtpmap:121 red/8000",
    "a=fmtp:121 0/96/0",
    "a=rtpmap:96 iLBC/8000",
  );
  expect(formats(offered(undefined, codecs({ deny: ["ilbc"] }), text))).toBe("0");
});

test("the length of packets is what the rules ask for, or the most that the other side can take", () => {
  const with_ = (...more: string[]) => sdp("203.0.113.5", "m=audio 4000 RTP/AVP 0", ...more);
  const asked = (text: string) => [lines(text, "a=ptime:"), lines(text, "a=maxptime:")];
  expect(asked(offered(undefined, { ptimeMs: 20 }, with_("a=ptime:30")))).toEqual([["20"], []]);
  expect(asked(offered(undefined, { ptimeMs: 20 }, with_()))).toEqual([["20"], []]);
  expect(asked(offered(undefined, { ptimeMs: 60 }, with_("a=maxptime:40")))).toEqual([["40"], ["40"]]);
  expect(asked(offered({ ptimeMs: 60 }, undefined, with_("a=ptime:30")))).toEqual([["30"], []]);
  const { media } = ruled({ ptimeMs: 40 }, undefined);
  media.offer("call", "caller", with_());
  expect(asked(media.answer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 0", "a=ptime:20")))).toEqual([
    ["40"],
    [],
  ]);
  const video = sdp("203.0.113.5", "m=video 4000 RTP/AVP 34");
  expect(asked(offered(undefined, { ptimeMs: 20 }, video))).toEqual([[], []]);
});

test("bandwidth is capped by kind, in the units of each line", () => {
  const wide = sdp(
    "203.0.113.5",
    "m=audio 4000 RTP/AVP 0",
    "b=TIAS:64000",
    "b=RS:800",
    "m=video 4002 RTP/AVP 34",
    "b=AS:2000",
    "b=TIAS:1900000",
  );
  const told = offered(undefined, { bandwidth: { audio: 100, video: 512 } }, wide);
  expect(lines(told, "b=")).toEqual(["AS:100", "TIAS:64000", "RS:800", "AS:512", "TIAS:512000"]);
  expect(lines(offered(undefined, { bandwidth: { video: 4_000 } }, wide), "b=")).toEqual([
    "TIAS:64000",
    "RS:800",
    "AS:2000",
    "TIAS:1900000",
  ]);
});

test("attributes that are named cross to that side alone, others do not", () => {
  const with_ = sdp("203.0.113.5", "m=audio 4000 RTP/AVP 0", "a=X-nat:1", "a=X-other:2");
  const told = offered(undefined, { allowAttributes: ["X-nat"] }, with_);
  expect([lines(told, "a=X-nat:"), told.includes("X-other")]).toEqual([["1"], false]);
  expect(offered({ allowAttributes: ["X-nat"] }, undefined, with_)).not.toContain("X-nat");
});

test("a peer's own rules go before its realm's, and the same words twice are the same version", () => {
  const realms = [
    realm("outside", "198.51.100.1"),
    realm("inside", "10.0.0.1", { media: { ...INSIDE.media, rules: codecs({ allow: ["gsm"] }) } }),
  ];
  const peer = { ...insideParty, rules: { ...codecs({ order: ["pcma"] }), ptimeMs: 20, bandwidth: { audio: 80 } } };
  const { media } = call(realms, { caller: outsideParty, callee: peer });
  const first = media.offer("call", "caller", rich);
  expect(formats(first)).toBe("8 96 9 0 18 101 102 13");
  media.answer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 8"));
  expect(media.offer("call", "caller", rich)).toBe(first);
});
