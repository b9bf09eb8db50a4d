/** UDPTL over DTLS (RFC 7345) on one leg or on both: offers, answers, who may, and the way from sound and back. */
import { expect, test } from "vitest";
import type { MediaRules } from "../../../src/base/index.ts";
import type { MediaParty, RelayCommand, RelaySide } from "../../../src/media/index.ts";
import { type Bench, dtlsCall, insideParty, lines, print, realm, sdp, shape, statusOf } from "./kit.ts";

const LEFT = realm("left", "198.51.100.1");
const RIGHT = realm("right", "10.0.0.1");
const left: MediaParty = {
  realm: "left",
  secureSignalling: false,
  family: 4,
  signallingSource: "203.0.113.5",
  nat: false,
};
const ID = "a=tls-id:0123456789abcdefghij";
const T38 = ["a=T38FaxVersion:0", "a=T38FaxMaxDatagram:300", "a=T38FaxUdpEC:t38UDPRedundancy"];
const audioOf = (ip: string, port: number): string => sdp(ip, `m=audio ${port} RTP/AVP 0 8`);
const plainFax = (ip: string, port: number): string => sdp(ip, `m=image ${port} udptl t38`, ...T38);
const secureFax = (ip: string, port: number, ...more: string[]): string =>
  sdp(ip, `m=image ${port} UDP/TLS/UDPTL t38`, ...T38, ...more);
const theirs = (setup: string): string[] => [print(0xab), `a=setup:${setup}`, ID];

/** The left side with these rules, and a call of sound. */
function talking(rules: MediaRules | undefined, right?: MediaRules): Bench {
  const made = dtlsCall([LEFT, RIGHT], {
    caller: { ...left, rules },
    callee: { ...insideParty, realm: "right", rules: right },
  });
  made.media.offer("call", "caller", audioOf("203.0.113.5", 4_000));
  made.media.answer("call", "callee", audioOf("10.0.0.9", 7_000));
  made.take();
  return made;
}

function opened(commands: readonly RelayCommand[]): readonly [RelaySide, RelaySide] {
  const open = commands.find((each) => each.word === "open");
  if (open?.word !== "open" || open.kind !== "udptl") throw new Error("no pair for a fax was opened");
  return open.sides;
}

test("plain fax becomes secured fax for the side that wants it so, and its answer plain again", () => {
  const { media, take } = talking({ fax: "secure" });
  const offer = media.offer("call", "callee", plainFax("10.0.0.9", 7_100));
  const own = ["a=fingerprint:OURS", "a=setup:actpass", "a=tls-id:OURS"];
  expect(shape(offer).slice(5)).toEqual(["m=image PORT UDP/TLS/UDPTL t38", ...T38, ...own]);
  const answer = media.answer("call", "caller", secureFax("203.0.113.5", 4_100, ...theirs("active")));
  expect(shape(answer).slice(5)).toEqual(["m=image PORT udptl t38", ...T38]);
  const [caller, callee] = opened(take());
  expect(caller.dtls).toMatchObject({ setup: "passive", tlsId: "0123456789abcdefghij" });
  expect(caller.remote).toMatchObject({ rtpPort: 4_100, rtcpPort: 4_100 });
  expect([callee.dtls, caller.rx, caller.tx, caller.ice]).toEqual(new Array(4).fill(undefined));
});

test("secured fax is carried plain to a side that has not asked for it, and taken by one that may have both", () => {
  for (const rules of [undefined, { fax: "pass" }, { fax: "secure" }] as const) {
    const { media, take } = talking(rules);
    const offer = media.offer("call", "caller", secureFax("203.0.113.5", 4_100, ...theirs("actpass")));
    expect(shape(offer).slice(5)).toEqual(["m=image PORT udptl t38", ...T38]);
    const answer = media.answer("call", "callee", plainFax("10.0.0.9", 7_100));
    const own = ["a=fingerprint:OURS", "a=setup:passive", "a=tls-id:OURS"];
    expect(shape(answer).slice(5)).toEqual(["m=image PORT UDP/TLS/UDPTL t38", ...T38, ...own]);
    expect(opened(take()).map(({ dtls }) => dtls?.setup)).toEqual(["passive", undefined]);
  }
});

test("secured on both legs: two associations, and neither hears of the other's", () => {
  const { media, take } = talking({ fax: "secure" }, { fax: "secure" });
  const offer = media.offer("call", "caller", secureFax("203.0.113.5", 4_100, ...theirs("actpass")));
  expect(offer).not.toMatch(/AB:AB|0123456789abcdefghij/);
  const answer = media.answer("call", "callee", secureFax("10.0.0.9", 7_100, print(1), "a=setup:passive"));
  expect(answer).not.toMatch(/01:01:01/);
  expect(opened(take()).map(({ dtls }) => [dtls?.setup, dtls?.fingerprints[0]?.value[0]])).toEqual([
    ["passive", 0xab],
    ["active", 1],
  ]);
});

