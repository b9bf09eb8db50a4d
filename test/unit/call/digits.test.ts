/** Digits as INFO on one side of a call and as RFC 4733 events on the other. */
import { expect, test } from "vitest";
import type { MediaRules, Settings } from "../../../src/base/index.ts";
import { expectNoLeaks } from "../../support/leak-check.ts";
import { bodyOf, headerOf } from "../../support/scripted-party.ts";
import { ALICE, BOB, type Stage, twoSides } from "../../support/stage.ts";
import { NOTHING } from "./scenes.ts";

const sdp = (ip: string, port: number, events: boolean): string =>
  `v=0\r\no=- 77 1 IN IP4 ${ip}\r\ns=-\r\nc=IN IP4 ${ip}\r\nt=0 0\r\nm=audio ${port} RTP/AVP 0${events ? " 101" : ""}\r\n${
    events ? "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n" : ""
  }`;

/** Rules of the carrier's side, where alice is, and of the PBX's, where bob is. */
function talking(outside: MediaRules, inside: MediaRules, events = { alice: true, bob: true }) {
  const change = (settings: Settings): Settings => {
    const realms = new Map(
      [...settings.realms].map(([name, realm]) => {
        const rules = name === "outside" ? outside : inside;
        return [name, { ...realm, media: { ...realm.media, rules } }];
      }),
    );
    return { ...settings, realms };
  };
  const scene = twoSides({ change });
  scene.alice.invite("4711", { sdp: sdp(ALICE.ip, 4_000, events.alice) });
  scene.bob.answer(200, { sdp: sdp(BOB.ip, 6_000, events.bob) });
  scene.alice.ack();
  return scene;
}

/** What the relay tells: that side has sent a digit. */
function hears(stage: Stage, side: 0 | 1, digit: number, durationMs = 100): void {
  stage.step({ in: "relay", event: { event: "digit", pair: 0, side, digit, durationMs } });
}

const relayed = (text: string) => ({ body: { type: "application/dtmf-relay", text } });
const played = (stage: Stage) => stage.relay.filter(({ word }) => word === "digit");

test("a digit of an RFC 4733 side goes as INFO to the one that has INFO, and no other way", () => {
  const { stage, alice, bob } = talking({}, { dtmf: "info" }, { alice: true, bob: false });
  hears(stage, 0, 11, 120);
  const info = bob.asked("INFO");
  expect(headerOf(info, "Content-Type")).toBe("application/dtmf-relay");
  expect(bodyOf(info)).toBe("Signal=#\r\nDuration=120\r\n");
  bob.answer(200, { method: "INFO" });
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
  expectNoLeaks(stage);
  stage.pass(40_000);
  expect(stage.remains()).toEqual(NOTHING);
});

test("digits go one after the other: each waits for the answer to the one before", () => {
  const { stage, bob } = talking({}, { dtmf: "info" }, { alice: true, bob: false });
  for (const digit of [1, 2, 3]) hears(stage, 0, digit);
  const told = () =>
    stage.sent.inside.filter((text) => text.startsWith("INFO")).map((text) => bodyOf(text).slice(0, 8));
  expect(told()).toEqual(["Signal=1"]);
  bob.answer(415, { method: "INFO" });
  expect(told()).toEqual(["Signal=1", "Signal=2"]);
  bob.answer(200, { method: "INFO" });
  bob.answer(200, { method: "INFO" });
  expect(told()).toEqual(["Signal=1", "Signal=2", "Signal=3"]);
});

test("an INFO with a digit is played to the side that has RFC 4733, and answered here", () => {
  const { stage, alice, bob } = talking({ dtmf: "info" }, { dtmf: "rfc4733" }, { alice: false, bob: true });
  alice.request("INFO", relayed("Signal=*\r\nDuration=250\r\n"));
  expect(alice.response("INFO")).toMatch(/^SIP\/2\.0 200 /);
  expect(() => bob.asked("INFO")).toThrow();
  expect(played(stage)).toEqual([
    { word: "digit", pair: 0, side: 1, digit: { event: 10, durationMs: 250, payloadType: 101, clockHz: 8_000 } },
  ]);
});

