import { expect, test } from "vitest";
import type { MediaParty, RelayCommand, RelaySide } from "../../../src/media/index.ts";
import {
  type Bench,
  call,
  crypto,
  INSIDE,
  insideParty,
  KEY_A,
  KEY_B,
  lines,
  OUTSIDE,
  outsideParty,
  plainAnswer,
  plainOffer,
  realm,
  sdp,
  secureOffer,
  statusOf,
} from "./kit.ts";

const PREFERRED = realm("outside", "198.51.100.1", { srtp: "preferred" });
const insecure: MediaParty = { ...outsideParty, secureSignalling: false };
const outward = { caller: insideParty, callee: outsideParty };

test("every suite is offered, the common one first, each with a key of its own", () => {
  const { media } = call(undefined, outward);
  const cryptos = lines(media.offer("call", "caller", plainOffer), "a=crypto:").map((line) => line.split(" "));
  expect(cryptos.map(([tag, suite]) => [tag, suite])).toEqual([
    ["1", "AES_CM_128_HMAC_SHA1_80"],
    ["2", "AES_256_CM_HMAC_SHA1_80"],
    ["3", "AEAD_AES_128_GCM"],
    ["4", "AEAD_AES_256_GCM"],
    ["5", "AES_CM_128_HMAC_SHA1_32"],
    ["6", "AES_256_CM_HMAC_SHA1_32"],
  ]);
  expect(cryptos.map(([, , key = ""]) => Buffer.from(key.slice("inline:".length), "base64").length)).toEqual([
    30, 46, 28, 44, 30, 46,
  ]);
  expect(new Set(cryptos.map(([, , key]) => key)).size).toBe(6);
});

