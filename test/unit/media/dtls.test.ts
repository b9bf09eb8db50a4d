/** Keys by a handshake: RFC 5763, RFC 8122, RFC 8842, beside SDES (RFC 4568) and plain RTP. */
import { describe, expect, test } from "vitest";
import type { RealmSettings } from "../../../src/base/index.ts";
import type { RelayChange, RelayCommand, RelaySide } from "../../../src/media/index.ts";
import {
  type Bench,
  call,
  crypto,
  dtlsCall,
  INSIDE,
  insideParty,
  KEY_B,
  lines,
  OUR_PRINT,
  outsideParty,
  plainAnswer,
  plainOffer,
  print,
  realm,
  sdp,
  shape,
  statusOf,
} from "./kit.ts";

const outside = (set: Partial<RealmSettings> = {}): RealmSettings =>
  realm("outside", "198.51.100.1", { srtp: "required", srtpKeys: ["sdes", "dtls"], ...set });
const inner = (set: Partial<RealmSettings> = {}): RealmSettings =>
  realm("inside", "10.0.0.1", { srtp: "required", srtpKeys: ["dtls"], ...set });
const outward = { caller: insideParty, callee: outsideParty };
const ID = "a=tls-id:0123456789abcdefghij";

const dtls = (...more: string[]): string =>
  sdp("203.0.113.5", "m=audio 4000 UDP/TLS/RTP/SAVP 0 8", print(0xab), ...more);
const innerAnswer = (...more: string[]): string => sdp("10.0.0.9", "m=audio 7000 UDP/TLS/RTP/SAVP 8", ...more);