test.each([
  ["application/dtmf-relay", "signal = 5 \r\n duration = 80", 5, 80],
  ["application/dtmf-relay", "Signal=12\r\nDuration=99999", 12, 6_000],
  ["application/dtmf-relay", "Signal=d", 15, 160],
  ["application/dtmf", "7", 7, 160],
  ["application/dtmf", " D \r\n", 15, 160],
  ["application/dtmf", "d=3\r\n", 3, 160],
])("%s %j is a digit", (type, text, event, durationMs) => {
  const { stage, alice } = talking({ dtmf: "info" }, { dtmf: "rfc4733" }, { alice: false, bob: true });
  alice.request("INFO", { body: { type, text } });
  expect(played(stage)).toMatchObject([{ digit: { event, durationMs } }]);
});

test.each([
  ["application/dtmf-relay", "Signal=55"],
  ["application/dtmf-relay", "Duration=5"],
  ["application/dtmf-relay", `Signal=1${"\r\nx=y".repeat(100)}`],
  ["application/dtmf", "12"],
  ["text/plain", "5"],
])("%s %j is none, and crosses as it is", (type, text) => {
  const { stage, alice, bob } = talking({ dtmf: "info" }, { dtmf: "rfc4733" }, { alice: false, bob: true });
  alice.request("INFO", { body: { type, text } });
  expect(played(stage)).toEqual([]);
  expect(bodyOf(bob.asked("INFO"))).toBe(text);
});

test("an end without telephone-event gets the INFO as it is; one that takes no INFO loses the digit alone", () => {
  const without = talking({ dtmf: "info" }, { dtmf: "rfc4733" }, { alice: false, bob: false });
  without.alice.request("INFO", relayed("Signal=1"));
  expect(bodyOf(without.bob.asked("INFO"))).toBe("Signal=1");
  const { stage, alice, bob } = talking({}, { dtmf: "info" }, { alice: true, bob: false });
  hears(stage, 0, 1);
  bob.answer(405, { method: "INFO" });
  alice.request("MESSAGE", { body: { type: "text/plain", text: "still here" } });
  expect(bodyOf(bob.asked("MESSAGE"))).toBe("still here");
});

test("nobody is told of digits who has not asked; times come without digits, digits only where that is asked for", () => {
  const silent = talking({}, { dtmf: "info" }, { alice: true, bob: false });
  hears(silent.stage, 0, 4);
  expect(silent.stage.factsOf("media.digit")).toEqual([]);

  const times = talking({ digitFacts: "times" }, {});
  hears(times.stage, 0, 4, 90);
  times.alice.request("INFO", relayed("Signal=4\r\nDuration=200"));
  const call = times.stage.factsOf("call.started")[0]!.call;
  expect(times.stage.factsOf("media.digit")).toEqual([
    { fact: "media.digit", call, side: "caller", via: "rfc4733", durationMs: 90 },
    { fact: "media.digit", call, side: "caller", via: "info", durationMs: 200 },
  ]);
  expect(bodyOf(times.bob.asked("INFO"))).toContain("Signal=4");

  const digits = talking({}, { digitFacts: "digits" });
  hears(digits.stage, 1, 12);
  expect(digits.stage.factsOf("media.digit")).toMatchObject([{ side: "callee", digit: "A" }]);
});

test("a flood of digits waits up to a limit, and the end of the call forgets them", () => {
  const { stage, alice, bob } = talking({}, { dtmf: "info" }, { alice: true, bob: false });
  for (let i = 0; i < 1_000; i++) hears(stage, 0, i % 10);
  alice.request("BYE");
  bob.answer(200, { method: "BYE" });
  stage.pass(40_000);
  hears(stage, 0, 1);
  expect(stage.remains()).toEqual(NOTHING);
});