test("the answer's tag tells which of our keys is used", () => {
  const { media, take } = call(undefined, outward);
  const onward = media.offer("call", "caller", plainOffer);
  const gcm = Buffer.alloc(28, 9).toString("base64");
  media.answer("call", "callee", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0", crypto(3, gcm, "AEAD_AES_128_GCM")));
  const callee = opened(take()).sides[1];
  expect([callee.rx?.suite, callee.tx?.suite]).toEqual(["AEAD_AES_128_GCM", "AEAD_AES_128_GCM"]);
  expect(keyText(callee.rx)).toBe(gcm);
  expect(lines(onward, "a=crypto:3 AEAD_AES_128_GCM inline:")).toEqual([keyText(callee.tx)]);
});

test("the first offered suite that we have is taken, with its tag and in its spelling", () => {
  const { media, take } = call();
  const long = Buffer.alloc(46, 3).toString("base64");
  media.offer(
    "call",
    "caller",
    sdp(
      "203.0.113.5",
      "m=audio 4000 RTP/SAVP 0",
      crypto(4, KEY_A, "F8_128_HMAC_SHA1_80"),
      crypto(9, long, "AES_CM_256_HMAC_SHA1_80"),
      crypto(7),
    ),
  );
  const answer = media.answer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 0"));
  expect(lines(answer, "a=crypto:")).toEqual([expect.stringMatching(/^9 AES_CM_256_HMAC_SHA1_80 inline:.{64}$/)]);
  expect(opened(take()).sides[0].rx?.suite).toBe("AES_256_CM_HMAC_SHA1_80");
});

test("a key identifier in the packets is told to the relay", () => {
  const { media, take } = call();
  media.offer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0", `${crypto(1)}|2^20|5:2`));
  media.answer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 0"));
  expect(opened(take()).sides[0].rx?.mki).toEqual(Uint8Array.of(0, 5));
});

test("SRTP on both legs: neither leg ever sees a key of the other", () => {
  const inner = realm("inside", "10.0.0.1", { srtp: "required", sdesWithoutTls: true });
  const { media, take } = call([OUTSIDE, inner]);
  const onward = media.offer("call", "caller", secureOffer);
  const answer = media.answer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/SAVP 0", crypto(1, KEY_B)));
  const { sides } = opened(take());
  const four = sides.flatMap(({ rx, tx }) => [keyText(rx), keyText(tx)]);
  expect(new Set(four).size).toBe(4);
  for (const foreign of [keyText(sides[0].rx), keyText(sides[0].tx)]) expect(onward).not.toContain(foreign);
  for (const foreign of [keyText(sides[1].rx), keyText(sides[1].tx)]) expect(answer).not.toContain(foreign);
});

test.each<[string, Bench, string, unknown]>([
  ["required: plain", call(), sdp("203.0.113.5", "m=audio 4000 RTP/AVP 0"), 488],
  ["required: keys under the plain profile", call(), sdp("203.0.113.5", "m=audio 4000 RTP/AVP 0", crypto(1)), "done"],
  ["required: secure profile without keys", call(), sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0"), 488],
  ["required: unknown suite only", call(), sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0", crypto(1, KEY_A, "X")), 488],
  ["required: DTLS only", call(), sdp("203.0.113.5", "m=audio 4000 UDP/TLS/RTP/SAVP 0"), 488],
  [
    "required: one plain stream of two",
    call(),
    sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0", crypto(1), "m=audio 4002 RTP/AVP 0"),
    488,
  ],
  ["required, no TLS: SRTP", call(undefined, { caller: insecure, callee: insideParty }), secureOffer, 488],
  ["preferred: plain", call([PREFERRED, INSIDE]), sdp("203.0.113.5", "m=audio 4000 RTP/AVP 0"), "done"],
  ["preferred: SRTP", call([PREFERRED, INSIDE]), secureOffer, "done"],
  ["preferred, no TLS: SRTP", call([PREFERRED, INSIDE], { caller: insecure, callee: insideParty }), secureOffer, 488],
  [
    "preferred, no TLS: plain",
    call([PREFERRED, INSIDE], { caller: insecure, callee: insideParty }),
    sdp("203.0.113.5", "m=audio 4000 RTP/AVP 0", crypto(1)),
    "done",
  ],
  [
    "off: SRTP",
    call([OUTSIDE, INSIDE], { caller: insideParty, callee: outsideParty }),
    sdp("10.0.0.9", "m=audio 7000 RTP/SAVP 0", crypto(1)),
    488,
  ],
  [
    "off: keys under the plain profile",
    call(undefined, outward),
    sdp("10.0.0.9", "m=audio 7000 RTP/AVP 0", crypto(1)),
    "done",
  ],
])("an offer where SRTP is %s: %s", (_case, { media, commands }, offer, verdict) => {
  expect(statusOf(() => media.offer("call", "caller", offer))).toBe(verdict);
  expect(commands).toEqual([]);
});

test.each([
  ["plain", ["m=audio 4000 RTP/AVP 0"], 488],
  ["secure profile without keys", ["m=audio 4000 RTP/SAVP 0"], 488],
  ["a tag that was not offered", ["m=audio 4000 RTP/SAVP 0", crypto(9)], 488],
  ["another suite than that of the tag", ["m=audio 4000 RTP/SAVP 0", crypto(2)], 488],
  ["a key of the wrong length", ["m=audio 4000 RTP/SAVP 0", crypto(1, "AAAA")], 488],
  ["keys, but no encryption", ["m=audio 4000 RTP/SAVP 0", `${crypto(1)} UNENCRYPTED_SRTP`], 488],
  ["SRTP", ["m=audio 4000 RTP/SAVP 0", crypto(1)], "done"],
  ["SRTP under the plain profile's name", ["m=audio 4000 RTP/AVP 0", crypto(1)], "done"],
  ["declined", ["m=audio 0 RTP/SAVP 0"], "done"],
])("an answer where SRTP is required: %s", (_case, answer, verdict) => {
  const { media } = call(undefined, outward);
  media.offer("call", "caller", plainOffer);
  expect(statusOf(() => media.answer("call", "callee", sdp("203.0.113.5", ...answer)))).toBe(verdict);
});

test("preferred offers keys under the plain profile (RFC 8643) and takes either answer", () => {
  for (const [answer, suite] of [
    [["m=audio 4000 RTP/AVP 0"], undefined],
    [["m=audio 4000 RTP/AVP 0", crypto(1)], "AES_CM_128_HMAC_SHA1_80"],
    [["m=audio 4000 RTP/SAVP 0", crypto(1)], "AES_CM_128_HMAC_SHA1_80"],
  ] as const) {
    const { media, take } = call([PREFERRED, INSIDE], outward);
    const onward = media.offer("call", "caller", plainOffer);
    expect(lines(onward, "m=")[0]).toMatch(/RTP\/AVP 0 8$/);
    expect(lines(onward, "a=crypto:").length).toBe(6);
    media.answer("call", "callee", sdp("203.0.113.5", ...answer));
    expect(opened(take()).sides[1].tx?.suite).toBe(suite);
  }
});

test("a failed key agreement fails an opportunistic call too", () => {
  const { media } = call([PREFERRED, INSIDE], outward);
  media.offer("call", "caller", plainOffer);
  expect(statusOf(() => media.answer("call", "callee", sdp("203.0.113.5", "m=audio 4000 RTP/AVP 0", crypto(9))))).toBe(
    488,
  );
});

test("an answer to keys under the plain profile keeps that profile", () => {
  const { media } = call([PREFERRED, INSIDE]);
  media.offer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/AVP 8", crypto(2)));
  const answer = media.answer("call", "callee", plainAnswer);
  expect(lines(answer, "m=")[0]).toMatch(/RTP\/AVP 8$/);
  expect(lines(answer, "a=crypto:2 ").length).toBe(1);
});

test("without TLS no key is offered: preferred goes plain, required does not go at all", () => {
  const naked = { caller: insideParty, callee: insecure };
  expect(lines(call([PREFERRED, INSIDE], naked).media.offer("call", "caller", plainOffer), "a=crypto:")).toEqual([]);
  expect(statusOf(() => call(undefined, naked).media.offer("call", "caller", plainOffer))).toBe(488);
  const brave = realm("outside", "198.51.100.1", { srtp: "required", sdesWithoutTls: true });
  expect(lines(call([brave, INSIDE], naked).media.offer("call", "caller", plainOffer), "a=crypto:").length).toBe(6);
});

test("a repeated key keeps its context, a new one makes a fresh one, each direction by itself", () => {
  const { media, take } = call();
  media.offer("call", "caller", secureOffer);
  const answer = media.answer("call", "callee", plainAnswer);
  const before = opened(take()).sides[0];

  media.offer("call", "caller", secureOffer);
  expect(media.answer("call", "callee", plainAnswer)).toBe(answer);
  expect(take()).toEqual([]);

  // The peer begins its counters anew with its key, and ours with it: so ours is new, too.
  media.offer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0 8", crypto(1, KEY_B)));
  const later = media.answer("call", "callee", plainAnswer);
  expect(lines(later, "a=crypto:")).not.toEqual(lines(answer, "a=crypto:"));
  const [rekeyed] = take() as [Extract<RelayCommand, { word: "change" }>];
  expect(Object.keys(rekeyed.set).sort()).toEqual(["rx", "tx"]);
  expect(keyText(rekeyed.set.rx)).toBe(KEY_B);
  expect(keyText(rekeyed.set.tx)).not.toBe(keyText(before.tx));
  expect(rekeyed.set.tx?.keepsRollover).toBeUndefined();

  const gcm = Buffer.alloc(28, 9).toString("base64");
  media.offer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0 8", crypto(1, gcm, "AEAD_AES_128_GCM")));
  media.answer("call", "callee", plainAnswer);
  const [changed] = take() as [Extract<RelayCommand, { word: "change" }>];
  expect(Object.keys(changed.set).sort()).toEqual(["rx", "tx"]);
  expect(changed.set.tx?.suite).toBe("AEAD_AES_128_GCM");
  expect(keyText(changed.set.tx)).not.toBe(keyText(before.tx));
});

test("a peer that keeps its counters under a new key: our key stays, and a new one of ours goes on from it", () => {
  const { media, take } = call([{ ...OUTSIDE, media: { ...OUTSIDE.media, rules: { srtpRekey: "keep" } } }, INSIDE]);
  media.offer("call", "caller", secureOffer);
  const answer = media.answer("call", "callee", plainAnswer);
  take();
  media.offer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0 8", crypto(1, KEY_B)));
  expect(media.answer("call", "callee", plainAnswer)).toBe(answer);
  const [rekeyed] = take() as [Extract<RelayCommand, { word: "change" }>];
  expect(Object.keys(rekeyed.set)).toEqual(["rx"]);
  const gcm = Buffer.alloc(28, 9).toString("base64");
  media.offer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0 8", crypto(1, gcm, "AEAD_AES_128_GCM")));
  media.answer("call", "callee", plainAnswer);
  const [changed] = take() as [Extract<RelayCommand, { word: "change" }>];
  expect(changed.set.tx).toMatchObject({ suite: "AEAD_AES_128_GCM", keepsRollover: true });
});

test("several keys with identifiers, and the least of their lifetimes, reach the relay", () => {
  const { media, take } = call();
  const keys = `inline:${KEY_A}|2^20|1:4;inline:${KEY_B}|2^18|2:4`;
  const line = `a=crypto:1 AES_CM_128_HMAC_SHA1_80 ${keys}`;
  media.offer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0 8", line));
  media.answer("call", "callee", plainAnswer);
  const { rx, tx } = opened(take()).sides[0];
  expect([rx?.mki, rx?.lifetimePackets, rx?.others?.map(({ mki }) => mki)]).toEqual([
    Uint8Array.of(0, 0, 0, 1),
    2 ** 18,
    [Uint8Array.of(0, 0, 0, 2)],
  ]);
  expect(Buffer.from(rx?.others?.[0]?.key.reveal() ?? []).toString("base64")).toBe(KEY_B);
  expect([tx?.mki, tx?.lifetimePackets]).toEqual([undefined, undefined]);
  // The same lines again are the same keys; another second key is a new context.
  media.offer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0 8", line));
  media.answer("call", "callee", plainAnswer);
  expect(take()).toEqual([]);
  media.offer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0 8", line.replace("2:4", "3:4")));
  media.answer("call", "callee", plainAnswer);
  expect(take()).toMatchObject([{ word: "change", set: { rx: { others: [{ mki: Uint8Array.of(0, 0, 0, 3) }] } } }]);
});

test("a lifetime of ours is said with the key, and held to", () => {
  const { media, take } = call([{ ...OUTSIDE, media: { ...OUTSIDE.media, rules: { srtpLifetime: 20 } } }, INSIDE]);
  media.offer("call", "caller", secureOffer);
  const answer = media.answer("call", "callee", plainAnswer);
  expect(lines(answer, "a=crypto:")[0]).toMatch(/\|2\^20$/);
  expect(opened(take()).sides[0].tx?.lifetimePackets).toBe(2 ** 20);
});

test("a re-offer toward an SRTP leg repeats the agreed key alone", () => {
  const { media, take } = call();
  media.offer("call", "caller", secureOffer);
  const answer = media.answer("call", "callee", plainAnswer);
  take();
  const onward = media.offer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 8", "a=sendonly"));
  expect(lines(onward, "a=crypto:")).toEqual(lines(answer, "a=crypto:"));
  expect(lines(onward, "m=")[0]).toContain("RTP/SAVP");
  media.answer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 8", "a=recvonly", crypto(1)));
  expect(
    take()
      .flatMap((command) => (command.word === "change" ? Object.keys(command.set) : command.word))
      .sort(),
  ).toEqual(["receive", "receive", "send", "send", "silenceLimitMs", "silenceLimitMs"].sort());
});

test("a required leg cannot be talked down later", () => {
  const { media, commands } = call();
  media.offer("call", "caller", secureOffer);
  media.answer("call", "callee", plainAnswer);
  commands.length = 0;
  expect(statusOf(() => media.offer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/AVP 0 8")))).toBe(488);
  media.offer("call", "callee", plainOffer);
  expect(statusOf(() => media.answer("call", "caller", sdp("203.0.113.5", "m=audio 4000 RTP/AVP 0")))).toBe(488);
  expect(commands).toEqual([]);
});

const opened = (commands: RelayCommand[]): Extract<RelayCommand, { word: "open" }> =>
  commands.find((command) => command.word === "open") as Extract<RelayCommand, { word: "open" }>;

const keyText = (key: RelaySide["rx"]): string => Buffer.from(key?.key.reveal() ?? []).toString("base64");