test("a handshake on one leg, plain RTP on the other", () => {
  const { media, take } = dtlsCall([outside(), INSIDE]);
  const onward = media.offer("call", "caller", dtls("a=setup:actpass", ID));
  expect(shape(onward)).toContain("m=audio PORT RTP/AVP 0 8");
  expect(onward).not.toMatch(/fingerprint|setup|tls-id|AB:AB/);
  const answer = media.answer("call", "callee", plainAnswer);
  expect(shape(answer)).toEqual(
    expect.arrayContaining([
      "m=audio PORT UDP/TLS/RTP/SAVP 8",
      "a=fingerprint:OURS",
      "a=setup:passive",
      "a=tls-id:OURS",
      "a=sendrecv",
    ]),
  );
  expect(answer).not.toMatch(/crypto|0123456789abcdefghij/);
  const [caller, callee] = opened(take()).sides;
  expect([caller.rx, caller.tx, callee.rx, callee.tx, callee.dtls]).toEqual(new Array(5).fill(undefined));
  expect(caller.dtls).toEqual({
    setup: "passive",
    fingerprints: [{ hash: "sha-256", value: new Uint8Array(32).fill(0xab) }],
    suites: ["AEAD_AES_128_GCM", "AEAD_AES_256_GCM", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"],
    tlsId: "0123456789abcdefghij",
  });
});

test("a handshake on one leg, SDES on the other: neither hears of the other's", () => {
  const { media, take } = dtlsCall([outside({ srtpKeys: ["sdes"] }), inner()], outward);
  const onward = media.offer("call", "caller", innerAnswer("a=setup:active", print(9)));
  expect(lines(onward, "m=")).toEqual([expect.stringContaining(" RTP/SAVP 8")]);
  expect(lines(onward, "a=crypto:").length).toBe(6);
  expect(onward).not.toContain("a=fingerprint");
  const answer = media.answer("call", "callee", sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 8", crypto(1, KEY_B)));
  expect(shape(answer)).toEqual(expect.arrayContaining(["m=audio PORT UDP/TLS/RTP/SAVP 8", "a=setup:passive"]));
  const { sides } = opened(take());
  expect(sides.map(({ dtls: one, rx }) => [one?.setup, rx?.suite])).toEqual([
    ["passive", undefined],
    [undefined, "AES_CM_128_HMAC_SHA1_80"],
  ]);
});

test("a handshake on both legs: two associations, one certificate of ours", () => {
  const { media, take } = dtlsCall([outside(), inner()]);
  const onward = media.offer("call", "caller", dtls("a=setup:actpass"));
  expect(shape(onward)).toEqual(
    expect.arrayContaining([
      "m=audio PORT UDP/TLS/RTP/SAVP 0 8",
      "a=fingerprint:OURS",
      "a=setup:actpass",
      "a=tls-id:OURS",
    ]),
  );
  const answer = media.answer("call", "callee", innerAnswer("a=setup:active", print(1)));
  // Who offers without a tls-id gets none: RFC 8842 §5.3.
  expect(lines(answer, "a=tls-id:")).toEqual([]);
  const { sides } = opened(take());
  expect(sides.map(({ dtls: one }) => [one?.setup, one?.fingerprints[0]?.value[0]])).toEqual([
    ["passive", 0xab],
    ["passive", 1],
  ]);
});

test.each([
  ["actpass", "passive"],
  ["active", "passive"],
  ["passive", "active"],
  [undefined, "passive"],
  ["nonsense", "passive"],
])("offered a=setup:%s, we are %s", (offered, ours) => {
  const { media, take } = dtlsCall([outside(), INSIDE]);
  media.offer("call", "caller", dtls(...(offered === undefined ? [] : [`a=setup:${offered}`])));
  expect(lines(media.answer("call", "callee", plainAnswer), "a=setup:")).toEqual([ours]);
  expect(opened(take()).sides[0].dtls?.setup).toBe(ours);
});

test.each([
  ["active", "passive"],
  ["passive", "active"],
  [undefined, "active"],
  ["actpass", 488],
  ["holdconn", 488],
])("answered a=setup:%s, we are %s", (answered, ours) => {
  const { media, take } = dtlsCall([outside({ srtpKeys: ["dtls"] }), INSIDE], outward);
  media.offer("call", "caller", plainOffer);
  const setup = answered === undefined ? [] : [`a=setup:${answered}`];
  const status = statusOf(() => media.answer("call", "callee", dtls(...setup)));
  const role = status === "done" ? opened(take()).sides[1].dtls?.setup : status;
  expect(role).toBe(ours);
});

describe("which keys are offered", () => {
  const offered = (set: Partial<RealmSettings>, secureSignalling = true): string[] => {
    const parties = { caller: insideParty, callee: { ...outsideParty, secureSignalling } };
    const { media } = dtlsCall([outside(set), INSIDE], parties);
    const text = media.offer("call", "caller", plainOffer);
    const suites = lines(text, "a=crypto:").length > 0 ? ["sdes"] : [];
    const handshake = lines(text, "a=setup:").map((role) => `dtls ${role}`);
    return [lines(text, "m=")[0]?.split(" ")[2] ?? "", ...suites, ...handshake];
  };

  test.each<[string, Partial<RealmSettings>, boolean, string[]]>([
    ["SDES first: SDES alone, as phones expect it", {}, true, ["RTP/SAVP", "sdes"]],
    ["SDES first, signalling in the clear", {}, false, ["UDP/TLS/RTP/SAVP", "dtls actpass"]],
    ["SDES first, in the clear by policy", { sdesWithoutTls: true }, false, ["RTP/SAVP", "sdes"]],
    ["DTLS first: both", { srtpKeys: ["dtls", "sdes"] }, true, ["RTP/SAVP", "sdes", "dtls actpass"]],
    ["DTLS first, in the clear", { srtpKeys: ["dtls", "sdes"] }, false, ["UDP/TLS/RTP/SAVP", "dtls actpass"]],
    ["DTLS alone", { srtpKeys: ["dtls"] }, true, ["UDP/TLS/RTP/SAVP", "dtls actpass"]],
    ["preferred, SDES first", { srtp: "preferred" }, true, ["RTP/AVP", "sdes"]],
    ["preferred, DTLS", { srtp: "preferred", srtpKeys: ["dtls"] }, true, ["RTP/AVP", "dtls actpass"]],
    ["preferred, both", { srtp: "preferred", srtpKeys: ["dtls", "sdes"] }, true, ["RTP/AVP", "sdes", "dtls actpass"]],
    ["off", { srtp: "off" }, true, ["RTP/AVP"]],
  ])("%s", (_case, set, secure, expected) => {
    expect(offered(set, secure)).toEqual(expected);
  });

  test("a peer has ways of its own", () => {
    const rules = { srtpKeys: ["dtls"] } as const;
    const { media } = dtlsCall([outside(), INSIDE], { caller: insideParty, callee: { ...outsideParty, rules } });
    expect(media.offer("call", "caller", plainOffer)).toContain("m=audio 20");
    expect(lines(media.offer("call", "caller", plainOffer), "a=crypto:")).toEqual([]);
  });

  test("without a certificate of our own there is no handshake", () => {
    const { media } = call([outside({ srtpKeys: ["dtls"] }), INSIDE], outward);
    expect(statusOf(() => media.offer("call", "caller", plainOffer))).toBe(488);
    expect(statusOf(() => call([outside(), INSIDE]).media.offer("call", "caller", dtls("a=setup:actpass")))).toBe(488);
  });
});

describe("both ways offered, the answer picks one", () => {
  const BOTH = outside({ srtpKeys: ["dtls", "sdes"] });
  const picks = (protocol: string, ...answer: string[]): unknown => {
    const { media, take } = dtlsCall([BOTH, INSIDE], outward);
    media.offer("call", "caller", plainOffer);
    const status = statusOf(() =>
      media.answer("call", "callee", sdp("203.0.113.5", `m=audio 4000 ${protocol} 0`, ...answer)),
    );
    if (status !== "done") return status;
    const side = opened(take()).sides[1];
    return side.dtls !== undefined ? "dtls" : side.rx !== undefined ? "sdes" : "plain";
  };

  test.each<[string, string[], unknown]>([
    ["RTP/SAVP", [crypto(1)], "sdes"],
    ["RTP/SAVP", [print(7), "a=setup:active"], "dtls"],
    ["UDP/TLS/RTP/SAVP", [print(7), "a=setup:active"], "dtls"],
    ["UDP/TLS/RTP/SAVP", [print(7), "a=setup:active", crypto(1)], "dtls"],
    ["RTP/SAVP", [print(7), "a=setup:active", crypto(1)], "dtls"],
    ["RTP/SAVP", [], 488],
    ["RTP/AVP", [], 488],
    ["UDP/TLS/RTP/SAVP", [crypto(1)], 488],
    ["RTP/SAVP", [print(7, "sha-1", 20), "a=setup:active"], 488],
  ])("%s %j: %s", (protocol, answer, picked) => {
    expect(picks(protocol, ...answer)).toBe(picked);
  });
});

describe("both ways offered to us", () => {
  const both = sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0", print(7), "a=setup:actpass", crypto(3));
  const taken = (set: Partial<RealmSettings>, secureSignalling = true): string[] => {
    const parties = { caller: { ...outsideParty, secureSignalling }, callee: insideParty };
    const { media } = dtlsCall([outside(set), INSIDE], parties);
    media.offer("call", "caller", both);
    const answer = media.answer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 0"));
    return shape(answer).filter((line) => /crypto|setup|fingerprint|m=/.test(line));
  };

  test("our first way is taken; keys in the clear are no way", () => {
    const sdes = ["m=audio PORT RTP/SAVP 0", "a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:KEY"];
    const handshake = ["m=audio PORT RTP/SAVP 0", "a=fingerprint:OURS", "a=setup:passive"];
    expect(taken({})).toEqual(sdes);
    expect(taken({ srtpKeys: ["dtls", "sdes"] })).toEqual(handshake);
    expect(taken({}, false)).toEqual(handshake);
  });

  test("what stands goes on while it is offered, whatever we put first", () => {
    const { media } = dtlsCall([outside(), INSIDE]);
    const alone = sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 0", print(7), "a=setup:actpass");
    media.offer("call", "caller", alone);
    media.answer("call", "callee", plainAnswer);
    media.offer("call", "caller", both);
    expect(media.answer("call", "callee", plainAnswer)).not.toContain("a=crypto");
  });
});

test.each([
  ["no fingerprint", ["a=setup:actpass"]],
  ["SHA-1 alone", [print(7, "sha-1", 20), "a=setup:actpass"]],
  ["MD5 alone", [print(7, "md5", 16), "a=setup:actpass"]],
  ["too short for its hash function", [print(7, "sha-512", 32), "a=setup:actpass"]],
  ["no hex", ["a=fingerprint:sha-256 xx", "a=setup:actpass"]],
  ["holdconn", [print(7), "a=setup:holdconn"]],
])("an offer with %s is refused", (_case, more) => {
  const { media, take } = dtlsCall([outside(), INSIDE]);
  const offer = sdp("203.0.113.5", "m=audio 4000 UDP/TLS/RTP/SAVP 0", ...more);
  expect([statusOf(() => media.offer("call", "caller", offer)), take()]).toEqual([488, []]);
});

test("of several fingerprints those of the strongest hash function count, of the line before those of the session", () => {
  const { media, take } = dtlsCall([outside(), INSIDE]);
  const several = [
    print(1),
    print(2, "sha-512", 64),
    print(3, "sha-512", 64),
    print(4, "sha-1", 20),
    print(5, "SHA-384", 48),
  ];
  media.offer(
    "call",
    "caller",
    sdp("203.0.113.5", print(9, "sha-512", 64), "a=setup:active", "m=audio 4000 UDP/TLS/RTP/SAVP 0", ...several),
  );
  media.answer("call", "callee", plainAnswer);
  const side = opened(take()).sides[0].dtls;
  expect(side?.fingerprints.map(({ hash, value }) => [hash, value[0]])).toEqual([
    ["sha-512", 2],
    ["sha-512", 3],
  ]);
});

describe("an association lives on", () => {
  const up = (): Bench => {
    const made = dtlsCall([outside(), INSIDE]);
    made.media.offer("call", "caller", dtls("a=setup:actpass", ID));
    made.media.answer("call", "callee", plainAnswer);
    return made;
  };
  const changes = (made: Bench): RelayChange[] =>
    made.take().flatMap((each) => (each.word === "change" && each.side === 0 ? [each.set] : []));

  test.each([
    ["hold", ["a=setup:actpass", ID, "a=sendonly"]],
    ["its own role", ["a=setup:active", ID]],
    ["no tls-id this time", ["a=setup:actpass"]],
  ])("over a re-offer: %s", (_case, more) => {
    const made = up();
    const first = made.take().length;
    made.media.offer("call", "caller", dtls(...more));
    const answer = made.media.answer("call", "callee", plainAnswer);
    expect(lines(answer, "a=setup:")).toEqual(["passive"]);
    expect(changes(made).some((set) => "dtls" in set)).toBe(false);
    expect(first).toBe(1);
  });

  test("our own re-offer leaves the role open, under the same tls-id; the answer may say either", () => {
    const made = up();
    const id = lines(made.media.offer("call", "callee", plainAnswer), "a=tls-id:");
    made.media.answer("call", "caller", dtls("a=setup:active", ID));
    const again = made.media.offer("call", "callee", sdp("10.0.0.9", "m=audio 7000 RTP/AVP 8", "a=sendonly"));
    expect([lines(again, "a=setup:"), lines(again, "a=tls-id:")]).toEqual([["actpass"], id]);
    // Some answer with what they were asked.
    made.media.answer("call", "caller", dtls("a=setup:actpass", ID, "a=recvonly"));
    expect(changes(made).some((set) => "dtls" in set)).toBe(false);
  });

  test.each([
    [
      "another certificate",
      sdp("203.0.113.5", "m=audio 4000 UDP/TLS/RTP/SAVP 8", print(1), "a=setup:actpass", ID),
      "passive",
    ],
    ["another tls-id", dtls("a=setup:actpass", `${ID}k`), "passive"],
    ["another role", dtls("a=setup:passive", ID), "active"],
  ])("a new one with %s, under another tls-id of ours", (_case, offer, setup) => {
    const made = up();
    const before = lines(made.media.query("call") && made.media.offer("call", "callee", plainAnswer), "a=tls-id:");
    made.media.withdraw("call", "callee");
    made.media.offer("call", "caller", offer);
    const answer = made.media.answer("call", "callee", plainAnswer);
    expect(lines(answer, "a=setup:")).toEqual([setup]);
    expect(lines(answer, "a=tls-id:")).not.toEqual(before);
    const told = changes(made).filter((set) => "dtls" in set);
    expect(told.map((set) => set.dtls?.setup)).toEqual([setup]);
    expect(told.every((set) => !("rx" in set) && !("tx" in set))).toBe(true);
  });

  test("a refused offer changes nothing", () => {
    const made = up();
    made.take();
    made.media.offer("call", "caller", dtls("a=setup:actpass", `${ID}k`));
    made.media.withdraw("call", "caller");
    expect(made.take()).toEqual([]);
    made.media.offer("call", "caller", dtls("a=setup:actpass", ID));
    made.media.answer("call", "callee", plainAnswer);
    expect(changes(made)).toEqual([]);
  });

  test("from a handshake to SDES and back", () => {
    const made = up();
    made.take();
    const keyed = sdp("203.0.113.5", "m=audio 4000 RTP/SAVP 8", crypto(1));
    made.media.offer("call", "caller", keyed);
    made.media.answer("call", "callee", plainAnswer);
    const [toKeys] = changes(made);
    expect(toKeys !== undefined && "dtls" in toKeys && toKeys.dtls).toBeUndefined();
    expect([toKeys?.rx?.suite, toKeys?.tx?.suite]).toEqual(["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_80"]);
    made.media.offer("call", "caller", dtls("a=setup:actpass", `${ID}k`));
    made.media.answer("call", "callee", plainAnswer);
    const [back] = changes(made);
    expect([back?.rx, back?.tx, back?.dtls?.tlsId]).toEqual([undefined, undefined, "0123456789abcdefghijk"]);
  });

  test("a refresh leaves the role open", () => {
    const made = up();
    const again = made.media.repeat("call", "caller");
    expect([lines(again, "a=setup:"), lines(again, "a=fingerprint:")]).toEqual([["actpass"], [OUR_PRINT]]);
    made.take();
    made.media.answer("call", "caller", dtls("a=setup:active", ID));
    expect(changes(made).some((set) => "dtls" in set)).toBe(false);
  });
});

test("each fork that answers has an association of its own, and one that answers twice keeps it", () => {
  const { media, take } = dtlsCall([outside({ srtpKeys: ["dtls"] }), INSIDE], outward);
  const ours = lines(media.offer("call", "caller", plainOffer), "a=tls-id:");
  const one = dtls("a=setup:active", ID);
  const other = sdp("203.0.113.6", "m=audio 4000 UDP/TLS/RTP/SAVP 0", print(2), "a=setup:passive", `${ID}z`);
  media.answer("call", "callee", one, { provisional: true, dialog: "a" });
  media.answer("call", "callee", one, { provisional: true, dialog: "a" });
  expect(take().map(({ word }) => word)).toEqual(["open"]);
  media.answer("call", "callee", other, { provisional: true, dialog: "b" });
  media.answer("call", "callee", other, { provisional: false, dialog: "b" });
  const told = take().flatMap((each) => (each.word === "change" && "dtls" in each.set ? [each.set.dtls] : []));
  expect(told.map((each) => [each?.setup, each?.tlsId])).toEqual([["active", "0123456789abcdefghijz"]]);
  expect(ours.length).toBe(1);
});

test("a handshake that is through is told, and shows; a new one begins in the dark", () => {
  const { media } = dtlsCall([outside(), INSIDE]);
  media.offer("call", "caller", dtls("a=setup:actpass", ID));
  media.answer("call", "callee", plainAnswer);
  const seen = (): unknown[] =>
    media
      .query("call")
      .streams.flatMap(({ caller, callee }) => [caller, callee].map(({ keys, suite }) => [keys, suite]));
  expect(seen()).toEqual([
    ["dtls", undefined],
    ["none", undefined],
  ]);
  expect(media.handle({ event: "secured", pair: 0, side: 0, suite: "AEAD_AES_128_GCM" }, 0)).toEqual([
    { news: "secured", session: "call", side: "caller", stream: 0, suite: "AEAD_AES_128_GCM" },
  ]);
  expect(seen()[0]).toEqual(["dtls", "AEAD_AES_128_GCM"]);
  media.offer("call", "caller", dtls("a=setup:actpass", `${ID}k`));
  media.answer("call", "callee", plainAnswer);
  expect(seen()[0]).toEqual(["dtls", undefined]);
  expect(media.handle({ event: "expired", pair: 0, side: 0 }, 0)).toEqual([
    { news: "consent-lost", session: "call", side: "caller", stream: 0, owes: true },
  ]);
});

function opened(commands: readonly RelayCommand[]): { readonly sides: readonly [RelaySide, RelaySide] } {
  const open = commands.find((each) => each.word === "open");
  if (open?.word !== "open") throw new Error("no pair was opened");
  return open;
}