test("the fax lives on over a re-offer, and another fingerprint is another association with another certificate of ours", () => {
  const { media, take } = talking({ fax: "secure" });
  media.offer("call", "caller", secureFax("203.0.113.5", 4_100, ...theirs("actpass")));
  const first = media.answer("call", "callee", plainFax("10.0.0.9", 7_100));
  take();
  media.offer("call", "caller", secureFax("203.0.113.5", 4_100, ...theirs("actpass")));
  expect(lines(media.answer("call", "callee", plainFax("10.0.0.9", 7_100)), "a=tls-id:")).toEqual(
    lines(first, "a=tls-id:"),
  );
  expect(take()).toEqual([]);
  media.offer("call", "caller", secureFax("203.0.113.5", 4_100, print(0xcd), "a=setup:actpass", ID));
  const again = media.answer("call", "callee", plainFax("10.0.0.9", 7_100));
  expect(lines(again, "a=fingerprint:")[0]).toMatch(/^sha-256 C1:/);
  expect(take().filter((each) => each.word === "change" && "dtls" in each.set).length).toBe(1);
});

test("from sound to secured fax and back, twice: another port and another pair each time, and nothing is left", () => {
  const made = talking({ fax: "secure" });
  const { media } = made;
  for (let round = 0; round < 2; round++) {
    media.offer("call", "callee", plainFax("10.0.0.9", 7_100));
    media.answer("call", "caller", secureFax("203.0.113.5", 4_100, ...theirs("active")));
    media.offer("call", "caller", audioOf("203.0.113.5", 4_000));
    media.answer("call", "callee", audioOf("10.0.0.9", 7_000));
  }
  const kinds = made.take().flatMap((command) => (command.word === "open" ? [command.kind] : []));
  expect(kinds).toEqual(["udptl", "audio", "udptl", "audio"]);
  media.delete("call");
  made.relayLetsGo();
  expect(media.view()).toMatchObject({ pairs: 0 });
});

test("who may not: fax in the clear from a side that must be secured, without a fingerprint, without a certificate of ours", () => {
  const refused = (rules: MediaRules, offer: string): unknown =>
    statusOf(() => talking(rules).media.offer("call", "caller", offer));
  expect(refused({ fax: "secure" }, plainFax("203.0.113.5", 4_100))).toBe(488);
  expect(refused({ fax: "refuse" }, secureFax("203.0.113.5", 4_100, ...theirs("actpass")))).toBe(488);
  expect(refused({ fax: "secure" }, secureFax("203.0.113.5", 4_100, "a=setup:actpass"))).toBe(488);
  expect(refused({}, secureFax("203.0.113.5", 4_100, print(1, "sha-1", 20), "a=setup:actpass"))).toBe(488);
  expect(refused({}, secureFax("203.0.113.5", 4_100, print(1), "a=setup:holdconn"))).toBe(488);
});

test.each([
  ["in the clear", plainFax("203.0.113.5", 4_100)],
  ["without a fingerprint", secureFax("203.0.113.5", 4_100, "a=setup:active")],
  ["with a role that is none", secureFax("203.0.113.5", 4_100, print(1), "a=setup:actpass")],
])("an answer %s to secured fax is refused", (_case, answer) => {
  const { media, take } = talking({ fax: "secure" });
  media.offer("call", "callee", plainFax("10.0.0.9", 7_100));
  expect(statusOf(() => media.answer("call", "caller", answer))).toBe(488);
  expect(take()).toEqual([]);
});

test("an answer that secures what was offered in the clear is refused", () => {
  const { media } = talking(undefined);
  media.offer("call", "callee", plainFax("10.0.0.9", 7_100));
  expect(statusOf(() => media.answer("call", "caller", secureFax("203.0.113.5", 4_100, ...theirs("active"))))).toBe(
    488,
  );
});

test("a handshake that is through is told by its own name", () => {
  const { media } = talking({ fax: "secure" });
  media.offer("call", "callee", plainFax("10.0.0.9", 7_100));
  media.answer("call", "caller", secureFax("203.0.113.5", 4_100, ...theirs("active")));
  const pair = 1;
  expect(media.handle({ event: "secured", pair, side: 0, suite: "DTLS" }, 0)).toEqual([
    { news: "secured", session: "call", side: "caller", stream: 0, suite: "DTLS" },
  ]);
  expect(media.query("call").streams[0]?.caller).toMatchObject({
    keys: "dtls",
    suite: "DTLS",
    profile: "UDP/TLS/UDPTL",
  });
});
